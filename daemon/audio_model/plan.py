"""What a full audio model will need of memory, before anything of it is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.audio_models.memory_plan import MemoryPart, part_bytes
from detectors.audio_models.opening import family_of, read_config
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
}
"""Those whose sizes are known without their folder, and the family that knows them."""

LIBRARIES_BYTES = 450_000_000
"""A process with torch and transformers that has answered once, without its weights: 441 MB measured."""

MEMORY_INFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Bytes by part, in the order in which sound passes through them."""

    name: str
    parts: Mapping[str, int]
    left_out: Mapping[str, int]
    """What loading all of it would add."""

    @property
    def total_bytes(self) -> int:
        """What the process needs."""
        return sum(self.parts.values())


def plan(name: str, load: LoadOptions) -> Plan:
    """Work out what a model needs: one of PUBLISHED, or what a folder's configuration says.

    Raises ModelError if there is neither.
    """
    parts = _parts(name)
    whole = {part.name: _whole(part, load) for part in parts}
    needed = {part.name: part_bytes(part, load) for part in parts}
    return Plan(
        name=Path(name).name,
        parts={"libraries": LIBRARIES_BYTES} | {part: size for part, size in needed.items() if size},
        left_out={part: whole[part] for part, size in needed.items() if not size},
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
    needed = plan(str(folder), load).total_bytes
    if there is not None and needed > there:
        raise ModelError(
            f"{folder.name} needs {needed / 1e9:.1f} GB to be loaded so, and {there / 1e9:.1f} GB are free: "
            "`heard models plan` says what fewer bits (`weights: int8`, `int4`) need"
        )


def _parts(name: str) -> tuple[MemoryPart, ...]:
    if name in PUBLISHED:
        known: Any = importlib.import_module(f"detectors.audio_models.{PUBLISHED[name]}")
        parts: tuple[MemoryPart, ...] = known.memory_parts({})
        return parts
    folder = Path(name)
    if not folder.is_dir():
        raise ModelError(
            f"there is no full audio model {name!r}{did_you_mean(name, PUBLISHED)} "
            "(or the path of a model's folder)"
        )
    return family_of(folder).memory_parts(read_config(folder))


def _whole(part: MemoryPart, load: LoadOptions) -> int:
    return part_bytes(part, replace(load, speech=True))
