"""Which recordings make the stock profiles, which judge them, and in what variants they are heard."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from training.recordings import Row, may_teach, read_manifest
from training.stock_catalogue import AMBIENCE_SOURCES, CATALOGUE, HOURS_SOURCES
from training.stock_embeddings import (
    Clip,
    Heard,
    hear,
    joined,
    plain,
    read_audio,
    synthesised,
    telephone,
    varied,
)
from training.stock_hours import mixed_clips, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from detectors.encoders import Encoder
    from detectors.types import Samples

VARIANTS = 2
SCARCE_VARIANTS = 12
SCARCE_LABELS = frozenset({"finger_snap", "finger_snap_unsure", "glass_break", "clap", "alarm"})
"""Few recordings, or short ones: heard in more rooms and noises."""

_TELEPHONE_EVERY = 4
_TELEPHONE_SOURCES = frozenset({"esc50", "librispeech", "berklee"})
_PLENTIFUL = frozenset({"misc", "kitchen_percussive", "household_handling", "sung_vowel"})
_PLENTIFUL_EVERY = 2

_NO_AUDIO = np.zeros(0, np.float32)

_LABELS = frozenset().union(*(stock.labels for stock in CATALOGUE))


def heard_by(
    encoder: Encoder, data: Path, work: Path, progress: Callable[[str], None]
) -> tuple[Heard, Heard, Heard]:
    """Return what the encoder hears, kept in `work`: training, validation, and mixed hours of training."""
    recordings = _read_all(data, work, progress)
    training = {path: pair for path, pair in recordings.items() if pair[0].split == "train"}
    assert all(may_teach(row) for row, _ in training.values())
    validation = {path: pair for path, pair in recordings.items() if pair[0].split == "valid"}
    made = {
        row.path: (row, audio)
        for stock in CATALOGUE
        for row, audio in synthesised(stock.name, stock.synthesised)
    }
    backgrounds = [audio for row, audio in training.values() if row.source in AMBIENCE_SOURCES]
    parts = {
        "recorded": (training, _training_clips(training, backgrounds)),
        f"made_{_digest(made)}": (made, _made_clips(made, backgrounds)),
        "valid": (validation, _plain_clips(validation)),
    }
    mixed = list(pairs([row for row, _ in training.values()]))
    recipe = hashlib.sha256(repr([(pair.first, pair.second) for pair in mixed]).encode()).hexdigest()[:8]
    parts[f"mixed_{recipe}"] = (
        {pair.row.path: (pair.row, _NO_AUDIO) for pair in mixed},
        mixed_clips(training),
    )
    train, synthetic, valid, hours = (
        _cached(work / f"stock_{name}_{encoder.id}.npz", encoder, rows, clips, progress)
        for name, (rows, clips) in parts.items()
    )
    return joined(train, synthetic), valid, hours


def _digest(made: Mapping[str, tuple[Row, Samples]]) -> str:
    """Name the sounds of our own by what they are, so that another synthesis is heard anew."""
    digest = hashlib.sha256()
    for path, (_, audio) in made.items():
        digest.update(path.encode() + np.float32(audio).tobytes())
    return digest.hexdigest()[:8]


def _wanted(row: Row) -> bool:
    if row.split == "valid":
        return row.source in HOURS_SOURCES or row.label in _LABELS
    return may_teach(row)


def _read_all(data: Path, work: Path, progress: Callable[[str], None]) -> dict[str, tuple[Row, Samples]]:
    """Read every wanted recording, from the work folder's copy when there is one."""
    cache = work / "stock_audio.npz"
    rows = [row for row in read_manifest(data) if _wanted(row)]
    if cache.exists():
        with np.load(cache) as stored:
            if stored["paths"].tolist() == [row.path for row in rows]:
                audio, offsets = stored["audio"], stored["offsets"]
                return {
                    row.path: (row, audio[first:last].astype(np.float32) / np.float32(32_767.0))
                    for row, first, last in zip(rows, offsets[:-1], offsets[1:], strict=True)
                }
    result = {}
    for number, row in enumerate(rows):
        result[row.path] = (row, read_audio(data, row))
        if number % 100 == 0:
            progress(f"reading recordings {number}/{len(rows)}")
    np.savez(
        cache,
        paths=np.array([row.path for row in rows]),
        offsets=np.concatenate([[0], np.cumsum([len(audio) for _, audio in result.values()])]),
        audio=np.concatenate([np.rint(audio * 32_767.0).astype(np.int16) for _, audio in result.values()]),
    )
    return result


def _plain_clips(recordings: Mapping[str, tuple[Row, Samples]]) -> Iterator[Clip]:
    for row, audio in recordings.values():
        yield from plain(row, audio)


def _training_clips(
    recordings: Mapping[str, tuple[Row, Samples]], backgrounds: Sequence[Samples]
) -> Iterator[Clip]:
    for number, (row, audio) in enumerate(recordings.values()):
        if row.label in _PLENTIFUL and number % _PLENTIFUL_EVERY:
            continue
        yield from plain(row, audio)
        if row.label in SCARCE_LABELS:
            yield from varied(row, audio, SCARCE_VARIANTS, backgrounds)
        elif row.label in _LABELS and row.source in {"esc50", "berklee"}:
            yield from varied(row, audio, VARIANTS, backgrounds)
        elif row.source in HOURS_SOURCES:
            # The same hours in other rooms and at other levels: what a home sounds like is not one level.
            yield from varied(row, audio, 1 if number % 2 else 0, backgrounds)
        if number % _TELEPHONE_EVERY == 0 and row.source in _TELEPHONE_SOURCES:
            yield from telephone(row, audio)


def _made_clips(made: Mapping[str, tuple[Row, Samples]], backgrounds: Sequence[Samples]) -> Iterator[Clip]:
    for row, audio in made.values():
        yield from plain(row, audio)
        yield from varied(row, audio, 1, backgrounds)


def _cached(
    path: Path,
    encoder: Encoder,
    recordings: Mapping[str, tuple[Row, Samples]],
    clips: Iterator[Clip],
    progress: Callable[[str], None],
) -> Heard:
    if not path.exists():
        heard = hear(encoder, clips, progress)
        known = [clip.path for clip in heard.clips]
        np.savez(
            path,
            paths=np.array(known),
            plain=heard.plain,
            offsets=heard.offsets,
            hops=heard.hops.astype(np.float16),
            level_dbfs=heard.level_dbfs,
            active=heard.active,
        )
    rows = {path: row for path, (row, _) in recordings.items()}
    with np.load(path) as stored:
        return Heard(
            clips=tuple(rows[name] for name in stored["paths"].tolist()),
            plain=stored["plain"],
            offsets=stored["offsets"],
            hops=stored["hops"].astype(np.float32),
            level_dbfs=stored["level_dbfs"],
            active=stored["active"],
        )
