"""A profile on disk: a folder with `profile.yaml`, `examples.npz` and perhaps the examples as FLAC."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from detectors.encoders import EncoderId
from fewshot_profiles.arrays import Arrays, bad_file, floats, read_arrays, write_arrays
from fewshot_profiles.example_audio import ExampleAudio
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Detector, Embedded, Example, Kind, Mark, Profile, Rest, Tail, Verdict
from fewshot_profiles.versions import put_in_place
from foundation.errors import ProfileError
from foundation.ownership import give_tree, make_folder
from foundation.yaml_document import read_yaml, validate

YAML_NAME = "profile.yaml"
ARRAYS_NAME = "examples.npz"
AUDIO_FOLDER = "examples"

_FEWEST_IN_TAIL = 2

NAME_PATTERN = r"^[a-z0-9][a-z0-9_]{0,63}$"
"""A name is part of topics, file names and rules."""


class _ExampleModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    path: str
    licence: str
    attribution: str = ""


class _MarkModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    verdict: Verdict
    event: str = ""
    stream: str = ""
    at: str = ""


class _ProfileModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    description: str = ""
    tags: list[Annotated[str, StringConstraints(pattern=NAME_PATTERN)]] = []
    kind: Kind
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    examples: list[_ExampleModel] = []
    promise_per_hour: Annotated[float, Field(gt=0.0)] | None = None
    revision: Annotated[int, Field(ge=1)] = 1
    change: str = "made"
    marks: list[_MarkModel] = []


def read_profile(folder: Path, encoder: EncoderId) -> Profile:
    """Read the profile in `folder` as `encoder` hears it.

    Raises ProfileError with the place of each fault, and when the profile was never fitted for this encoder.
    """
    outline = read_outline(folder, encoder)
    path = folder / ARRAYS_NAME
    arrays = read_arrays(path)
    key = str(encoder)
    if f"{key}.weights" not in arrays:
        raise bad_file(path, _wrong_encoder(outline.name, _encoders(arrays), key))
    positives = floats(arrays, f"{key}.positives", (None, encoder.dim), path)
    example = floats(arrays, f"{key}.positive_example", (len(positives),), path).astype(np.int32)
    bias, threshold = floats(arrays, f"{key}.bias_threshold", (2,), path).tolist()
    if not 0.0 < threshold < 1.0:
        raise bad_file(path, f"the threshold should lie between 0 and 1, is {threshold}")
    return replace(
        outline,
        embedded=Embedded(
            positives=positives,
            positive_example=example,
            negatives=floats(arrays, f"{key}.negatives", (None, encoder.dim), path),
            variant=(
                floats(arrays, f"{key}.variant", (len(positives),), path).astype(np.int32)
                if f"{key}.variant" in arrays
                else None
            ),
        ),
        detector=Detector(
            encoder=key,
            head=Head(weights=floats(arrays, f"{key}.weights", (encoder.dim,), path), bias=bias),
            threshold=threshold,
            tail=_tail(arrays, key, path),
            rest=_rest(arrays, key, path),
        ),
    )


def read_outline(folder: Path, encoder: EncoderId) -> Profile:
    """Read what the profile in `folder` says of itself, as if `encoder` had never heard its examples.

    Raises ProfileError with the place of each fault.
    """
    model = validate(read_yaml(folder / YAML_NAME, error=ProfileError), _ProfileModel, error=ProfileError)
    nothing = np.zeros((0, encoder.dim), np.float32)
    return Profile(
        name=model.name,
        description=model.description,
        tags=tuple(model.tags),
        kind=model.kind,
        threshold_override=model.threshold,
        examples=tuple(Example(**example.model_dump()) for example in model.examples),
        embedded=Embedded(positives=nothing, positive_example=np.zeros(0, np.int32), negatives=nothing),
        detector=Detector(
            encoder=str(encoder),
            head=Head(weights=np.zeros(encoder.dim, np.float32), bias=0.0),
            threshold=0.5,
        ),
        promise_per_hour=model.promise_per_hour,
        revision=model.revision,
        change=model.change,
        marks=tuple(Mark(**mark.model_dump()) for mark in model.marks),
    )


def encoders_of(folder: Path) -> tuple[str, ...]:
    """Return the encoders that a profile in `folder` was fitted for. Raises ProfileError."""
    return _encoders(read_arrays(folder / ARRAYS_NAME))


def write_profile(
    profile: Profile,
    parent: Path,
    recordings: Sequence[ExampleAudio] = (),
    *,
    audio_from: Path | None = None,
    encoders_from: Path | None = None,
    keep_version: bool = False,
) -> Path:
    """Write the profile as `parent/<name>`, whole or not at all, in place of any there; return the folder.

    `recordings`, where given, are kept beside it as FLAC, behind those that the profile folder `audio_from`
    holds; what other encoders made of the examples of `encoders_from` stays, too. With `keep_version` the
    one that was there becomes an earlier version, for `take_back`. Raises OSError as the file system does.
    """
    if not re.match(NAME_PATTERN, profile.name):
        raise ValueError(f"{profile.name!r} is no name for a profile: use a-z, 0-9 and _")
    make_folder(parent)
    beside = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    try:
        beside.chmod(0o755)
        (beside / YAML_NAME).write_text(_yaml_text(profile), encoding="utf-8")
        others = {} if encoders_from is None else _other_encoders(encoders_from, profile)
        write_arrays(beside / ARRAYS_NAME, others | _arrays(profile))
        # Taught by one user, such as root, and heard by another: the service's.
        (beside / ARRAYS_NAME).chmod(0o644)
        _write_audio(beside / AUDIO_FOLDER, recordings, audio_from)
        give_tree(beside)
        if keep_version:
            put_in_place(beside, parent / profile.name)
        else:
            _swap(beside, parent / profile.name)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return parent / profile.name


def audio_files(folder: Path) -> list[Path]:
    """Return the examples that a profile's folder keeps as audio, in their order."""
    return sorted((folder / AUDIO_FOLDER).glob("*.flac"))


def _write_audio(folder: Path, recordings: Sequence[ExampleAudio], audio_from: Path | None) -> None:
    kept = [] if audio_from is None else audio_files(audio_from)
    if kept or recordings:
        folder.mkdir()
    for number, file in enumerate(kept):
        shutil.copyfile(file, folder / f"{number:02}.flac")
    for number, recording in enumerate(recordings, start=len(kept)):
        flac = io.BytesIO()
        soundfile.write(flac, recording.samples.T, recording.rate_hz, format="FLAC", subtype="PCM_16")
        (folder / f"{number:02}.flac").write_bytes(flac.getvalue())


def _swap(beside: Path, folder: Path) -> None:
    """Put the new folder where the old one is; a folder cannot be renamed over one that is not empty."""
    if not folder.exists():
        beside.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=".tmp-", dir=folder.parent))
    folder.rename(old / "old")
    try:
        beside.rename(folder)
    except OSError:
        (old / "old").rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _yaml_text(profile: Profile) -> str:
    content: dict[str, object] = {
        "name": profile.name,
        "description": profile.description,
        "tags": list(profile.tags),
        "kind": profile.kind,
        "threshold": profile.threshold_override,
        "examples": [
            {
                "source": example.source,
                "path": example.path,
                "licence": example.licence,
                "attribution": example.attribution,
            }
            for example in profile.examples
        ],
    }
    if profile.promise_per_hour is not None:
        content["promise_per_hour"] = profile.promise_per_hour
    if profile.revision > 1 or profile.change != "made":
        content["revision"] = profile.revision
        content["change"] = profile.change
        content["marks"] = [asdict(mark) for mark in profile.marks]
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return text


def _arrays(profile: Profile) -> Arrays:
    key = profile.detector.encoder
    head = profile.detector.head
    arrays: Arrays = {
        f"{key}.positives": profile.embedded.positives.astype(np.float16),
        f"{key}.positive_example": profile.embedded.positive_example.astype(np.int16),
        f"{key}.negatives": profile.embedded.negatives.astype(np.float16),
        f"{key}.weights": head.weights.astype(np.float32),
        f"{key}.bias_threshold": np.array([head.bias, profile.detector.threshold], dtype=np.float32),
    }
    if (rest := profile.detector.rest) is not None:
        arrays[f"{key}.rest"] = np.array([rest.mean, rest.spread], dtype=np.float32)
    if profile.embedded.variant is not None:
        arrays[f"{key}.variant"] = profile.embedded.variant.astype(np.int16)
    if (tail := profile.detector.tail) is not None:
        arrays[f"{key}.tail"] = np.stack([tail.peaks, tail.counts]).astype(np.float32)
        arrays[f"{key}.tail_hours"] = np.array([tail.hours, tail.heard_hours], dtype=np.float32)
    return arrays


def _tail(arrays: Arrays, key: str, path: Path) -> Tail | None:
    if f"{key}.tail" not in arrays:
        return None
    peaks, counts = floats(arrays, f"{key}.tail", (2, None), path)
    hours, heard_hours = floats(arrays, f"{key}.tail_hours", (2,), path).tolist()
    if len(peaks) < _FEWEST_IN_TAIL or counts.min() <= 0.0 or hours <= 0.0:
        raise bad_file(path, f"the tail needs {_FEWEST_IN_TAIL} peaks or more, counts and hours over 0")
    return Tail(peaks=peaks, counts=counts, hours=hours, heard_hours=heard_hours)


def _rest(arrays: Arrays, key: str, path: Path) -> Rest | None:
    if f"{key}.rest" not in arrays:
        return None
    mean, spread = floats(arrays, f"{key}.rest", (2,), path).tolist()
    if spread <= 0.0:
        raise bad_file(path, f"the spread of the background has to be over 0, not {spread:g}")
    return Rest(mean=mean, spread=spread)


def _other_encoders(folder: Path, profile: Profile) -> Arrays:
    """Return what the folder's examples are to other encoders than the profile's."""
    mine = f"{profile.detector.encoder}."
    arrays = read_arrays(folder / ARRAYS_NAME)
    return {name: array for name, array in arrays.items() if not name.startswith(mine)}


def _encoders(arrays: Arrays) -> tuple[str, ...]:
    return tuple(sorted({array.rsplit(".", 1)[0] for array in arrays if array.endswith(".weights")}))


def _wrong_encoder(name: str, known: tuple[str, ...], key: str) -> str:
    made = f"was made for {', '.join(known)}" if known else "has no fitted detector"
    return f"profile {name} {made}, the encoder in use is {key}: enrol its examples again"
