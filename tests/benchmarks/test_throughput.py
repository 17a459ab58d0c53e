"""The throughput benchmark, small: its bookkeeping, not its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.dataset import read_recordings
from benchmarks.encoders import LogMelStatistics
from benchmarks.hearing import Listener
from benchmarks.throughput import largest, make_feeds, most_held, play
from detectors.gate import GateSettings
from detectors.types import HOP_SAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def test_streams_play_different_audio_of_the_length_asked_for(tiny_data: Path) -> None:
    """One-second clips are strung together; no two streams begin alike."""
    feeds = make_feeds(read_recordings(tiny_data), count=10, seconds=2.4)
    assert [feed.steps.shape for feed in feeds] == [(30, HOP_SAMPLES)] * 10
    assert len({feed.steps[:5].tobytes() for feed in feeds}) == 10


def test_every_step_of_every_stream_is_heard(tiny_data: Path) -> None:
    """At once instead of in real time, nothing can be late."""
    listener = Listener(encoder=LogMelStatistics(), profiles=())
    feeds = make_feeds(read_recordings(tiny_data), count=3, seconds=0.8)
    trial = play(listener.pipeline(), feeds, seconds=0.8, paced=False)
    assert (trial.streams, trial.late_steps) == (3, 0)
    assert trial.step_ms_max >= trial.step_ms_median > 0.0
    assert 0.0 < trial.encoder_share <= 1.0


def test_the_search_ends_at_the_streams_there_are(tiny_data: Path) -> None:
    """Every trial stays within the feeds; the last good one is reported."""
    listener = Listener(encoder=LogMelStatistics(), profiles=())
    feeds = make_feeds(read_recordings(tiny_data), count=9, seconds=0.24)
    trials = largest(listener, feeds, seconds=0.24, gate_settings=GateSettings(always_open=True))
    assert trials
    assert all(1 <= trial.streams <= 9 for trial in trials)
    assert all(trial.encoder_share == 1.0 for trial in trials)
    assert 0 <= most_held(trials) <= 9
    assert np.isfinite([trial.ms_per_stream_second for trial in trials]).all()
