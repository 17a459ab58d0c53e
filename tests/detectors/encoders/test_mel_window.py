"""Frames computed once each, hop by hop, against the picture of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.encoders.mel_picture import MelSettings, mel_picture
from detectors.encoders.mel_window import MelWindow, PictureWindow, fits
from detectors.types import Samples

HOP, WINDOW = 2_560, 32_000
"""80 ms and one second at 32 kHz."""

SETTINGS = (
    MelSettings(),
    replace(MelSettings(), hop_samples=160),
    replace(MelSettings(), hop_samples=640, mels=40),
    replace(MelSettings(), preemphasis=0.0),
    replace(MelSettings(), fft_samples=2_048, window_samples=2_048),
)


def _noise(streams: int, hops: int) -> Samples:
    return (np.random.default_rng(5).standard_normal((streams, hops * HOP)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_picture_is_that_of_the_window_but_for_its_first_frames(settings: MelSettings) -> None:
    """Those know the sound before the window, where the whole picture knows only a reflection."""
    audio = _noise(2, 15)
    window = MelWindow(settings, hop_samples=HOP, window_samples=WINDOW)
    states = np.stack([window.initial_state()] * 2)
    for hop in range(15):
        states = window.advance(states, audio[:, hop * HOP : (hop + 1) * HOP])
    assert states.shape == (2, window.size)
    whole = mel_picture(audio[:, -WINDOW:], settings)
    streamed = window.view(states)
    assert streamed.shape == whole.shape
    assert streamed.dtype == np.float32
    reflected = 1 + settings.window_samples // 2 // settings.hop_samples
    np.testing.assert_allclose(streamed[:, :, reflected:], whole[:, :, reflected:], atol=1e-4)


def test_before_anything_sounded_there_is_the_picture_of_silence() -> None:
    """The state of a new stream is no black hole."""
    window = MelWindow(MelSettings(), hop_samples=HOP, window_samples=WINDOW)
    silence = mel_picture(np.zeros((1, WINDOW), np.float32), MelSettings())
    np.testing.assert_allclose(window.view(window.initial_state()[None]), silence, atol=1e-6)


def test_frames_that_do_not_fill_a_hop_are_made_anew_each_time() -> None:
    """Frames of 15 ms in hops of 80 ms: the picture of the window, always."""
    settings = replace(MelSettings(), hop_samples=480)
    assert not fits(settings, hop_samples=HOP, window_samples=WINDOW)
    with pytest.raises(ValueError, match="480"):
        MelWindow(settings, hop_samples=HOP, window_samples=WINDOW)
    window = PictureWindow(settings, WINDOW)
    audio = _noise(1, 13)
    states = window.advance(window.initial_state()[None], audio[:, -WINDOW:])
    np.testing.assert_array_equal(window.view(states), mel_picture(audio[:, -WINDOW:], settings))
