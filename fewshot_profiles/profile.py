"""What a profile is: a name, the examples that taught it, and the detector fitted from them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.heads import Head

Kind = Literal["impulse", "sustained"]
"""An impulse is over in a moment (a snap, breaking glass); a sustained sound lasts (rain, an engine)."""

Verdict = Literal["right", "wrong", "missed"]
"""What the owner says of an event, or of a sound that made none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that the owner said about what was heard."""

    verdict: Verdict
    event: str
    """The event's id; empty for a sound that made none."""
    stream: str
    at: str
    """When it sounded, ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Where one example came from, and on what terms."""

    source: str
    path: str
    licence: str
    attribution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The examples as one encoder heard them."""

    positives: NDArray[np.float32]
    """[n, dim]"""
    positive_example: NDArray[np.int32]
    """[n], the index into `Profile.examples`"""
    negatives: NDArray[np.float32]
    """[m, dim]: sounds that the owner said are not it, and that are not heard; empty when there are none"""
    variant: NDArray[np.int32] | None = None
    """[n], 0 for what was heard as recorded, else which variation of it; None where only the maker of the
    detector could fit it again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The false alarms of a detector on recordings that it was not fitted on: its worst, strongest first."""

    peaks: NDArray[np.float32]
    """[n], the logit that each would reach"""
    counts: NDArray[np.float32]
    """[n], how many of its kind each stands for"""
    hours: float
    """The hours of a home that all of them stand for."""
    heard_hours: float
    """How much different sound this rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a head says where its sound is not."""

    mean: float
    spread: float
    """Logits, over the ordinary hours of the bank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """What was fitted from the examples for one encoder."""

    encoder: str
    """`str(EncoderId)`"""
    head: Head
    """Its logit means a probability: calibration is folded in."""
    threshold: float
    """The probability at which the calibrated rate of false alarms is kept."""
    tail: Tail | None = None
    """What its maker held out; None where the examples are there to fit it again without some of the bank."""
    rest: Rest | None = None
    """Against what a score has to stand out of its stream's past; None: it is taken as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the owner calls a sound, as one encoder hears it."""

    name: str
    description: str
    tags: tuple[str, ...]
    kind: Kind
    threshold_override: float | None
    """The owner's own threshold, in place of the calibrated one."""
    examples: tuple[Example, ...]
    embedded: Embedded
    detector: Detector
    promise_per_hour: float | None = None
    """The false alarms that the owner has said to accept; None where nothing was said."""
    revision: int = 1
    """Counts what the owner has changed."""
    change: str = "made"
    """What made this revision of the one before."""
    marks: tuple[Mark, ...] = ()
    """What the owner has said of its events."""

    @property
    def threshold(self) -> float:
        """The probability at which the sound counts as heard."""
        return self.detector.threshold if self.threshold_override is None else self.threshold_override

    @property
    def version(self) -> str:
        """Eight hexadecimal digits that change when anything changes that decides."""
        digest = blake2b(digest_size=4)
        digest.update(f"{self.name}\0{self.kind}\0{self.threshold:.6f}\0{self.detector.encoder}\0".encode())
        digest.update(self.detector.head.weights.astype("<f4").tobytes())
        digest.update(np.float32(self.detector.head.bias).astype("<f4").tobytes())
        if len(self.embedded.negatives):
            digest.update(self.embedded.negatives.astype("<f2").tobytes())
            digest.update(self.embedded.positives.astype("<f2").tobytes())
        if (rest := self.detector.rest) is not None:
            digest.update(np.array([rest.mean, rest.spread], dtype="<f4").tobytes())
        return digest.hexdigest()
