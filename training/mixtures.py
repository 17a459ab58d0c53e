"""What the student studies: mixtures of recordings and of made-up sounds.

A few hundred minutes of recordings are little; a teacher that can name any mixture makes them many.
Parametric sounds (tones, sweeps, noise bursts, clicks, struck bars) reach corners that the recordings do not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from training.augmentation import coloured, loud_power
from training.curriculum import MIXTURE_SAMPLES, Variety
from training.disguises import disguise
from training.production import produced
from training.recordings import TRAINING_RATE_HZ, Recordings

# Share of each source among the recordings drawn: by variety of sounds, not by minutes.
SOURCE_SHARES = {
    "esc50": 0.50,
    "berklee": 0.16,
    "sonicpi": 0.07,
    "librispeech": 0.09,
    "donateacry": 0.05,
    "adafruit": 0.02,
    "noixer": 0.05,
    "noisekun": 0.04,
    "blanket": 0.02,
}
ALONE_SHARE = 0.45
THREE_SHARE = 0.12

Audio = NDArray[np.float32]


def made_up(rng: Generator, samples: int) -> Audio:
    """Return a parametric sound of `samples`: some events of one kind, with random everything."""
    kind = rng.choice(["tone", "sweep", "noise", "click", "bar"])
    out = np.zeros(samples, np.float32)
    length_s = float(
        rng.uniform(0.01, 0.06) if kind == "click" else np.exp(rng.uniform(np.log(0.05), np.log(2.5)))
    )
    event = _EVENTS[str(kind)](rng, max(64, int(length_s * TRAINING_RATE_HZ)))
    gap_s = length_s + float(np.exp(rng.uniform(np.log(0.05), np.log(2.0))))
    start_s = float(rng.uniform(0.0, 0.4)) * samples / TRAINING_RATE_HZ
    for _ in range(int(rng.integers(1, 12))):
        start = int(start_s * TRAINING_RATE_HZ)
        if start >= samples:
            break
        piece = event[: samples - start]
        out[start : start + piece.size] += piece * rng.uniform(0.7, 1.0)
        start_s += gap_s * float(rng.uniform(0.95, 1.05))
    return np.asarray(out / (np.abs(out).max() + 1e-6) * 0.5, np.float32)


def _times(length: int) -> Audio:
    return np.asarray(np.arange(length) / TRAINING_RATE_HZ, np.float32)


def _faded(rng: Generator, x: Audio) -> Audio:
    edge = max(1, int(rng.uniform(0.002, 0.03) * TRAINING_RATE_HZ))
    envelope = np.minimum(1.0, np.minimum(np.arange(x.size), np.arange(x.size)[::-1]) / edge)
    return (x * envelope).astype(np.float32)


def _tone(rng: Generator, length: int) -> Audio:
    base_hz = np.exp(rng.uniform(np.log(150), np.log(4_500)))
    t = _times(length)
    wobble = rng.uniform(0, 0.02) * np.sin(2 * np.pi * rng.uniform(3, 12) * t)
    phase = 2 * np.pi * base_hz * (t + np.cumsum(wobble) / TRAINING_RATE_HZ)
    tilt = rng.uniform(0.2, 3.0)
    x = sum(np.sin(k * phase) / k**tilt for k in range(1, int(rng.integers(1, 10))) if k * base_hz < 15_000)
    return _faded(
        rng, np.asarray(x, np.float32) if not isinstance(x, int) else np.sin(phase).astype(np.float32)
    )


def _sweep(rng: Generator, length: int) -> Audio:
    low, high = np.exp(rng.uniform(np.log(200), np.log(5_000), 2))
    t = _times(length)
    rate_hz = rng.uniform(0.2, 5)
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * rate_hz * t) if rng.random() < 0.6 else (t * rate_hz) % 1.0
    phase = 2 * np.pi * np.cumsum(low + (high - low) * shape) / TRAINING_RATE_HZ
    return _faded(rng, (np.sin(phase) + rng.uniform(0, 0.5) * np.sin(2 * phase)).astype(np.float32))


def _noise(rng: Generator, length: int) -> Audio:
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.fft.rfftfreq(length, 1 / TRAINING_RATE_HZ)
    centre, width = np.exp(rng.uniform(np.log(100), np.log(10_000))), rng.uniform(0.2, 2.0)
    spectrum *= np.exp(-0.5 * (np.log2((hz + 20) / centre) / width) ** 2)
    x = np.fft.irfft(spectrum, length)
    decay = np.exp(-_times(length) * rng.choice([0.0, 3.0, 12.0, 40.0]))
    return _faded(rng, (x / (np.abs(x).max() + 1e-9) * decay).astype(np.float32))


def _click(rng: Generator, length: int) -> Audio:
    t = _times(length)
    hz = np.exp(rng.uniform(np.log(400), np.log(5_000)))
    ring = np.sin(2 * np.pi * hz * t) * np.exp(-t * rng.uniform(60, 600))
    burst = rng.standard_normal(length) * np.exp(-t * rng.uniform(100, 1_500))
    return np.asarray(ring * rng.uniform(0, 1) + burst * rng.uniform(0, 1), np.float32)


def _bar(rng: Generator, length: int) -> Audio:
    t = _times(max(length, int(0.3 * TRAINING_RATE_HZ)))
    base_hz = np.exp(rng.uniform(np.log(150), np.log(5_000)))
    x = np.zeros_like(t)
    for ratio in np.cumsum(rng.uniform(0.3, 2.0, int(rng.integers(3, 14)))) + 0.7:
        if base_hz * ratio < 15_000:
            x += (
                rng.uniform(0.1, 1)
                * np.sin(2 * np.pi * base_hz * ratio * t)
                * np.exp(-t * rng.uniform(2, 40) * ratio**0.5)
            )
    return x.astype(np.float32)


_EVENTS = {"tone": _tone, "sweep": _sweep, "noise": _noise, "click": _click, "bar": _bar}


@dataclass(frozen=True, slots=True)
class Mixer:
    """Draws mixtures from recordings and made-up sounds."""

    recordings: Recordings
    by_source: dict[str, list[int]]

    @classmethod
    def of(cls, recordings: Recordings) -> Mixer:
        """Index the recordings by their source."""
        by_source: dict[str, list[int]] = {}
        for index, row in enumerate(recordings.rows):
            by_source.setdefault(row.source, []).append(index)
        return cls(recordings, by_source)

    def draw(self, rng: Generator, variety: Variety) -> Audio:
        """Return one mixture, float32 [MIXTURE_SAMPLES], peak at most 0.9."""
        u = rng.random()
        voices = 1 if u < ALONE_SHARE else 3 if u > 1 - THREE_SHARE else 2
        out = np.zeros(MIXTURE_SAMPLES, np.float32)
        for voice in range(voices):
            piece = self._voice(rng, variety)
            gain_db = 0.0 if voice == 0 else rng.uniform(-15, 3)
            out += piece / np.sqrt(loud_power(piece)) * 0.1 * 10 ** (gain_db / 20)
        if rng.random() < variety.coloured_share:
            out = coloured(rng, out, TRAINING_RATE_HZ)
        peak = float(np.abs(out).max())
        return (out / peak * 0.9).astype(np.float32) if peak > 0.9 else out

    def _voice(self, rng: Generator, variety: Variety) -> Audio:
        piece = self._sound(rng, variety)
        if rng.random() < variety.disguised_share:
            return disguise(rng, piece, self._sound(rng, variety))
        return piece

    def _sound(self, rng: Generator, variety: Variety) -> Audio:
        u = rng.random()
        if u < variety.made_up_share:
            return made_up(rng, MIXTURE_SAMPLES)
        if u < variety.made_up_share + variety.produced_share:
            return produced(rng, MIXTURE_SAMPLES)
        return self._recording(rng, variety)

    def _recording(self, rng: Generator, variety: Variety) -> Audio:
        names = [name for name in SOURCE_SHARES if name in self.by_source]
        shares = np.array([SOURCE_SHARES[name] for name in names])
        source = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        audio = self.recordings.audio[int(rng.choice(self.by_source[source]))]
        farthest = np.log(variety.largest_speed)
        speed = float(np.exp(rng.uniform(-farthest, farthest))) if rng.random() < 0.5 else 1.0
        piece = _loud_piece(rng, audio, int(MIXTURE_SAMPLES * speed) + 64)
        if speed != 1.0:
            piece = soxr.resample(piece, TRAINING_RATE_HZ * speed, TRAINING_RATE_HZ, quality="LQ")
        piece = piece[:MIXTURE_SAMPLES]
        room = MIXTURE_SAMPLES - piece.size
        lead = int(rng.integers(room + 1)) if room else 0
        return np.pad(piece, (lead, room - lead))


def _loud_piece(rng: Generator, audio: NDArray[np.int16], needed: int) -> Audio:
    """Cut `needed` samples at random, trying again where the recording is silent."""
    whole = np.asarray(audio / 32_768, np.float32)
    if audio.size <= needed:
        return whole
    for _ in range(4):
        start = int(rng.integers(audio.size - needed))
        piece = whole[start : start + needed]
        if loud_power(piece) > 0.003 * loud_power(whole):
            break
    return piece
