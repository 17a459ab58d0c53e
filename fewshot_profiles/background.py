"""A background bank of the owner's own: what an encoder that did not ship makes of ordinary hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from detectors.encoders import Encoder
from detectors.types import HOP_S, Samples
from fewshot_profiles.bank import BLOCK_HOPS, BackgroundBank
from fewshot_profiles.embedding import ClipEmbeddings, embed_framed, frame_clip
from fewshot_profiles.heads import Scaling
from foundation.errors import AudioFileError, ExampleError

PIECE_S = 30.0
"""Recordings are heard in pieces of this length, and each piece stays on one side of a split."""
SHORTEST_S = 600.0
"""From less, no rate of false alarms can be said."""

_PIECES_AT_ONCE = 16


def bank_from_recordings(encoder: Encoder, files: Sequence[Path]) -> BackgroundBank:
    """Let `encoder` hear ordinary hours: the loudest hop of each block becomes a row.

    Raises AudioFileError for what is no audio, ExampleError where there is too little of it.
    """
    rows, recording, hops = [], [], 0
    for number, clip in enumerate(_heard(encoder, files)):
        hops += len(clip.hops)
        for first in range(0, len(clip.hops), BLOCK_HOPS):
            loudest = int(np.argmax(clip.level_dbfs[first : first + BLOCK_HOPS]))
            rows.append(clip.hops[first + loudest])
            recording.append(number)
    if hops * HOP_S < SHORTEST_S:
        raise ExampleError(
            f"{hops * HOP_S / 60:.1f} minutes of background are too little: record at least "
            f"{SHORTEST_S / 60:.0f} minutes, better hours, of what the rooms usually sound like"
        )
    embeddings = np.stack(rows)
    return BackgroundBank(
        encoder=str(encoder.id),
        embeddings=embeddings,
        recording=np.array(recording, dtype=np.int32),
        ambient=np.ones(len(rows), dtype=np.bool_),
        scaling=Scaling.of(embeddings),
        hours=hops * HOP_S / 3_600.0,
    )


def _heard(encoder: Encoder, files: Sequence[Path]) -> Iterator[ClipEmbeddings]:
    pieces = (piece for file in files for piece in _pieces(file))
    while batch := list(islice(pieces, _PIECES_AT_ONCE)):
        yield from embed_framed(encoder, batch)


def _pieces(file: Path) -> Iterator[Samples]:
    """Read a recording in framed pieces [hops, HOP_SAMPLES]."""
    try:
        with soundfile.SoundFile(file) as audio:
            for samples in audio.blocks(int(PIECE_S * audio.samplerate), dtype="float32", always_2d=True):
                yield frame_clip(samples.T, audio.samplerate)
    except soundfile.LibsndfileError as error:
        raise AudioFileError(f"{file} cannot be read as audio: {error.error_string}") from error
