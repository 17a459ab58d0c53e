"""Recordings as an encoder hears them, plain and in variants, hop by hop in one table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from detectors.encoders import Encoder
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples
from fewshot_profiles.activity import active_regions
from fewshot_profiles.augmentation import vary
from fewshot_profiles.embedding import embed_framed, frame_clip
from fewshot_profiles.example_audio import active_hops
from training.recordings import Row
from training.synthesis import MAKERS, RATE_HZ

TAIL_HOPS = 2
PIECE_HOPS = 250
"""Long recordings are embedded in pieces of 20 s, each from a cold start, as when a gate opens again."""

_BATCH_CLIPS = 64
_TELEPHONE_RATE_HZ = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One piece of a recording, plain or varied."""

    row: Row
    plain: bool
    audio: Samples
    """[hops * HOP_SAMPLES] at DETECTION_RATE_HZ"""
    active: NDArray[np.bool_]
    """[hops], whether the recording's own sound is there: found before anything was mixed in"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """All clips' hops in one table."""

    clips: tuple[Row, ...]
    plain: NDArray[np.bool_]
    """[clips]"""
    offsets: NDArray[np.int64]
    """[clips + 1], where each clip's hops begin"""
    hops: NDArray[np.float32]
    """[hops, dim]"""
    level_dbfs: NDArray[np.float32]
    """[hops]"""
    active: NDArray[np.bool_]
    """[hops], whether the clip's own sound is there"""

    @property
    def clip_of_hop(self) -> NDArray[np.int64]:
        """[hops], the clip that each hop belongs to."""
        return np.repeat(np.arange(len(self.clips)), np.diff(self.offsets))

    def span(self, clip: int) -> slice:
        """The hops of a clip."""
        return slice(int(self.offsets[clip]), int(self.offsets[clip + 1]))


def read_audio(data: Path, row: Row) -> Samples:
    """Read a recording as the framer makes it: [hops * HOP_SAMPLES]."""
    samples, rate_hz = soundfile.read(data / row.path, dtype="float32", always_2d=True)
    return frame_clip(np.ascontiguousarray(samples.T), rate_hz).reshape(-1)


def plain(row: Row, audio: Samples) -> Iterator[Clip]:
    """Yield the recording as it is."""
    yield from _pieces(row, audio, sound_hops(audio), is_plain=True)


def varied(row: Row, audio: Samples, count: int, backgrounds: Sequence[Samples]) -> Iterator[Clip]:
    """Yield variants of a recording; which ones depends on its path alone."""
    seed = int.from_bytes(hashlib.sha256(row.path.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    active = sound_hops(audio)
    for _ in range(count):
        yield from _pieces(row, vary(audio, rng, backgrounds), active, is_plain=False)


def telephone(row: Row, audio: Samples) -> Iterator[Clip]:
    """Yield the recording without its high half, as the babies of donateacry were recorded."""
    narrow = soxr.resample(audio, DETECTION_RATE_HZ, _TELEPHONE_RATE_HZ)
    wide = soxr.resample(narrow, _TELEPHONE_RATE_HZ, DETECTION_RATE_HZ)
    wide = np.resize(wide, len(audio)).astype(np.float32)
    yield from _pieces(row, wide, sound_hops(audio), is_plain=False)


def sound_hops(audio: Samples) -> NDArray[np.bool_]:
    """Return which hops of a recording hold its sound, or the encoder's memory of it."""
    return active_hops(active_regions(audio), len(audio) // HOP_SAMPLES, TAIL_HOPS)


def _pieces(row: Row, audio: Samples, active: NDArray[np.bool_], *, is_plain: bool) -> Iterator[Clip]:
    """Cut a recording into clips of at most PIECE_HOPS."""
    for first in range(0, len(active), PIECE_HOPS):
        last = first + PIECE_HOPS
        yield Clip(
            row=row,
            plain=is_plain,
            audio=audio[first * HOP_SAMPLES : last * HOP_SAMPLES],
            active=active[first:last],
        )


def made_rows(label: str, count: int) -> list[Row]:
    """Describe `count` sounds of our own, as a manifest would."""
    return [
        Row(
            path=f"training/synthesis.py/{label}/{seed}",
            source="synthesis",
            label=label,
            fold="",
            group=f"{label} {seed}",
            seconds=0.0,
            licence="Apache-2.0",
            ships=True,
            split="train",
            may_contain=(),
            attribution="synthesised by this project",
        )
        for seed in range(count)
    ]


def synthesised(label: str, count: int) -> Iterator[tuple[Row, Samples]]:
    """Yield sounds of our own and the rows that describe them."""
    for seed, row in enumerate(made_rows(label, count)):
        yield row, frame_clip(MAKERS[label](np.random.default_rng(seed)), RATE_HZ).reshape(-1)


def hear(encoder: Encoder, clips: Iterable[Clip], progress: Callable[[str], None]) -> Heard:
    """Embed clips, many side by side."""
    rows, is_plain, lengths = [], [], []
    hops, levels, active = [], [], []
    for batch in _batches(clips):
        embedded = embed_framed(encoder, [clip.audio.reshape(-1, HOP_SAMPLES) for clip in batch])
        for clip, heard in zip(batch, embedded, strict=True):
            rows.append(clip.row)
            is_plain.append(clip.plain)
            lengths.append(len(heard.hops))
            hops.append(heard.hops.astype(np.float16))
            levels.append(heard.level_dbfs)
            active.append(clip.active)
        progress(f"embedded {len(rows)} clips, {sum(lengths) / 45_000:.2f} h")
    return Heard(
        clips=tuple(rows),
        plain=np.array(is_plain),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        hops=np.concatenate(hops).astype(np.float32),
        level_dbfs=np.concatenate(levels),
        active=np.concatenate(active),
    )


def joined(first: Heard, second: Heard) -> Heard:
    """Return two tables as one."""
    return Heard(
        clips=first.clips + second.clips,
        plain=np.concatenate([first.plain, second.plain]),
        offsets=np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]]),
        hops=np.concatenate([first.hops, second.hops]),
        level_dbfs=np.concatenate([first.level_dbfs, second.level_dbfs]),
        active=np.concatenate([first.active, second.active]),
    )


def _batches(clips: Iterable[Clip]) -> Iterator[list[Clip]]:
    batch: list[Clip] = []
    for clip in clips:
        batch.append(clip)
        if len(batch) == _BATCH_CLIPS:
            yield batch
            batch = []
    if batch:
        yield batch
