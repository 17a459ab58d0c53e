"""Cutting the sound that was meant out of a room's last seconds, and guiding at the microphone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.encoders import LogMelStatistics
from detectors.types import DETECTION_RATE_HZ, AudioBlock
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.cutting import cut_sounds, most_alike, pick_numbers
from fewshot_profiles.enrollment import Surroundings
from fewshot_profiles.guidance import Cue, Guide
from foundation.errors import ExampleError
from tests.fewshot_profiles.conftest import tone

SECOND = DETECTION_RATE_HZ


def _room(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(scale=6e-4, size=int(seconds * SECOND)).astype(np.float32)


def _with(audio: np.ndarray, at_s: float, sound: np.ndarray) -> None:
    first = int(at_s * SECOND)
    audio[first : first + len(sound)] += sound[: len(audio) - first]


@pytest.fixture
def surroundings(encoder: LogMelStatistics, bank: BackgroundBank) -> Surroundings:
    return Surroundings(encoder=encoder, bank=bank)


def _bell(hz: float = 900.0) -> np.ndarray:
    return tone(hz)[SECOND // 2 : SECOND]


def test_each_sound_is_cut_out_with_its_place() -> None:
    """Three rings in half a minute are three sounds, in order, found within a tenth of a second."""
    audio = _room(30.0)
    for at_s in (4.0, 12.5, 21.0):
        _with(audio, at_s, _bell())
    cuts = cut_sounds("bell", audio[None], SECOND)
    assert [round(cut.start_s, 1) for cut in cuts] == [4.0, 12.5, 21.0]
    assert all(cut.example is not None and cut.example.samples.shape[1] < 3 * SECOND for cut in cuts)


def test_the_sounds_most_alike_are_meant(surroundings: Surroundings) -> None:
    """A louder thud among three rings is left out; picked by number it is taken."""
    audio = _room(30.0)
    for at_s, hz in ((4.0, 890.0), (12.5, 900.0), (21.0, 915.0)):
        _with(audio, at_s, _bell(hz))
    _with(audio, 25.0, 2 * tone(150.0)[SECOND // 2 : SECOND])
    cuts = cut_sounds("bell", audio[None], SECOND)
    assert len(cuts) == 4
    assert most_alike(cuts, surroundings) == [0, 1, 2]
    assert pick_numbers(cuts, [4]) == [3]
    with pytest.raises(ExampleError, match="no sound 5"):
        pick_numbers(cuts, [5])


@pytest.mark.parametrize("audio", [np.zeros(10 * SECOND, np.float32), _room(10.0)], ids=["silence", "a room"])
def test_where_nothing_stood_out_nothing_is_taught(audio: np.ndarray, surroundings: Surroundings) -> None:
    """The owner is told to make the sound again."""
    with pytest.raises(ExampleError, match="Nothing stood out"):
        most_alike(cut_sounds("bell", audio[None], SECOND), surroundings)


def _guided(audio: np.ndarray, wanted: int, block: int = 1_600) -> tuple[Guide, list[Cue]]:
    guide = Guide("bell", rate_hz=SECOND, channels=1, wanted=wanted)
    cues: list[Cue] = []
    for start in range(0, len(audio), block):
        samples = audio[None, start : start + block]
        cues += guide.accept(AudioBlock(samples=samples, rate_hz=SECOND, start=start))
    return guide, cues


def test_the_owner_is_guided_to_enough_tries() -> None:
    """Each ring is told once, a clipped one with what to do, and the last one ends it."""
    audio = _room(20.0)
    for at_s in (2.0, 6.0, 14.0):
        _with(audio, at_s, _bell())
    _with(audio, 10.0, np.clip(_bell() * 60, -1.0, 1.0))
    guide, cues = _guided(np.clip(audio, -1.0, 1.0), 3)
    told = [(cue.kind, cue.count) for cue in cues if cue.kind != "level"]
    assert told == [("heard", 1), ("heard", 2), ("refused", 2), ("heard", 3), ("done", 3)]
    assert "farther away" in next(cue.message for cue in cues if cue.kind == "refused")
    assert [cue.message for cue in cues if cue.kind == "heard"][1] == "heard it, 2 of 3"
    assert guide.done
    assert all(0.2 < example.seconds < 1.5 for example in guide.examples)


@pytest.mark.parametrize("block", [160, 1_111, 16_000])
def test_guidance_does_not_depend_on_the_blocks(block: int) -> None:
    """The same tries, whether audio comes in pieces of 10 ms or of a second."""
    audio = _room(12.0)
    for at_s in (2.0, 6.0):
        _with(audio, at_s, _bell())
    guide, _ = _guided(audio, 2, block)
    assert len(guide.examples) == 2
