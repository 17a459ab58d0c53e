"""What the student studies, in what variety, for how long."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES
from training.recordings import TRAINING_RATE_HZ

STUDY_HOPS = 24
"""Teachers and student hear the same 1.92 s, the student from a cold start, as a gate opens onto a sound.

Taught what a teacher makes of five seconds, the student learns the recordings by heart: on classes that it
never met it stays ten points behind.
"""

STUDY_SAMPLES = STUDY_HOPS * HOP_SAMPLES
MIXTURE_SAMPLES = STUDY_SAMPLES * TRAINING_RATE_HZ // DETECTION_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class Variety:
    """How far a mixture strays from the recordings."""

    largest_speed: float = 2.0
    """Recordings are played up to so many times faster or slower."""
    coloured_share: float = 0.35
    """How often a mixture passes a random filter before the teachers hear it."""
    made_up_share: float = 0.1
    """How often a voice is a parametric sound."""
    produced_share: float = 0.35
    """How often it is made as nature or machines make theirs."""
    disguised_share: float = 0.45
    """How often a recording becomes a sound that nobody recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schooling:
    """One run of training."""

    mixtures: int = 80_000
    steps: int = 60_000
    batch: int = 32
    peak_learning_rate: float = 2.0e-3
    clean_share: float = 0.65
    """How often the student hears exactly what the teachers heard, at another level."""
    lead_share: float = 0.5
    """How often a quiet room comes before the sound: a gate opens on the hops before an onset, too."""
    longest_lead_hops: int = 10


VARIETY = Variety()
SCHOOLING = Schooling()
