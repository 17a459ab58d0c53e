"""Log-mel pictures for networks of other makers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from detectors.encoders.mel_picture import MelSettings, mel_picture, mel_triangles


def test_the_picture_is_what_efficientat_was_trained_on(shared: Path) -> None:
    """Triangles and log-mel, against what its makers' description gives."""
    golden = np.load(shared / "golden" / "mn04" / "mn04.npz")
    np.testing.assert_allclose(mel_triangles(MelSettings()), golden["mel_bank"], atol=1e-6)
    picture = mel_picture(golden["waveform_32k"], MelSettings())
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture, golden["log_mel"], atol=1e-4)


def test_a_tone_lights_its_own_band() -> None:
    """Whatever the number of bands, transform and hop, the brightest band is the one around the tone."""
    seconds = np.arange(32_000) / 32_000
    tone = np.sin(2 * np.pi * 3_000 * seconds).astype(np.float32)[None]
    for settings in (
        MelSettings(),
        replace(MelSettings(), mels=40, hop_samples=800),
        replace(MelSettings(), mels=64, fft_samples=2_048, window_samples=2_048, preemphasis=0.0),
    ):
        picture = mel_picture(tone, settings)[0]
        bins = np.arange(settings.fft_samples // 2 + 1) * settings.rate_hz / settings.fft_samples
        nearest = int(np.argmax(mel_triangles(settings)[:, np.argmin(np.abs(bins - 3_000))]))
        assert abs(int(picture.mean(axis=1).argmax()) - nearest) <= 1
        assert picture.shape[1] == 1 + (32_000 - (settings.preemphasis > 0)) // settings.hop_samples
