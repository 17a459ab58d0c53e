"""Sounds that nobody recorded, made of those that somebody did.

A few hundred minutes hold few kinds of sound, and a student learns them by heart. One recording's loudness on
another's timbre, a bird a fifth lower and chopped to pieces, a hammer that hums: teachers name what they
hear in them, and the student has to listen.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from training.recordings import TRAINING_RATE_HZ

Audio = NDArray[np.float32]
ENVELOPE_SAMPLES = TRAINING_RATE_HZ // 100
EDGE_SAMPLES = TRAINING_RATE_HZ // 200


def disguise(rng: Generator, sound: Audio, other: Audio) -> Audio:
    """Return `sound` [samples] as something else; `other`, of the same length, lends its loudness."""
    kind = rng.choice(["reversed", "borrowed", "shuffled", "trembling", "shifted", "plucked"])
    match kind:
        case "reversed":
            return sound[::-1]
        case "borrowed":
            return borrowed_loudness(sound, other)
        case "shuffled":
            return shuffled(rng, sound)
        case "trembling":
            return trembling(rng, sound)
        case "shifted":
            return shifted(sound, float(np.exp(rng.uniform(np.log(60), np.log(2_500)))))
        case _:
            return plucked(rng, sound)


def loudness(sound: Audio) -> Audio:
    """Return the envelope [samples]: root mean square over 10 ms, joined by lines."""
    frames = sound[: sound.size // ENVELOPE_SAMPLES * ENVELOPE_SAMPLES].reshape(-1, ENVELOPE_SAMPLES)
    centres = (np.arange(len(frames)) + 0.5) * ENVELOPE_SAMPLES
    joined = np.interp(np.arange(sound.size), centres, np.sqrt((frames**2).mean(1)))
    return np.asarray(joined, np.float32)


def borrowed_loudness(sound: Audio, other: Audio) -> Audio:
    """Flatten a sound's own loudness, then let it follow another's."""
    own = loudness(sound)
    return np.asarray(sound / (own + 0.1 * own.max() + 1e-6) * loudness(other), np.float32)


def shuffled(rng: Generator, sound: Audio) -> Audio:
    """Cut into grains of 40 to 400 ms and put them back in another order, their edges faded."""
    grain = int(np.exp(rng.uniform(np.log(0.04), np.log(0.4))) * TRAINING_RATE_HZ)
    count = sound.size // grain
    ramp = np.minimum(1.0, np.minimum(np.arange(grain), np.arange(grain)[::-1]) / EDGE_SAMPLES)
    grains = sound[: count * grain].reshape(count, grain) * ramp
    # With repeats, as machines do.
    order = rng.permutation(count) if rng.random() < 0.5 else rng.integers(count, size=count)
    return np.concatenate((grains[order].ravel(), sound[count * grain :])).astype(np.float32)


def trembling(rng: Generator, sound: Audio) -> Audio:
    """Swell and fade 1 to 40 times a second, smoothly or in bursts."""
    rate_hz = np.exp(rng.uniform(np.log(1.0), np.log(40.0)))
    wave = np.sin(2 * np.pi * rate_hz * np.arange(sound.size) / TRAINING_RATE_HZ + rng.uniform(0, 6.28))
    wave = np.tanh(wave * rng.uniform(0.5, 8.0))
    depth = rng.uniform(0.5, 1.0)
    return np.asarray(sound * (1 - depth * (0.5 - 0.5 * wave)), np.float32)


def shifted(sound: Audio, by_hz: float) -> Audio:
    """Move every partial up by so many hertz: what was in tune is a bell or a machine."""
    spectrum = np.fft.rfft(sound)
    bins = int(by_hz * sound.size / TRAINING_RATE_HZ)
    moved = np.zeros_like(spectrum)
    moved[bins:] = spectrum[: spectrum.size - bins]
    return np.fft.irfft(moved, sound.size).astype(np.float32)


def plucked(rng: Generator, sound: Audio) -> Audio:
    """Let each stretch of 0.1 to 0.8 s begin at once and die away."""
    length = int(np.exp(rng.uniform(np.log(0.1), np.log(0.8))) * TRAINING_RATE_HZ)
    since = (np.arange(sound.size) + int(rng.integers(length))) % length
    decay = np.exp(-since / (length * rng.uniform(0.05, 0.5)))
    return np.asarray(sound * decay * np.minimum(1.0, since / (EDGE_SAMPLES / 4)), np.float32)
