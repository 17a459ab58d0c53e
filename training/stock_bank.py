"""The background bank: what every profile, stock or an owner's, is fitted and calibrated against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import yaml

from detectors.types import HOP_S
from fewshot_profiles.bank import BLOCK_HOPS, BackgroundBank
from training.stock_catalogue import CATALOGUE, HOURS_SOURCES
from training.stock_fitting import LOWEST_NEGATIVE_DBFS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from detectors.encoders import EncoderId
    from fewshot_profiles.heads import Head, Scaling
    from training.recordings import Row
    from training.stock_embeddings import Heard

HARD_ROWS = 3_000
_MOST_HARD_ROWS_A_CLIP = 6

_LABELS = frozenset().union(*(stock.labels for stock in CATALOGUE))


def make_bank(
    encoder: EncoderId, train: Heard, heads: Sequence[Head], scaling: Scaling
) -> tuple[BackgroundBank, list[Row]]:
    """Return the bank, and the recording that each number in `BackgroundBank.recording` stands for."""
    ambient, hops = _ambient_rows(train)
    hard = _hard_rows(train, heads)
    chosen = np.concatenate([ambient, hard])
    rows: dict[str, Row] = {}
    recording = []
    for clip in train.clip_of_hop[chosen]:
        row = train.clips[clip]
        rows.setdefault(row.path, row)
        recording.append(list(rows).index(row.path) if row.path in rows else len(rows))
    bank = BackgroundBank(
        encoder=str(encoder),
        embeddings=train.hops[chosen],
        recording=np.array(recording, dtype=np.int32),
        ambient=np.arange(len(chosen)) < len(ambient),
        scaling=scaling,
        hours=hops * HOP_S / 3_600.0,
    )
    return bank, list(rows.values())


def write_provenance(path: Path, rows: Sequence[Row]) -> None:
    """Write where every recording of the bank comes from and on what terms."""
    recordings = [
        {
            "source": row.source,
            "path": row.path,
            "label": row.label,
            "licence": row.licence,
            "attribution": row.attribution,
        }
        for row in rows
    ]
    text = yaml.safe_dump({"recordings": recordings}, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8")


def _ambient_rows(train: Heard) -> tuple[np.ndarray, int]:
    """Return the loudest hop of every block of ordinary hours, and how many hops those hours have."""
    chosen, hops = [], 0
    for number, row in enumerate(train.clips):
        if not train.plain[number] or row.source not in HOURS_SOURCES:
            continue
        span = train.span(number)
        hops += span.stop - span.start
        for first in range(span.start, span.stop, BLOCK_HOPS):
            levels = train.level_dbfs[first : min(first + BLOCK_HOPS, span.stop)]
            if levels.max() > LOWEST_NEGATIVE_DBFS:
                chosen.append(first + int(levels.argmax()))
    return np.array(chosen), hops


def _hard_rows(train: Heard, heads: Sequence[Head]) -> np.ndarray:
    """Return hops of other sounds that some profile nearly takes for its own, a few from each recording."""
    logits = np.max([head.logits(train.hops) for head in heads], axis=0)
    candidates = []
    for number, row in enumerate(train.clips):
        if row.source in HOURS_SOURCES or row.label in _LABELS or not train.plain[number]:
            continue
        span = train.span(number)
        order = np.argsort(-logits[span], kind="stable")[:_MOST_HARD_ROWS_A_CLIP]
        candidates.append(span.start + order)
    every = np.concatenate(candidates)
    every = every[train.level_dbfs[every] > LOWEST_NEGATIVE_DBFS]
    return np.sort(every[np.argsort(-logits[every], kind="stable")[:HARD_ROWS]])
