from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.listeners import HOP_S, Watch, main
from daemon.pipeline import StreamReading

if TYPE_CHECKING:
    from pathlib import Path


def reading(hops: int) -> StreamReading:
    return StreamReading(
        level_dbfs=-60.0, noise_floor_dbfs=-60.0, gate_open=False, speech=False, top=(), hops=hops,
        encoder_hops=0,
    )  # fmt: skip


def test_a_delay_counts_from_the_soonest_hop_of_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams begin at different moments; what counts is how late a hop is for its own stream."""
    watch = Watch()
    for now, stream, hops in (
        (10.0, "a", 1),
        (50.5, "b", 7),
        (10.0 + HOP_S, "a", 2),
        (10.5 + 2 * HOP_S, "a", 3),
    ):
        monkeypatch.setattr("benchmarks.listeners.time.monotonic", lambda now=now: now)
        watch.readings({stream: reading(hops)})

    assert watch.delays_s() == pytest.approx([0.0, 0.0, 0.5, 0.0], abs=1e-9)
    assert watch.delays_s() == []


@pytest.mark.slow
def test_listeners_are_told_and_the_deaf_let_go(tmp_path: Path) -> None:
    figures = main(
        [
            *("--listeners", "4", "--deaf", "1", "--streams", "1", "--seconds", "8"),
            *("--events-per-s", "200", "--results", str(tmp_path)),
        ]
    )

    assert figures is not None
    assert figures["let_go"] == 1
    assert figures["events_got"]["least"] > 1_000
