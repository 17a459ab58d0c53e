from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.framing import Framer
from detectors.types import HOP_SAMPLES, AudioBlock, Hop
from detectors.voice import (
    BEFORE_HOPS,
    BEGINS_HOPS,
    ENDS_HOPS,
    PAUSING_SHARE,
    RUN_HOPS,
    SpeechRun,
    VoiceDetector,
)


def share_of_speech(samples: NDArray[np.float32], rate_hz: int) -> float:
    framer = Framer(rate_hz=rate_hz, channels=1)
    detector = VoiceDetector()
    hops = framer.accept(AudioBlock(samples=samples[None], rate_hz=rate_hz, start=0))
    return float(np.mean([detector.step(hop) for hop in hops]))


def test_silence_is_not_speech() -> None:
    """Nobody speaks in digital silence."""
    assert share_of_speech(np.zeros(32_000, np.float32), 16_000) == 0.0


@pytest.mark.parametrize("value", [1.0, -1.0, 3.0])
def test_full_scale_does_not_wrap(value: float) -> None:
    """Resampling may overshoot full scale by a little: it is clipped, not wrapped."""
    hop = Hop(index=0, samples=np.full(HOP_SAMPLES, value, np.float32))
    assert VoiceDetector().step(hop) in (True, False)


def test_speech_is_flagged_more_than_rooms(shared: Path) -> None:
    """Most hops of people reading aloud are heard as speech, and more than of fans, rain and fires."""
    read = [_share(file) for file in sorted((shared / "audio" / "librispeech").rglob("*.opus"))[:4]]
    rooms = [_share(file) for file in sorted((shared / "audio" / "noisekun").rglob("*.opus"))[:4]]
    assert np.mean(read) > 0.6
    assert np.mean(read) > np.mean(rooms)


def _share(file: Path) -> float:
    samples, rate_hz = soundfile.read(file, dtype="float32", frames=480_000)
    return share_of_speech(samples, rate_hz)


def runs(flags: list[bool]) -> list[bool]:
    run = SpeechRun()
    return [run.step(speech=flag) for flag in flags]


def test_a_run_of_flags_after_a_pause_is_somebody_speaking() -> None:
    """It begins with the eighth of ten, outlasts a gap between words, and ends in a longer one."""
    words = [True] * 12 + [False] * 5 + [True] * 8
    on = runs([False] * 50 + words + [False] * 20)
    assert on.index(True) == 50 + BEGINS_HOPS - 1
    assert all(on[57 : 50 + len(words)])
    assert not on[50 + len(words) + RUN_HOPS - ENDS_HOPS + 1]


def test_what_is_flagged_all_the_time_is_nobody() -> None:
    """A vacuum cleaner is one long word; after some seconds a voice without any pause is none either."""
    assert sum(runs([True] * 500)) <= BEGINS_HOPS
    on = runs([False] * 500 + [True] * 500)
    assert any(on)
    assert sum(on) * HOP_SAMPLES / 16_000 < 10.0


@given(st.lists(st.booleans(), max_size=400))
def test_a_run_depends_on_what_was_flagged_and_on_nothing_else(flags: list[bool]) -> None:
    """It is what counting anew at each hop gives."""
    on, expected = False, []
    for at in range(1, len(flags) + 1):
        newest, before = flags[max(0, at - RUN_HOPS) : at], flags[: max(0, at - RUN_HOPS)][-BEFORE_HOPS:]
        on = sum(newest) >= (ENDS_HOPS if on else BEGINS_HOPS) and sum(before) <= PAUSING_SHARE * len(before)
        expected.append(on)
    assert runs(flags) == expected
