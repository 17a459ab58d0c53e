"""Events that were heard against events that were there: sed_eval's event-based figures, and hours."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmarks.estimates import Interval, poisson_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COLLAR_S = 0.5
SECONDS_PER_HOUR = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One event on one piece of audio."""

    label: str
    onset_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One piece of audio: what is in it, and what was heard in it."""

    name: str
    seconds: float
    there: tuple[Span, ...]
    heard: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventScore:
    """What sed_eval makes of it. As in DCASE 2017, an onset within 0.5 s is right, and ends do not matter."""

    events: int
    """that were there"""
    f1: float
    precision: float
    recall: float
    error_rate: float
    """deletions and insertions, each per event that was there; it has no upper bound"""
    deletion_rate: float
    insertion_rate: float
    insertions: int
    hours: float
    insertions_per_hour: Interval


def score(pieces: Iterable[Judged], labels: Sequence[str]) -> EventScore:
    """Score all pieces together. Where nothing was heard, precision and F1 are 0.

    Raises ValueError where there was nothing to hear.
    """
    sound_event, container = _sed_eval()
    metrics = sound_event.EventBasedMetrics(
        event_label_list=list(labels), t_collar=COLLAR_S, evaluate_onset=True, evaluate_offset=False
    )
    seconds = 0.0
    for piece in pieces:
        seconds += piece.seconds
        metrics.evaluate(
            reference_event_list=container([_as_item(piece.name, span) for span in piece.there]),
            estimated_event_list=container([_as_item(piece.name, span) for span in piece.heard]),
        )
    if not metrics.overall["Nref"]:
        raise ValueError("there is no event in these pieces")
    found = metrics.results_overall_metrics()
    shares, errors = found["f_measure"], found["error_rate"]
    insertions = int(metrics.overall["Nfp"])
    hours = seconds / SECONDS_PER_HOUR
    return EventScore(
        events=int(metrics.overall["Nref"]),
        f1=_share(shares["f_measure"]),
        precision=_share(shares["precision"]),
        recall=_share(shares["recall"]),
        error_rate=_share(errors["error_rate"]),
        deletion_rate=_share(errors["deletion_rate"]),
        insertion_rate=_share(errors["insertion_rate"]),
        insertions=insertions,
        hours=hours,
        insertions_per_hour=poisson_rate(insertions, hours),
    )


def _as_item(name: str, span: Span) -> dict[str, Any]:
    return {
        "file": name,
        "event_label": span.label,
        "event_onset": span.onset_s,
        "event_offset": max(span.end_s, span.onset_s),
    }


def _share(value: float) -> float:
    """Read a share: sed_eval's precision is not a number where nothing was heard, and neither is its F1."""
    return 0.0 if math.isnan(value) else float(value)


def _sed_eval() -> tuple[Any, Any]:
    """Import sed_eval: the module of event metrics, and the list of events that they take."""
    if "pkg_resources" not in sys.modules and find_spec("pkg_resources") is None:
        # dcase_util imports this former part of setuptools, and uses it for its own example files only.
        sys.modules["pkg_resources"] = ModuleType("pkg_resources")
    import dcase_util
    import sed_eval

    return sed_eval.sound_event, dcase_util.containers.MetaDataContainer
