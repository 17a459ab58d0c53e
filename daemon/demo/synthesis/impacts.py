"""Things that are struck: a pane of glass, a snap of the fingers."""

from __future__ import annotations

import numpy as np

from daemon.demo.synthesis.signal import (
    Floats,
    add_at,
    band,
    geometric,
    modes,
    noise,
    normalised,
    samples,
    times,
    uniform,
)
from detectors.types import Samples


def glass_breaking(rng: np.random.Generator) -> Samples:
    """A pane breaks: the blow, the ringing pane, then its shards, which hit the floor and each other."""
    out = np.zeros(samples(uniform(rng, 1.5, 1.9)))
    blow = samples(0.25)
    add_at(out, _crack(rng, blow), 0, 1.0)
    add_at(out, _pane(rng, blow), 0, 0.25)
    for start_s, spread_s, count, gain in (
        (0.004, 0.08, int(rng.integers(80, 120)), 0.9),
        (uniform(rng, 0.18, 0.3), 0.16, int(rng.integers(120, 180)), 0.7),
        (uniform(rng, 0.45, 0.6), 0.18, int(rng.integers(80, 120)), 0.3),
    ):
        for delay_s in rng.exponential(spread_s, count):
            late = np.exp(-delay_s / (2 * spread_s))
            size = float(rng.lognormal(-1.2, 0.8)) * late
            add_at(out, _shard(rng), samples(start_s + delay_s), gain * min(size, 1.0))
    return normalised(out)


def _crack(rng: np.random.Generator, count: int) -> Floats:
    """The fracture itself: a broad burst that is over in a few hundredths of a second."""
    decay_s = uniform(rng, 0.02, 0.032)
    return noise(rng, count, band(900, 8_260, 1)) * np.exp(-times(count) / decay_s) * 0.57


def _pane(rng: np.random.Generator, count: int) -> Floats:
    """What the pane rings with before it is gone."""
    number = 24
    frequencies = np.sort(np.exp(rng.uniform(np.log(500), np.log(9_000), number)))
    decays = rng.uniform(0.05, 0.2, number) * (1_000 / frequencies) ** 0.25
    return modes(count, frequencies, decays, rng.standard_normal(number) * 0.3)


def _shard(rng: np.random.Generator) -> Floats:
    """One fragment touches something: a few high inharmonic partials and a tick."""
    number = int(rng.integers(3, 7))
    lowest = geometric(rng, 1_800, 6_500)
    ratios = np.cumsum(np.concatenate(([1.0], rng.uniform(0.25, 0.9, number - 1))))
    frequencies = np.minimum(lowest * ratios, 19_000.0)
    decays = geometric(rng, 0.025, 0.13) * ratios**-0.6
    count = samples(float(decays[0]) * 0.9)
    ring = modes(count, frequencies, decays, rng.uniform(0.3, 1.0, number) * ratios**-0.5)
    tick = rng.standard_normal(count) * np.exp(-times(count) / 0.0018)
    return ring * 0.5 + tick * 0.3


def finger_snap(rng: np.random.Generator) -> Samples:
    """A finger slides off the thumb and slaps the palm: a click, and the hollow of the hand rings."""
    count, slide_s = samples(0.2), 0.014
    since = np.maximum(times(count) - slide_s, 0.0)
    struck = times(count) >= slide_s
    hollow = np.zeros(count)
    add_at(hollow, _hollow_hand(rng, count), samples(slide_s))
    click = noise(rng, count, band(700, 20_000, 1)) * np.exp(-since / 0.0005) * 0.148
    skin = noise(rng, count, band(900, 8_000, 1)) * np.exp(-since / 0.016) * 0.0094
    palm = np.sin(2 * np.pi * uniform(rng, 62, 84) * since) * np.exp(-since / 0.0032) * 0.374
    approach = np.exp(-(((times(count) - 0.009) / 0.003) ** 2))
    friction = noise(rng, count, band(2_000, 9_000)) * approach * 0.004
    return normalised(hollow + (click + skin + palm) * struck + friction)


def _hollow_hand(rng: np.random.Generator, count: int) -> Floats:
    """The cavity between fingers and palm: neighbouring modes that fade at once, over a faint tail."""
    ratios = np.array([1.0, 1.047, 0.975, 0.931, 4.59])
    gains = np.array([1.0, 1.03, 0.413, 0.288, 0.154]) * rng.uniform(0.85, 1.15, len(ratios))
    frequencies = uniform(rng, 2_460, 2_770) * ratios
    quick, slow = (
        modes(count, frequencies, np.full(len(ratios), decay_s), gains) for decay_s in (0.0366, 0.119)
    )
    return quick + 0.102 * slow
