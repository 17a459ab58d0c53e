"""Which sounds of a stream's last seconds, or of a past event's clip, are to be taught from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.evidence.clips import clip_path
from daemon.history_file import read_event
from fewshot_profiles.cutting import Cut, cut_sounds, most_alike, pick_numbers
from fewshot_profiles.enrollment import MAX_EXAMPLES
from fewshot_profiles.example_audio import ExampleAudio, read_example
from foundation.errors import ExampleError, OwnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.learning.teacher import Teacher
    from detectors.types import Samples
    from fewshot_profiles.enrollment import Surroundings

_AROUND_S = 1.0
"""What was heard so close to a sound that stood out is not this home's ordinary sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounds:
    """What was cut out to teach from."""

    recordings: tuple[ExampleAudio, ...]
    spans: tuple[tuple[float, float], ...]
    """Unix seconds."""
    found: tuple[dict[str, Any], ...] = ()
    """Every sound that stood out, so that the owner can pick another one."""


def sounds_in(
    name: str,
    samples: Samples,
    rate_hz: int,
    *,
    began_at: float,
    picked: Sequence[int],
    surroundings: Callable[[], Surroundings],
) -> Sounds:
    """Return the sounds picked by number, else those most alike, in a recording that began at Unix seconds.

    Raises ExampleError where there is none that can teach.
    """
    cuts = cut_sounds(name, samples, rate_hz)
    chosen = pick_numbers(cuts, picked) if picked else most_alike(cuts, surroundings())
    length_s = samples.shape[1] / rate_hz
    recordings = [cut.example for place, cut in enumerate(cuts) if place in chosen and cut.example]
    return Sounds(
        recordings=tuple(recordings[:MAX_EXAMPLES]),
        spans=tuple((began_at + cut.start_s - _AROUND_S, began_at + cut.end_s + _AROUND_S) for cut in cuts),
        found=tuple(
            _in_words(number, cut, length_s, chosen=number - 1 in chosen)
            for number, cut in enumerate(cuts, start=1)
        ),
    )


def event_recording(teacher: Teacher, event_id: str) -> Sounds:
    """Return what the clip of a past event holds where the event was. Raises OwnerError."""
    config = teacher.config
    event = read_event(config.state_dir / "history.sqlite", event_id)
    if event is None:
        raise OwnerError(f"there is no event {event_id!r} in the history")
    clip = clip_path(config.evidence_folder, event)
    if not clip.is_file():
        raise ExampleError(
            f"no clip of event {event_id} was kept: a rule with heard.save_clip keeps clips, or "
            "`evidence: {save: all}`; the last seconds can be taught from with --last"
        )
    whole = read_example(clip)
    cuts = [cut for cut in cut_sounds(f"event {event_id}", whole.samples, whole.rate_hz) if cut.example]
    at_s = min(config.evidence.before_s, event.onset_s)
    # The sound is where the event was, not the loudest thing in the clip.
    near = [cut.example for cut in cuts if cut.start_s - 1.0 <= at_s <= cut.end_s + 0.5 and cut.example]
    return Sounds(
        recordings=tuple(near[:1]) or (whole,),
        spans=((event.onset_at - 2.0, (event.ended_at or event.onset_at + 5.0) + _AROUND_S),),
    )


def _in_words(number: int, cut: Cut, length_s: float, *, chosen: bool) -> dict[str, Any]:
    return {
        "number": number,
        "seconds_ago": round(length_s - cut.start_s, 1),
        "seconds": round(cut.end_s - cut.start_s, 2),
        "peak_dbfs": round(cut.peak_dbfs, 1),
        "taught": chosen,
        "fault": cut.fault,
    }
