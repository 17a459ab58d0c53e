"""Listens in on the pipeline: samples what the home sounds like, and keeps what each event was decided on.

Embeddings only, no audio. The pipeline's worker thread tells it; whoever asks may be in another thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from detectors.types import DETECTION_RATE_HZ, HOP_S, HOP_SAMPLES, Phase
from fewshot_profiles.ambience import (
    GENERATION_HOURS,
    Ambience,
    Moment,
    Reservoir,
    read_ambience,
    together,
    weights,
    write_ambience,
)
from fewshot_profiles.bank import BLOCK_HOPS
from foundation.errors import ProfileError
from integrations.topics import topic_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from daemon.streams.listening import Listening, Task
    from daemon.streams.wall_clock import Timeline
    from detectors.encoders import EncoderId
    from detectors.types import SoundEvent
    from fewshot_profiles.matcher import Matcher

RECENT_HOPS = 64
"""5 s: an event's own hops are looked up here when it is decided, and when it ends."""

EVENT_HOPS = 16
"""Of each event the hops with the highest scores are kept."""

_TAIL_HOPS = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an event was decided on."""

    event: SoundEvent
    hops: NDArray[np.float32]
    """[n, dim]"""


@dataclass(frozen=True, slots=True)
class _Hop:
    index: int
    embedding: NDArray[np.float32]
    scores: NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(slots=True)
class _StreamEar:
    """What is heard on one stream."""

    reservoir: Reservoir = field(default_factory=Reservoir)
    before: Ambience | None = None
    """The generation before."""
    recent: deque[_Hop] = field(default_factory=lambda: deque(maxlen=RECENT_HOPS))
    block: int = -1
    moment: Moment | None = None
    """The best one of the block that goes on."""
    wanted: float = 0.0
    """How much that one wants to be kept."""
    hops_told: int = 0
    timeline: Timeline | None = None
    """Of the stream as it was opened last."""

    def begins(self, block: int) -> bool:
        """Tell whether another block begins; the best moment of the one before goes to the reservoir."""
        if block == self.block:
            return False
        if self.moment is not None:
            self.reservoir.offer(self.moment)
        self.block = block
        return True


class Ear:
    """Samples every stream; told by `hear` and `decided` in the pipeline's thread."""

    def __init__(self, encoder: EncoderId) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._streams: dict[str, _StreamEar] = {}
        self._going_on: dict[str, NDArray[np.float32]] = {}

    def hear(
        self,
        matcher: Matcher,
        batch: Sequence[Listening],
        tasks: Sequence[Task],
        embeddings: NDArray[np.float32],
        scores: NDArray[np.float32],
    ) -> None:
        """Take one hop of each stream of the batch."""
        nearness = scores / np.maximum(matcher.thresholds, np.float32(1e-6))
        best = nearness.argmax(axis=1) if scores.shape[1] else None
        near = np.zeros(len(batch)) if best is None else nearness[np.arange(len(batch)), best]
        readings = [task.heard.reading for task in tasks]
        over = np.array([reading.level_dbfs - reading.noise_floor_dbfs for reading in readings])
        wanted = weights(over, near).tolist()
        with self._lock:
            for row, (stream, task) in enumerate(zip(batch, tasks, strict=True)):
                ear = self._ear(stream.name)
                self._count_time(ear, stream)
                index = task.heard.hop.index
                ear.recent.append(_Hop(index, embeddings[row], scores[row], matcher.names))
                if not ear.begins(index // BLOCK_HOPS) and wanted[row] <= ear.wanted:
                    continue
                ear.wanted = wanted[row]
                end_s = (index + 1) * HOP_S
                taken = best is not None and near[row] >= 1.0
                ear.moment = Moment(
                    # A view would keep the whole batch in memory for as long as the row is kept.
                    embedding=embeddings[row].copy(),
                    over_floor_db=float(over[row]),
                    nearness=float(near[row]),
                    taken_for=matcher.names[int(best[row])] if taken and best is not None else "",
                    at_s=stream.timeline.epoch_at(end_s) + end_s,
                )

    def decided(self, events: Sequence[SoundEvent]) -> list[Remembered]:
        """Return what the events were decided on; at the end of a sound, on its beginning and its end."""
        remembered = []
        with self._lock:
            for event in events:
                hops = self._hops_of(event)
                if event.phase is Phase.ENDED:
                    began = self._going_on.pop(event.id, hops[:0])
                    hops = np.concatenate([began, hops])[:EVENT_HOPS] if len(began) else hops
                else:
                    self._going_on[event.id] = hops[: EVENT_HOPS // 2]
                if len(hops):
                    remembered.append(Remembered(event=event, hops=hops))
        return remembered

    def ambience(self) -> Ambience:
        """Return what all streams sounded like, as one."""
        with self._lock:
            parts = [part for ear in self._streams.values() for part in self._parts(ear)]
        return together(parts, self._encoder.dim)

    def load(self, folder: Path, streams: Sequence[str]) -> None:
        """Go on from what was saved. What cannot be read, or was heard by another encoder, begins anew."""
        for stream in streams:
            ear = self._ear(stream)
            now, before = (_read(path, self._encoder) for path in ambience_files(folder, stream))
            ear.before = before
            if now is not None:
                ear.reservoir.restore(now)

    def save(self, folder: Path) -> None:
        """Write every stream's sample. Raises OSError as the file system does."""
        folder.mkdir(parents=True, exist_ok=True)
        with self._lock:
            parts = {
                stream: (ear.reservoir.ambience(self._encoder.dim), ear.before)
                for stream, ear in self._streams.items()
            }
        for stream, (now, before) in parts.items():
            for path, part in zip(ambience_files(folder, stream), (now, before), strict=True):
                if part is not None:
                    write_ambience(path, part, self._encoder)

    def _ear(self, stream: str) -> _StreamEar:
        ear = self._streams.get(stream)
        if ear is None:
            ear = self._streams[stream] = _StreamEar()
        return ear

    def _parts(self, ear: _StreamEar) -> list[Ambience]:
        now = ear.reservoir.ambience(self._encoder.dim)
        return [now] if ear.before is None else [ear.before, now]

    def _count_time(self, ear: _StreamEar, stream: Listening) -> None:
        if stream.timeline is not ear.timeline:
            ear.timeline, ear.hops_told, ear.block = stream.timeline, 0, -1
            ear.recent.clear()
        ear.reservoir.listen(stream.hops - ear.hops_told)
        ear.hops_told = stream.hops
        if ear.reservoir.hours > GENERATION_HOURS:
            ear.before = ear.reservoir.ambience(self._encoder.dim)
            ear.reservoir = Reservoir()

    def _hops_of(self, event: SoundEvent) -> NDArray[np.float32]:
        nothing = np.zeros((0, self._encoder.dim), np.float32)
        ear = self._streams.get(event.stream)
        if ear is None:
            return nothing
        first = int(event.onset_s * DETECTION_RATE_HZ) // HOP_SAMPLES
        end_s = event.decided_s if event.end_s is None else event.end_s
        last = int(end_s * DETECTION_RATE_HZ) // HOP_SAMPLES + _TAIL_HOPS
        mine = [hop for hop in ear.recent if first <= hop.index <= last and event.profile in hop.names]
        mine.sort(key=lambda hop: -float(hop.scores[hop.names.index(event.profile)]))
        return np.stack([hop.embedding for hop in mine[:EVENT_HOPS]]) if mine else nothing


def ambience_files(folder: Path, stream: str) -> tuple[Path, Path]:
    """Return where a stream's sample lies, and the one of the generation before."""
    # Stream names are free text; two that look alike must not share a file.
    digest = blake2b(stream.encode(), digest_size=4).hexdigest()
    name = f"{topic_id(stream)}.{digest}"
    return folder / f"{name}.npz", folder / f"{name}.before.npz"


def saved_ambience(folder: Path, encoder: EncoderId) -> Ambience:
    """Return what a daemon has saved of all its streams, as one."""
    found = (_read(path, encoder) for path in sorted(folder.glob("*.npz")))
    return together([part for part in found if part is not None], encoder.dim)


def _read(path: Path, encoder: EncoderId) -> Ambience | None:
    if not path.is_file():
        return None
    try:
        return read_ambience(path, encoder)
    except (ProfileError, OSError) as error:
        _log.warning("what this home sounds like begins anew: %s", error)
        return None
