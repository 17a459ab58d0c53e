"""What the outbox promises, kept by real processes that are really killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.outbox import main
from benchmarks.outbox_arrivals import Arrivals, Broken
from benchmarks.outbox_proofs import kill_daemons, kill_often, outage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.broker import Mosquitto

RATE = 50.0


def test_a_killed_process_loses_nothing_and_repeats_nothing_under_another_id(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """A few kills here; the slow test and the benchmark have many."""
    found = kill_often(tmp_path, mosquitto, kills=3, rate=RATE, seed=1)
    assert found.decided > 3


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_kills_lose_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """At random moments, the start included, with fifty actions a second."""
    found = kill_often(tmp_path, mosquitto, kills=200, rate=RATE)
    assert found.in_start > 10
    assert max(found.ready_after_begun_s) < 2.0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_whole_daemon_that_is_killed_loses_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The same as of its half without audio, with `heard run`."""
    assert len(kill_daemons(tmp_path, mosquitto, kills=8, rate=RATE)) == 9


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_is_away_gets_everything_when_it_is_back(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A thousand messages, as of ten minutes at 1.7 a second, in twenty seconds by the same mechanism."""
    found = outage(tmp_path, mosquitto, lasts_s=20.0, rate=RATE, begin=mosquitto.kill, end=mosquitto.start)
    assert found.waited >= 950
    assert found.ready_s < 2.5, "within 2 s a new try begins"
    assert found.grew_bytes < 10_000_000


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_does_not_answer_gets_everything_when_it_does(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """It accepts connections and messages meanwhile."""
    found = outage(tmp_path, mosquitto, lasts_s=20.0, rate=RATE, begin=mosquitto.pause, end=mosquitto.resume)
    assert found.waited >= 950
    assert found.ready_s < 2.0
    assert found.grew_bytes < 10_000_000


@pytest.mark.parametrize(
    ("numbers", "why"),
    [([1, 2, 4], r"lost: \[3\]"), ([1, 3, 2], "overtaken"), ([1, 2, 2], "")],
)
def test_what_arrives_is_the_proof(numbers: list[int], why: str) -> None:
    """A gap is a loss, a step back an overtaking; a repeat needs the same id."""
    arrivals = Arrivals()
    for number in numbers:
        arrivals.take(number, f"id {number}")
    if why:
        with pytest.raises(Broken, match=why):
            arrivals.check()
    else:
        arrivals.check()
        assert arrivals.repeats == 1
        arrivals.take(2, "another id")
        with pytest.raises(Broken, match="without one id"):
            arrivals.check()


def test_the_command_publishes_what_a_message_takes(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Both ways."""
    del mosquitto  # it is there
    none = ["--kills", "0", "--daemons", "0", "--away", "0", "--hangs", "0"]
    result = main(["--sounds", "10", *none, "--results", str(tmp_path)])
    assert result["delay_ms"]["through the outbox"]["p50"] > 0
    assert (tmp_path / "outbox.json").is_file()
