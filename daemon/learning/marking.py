"""What the owner says of an event changes its profile; the effect on past events is shown before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from daemon.evidence.clips import clip_path
from daemon.history_file import read_event, read_events
from daemon.learning.event_memory import FILE_NAME as MEMORY_FILE
from daemon.learning.event_memory import read_decided_on
from daemon.learning.teacher import CONFIRMED, named
from fewshot_profiles.calibration import logit, sigmoid
from fewshot_profiles.correction import corrected
from fewshot_profiles.embedding import embed_clip
from fewshot_profiles.enrollment import Surroundings, Teaching, add_examples
from fewshot_profiles.example_embedding import embed_as_recorded
from fewshot_profiles.profile import Example, Mark, Profile
from fewshot_profiles.promise import UNSEEN, UNSEEN_WHERE_FITTED, background_under, with_head
from fewshot_profiles.veto import logits_of
from foundation.errors import OwnerError
from integrations.topics import utc_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daemon.learning.teacher import Teacher
    from detectors.types import SoundEvent
    from fewshot_profiles.ambience import Ambience
    from fewshot_profiles.bank import BackgroundBank
    from fewshot_profiles.example_audio import ExampleAudio
    from fewshot_profiles.profile import Verdict

MOST_EVENTS = 5_000
"""So many past events are judged again."""

_SUSTAINED_HOPS = 3  # what the segmenter asks of a sustained sound
_TOP_HOPS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """A past event that would have come out otherwise."""

    event: str
    stream: str
    at: str
    profile: str
    """What it was taken for."""
    heard_before: bool
    heard_after: bool
    score_before: float
    score_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a mark does, or would do."""

    profile: str
    verdict: Verdict
    event: str
    settled: bool
    """Whether that sound is now judged as the owner says."""
    turned: tuple[Turned, ...]
    judged: int
    """Past events that were judged again."""
    examples: int
    examples_heard_before: int
    examples_heard_after: int
    false_alarms_per_day_before: float
    false_alarms_per_day_after: float
    version_before: str
    version_after: str
    applied: bool
    message: str


class Marking:
    """Judges and applies marks. Every method blocks."""

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    def mark(self, event_id: str, verdict: Verdict, *, apply: bool) -> Effect:
        """Say of an event that it was right or wrong. Raises OwnerError for one that is not known."""
        event = self._event(event_id)
        surroundings = self._teacher.surroundings()
        profile = named(surroundings.others, event.profile)
        hops = self._hops(event, profile)
        mark = Mark(verdict=verdict, event=event.id, stream=event.stream, at=utc_text(event.onset_at))
        if any(known.event == event.id and known.verdict == verdict for known in profile.marks):
            raise OwnerError(
                f"event {event.id} is marked {verdict} already; `heard profiles undo {profile.name}` "
                "takes the last change of the profile back"
            )
        if verdict == "wrong":
            changed = _wrong(profile, hops)
        else:
            changed = _with_examples(profile, [hops], [event.id], CONFIRMED)
        effect = self._effect(profile, changed, mark, [hops], surroundings)
        return self._finish(profile, changed, mark, effect, apply=apply)

    def missed(
        self,
        name: str,
        stream: str,
        recordings: Sequence[ExampleAudio],
        spans: Sequence[tuple[float, float]],
        *,
        apply: bool,
    ) -> Effect:
        """Say that a profile's sound was there and made no event; `spans` are Unix seconds."""
        surroundings = self._teacher.surroundings(without=spans)
        profile = named(surroundings.others, name)
        at = utc_text(spans[0][0]) if spans else ""
        mark = Mark(verdict="missed", event="", stream=stream, at=at)
        hops = [embed_as_recorded(surroundings.encoder, recording) for recording in recordings]
        if profile.embedded.variant is None:
            changed = _with_examples(profile, hops, [recording.name for recording in recordings], "missed")
            wrong = profile.embedded.negatives
            head = corrected(profile, wrong=wrong, missed=np.concatenate(hops), bank=surroundings.bank)
            changed = with_head(changed, head, surroundings.bank)
            kept: Sequence[ExampleAudio] = ()
        else:
            teaching = Teaching(name=name, source="missed")
            changed = add_examples(profile, teaching, recordings, surroundings).profile
            kept = recordings
        effect = self._effect(profile, changed, mark, hops, surroundings)
        return self._finish(profile, changed, mark, effect, apply=apply, recordings=kept)

    def _finish(
        self,
        before: Profile,
        changed: Profile,
        mark: Mark,
        effect: Effect,
        *,
        apply: bool,
        recordings: Sequence[ExampleAudio] = (),
    ) -> Effect:
        if not apply:
            return effect
        what = f"event {mark.event}" if mark.event else f"a sound on {mark.stream}"
        after = replace(
            changed,
            marks=(*before.marks, mark),
            revision=before.revision + 1,
            change=f"{what} marked {mark.verdict}",
        )
        self._teacher.store(after, recordings)
        return replace(effect, applied=True)

    def _effect(
        self,
        before: Profile,
        after: Profile,
        mark: Mark,
        sounds: Sequence[NDArray[np.float32]],
        surroundings: Surroundings,
    ) -> Effect:
        wanted = mark.verdict != "wrong"
        settled = all(_heard(after, hops) == wanted for hops in sounds)
        turned, judged = self._turned(before, after)
        home = None if surroundings.home is None else surroundings.home.not_taken_for(before.name)
        rates = [_alarms_per_day(profile, surroundings.bank, home) for profile in (before, after)]
        own = [_own_examples(before, number) for number in range(len(before.examples))]
        return Effect(
            profile=before.name,
            verdict=mark.verdict,
            event=mark.event,
            settled=settled,
            turned=turned,
            judged=judged,
            examples=len(own),
            examples_heard_before=sum(_heard(before, hops) for hops in own),
            examples_heard_after=sum(_heard(after, hops) for hops in own),
            false_alarms_per_day_before=rates[0],
            false_alarms_per_day_after=rates[1],
            version_before=before.version,
            version_after=after.version,
            applied=False,
            message=_message(mark, settled=settled),
        )

    def _turned(self, before: Profile, after: Profile) -> tuple[tuple[Turned, ...], int]:
        config = self._teacher.config
        known = read_decided_on(config.state_dir / MEMORY_FILE, self._teacher.encoder.id)
        events = read_events(config.state_dir / "history.sqlite", MOST_EVENTS)
        turned = []
        judged = [event for event in events if event.id in known]
        for event in judged:
            was, now = (_score(profile, known[event.id]) for profile in (before, after))
            heard = (was >= before.threshold, now >= after.threshold)
            if heard[0] != heard[1]:
                turned.append(
                    Turned(
                        event=event.id,
                        stream=event.stream,
                        at=utc_text(event.onset_at),
                        profile=event.profile,
                        heard_before=heard[0],
                        heard_after=heard[1],
                        score_before=round(was, 4),
                        score_after=round(now, 4),
                    )
                )
        return tuple(turned), len(judged)

    def _event(self, event_id: str) -> SoundEvent:
        event = read_event(self._teacher.config.state_dir / "history.sqlite", event_id)
        if event is None:
            raise OwnerError(
                f"there is no event {event_id!r} in the history; `heard status` and the MQTT messages name "
                "them by id"
            )
        return event

    def _hops(self, event: SoundEvent, profile: Profile) -> NDArray[np.float32]:
        """Return what the event was decided on: as it was kept, else from its clip."""
        config, encoder = self._teacher.config, self._teacher.encoder
        known = read_decided_on(config.state_dir / MEMORY_FILE, encoder.id)
        if event.id in known:
            return known[event.id]
        clip = clip_path(config.evidence_folder, event)
        if not clip.is_file():
            raise OwnerError(
                f"nothing is left of event {event.id}: it was heard by another encoder or too long ago, and "
                "no clip of it was kept"
            )
        samples, rate_hz = soundfile.read(clip, dtype="float32", always_2d=True)
        hops = embed_clip(encoder, samples.T, rate_hz).hops
        best = np.argsort(-profile.detector.head.logits(hops), kind="stable")[:_TOP_HOPS]
        return np.asarray(hops[best])


def _wrong(profile: Profile, hops: NDArray[np.float32]) -> Profile:
    """Return the profile with one more sound that it is not, and no longer hears."""
    negatives = np.concatenate([profile.embedded.negatives, hops])
    return replace(profile, embedded=replace(profile.embedded, negatives=negatives))


def _with_examples(
    profile: Profile, sounds: Sequence[NDArray[np.float32]], names: Sequence[str], source: str
) -> Profile:
    """Return the profile with more examples that protect its head, which stays as it is."""
    embedded = profile.embedded
    counts = [len(hops) for hops in sounds]
    first = len(profile.examples)
    example = np.repeat(np.arange(first, first + len(sounds), dtype=np.int32), counts)
    variant = embedded.variant
    return replace(
        profile,
        examples=(
            *profile.examples,
            *(Example(source=source, path=name, licence="the owner's", attribution="") for name in names),
        ),
        embedded=replace(
            embedded,
            positives=np.concatenate([embedded.positives, *sounds]),
            positive_example=np.concatenate([embedded.positive_example, example]),
            variant=None if variant is None else np.concatenate([variant, np.zeros(sum(counts), np.int32)]),
        ),
    )


def _alarms_per_day(profile: Profile, bank: BackgroundBank, home: Ambience | None) -> float:
    # Few examples fit the bank less closely than the makers of what ships could.
    unseen = UNSEEN_WHERE_FITTED if profile.embedded.variant is None else UNSEEN
    background = background_under(profile, bank, home, unseen=unseen)
    return 24.0 * background.expected(logit(profile.threshold)).per_hour


def _own_examples(profile: Profile, number: int) -> NDArray[np.float32]:
    embedded = profile.embedded
    mine = embedded.positive_example == number
    if embedded.variant is not None:
        mine &= embedded.variant == 0
    return np.asarray(embedded.positives[mine])


def _heard(profile: Profile, hops: NDArray[np.float32]) -> bool:
    return bool(len(hops)) and _score(profile, hops) >= profile.threshold


def _score(profile: Profile, hops: NDArray[np.float32]) -> float:
    """Return the score that enough of the hops reach."""
    logits = np.sort(logits_of(profile, hops))[::-1]
    # Of a profile that ships only a few hops of each example are there.
    few = profile.embedded.variant is None and len(hops) <= _SUSTAINED_HOPS
    needed = 1 if few or profile.kind == "impulse" else _SUSTAINED_HOPS
    return float(sigmoid(logits[min(needed, len(logits)) - 1]))


def _message(mark: Mark, *, settled: bool) -> str:
    if settled:
        return {
            "right": "This sound stays heard.",
            "wrong": "This sound is no longer taken for it.",
            "missed": "This sound is heard now.",
        }[mark.verdict]
    if mark.verdict == "wrong":
        return (
            "It is too like the examples: it may still be taken for it. Remove examples that sound like it."
        )
    return "It is still not loud or clear enough to be heard: teach two more like it."
