"""Enrolment: a few recordings become a profile, and say how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.encoders import Encoder
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.augmentation import vary
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.embedding import embed_framed, frame_clip
from fewshot_profiles.example_audio import ExampleAudio, active_hops, read_example
from fewshot_profiles.fitting import Fit, Positives, fit_detector
from fewshot_profiles.profile import Detector, Embedded, Example, Kind, Profile
from foundation.errors import ExampleError

MAX_EXAMPLES = 20

FALSE_ALARMS_PER_HOUR = 0.02
"""What a threshold aims at unless the owner says otherwise: one in two days."""

_VARIANTS = 5
_IMPULSE_S = 0.8  # half of the sounds are shorter than this: an impulse
_TAIL_HOPS = 2  # the encoder still hears a sound for a moment after it
_UNLIKE_QUANTILE = 0.9  # an example that the others rate below this much of the background is another sound
_UNLIKE_FROM = 3  # with two examples nobody can say which of them is the odd one
_CONFUSED_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleVerdict:
    """What enrolment made of one example."""

    path: str
    sounds: int
    seconds: float
    """How much of it sounds."""
    score: float | None
    """What a profile made from the other examples gives it; None when there are no others."""
    found: bool | None
    """Whether that profile hears it."""

    def __str__(self) -> str:
        sounds = "1 sound" if self.sounds == 1 else f"{self.sounds} sounds"
        text = f"{self.path}: {sounds}, {self.seconds:.2f} s"
        if self.score is None:
            return text
        return f"{text}; the others {'hear' if self.found else 'miss'} it (score {self.score:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentResult:
    """A profile, and what is known about it before it has heard anything."""

    profile: Profile
    recordings: tuple[ExampleAudio, ...]
    verdicts: tuple[ExampleVerdict, ...]
    leave_one_out_recall: float | None
    """None with a single example."""
    false_alarms_per_hour: float
    """Expected, on the background bank."""
    confused_with: tuple[str, ...]
    """Profiles whose own examples this one often takes for its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What the owner says about the sound."""

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    licence: str = "the owner's"
    attribution: str = ""
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR


def enroll(
    teaching: Teaching,
    files: Sequence[Path],
    *,
    encoder: Encoder,
    bank: BackgroundBank,
    others: Sequence[Profile] = (),
) -> EnrollmentResult:
    """Make a profile from recordings of one sound; several sounds in one file are fine.

    Raises ExampleError, naming every example that cannot be used and what to do about each.
    """
    if not 1 <= len(files) <= MAX_EXAMPLES:
        raise ExampleError(
            f"{len(files)} examples: a profile takes 1 to {MAX_EXAMPLES}. Give three to five good ones."
        )
    recordings, faults = [], []
    for file in files:
        try:
            recordings.append(read_example(file))
        except ExampleError as error:
            faults.append(str(error))
    if faults:
        raise ExampleError("\n".join(faults))
    return enroll_recordings(teaching, recordings, encoder=encoder, bank=bank, others=others)


def enroll_recordings(
    teaching: Teaching,
    recordings: Sequence[ExampleAudio],
    *,
    encoder: Encoder,
    bank: BackgroundBank,
    others: Sequence[Profile] = (),
) -> EnrollmentResult:
    """Make a profile from examples already read or cut; raise ExampleError for one unlike the others."""
    rivals = [profile for profile in others if profile.name != teaching.name]
    positives = embed_examples(encoder, recordings)
    negatives = np.concatenate(
        [np.zeros((0, encoder.id.dim), np.float32), *(profile.embedded.positives for profile in rivals)]
    )
    fit = fit_detector(positives, negatives, bank, teaching.false_alarms_per_hour)
    _refuse_unlike(recordings, fit)
    profile = Profile(
        name=teaching.name,
        description=teaching.description,
        tags=teaching.tags,
        kind=_kind(recordings),
        threshold_override=None,
        examples=tuple(
            Example(
                source="enrolled",
                path=recording.name,
                licence=teaching.licence,
                attribution=teaching.attribution,
            )
            for recording in recordings
        ),
        embedded=Embedded(
            positives=positives.hops,
            positive_example=positives.example,
            negatives=np.zeros((0, encoder.id.dim), np.float32),
        ),
        detector=Detector(encoder=str(encoder.id), head=fit.head, threshold=fit.threshold),
    )
    verdicts = _verdicts(recordings, fit)
    found = [verdict.found for verdict in verdicts if verdict.found is not None]
    return EnrollmentResult(
        profile=profile,
        recordings=tuple(recordings),
        verdicts=verdicts,
        leave_one_out_recall=float(np.mean(found)) if found else None,
        false_alarms_per_hour=fit.false_alarms_per_hour,
        confused_with=_confused_with(profile, rivals),
    )


def embed_examples(encoder: Encoder, recordings: Sequence[ExampleAudio]) -> Positives:
    """Embed the sounding hops of each example, as recorded and in variants that depend on nothing else."""
    rng = np.random.default_rng(0)
    clips, example, plain = [], [], []
    for number, recording in enumerate(recordings):
        for variant in range(_VARIANTS + 1):
            audio = vary(recording.audio, rng) if variant else recording.audio
            clips.append(frame_clip(audio, DETECTION_RATE_HZ))
            example.append(number)
            plain.append(variant == 0)
    masks = [
        active_hops(recordings[number].regions, len(clip), _TAIL_HOPS)
        for number, clip in zip(example, clips, strict=True)
    ]
    embedded = [clip.hops[mask] for clip, mask in zip(embed_framed(encoder, clips), masks, strict=True)]
    counts = [len(hops) for hops in embedded]
    return Positives(
        hops=np.concatenate(embedded),
        example=np.repeat(np.array(example, dtype=np.int32), counts),
        plain=np.repeat(np.array(plain, dtype=bool), counts),
    )


def _kind(recordings: Sequence[ExampleAudio]) -> Kind:
    lengths = [region.seconds for recording in recordings for region in recording.regions]
    return "impulse" if np.median(lengths) < _IMPULSE_S else "sustained"


def _refuse_unlike(recordings: Sequence[ExampleAudio], fit: Fit) -> None:
    if fit.held_out_scores is None or len(recordings) < _UNLIKE_FROM:
        return
    ordinary = np.quantile(fit.background_scores, _UNLIKE_QUANTILE)
    unlike = [
        recording.name
        for recording, score in zip(recordings, fit.held_out_scores, strict=True)
        if score < ordinary
    ]
    if len(unlike) == len(recordings):
        raise ExampleError("These examples have nothing in common: record the same sound each time.")
    if unlike:
        raise ExampleError(
            "\n".join(
                f"{name} is unlike the other examples. Leave it out, or record it again." for name in unlike
            )
        )


def _verdicts(recordings: Sequence[ExampleAudio], fit: Fit) -> tuple[ExampleVerdict, ...]:
    scores = [None] * len(recordings) if fit.held_out_scores is None else list(fit.held_out_scores)
    return tuple(
        ExampleVerdict(
            path=recording.name,
            sounds=len(recording.regions),
            seconds=recording.seconds,
            score=None if score is None else float(score),
            found=None if score is None else bool(score >= fit.threshold),
        )
        for recording, score in zip(recordings, scores, strict=True)
    )


def _confused_with(profile: Profile, rivals: Sequence[Profile]) -> tuple[str, ...]:
    threshold = np.log(profile.threshold) - np.log1p(-profile.threshold)
    head = profile.detector.head
    return tuple(
        rival.name
        for rival in rivals
        if np.mean(head.logits(rival.embedded.positives) >= threshold) > _CONFUSED_SHARE
    )
