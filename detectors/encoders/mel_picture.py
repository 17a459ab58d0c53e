"""Log-mel pictures as networks of other makers want them, described by numbers rather than by code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.types import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class MelSettings:
    """How a waveform becomes a picture: the defaults are EfficientAT's.

    Pre-emphasis, a centred short-time spectrum with a symmetric Hann window and reflected ends, power,
    triangles that are straight on the mel axis 1127 ln(1 + f/700), and (ln(mel + floor) + shift) / scale.
    """

    rate_hz: int = 32_000
    mels: int = 128
    fft_samples: int = 1_024
    window_samples: int = 800
    hop_samples: int = 320
    low_hz: float = 0.0
    high_hz: float = 15_000.0
    preemphasis: float = 0.97
    """0: none, and no sample is lost to it"""
    floor: float = 1e-5
    shift: float = 4.5
    scale: float = 5.0


@lru_cache(maxsize=4)
def mel_triangles(settings: MelSettings) -> NDArray[np.float32]:
    """Return the unnormalised triangles, float32 [mels, bins]; the topmost bin belongs to none."""
    low, high = (1_127.0 * math.log1p(hz / 700.0) for hz in (settings.low_hz, settings.high_hz))
    edges = np.linspace(low, high, settings.mels + 2)[:, None]
    hz = np.arange(settings.fft_samples // 2 + 1) * settings.rate_hz / settings.fft_samples
    bins = 1_127.0 * np.log1p(hz / 700.0)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bank: NDArray[np.float32] = np.maximum(np.minimum(rising, falling), 0.0).astype(np.float32)
    bank[:, -1] = 0.0
    return bank


def mel_picture(waveforms: Samples, settings: MelSettings) -> NDArray[np.float32]:
    """Turn waveforms [batch, samples] into pictures [batch, mels, frames]."""
    audio = emphasise(waveforms, settings)
    padded = np.pad(audio, ((0, 0), (settings.fft_samples // 2,) * 2), mode="reflect")
    # The window stands in the middle of the transform's span; where in it does not change the power.
    margin = (settings.fft_samples - settings.window_samples) // 2
    frames = frame_count(waveforms.shape[1], settings)
    picture = mel_frames(padded[:, margin:], frames, settings)
    return np.ascontiguousarray(picture.swapaxes(1, 2))


def frame_count(samples: int, settings: MelSettings) -> int:
    """Return how many frames the picture of so many samples has."""
    return 1 + (samples - (settings.preemphasis > 0)) // settings.hop_samples


def emphasise(waveforms: Samples, settings: MelSettings) -> Samples:
    """Lift the high frequencies; one sample is lost to it."""
    if not settings.preemphasis:
        return waveforms
    lifted: Samples = waveforms[:, 1:] - np.float32(settings.preemphasis) * waveforms[:, :-1]
    return lifted


def mel_frames(audio: Samples, frames: int, settings: MelSettings) -> NDArray[np.float32]:
    """Return the first `frames` frames of emphasised audio [batch, samples]: [batch, frames, mels]."""
    spans = np.lib.stride_tricks.sliding_window_view(audio, settings.window_samples, axis=1)
    window = np.hanning(settings.window_samples).astype(np.float32)
    spectrum = np.fft.rfft(spans[:, :: settings.hop_samples][:, :frames] * window, settings.fft_samples)
    power = spectrum.real**2 + spectrum.imag**2
    # One product for the whole batch: one for each stream would wake the threads of BLAS every time.
    mel = (power.reshape(-1, power.shape[2]) @ mel_triangles(settings).T).reshape(*power.shape[:2], -1)
    return np.asarray(
        (np.log(mel + np.float32(settings.floor)) + np.float32(settings.shift)) / np.float32(settings.scale)
    )
