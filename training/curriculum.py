"""The stages of the student's schooling."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES
from training.recordings import TRAINING_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is studied, in what variety, for how long."""

    name: str
    mixtures_of: str
    """The stage that the mixtures were drawn for."""
    mixture_s: float
    """How much of a mixture the teacher hears."""
    study_hops: int
    """How much of it the student hears, from a cold start, the way a gate opens onto a sound."""
    mixtures: int
    steps: int
    peak_learning_rate: float
    largest_speed: float
    """Recordings are played up to so many times faster or slower."""
    altered_share: float
    """How often a recording is turned round or a mixture coloured before the teacher hears it."""
    made_up_share: float
    """How often a voice of a mixture is a parametric sound."""
    clean_share: float
    """How often the student hears exactly what the teacher heard, at another level."""

    @property
    def mixture_samples(self) -> int:
        """The mixture's length for the teacher."""
        return round(self.mixture_s * TRAINING_RATE_HZ)

    @property
    def heard_samples(self) -> int:
        """The mixture's length at the rate that the student hears."""
        return round(self.mixture_s * DETECTION_RATE_HZ)

    @property
    def study_samples(self) -> int:
        """What the student hears of it."""
        return self.study_hops * HOP_SAMPLES


# What a sound is, from a piece of it: the teacher sees five clean seconds. It learns this quickly, and learns
# the recordings by heart with it: on classes it never met it stays ten points behind.
CONTEXT = Stage(
    name="context",
    mixtures_of="context",
    mixture_s=5.0,
    study_hops=32,
    mixtures=24_000,
    steps=3_200,
    peak_learning_rate=2.5e-3,
    largest_speed=1.33,
    altered_share=0.0,
    made_up_share=0.15,
    clean_share=0.0,
)

# What the teacher makes of any sound whatever: both hear the same two seconds, hardly ever twice.
CLOSE = Stage(
    name="close",
    mixtures_of="close",
    mixture_s=24 * HOP_SAMPLES / DETECTION_RATE_HZ,
    study_hops=24,
    mixtures=80_000,
    steps=3_300,
    peak_learning_rate=1.6e-3,
    largest_speed=2.0,
    altered_share=0.35,
    made_up_share=0.2,
    clean_share=0.65,
)

# The same once more, mostly clean, from a lower rate: what the decay of the stage before left undone.
POLISH = replace(CLOSE, name="polish", steps=1_000, peak_learning_rate=8e-4, clean_share=0.8)

STAGES = {stage.name: stage for stage in (CONTEXT, CLOSE, POLISH)}
