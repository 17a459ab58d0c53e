"""A few voices from the owner's own car, and the two cabin profiles know its microphones, glass and seats.

The profiles that ship are the prior: what few examples say moves their heads only as far as it must.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import cabin_cues
from detectors.framing import Framer
from detectors.types import AudioBlock, Samples
from fewshot_profiles.cabin import INSIDE
from fewshot_profiles.calibration import sigmoid
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Example, Profile
from foundation.errors import Problem, ProfileError

FEWEST_HOPS = 9
"""0.7 s of a voice: with less an example says nothing."""
LOOK_EVERY_HOPS = 6
PRIOR, BIAS_PRIOR = 1_000.0, 1.0
"""How strongly the stock heads hold against the examples of a car: the weights, and the bias, which another
gain moves most. Chosen on simulated cars of training."""
_STEPS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One recording of somebody talking, in the car or outside."""

    file: Path
    inside: bool
    cues: NDArray[np.float32]
    """[n, dim]: while the voice goes on, and at its end"""


def listen(
    file: Path, samples: Samples, rate_hz: int, *, inside: bool, full_scale_db_spl: float, distance_m: float
) -> Voice:
    """Return the cues of a recording, float32 [channels, n]; the first two channels count.

    Raises ProfileError where nobody is heard to speak.
    """
    state = cabin_cues.initial_state(min(2, len(samples)))
    found = []
    for hop in _hops(samples, rate_hz):
        before = state.spoken_hops
        state = cabin_cues.step(state, hop, full_scale_db_spl)
        if state.spoken_hops > max(before, FEWEST_HOPS - 1) and state.spoken_hops % LOOK_EVERY_HOPS == 0:
            found.append(cabin_cues.cues(state, distance_m))
    if not found:
        message = (
            "nobody is heard to speak for a second; record two to five seconds of talking, with a second of "
            "the car's own noise before, through the microphones that heard will use"
        )
        raise ProfileError([Problem(file=file, line=0, column=0, message=message)])
    return Voice(file=file, inside=inside, cues=np.stack(found))


def adapt(profiles: Sequence[Profile], voices: Sequence[Voice]) -> tuple[Profile, ...]:
    """Return both profiles as this car's voices would have them."""
    stock = np.concatenate([profile.embedded.positives for profile in profiles])
    centre, spread = stock.mean(axis=0), np.maximum(stock.std(axis=0), 1e-3)
    return tuple(
        replace(
            profile,
            examples=(*profile.examples, *_examples(voices, inside=profile.name == INSIDE)),
            detector=replace(
                profile.detector,
                head=_moved(profile.detector.head, centre, spread, voices, inside=profile.name == INSIDE),
            ),
            revision=profile.revision + 1,
            change="adapted to a car",
        )
        for profile in profiles
    )


def _hops(samples: Samples, rate_hz: int) -> list[Samples]:
    apart = []
    for channel in samples[:2]:
        framer = Framer(rate_hz=rate_hz, channels=1)
        block = AudioBlock(samples=channel[None], rate_hz=rate_hz, start=0)
        apart.append([hop.samples for hop in (*framer.accept(block), *framer.flush())])
    return [np.stack(hop) for hop in zip(*apart, strict=True)]


def _examples(voices: Sequence[Voice], *, inside: bool) -> list[Example]:
    return [
        Example(source="own car", path=voice.file.name, licence="", attribution="")
        for voice in voices
        if voice.inside == inside
    ]


def _moved(
    head: Head,
    centre: NDArray[np.float32],
    spread: NDArray[np.float32],
    voices: Sequence[Voice],
    *,
    inside: bool,
) -> Head:
    """Find the head nearest to `head` that the voices agree with: a logistic regression whose prior it is."""
    cues = np.concatenate([voice.cues for voice in voices])
    weights = np.concatenate([np.full(len(voice.cues), 1.0 / len(voice.cues)) for voice in voices])
    targets = np.concatenate([np.full(len(voice.cues), float(voice.inside == inside)) for voice in voices])
    design = np.concatenate([np.clip((cues - centre) / spread, -4.0, 4.0), np.ones((len(cues), 1))], axis=1)
    ridge = np.full(design.shape[1], PRIOR)
    ridge[-1] = BIAS_PRIOR
    before = head.logits(cues).astype(np.float64)
    move = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        chances = np.asarray(sigmoid((before + design @ move).astype(np.float32)), np.float64)
        slope = design.T @ (weights * (chances - targets)) + ridge * move
        bend = weights * np.maximum(chances * (1.0 - chances), 0.05)
        move -= np.linalg.solve((design.T * bend) @ design + np.diag(ridge), slope)
    coefficients = (move[:-1] / spread).astype(np.float32)
    return Head(
        weights=head.weights + coefficients,
        bias=head.bias + float(move[-1]) - float(coefficients @ centre),
    )
