from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from detectors.framing import Framer
from detectors.types import HOP_SAMPLES, AudioBlock, Hop
from detectors.voice import VoiceDetector


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
