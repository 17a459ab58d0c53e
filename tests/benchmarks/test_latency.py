"""How latency is taken from what was played, replayed and received."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.dataset import read_recordings, valid_side
from benchmarks.messages import Message, timings
from benchmarks.onsets import FIRST_ONSET_S, Placed, compose
from detectors.types import DETECTION_RATE_HZ, Phase, SoundEvent


def known_event(profile: str, onset_s: float) -> SoundEvent:
    return SoundEvent(
        id="x",
        phase=Phase.STARTED,
        profile=profile,
        profile_version="0",
        stream="0",
        epoch_s=0.0,
        onset_s=onset_s,
        decided_s=onset_s + 0.1,
        end_s=None,
        score=0.9,
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        speech=False,
    )


def latencies_s(
    placed: list[Placed], live: list[Message], known: dict[str, list[SoundEvent]]
) -> list[float | None]:
    found = timings(placed, live, known)
    return [None if timing is None else timing.latency_s for timing in found]


def test_latency_counts_from_the_true_onset_and_not_from_the_daemons() -> None:
    """The daemon dates the second sound 40 ms late; the clock starts 40 ms before that."""
    placed = [
        Placed(stream="a", profile="cough", onset_s=6.0),
        Placed(stream="a", profile="cough", onset_s=10.0),
        Placed(stream="a", profile="dog_bark", onset_s=14.0),
    ]
    known = [known_event("cough", 6.0), known_event("cough", 10.04)]
    live = [
        Message(stream="a", profile="cough", started_at=1006.0, received_at=1006.2),
        Message(stream="a", profile="cough", started_at=1010.04, received_at=1010.3),
    ]
    found = latencies_s(placed, live, {"a": known})
    assert found[:2] == pytest.approx([0.2, 0.3])
    assert found[2] is None
    [first, second, _] = timings(placed, live, {"a": known})
    assert first is not None
    assert second is not None
    assert (first.decision_s, second.decision_s) == pytest.approx((0.1, 0.14))


def test_onsets_lie_where_the_file_says(tiny_data: Path) -> None:
    """Each placed sound rises out of the bed within 10 ms of its onset, the first after the quiet start."""
    audio, placed = compose(read_recordings(tiny_data, ["label=tone1"])[:3], stream="a", seed=0)
    assert len(placed) == 3
    assert placed[0].onset_s >= FIRST_ONSET_S
    for sound in placed:
        at = round(sound.onset_s * DETECTION_RATE_HZ)
        assert abs(audio[at - 320 : at - 160]).max() < 0.02
        assert abs(audio[at : at + 320]).max() > 0.1


def test_streams_have_clocks_of_their_own() -> None:
    """A message of one stream says nothing about the same sound on another, which began later."""
    placed = [Placed(stream=stream, profile="cough", onset_s=6.0) for stream in ("a", "b")]
    live = [
        Message(stream="b", profile="cough", started_at=2006.0, received_at=2006.25),
        Message(stream="a", profile="cough", started_at=1006.0, received_at=1006.2),
    ]
    known = {"a": [known_event("cough", 6.0)], "b": [known_event("cough", 6.0)]}
    assert latencies_s(placed, live, known) == pytest.approx([0.2, 0.25])


def test_the_validation_side_is_taken_where_there_is_one(tiny_data: Path, shared: Path) -> None:
    """Without --where, nothing that trained is timed; a folder without that side is taken whole."""
    assert valid_side(shared / "audio") == ["split=valid"]
    assert valid_side(tiny_data) == []
