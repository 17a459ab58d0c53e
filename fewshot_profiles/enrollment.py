"""Enrolment: a few recordings become a profile, and say how far it can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import Encoder, EncoderId
from fewshot_profiles.ambience import Ambience
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.example_audio import ExampleAudio, read_example
from fewshot_profiles.example_embedding import embed_examples
from fewshot_profiles.fitting import Fit, Positives
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Detector, Embedded, Example, Kind, Profile
from fewshot_profiles.promise import FALSE_ALARMS_PER_HOUR
from fewshot_profiles.refitting import Surroundings, fit_again, no_rows, positives_of
from fewshot_profiles.report import ExampleVerdict, Report, most_like, report_on, unlike_the_others
from foundation.errors import ExampleError

__all__ = [
    "FALSE_ALARMS_PER_HOUR",
    "MAX_EXAMPLES",
    "EnrollmentResult",
    "Surroundings",
    "Teaching",
    "add_examples",
    "enroll",
    "enroll_recordings",
    "read_examples",
]

MAX_EXAMPLES = 20

_IMPULSE_S = 0.8  # half of the sounds are shorter than this: an impulse

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentResult:
    """A profile, and what is known about it before it has heard anything."""

    profile: Profile
    recordings: tuple[ExampleAudio, ...]
    report: Report

    @property
    def verdicts(self) -> tuple[ExampleVerdict, ...]:
        """What is to be said of each example."""
        return self.report.verdicts

    @property
    def leave_one_out_recall(self) -> float | None:
        """The share of examples that the others hear; None with a single example."""
        found = [verdict.found for verdict in self.verdicts if verdict.found is not None]
        return float(np.mean(found)) if found else None

    @property
    def false_alarms_per_hour(self) -> float:
        """Expected, on the background bank and in this home."""
        return self.report.expected.per_hour

    @property
    def confused_with(self) -> tuple[str, ...]:
        """Profiles whose own examples this one often takes for its own."""
        return self.report.confused_with


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What the owner says about the sound."""

    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    licence: str = "the owner's"
    attribution: str = ""
    false_alarms_per_hour: float | None = None
    """None: one in a week is the aim, and what this home allows."""
    source: str = "enrolled"


def enroll(
    teaching: Teaching,
    files: Sequence[Path],
    *,
    encoder: Encoder,
    bank: BackgroundBank,
    others: Sequence[Profile] = (),
    home: Ambience | None = None,
) -> EnrollmentResult:
    """Make a profile from recordings of one sound; several sounds in one file are fine.

    Raises ExampleError, naming every example that cannot be used and what to do about each.
    """
    surroundings = Surroundings(encoder=encoder, bank=bank, others=tuple(others), home=home)
    return enroll_recordings(teaching, read_examples(files), surroundings)


def read_examples(files: Sequence[Path]) -> list[ExampleAudio]:
    """Read every file; raise ExampleError naming each that cannot be used and what to do about it."""
    _check_count(len(files))
    return all_of(files, read_example)


def all_of(items: Sequence[_Item], read: Callable[[_Item], ExampleAudio]) -> list[ExampleAudio]:
    """Read all of them; raise one ExampleError with what is wrong with each."""
    recordings, faults = [], []
    for item in items:
        try:
            recordings.append(read(item))
        except ExampleError as error:
            faults.append(str(error))
    if faults:
        raise ExampleError("\n".join(faults))
    return recordings


def enroll_recordings(
    teaching: Teaching,
    recordings: Sequence[ExampleAudio],
    surroundings: Surroundings,
    *,
    refuse_unlike: bool = True,
) -> EnrollmentResult:
    """Make a profile from examples already read or cut; raise ExampleError for one unlike the others."""
    _check_count(len(recordings))
    bare = Profile(
        name=teaching.name,
        description=teaching.description,
        tags=teaching.tags,
        kind=_kind(recordings),
        threshold_override=None,
        examples=_as_examples(teaching, recordings),
        embedded=_embedded(
            embed_examples(surroundings.encoder, recordings), no_rows(surroundings.encoder_id)
        ),
        detector=_no_detector(surroundings.encoder_id),
        promise_per_hour=_stated(teaching.false_alarms_per_hour),
        change="enrolled",
    )
    return _finished(bare, recordings, surroundings, refuse_unlike=refuse_unlike)


def add_examples(
    profile: Profile, teaching: Teaching, recordings: Sequence[ExampleAudio], surroundings: Surroundings
) -> EnrollmentResult:
    """Teach a profile more of its sound. Raises ExampleError as enrolment does."""
    if profile.embedded.variant is None:
        raise ExampleError(
            f"{profile.name} came ready-made and cannot be fitted again: mark what it misses, "
            "or teach a profile of your own under another name."
        )
    before = positives_of(profile)
    _check_count(before.examples + len(recordings))
    new = embed_examples(surroundings.encoder, recordings)
    joined = Positives(
        hops=np.concatenate([before.hops, new.hops]),
        example=np.concatenate([before.example, new.example + np.int32(before.examples)]),
        variant=np.concatenate([before.variant, new.variant]),
    )
    bare = replace(
        profile,
        examples=(*profile.examples, *_as_examples(teaching, recordings)),
        embedded=_embedded(joined, profile.embedded.negatives),
        revision=profile.revision + 1,
        change=f"{len(recordings)} examples added",
    )
    return _finished(bare, recordings, surroundings)


def _finished(
    bare: Profile,
    recordings: Sequence[ExampleAudio],
    surroundings: Surroundings,
    *,
    refuse_unlike: bool = True,
) -> EnrollmentResult:
    profile, fit = fit_again(bare, surroundings)
    if refuse_unlike:
        _refuse_unlike(profile, fit, surroundings)
    first = len(profile.examples) - len(recordings)
    report = report_on(
        profile,
        fit.background,
        fit=fit,
        recordings=recordings if first == 0 else (),
        others=surroundings.others,
    )
    return EnrollmentResult(profile=profile, recordings=tuple(recordings), report=report)


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_EXAMPLES:
        raise ExampleError(
            f"{count} examples: a profile takes 1 to {MAX_EXAMPLES}. Give three to five good ones."
        )


def _as_examples(teaching: Teaching, recordings: Sequence[ExampleAudio]) -> tuple[Example, ...]:
    return tuple(
        Example(
            source=teaching.source,
            path=recording.name,
            licence=teaching.licence,
            attribution=teaching.attribution,
        )
        for recording in recordings
    )


def _embedded(positives: Positives, negatives: NDArray[np.float32]) -> Embedded:
    return Embedded(
        positives=positives.hops,
        positive_example=positives.example,
        variant=positives.variant,
        negatives=negatives,
    )


def _no_detector(encoder: EncoderId) -> Detector:
    return Detector(
        encoder=str(encoder), head=Head(weights=np.zeros(encoder.dim, np.float32), bias=0.0), threshold=0.5
    )


def _stated(per_hour: float | None) -> float | None:
    return None if per_hour == FALSE_ALARMS_PER_HOUR else per_hour


def _kind(recordings: Sequence[ExampleAudio]) -> Kind:
    lengths = [region.seconds for recording in recordings for region in recording.regions]
    return "impulse" if np.median(lengths) < _IMPULSE_S else "sustained"


def _refuse_unlike(profile: Profile, fit: Fit, surroundings: Surroundings) -> None:
    unlike = unlike_the_others(fit)
    if not any(unlike):
        return
    if all(unlike):
        raise ExampleError("These examples have nothing in common: record the same sound each time.")
    rivals = [other for other in surroundings.others if other.name != profile.name]
    faults = []
    for number, odd in enumerate(unlike):
        if odd:
            hops = profile.embedded.positives[profile.embedded.positive_example == number]
            other = most_like(hops, rivals)
            mostly = "" if other is None else f" (it is mostly {other.replace('_', ' ')})"
            faults.append(
                f"{profile.examples[number].path} is unlike the other examples{mostly}. "
                "Leave it out, or record it again."
            )
    raise ExampleError("\n".join(faults))
