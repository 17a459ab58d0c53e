"""A few examples become many: other distances, other noise, other places of the sound in the hop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.types import HOP_SAMPLES, Samples

_NOISE_TILT = 0.9  # one-pole colouring: household noise falls with frequency
_QUIETEST_DB, _LOUDEST_DB = -18.0, 4.0
_NOISIEST_SNR_DB, _CLEANEST_SNR_DB = 3.0, 25.0


def vary(audio: Samples, rng: np.random.Generator, backgrounds: Sequence[Samples] = ()) -> Samples:
    """Return mono audio [n] as it might have sounded: shifted by part of a hop, at another level, in noise.

    The sound stays where it was to within a hop. `backgrounds` are recordings at the same rate to mix in;
    without any, noise is made.
    """
    shift = int(rng.integers(0, HOP_SAMPLES))
    shifted = np.concatenate([np.zeros(shift, dtype=np.float32), audio])[: len(audio)]
    if not len(audio):
        return shifted
    noise: Samples = _background(len(audio), rng, backgrounds)
    snr_db = rng.uniform(_NOISIEST_SNR_DB, _CLEANEST_SNR_DB)
    noise = noise * (_loudness(audio) / (_loudness(noise) + 1e-9) * 10.0 ** (-snr_db / 20.0))
    level = 10.0 ** (rng.uniform(_QUIETEST_DB, _LOUDEST_DB) / 20.0)
    mixed = np.clip((shifted + noise) * level, -1.0, 1.0)
    return np.asarray(mixed, dtype=np.float32)


def _background(length: int, rng: np.random.Generator, backgrounds: Sequence[Samples]) -> Samples:
    if not backgrounds:
        white = rng.normal(size=length + 64).astype(np.float32)
        pole = rng.uniform(0.0, _NOISE_TILT)
        # A short exponential kernel colours like a one-pole filter, without a loop over samples.
        return np.convolve(white, pole ** np.arange(64), mode="full")[64 : 64 + length].astype(np.float32)
    chosen = backgrounds[int(rng.integers(len(backgrounds)))]
    start = int(rng.integers(0, max(1, len(chosen) - length)))
    return np.resize(chosen[start : start + length], length)


def _loudness(audio: Samples) -> float:
    """RMS of the loudest tenth: what a short sound in a long silence is as loud as."""
    pieces = np.resize(audio, (max(1, len(audio) // HOP_SAMPLES), min(HOP_SAMPLES, len(audio))))
    power = np.sort(np.square(pieces, dtype=np.float64).mean(axis=1))[::-1]
    return float(np.sqrt(power[: max(1, len(power) // 10)].mean()))
