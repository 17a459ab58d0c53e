"""The log-mel front end: plain functions on arrays, batched over streams."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples

MEL_HOP_SAMPLES = 160  # 10 ms
MEL_WINDOW_SAMPLES = 400  # 25 ms
MEL_OVERLAP_SAMPLES = MEL_WINDOW_SAMPLES - MEL_HOP_SAMPLES
N_FFT = 512
N_MELS = 64
MEL_LOW_HZ = 50.0
MEL_HIGH_HZ = 8_000.0
FRAMES_PER_HOP = HOP_SAMPLES // MEL_HOP_SAMPLES

# Power below this is taken as silence: a full-scale sine reads about 1e4, 16-bit rounding noise about 1e-6.
MEL_FLOOR = 1e-6
# Centre and spread of log-mel over ordinary household audio: brings the picture near −1…1 for the network.
LOG_MEL_CENTRE = -4.0
LOG_MEL_SPREAD = 5.0


@lru_cache(maxsize=1)
def mel_bank() -> NDArray[np.float32]:
    """Triangles of unit height on the mel axis 1127 ln(1 + f/700): float32 [N_FFT // 2 + 1, N_MELS]."""
    low, high = (1_127.0 * math.log1p(hz / 700.0) for hz in (MEL_LOW_HZ, MEL_HIGH_HZ))
    edges = np.linspace(low, high, N_MELS + 2)
    bins = 1_127.0 * np.log1p(np.arange(N_FFT // 2 + 1) * DETECTION_RATE_HZ / N_FFT / 700.0)
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    bank: NDArray[np.float32] = np.maximum(np.minimum(rising, falling), 0.0).astype(np.float32)
    return bank


@lru_cache(maxsize=1)
def _window() -> Samples:
    return np.hanning(MEL_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


def log_mel(audio: Samples) -> NDArray[np.float32]:
    """Turn audio into a log-mel picture, without padding.

    Args:
        audio: float32 [..., MEL_OVERLAP_SAMPLES + n * MEL_HOP_SAMPLES] at DETECTION_RATE_HZ. The
            leading overlap is the end of what came before, so consecutive pieces give exactly the
            frames of the whole.

    Returns:
        float32 [..., n, N_MELS], about −1…1 for ordinary levels.
    """
    frames = np.lib.stride_tricks.sliding_window_view(audio, MEL_WINDOW_SAMPLES, axis=-1)
    spectrum = np.fft.rfft(frames[..., ::MEL_HOP_SAMPLES, :] * _window(), N_FFT)
    power = spectrum.real**2 + spectrum.imag**2
    # One product for the whole batch: many small ones would each wake the BLAS library.
    bands = (power.reshape(-1, power.shape[-1]) @ mel_bank()).reshape(*power.shape[:-1], N_MELS)
    picture: NDArray[np.float32] = (
        np.log(bands + np.float32(MEL_FLOOR)) - np.float32(LOG_MEL_CENTRE)
    ) / np.float32(LOG_MEL_SPREAD)
    return picture
