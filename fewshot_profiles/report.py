"""What is known of a profile before anybody relies on it: the report that the owner reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.calibration import logit, sigmoid
from fewshot_profiles.example_audio import ExampleAudio
from fewshot_profiles.fitting import Fit
from fewshot_profiles.profile import Profile
from fewshot_profiles.promise import Background, Expected

HEARD_SHARE = 0.5
"""A profile that hears at least this share of another one's examples hears that sound, too."""

CONFUSED_SHARE = 0.2

_UNLIKE_QUANTILE = 0.9  # an example that the others rate below this much of the background is another sound
_UNLIKE_SHARE = 0.1  # so is one that comes no nearer to the usual example than this part of the way
_UNLIKE_FROM = 3  # with two examples nobody can say which of them is the odd one
_SAME_DISTANCE_DB = 6.0
_GOOD_COUNT = 5
_Z_95 = 1.959964
_SOFTNESS = 0.5  # how far, in logits, one more recording of the same sound lands from its like


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """The share of the sounds that would be heard, with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleVerdict:
    """What is to be said of one example."""

    path: str
    sounds: int
    seconds: float
    """How much of it sounds."""
    score: float | None
    """What a profile made from the other examples gives it; None when there are no others."""
    found: bool | None
    """Whether that profile hears it."""
    unlike: bool
    """Whether it is another sound than the others."""
    remark: str
    """What it resembles more than the others, or nothing."""

    def __str__(self) -> str:
        sounds = "1 sound" if self.sounds == 1 else f"{self.sounds} sounds"
        text = f"{self.path}: {sounds}, {self.seconds:.2f} s"
        if self.score is None:
            return text
        text = f"{text}; the others {'hear' if self.found else 'miss'} it (score {self.score:.2f})"
        return f"{text}; {self.remark}" if self.remark else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A profile's own account of how far it can be trusted."""

    profile: str
    version: str
    revision: int
    kind: str
    examples: int
    threshold: float
    promise_per_hour: float | None
    recall: Recall | None
    """Of leaving each example out; None with fewer than two, or where the detector came ready-made."""
    expected: Expected
    occurrences: float
    """Moments of this home's past that sounded like the examples: probably the sound itself."""
    confused_with: tuple[str, ...]
    """Profiles whose examples this one takes for its own."""
    also_heard_by: tuple[str, ...]
    """Profiles that hear this one's examples: both will speak."""
    verdicts: tuple[ExampleVerdict, ...]
    right: int
    wrong: int
    missed: int
    advice: tuple[str, ...]


def report_on(
    profile: Profile,
    background: Background,
    *,
    fit: Fit | None = None,
    recordings: Sequence[ExampleAudio] = (),
    others: Sequence[Profile] = (),
) -> Report:
    """Return the report; without a `fit` of its examples it says nothing of recall."""
    rivals = [other for other in others if other.name != profile.name]
    edge = logit(profile.threshold)
    expected = background.expected(edge)
    recall = None if fit is None or fit.held_out is None else recall_of(fit.held_out, edge)
    verdicts = () if fit is None else verdicts_of(profile, fit, recordings, rivals)
    said = [mark.verdict for mark in profile.marks]
    confused = confused_with(profile, rivals)
    return Report(
        profile=profile.name,
        version=profile.version,
        revision=profile.revision,
        kind=profile.kind,
        examples=len(profile.examples),
        threshold=profile.threshold,
        promise_per_hour=profile.promise_per_hour,
        recall=recall,
        expected=expected,
        occurrences=0.0 if fit is None else fit.occurrences,
        confused_with=confused,
        also_heard_by=also_heard_by(profile, rivals),
        verdicts=verdicts,
        right=said.count("right"),
        wrong=said.count("wrong"),
        missed=said.count("missed"),
        advice=_advice(verdicts, recordings, expected, confused, recall),
    )


def recall_of(held_out: Sequence[NDArray[np.float32]], threshold_logit: float) -> Recall:
    """Estimate recall from the peak logits of each example's takes under heads that have not seen it.

    Each example counts by how surely it is over the threshold: five examples know more than six numbers.
    """
    shares = [float(np.mean(sigmoid((takes - threshold_logit) / _SOFTNESS))) for takes in held_out]
    return _wilson(float(np.mean(shares)), len(shares))


def verdicts_of(
    profile: Profile, fit: Fit, recordings: Sequence[ExampleAudio], rivals: Sequence[Profile]
) -> tuple[ExampleVerdict, ...]:
    """Return what is to be said of each example."""
    scores, unlike = fit.held_out_scores, unlike_the_others(fit)
    verdicts = []
    for number, example in enumerate(profile.examples):
        recording = recordings[number] if number < len(recordings) else None
        hops = profile.embedded.positives[profile.embedded.positive_example == number]
        score = None if scores is None else float(scores[number])
        verdicts.append(
            ExampleVerdict(
                path=example.path,
                sounds=1 if recording is None else len(recording.regions),
                seconds=0.0 if recording is None else recording.seconds,
                score=score,
                found=None if score is None else bool(score >= profile.threshold),
                unlike=unlike[number],
                remark=_remark(hops, rivals) if unlike[number] else "",
            )
        )
    return tuple(verdicts)


def unlike_the_others(fit: Fit) -> list[bool]:
    """Tell for each example whether the others rate it no higher than ordinary background."""
    if fit.typical is None:
        return [False]
    if len(fit.typical) < _UNLIKE_FROM:
        return [False] * len(fit.typical)
    ordinary = float(np.quantile(fit.out_of_quiet, _UNLIKE_QUANTILE))
    usual = max(float(np.median(fit.typical)), ordinary)
    least = ordinary + _UNLIKE_SHARE * (usual - ordinary)
    return [bool(typical < least) for typical in fit.typical]


def most_like(hops: NDArray[np.float32], rivals: Sequence[Profile]) -> str | None:
    """Return the profile that hears these hops best, if one does."""
    heard = {
        rival.name: float(np.mean(rival.detector.head.logits(hops))) - logit(rival.threshold)
        for rival in rivals
        if _heard_share(rival, hops, np.zeros(len(hops), np.int32)) > 0
    }
    return max(heard, key=lambda name: heard[name]) if heard else None


def confused_with(profile: Profile, rivals: Sequence[Profile]) -> tuple[str, ...]:
    """Return the rivals whose examples this profile often takes for its own."""
    return tuple(
        rival.name
        for rival in rivals
        if _heard_share(profile, rival.embedded.positives, rival.embedded.positive_example) > CONFUSED_SHARE
    )


def also_heard_by(profile: Profile, rivals: Sequence[Profile]) -> tuple[str, ...]:
    """Return the rivals that hear most of this profile's examples."""
    return tuple(rival.name for rival in rivals if hears(rival, profile.embedded.positives, profile))


def hears(rival: Profile, hops: NDArray[np.float32], of: Profile) -> bool:
    """Tell whether `rival` hears most of another profile's examples."""
    return _heard_share(rival, hops, of.embedded.positive_example) >= HEARD_SHARE


def _heard_share(profile: Profile, hops: NDArray[np.float32], example: NDArray[np.int32]) -> float:
    """Return the share of examples of which any hop reaches the profile's threshold."""
    if not len(hops):
        return 0.0
    over = profile.detector.head.logits(hops) >= logit(profile.threshold)
    return len(np.unique(example[over])) / len(np.unique(example))


def _remark(hops: NDArray[np.float32], rivals: Sequence[Profile]) -> str:
    other = most_like(hops, rivals)
    return "it is unlike the others" + ("" if other is None else f": mostly {other.replace('_', ' ')}")


def _advice(
    verdicts: Sequence[ExampleVerdict],
    recordings: Sequence[ExampleAudio],
    expected: Expected,
    confused: Sequence[str],
    recall: Recall | None,
) -> tuple[str, ...]:
    advice = [
        f"Leave out {verdict.path}, or record it again: {verdict.remark}."
        for verdict in verdicts
        if verdict.unlike
    ]
    missing = _GOOD_COUNT - len(verdicts)
    levels = [max(region.peak_dbfs for region in recording.regions) for recording in recordings]
    narrow = len(levels) > 1 and max(levels) - min(levels) < _SAME_DISTANCE_DB
    if verdicts and missing > 0:
        more = "One more example" if missing == 1 else f"{missing} more examples"
        advice.append(f"{more}{' from farther away' if narrow else ''} would help most.")
    elif recall is not None and recall.value < HEARD_SHARE:
        advice.append("Its examples differ from each other: record more of those that the others miss.")
    elif narrow and recall is not None and recall.value < 1 - CONFUSED_SHARE:
        advice.append("All examples are equally loud: two more from farther away would help most.")
    advice.extend(
        f"It may speak up at {name.replace('_', ' ')}: mark such an event wrong, and it learns."
        for name in confused
    )
    if expected.home_per_hour is None:
        advice.append(
            f"Its false alarms are judged on {expected.bank_hours:.1f} hours recorded elsewhere: as heard "
            "listens here, it learns what this home sounds like, and keeps its promise."
        )
    return tuple(advice)


def _wilson(share: float, trials: int) -> Recall:
    z2 = _Z_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z_95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Recall(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))
