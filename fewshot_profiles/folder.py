"""A profile on disk: a folder with `profile.yaml`, `examples.npz` and perhaps the examples as FLAC."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections.abc import Sequence
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
from fewshot_profiles.profile import Detector, Embedded, Example, Kind, Profile
from foundation.errors import ProfileError
from foundation.yaml_document import read_yaml, validate

YAML_NAME = "profile.yaml"
ARRAYS_NAME = "examples.npz"
AUDIO_FOLDER = "examples"

NAME_PATTERN = r"^[a-z0-9][a-z0-9_]{0,63}$"
"""A name is part of topics, file names and rules."""


class _ExampleModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    path: str
    licence: str
    attribution: str = ""


class _ProfileModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
    description: str = ""
    tags: list[Annotated[str, StringConstraints(pattern=NAME_PATTERN)]] = []
    kind: Kind
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    examples: list[_ExampleModel] = []


def read_profile(folder: Path, encoder: EncoderId) -> Profile:
    """Read the profile in `folder` as `encoder` hears it.

    Raises ProfileError with the place of each fault, and when the profile was never fitted for this encoder.
    """
    model = validate(read_yaml(folder / YAML_NAME, error=ProfileError), _ProfileModel, error=ProfileError)
    path = folder / ARRAYS_NAME
    arrays = read_arrays(path)
    key = str(encoder)
    if f"{key}.weights" not in arrays:
        raise bad_file(path, _wrong_encoder(model.name, arrays, key))
    positives = floats(arrays, f"{key}.positives", (None, encoder.dim), path)
    example = floats(arrays, f"{key}.positive_example", (len(positives),), path).astype(np.int32)
    bias, threshold = floats(arrays, f"{key}.bias_threshold", (2,), path).tolist()
    if not 0.0 < threshold < 1.0:
        raise bad_file(path, f"the threshold should lie between 0 and 1, is {threshold}")
    return Profile(
        name=model.name,
        description=model.description,
        tags=tuple(model.tags),
        kind=model.kind,
        threshold_override=model.threshold,
        examples=tuple(Example(**example.model_dump()) for example in model.examples),
        embedded=Embedded(
            positives=positives,
            positive_example=example,
            negatives=floats(arrays, f"{key}.negatives", (None, encoder.dim), path),
        ),
        detector=Detector(
            encoder=key,
            head=Head(weights=floats(arrays, f"{key}.weights", (encoder.dim,), path), bias=bias),
            threshold=threshold,
        ),
    )


def write_profile(profile: Profile, parent: Path, recordings: Sequence[ExampleAudio] = ()) -> Path:
    """Write the profile as `parent/<name>`, whole or not at all, in place of any there; return the folder.

    `recordings`, where given, are kept beside it as FLAC. Raises OSError as the file system does.
    """
    if not re.match(NAME_PATTERN, profile.name):
        raise ValueError(f"{profile.name!r} is no name for a profile: use a-z, 0-9 and _")
    parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    try:
        beside.chmod(0o755)
        (beside / YAML_NAME).write_text(_yaml_text(profile), encoding="utf-8")
        write_arrays(beside / ARRAYS_NAME, _arrays(profile))
        # Taught by one user, such as root, and heard by another: the service's.
        (beside / ARRAYS_NAME).chmod(0o644)
        if recordings:
            (beside / AUDIO_FOLDER).mkdir()
        for number, recording in enumerate(recordings):
            flac = io.BytesIO()
            soundfile.write(flac, recording.samples.T, recording.rate_hz, format="FLAC", subtype="PCM_16")
            (beside / AUDIO_FOLDER / f"{number:02}.flac").write_bytes(flac.getvalue())
        _swap(beside, parent / profile.name)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return parent / profile.name


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
    content = {
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
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return text


def _arrays(profile: Profile) -> Arrays:
    key = profile.detector.encoder
    head = profile.detector.head
    return {
        f"{key}.positives": profile.embedded.positives.astype(np.float16),
        f"{key}.positive_example": profile.embedded.positive_example.astype(np.int16),
        f"{key}.negatives": profile.embedded.negatives.astype(np.float16),
        f"{key}.weights": head.weights.astype(np.float32),
        f"{key}.bias_threshold": np.array([head.bias, profile.detector.threshold], dtype=np.float32),
    }


def _wrong_encoder(name: str, arrays: Arrays, key: str) -> str:
    known = sorted({array.rsplit(".", 1)[0] for array in arrays if array.endswith(".weights")})
    made = f"was made for {', '.join(known)}" if known else "has no fitted detector"
    return f"profile {name} {made}, the encoder in use is {key}: enrol its examples again"
