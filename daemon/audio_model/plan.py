"""What a full audio model will need of memory, before anything of it is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.audio_models.in_transformers.published import CONFIGS
from detectors.audio_models.memory_plan import (
    LIBRARIES_BYTES,
    MemoryPart,
    kept_pieces,
    least_bytes,
    part_bytes,
)
from detectors.audio_models.opening import family_of, read_config
from detectors.audio_models.packed_folder import as_packed, packed_by
from foundation.errors import ModelError
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from detectors.audio_models import LoadOptions

PUBLISHED = {
    "MiMo-Audio-7B-Instruct": "mimo",
    "MiMo-Audio-7B-Base": "mimo",
    "Kimi-Audio-7B-Instruct": "kimi",
    "Kimi-Audio-7B": "kimi",
    "mini-omni": "mini_omni",
    **dict.fromkeys(CONFIGS, "in_transformers"),
}
"""Those whose sizes are known without their folder, and the family that knows them."""

MEMORY_INFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Bytes by part, in the order in which sound passes through them."""

    name: str
    parts: Mapping[str, int]
    left_out: Mapping[str, int]
    """What loading all of it would add."""
    least_bytes: int | None
    """The least that it works in, out of a packed folder and reading layers for each use; None where no such
    folder can be written."""
    packed: bool
    """It is such a folder."""
    weights: str

    @property
    def total_bytes(self) -> int:
        """What the process needs at its full speed."""
        return sum(self.parts.values())


def plan(name: str, load: LoadOptions) -> Plan:
    """Work out what a model needs: one of PUBLISHED, or what a folder's configuration says.

    Raises ModelError if there is neither.
    """
    config = _config(name)
    load = as_packed(config, replace(load, memory_bytes=None))
    parts = _parts(name, config)
    whole = {part.name: _whole(part, load) for part in parts}
    needed = {part.name: part_bytes(part, load) for part in parts}
    return Plan(
        name=Path(name).name,
        parts={"libraries": LIBRARIES_BYTES} | {part: size for part, size in needed.items() if size},
        left_out={part: whole[part] for part, size in needed.items() if not size},
        least_bytes=_least(parts, load),
        packed=packed_by(config) is not None,
        weights=load.weights,
    )


def read_for_each_pass(name: str, load: LoadOptions, memory_bytes: int) -> int:
    """Return the bytes that are read from disk for each token, where a packed folder is limited so.

    Raises ModelError below the least that it works in.
    """
    config = _config(name)
    load = replace(as_packed(config, load), memory_bytes=memory_bytes)
    parts = _parts(name, config)
    kept = kept_pieces(parts, load)
    return sum(
        part_bytes(part, load) * (part.pieces - kept[part.name]) // part.pieces
        for part in parts
        if part.for_each_token and part.name in kept
    )


def available_bytes() -> int | None:
    """Return how much memory is free for a new process, or None where the system does not say."""
    try:
        lines = MEMORY_INFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1_024 if found else None


def must_fit(folder: Path, load: LoadOptions) -> None:
    """Raise ModelError where a model needs more memory than is free; a GPU's is not looked at."""
    there = available_bytes() if load.device == "cpu" else None
    limit = load.memory_bytes
    needs = plan(str(folder), load)
    needed = needs.total_bytes if limit is None else min(limit, needs.total_bytes)
    if there is None or needed <= there:
        return
    advice = "`heard models plan` says what fewer bits (`weights: int8`, `int4`) need"
    if needs.packed and needs.least_bytes is not None:
        advice = f"with `memory_gb` it works, slower, in {needs.least_bytes / 1e9:.1f} GB or more"
    raise ModelError(
        f"{folder.name} needs {needed / 1e9:.1f} GB to be loaded so, and {there / 1e9:.1f} GB are free: "
        f"{advice}"
    )


def _config(name: str) -> Mapping[str, Any]:
    if name in PUBLISHED:
        return CONFIGS.get(name, {})
    folder = Path(name)
    return read_config(folder) if folder.is_dir() else {}


def _least(parts: Sequence[MemoryPart], load: LoadOptions) -> int | None:
    if load.weights == "full" or not any(part.pieces > 1 for part in parts):
        return None
    return LIBRARIES_BYTES + least_bytes(parts, replace(load, speech=False))


def _parts(name: str, config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    if name in PUBLISHED:
        known: Any = importlib.import_module(f"detectors.audio_models.{PUBLISHED[name]}")
        parts: tuple[MemoryPart, ...] = known.memory_parts(config)
        return parts
    folder = Path(name)
    if not folder.is_dir():
        raise ModelError(
            f"there is no full audio model {name!r}{did_you_mean(name, PUBLISHED)} "
            "(or the path of a model's folder)"
        )
    return family_of(folder).memory_parts(config)


def _whole(part: MemoryPart, load: LoadOptions) -> int:
    return part_bytes(part, replace(load, speech=True))
