"""What can be asked of the running daemon about its profiles: over its socket, over MQTT, and over HTTP."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from fewshot_profiles.folder import NAME_PATTERN

MOST_SECONDS = 600.0
LEAST_PER_DAY = 1e-4
"""Once in thirty years: nobody can tell whether a stricter promise is kept."""

ProfileName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
PerDay = Annotated[float, Field(ge=LEAST_PER_DAY)]
Tag = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LastSeconds(_Request):
    """What was heard on a stream just now."""

    stream: str | None = None
    """Needed where there are several."""
    last_s: Annotated[float, Field(gt=0, le=MOST_SECONDS)] = 30.0
    pick: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Which of the sounds found there are meant, from 1; by default those most alike."""


class Lesson(LastSeconds):
    """A sound from the last seconds of a stream, or from the clip of a past event, and what to make of it."""

    event: str | None = None
    description: str = ""
    tags: tuple[Tag, ...] = ()
    false_alarms_per_day: PerDay | None = None
    add: bool = False
    """Teach a profile that is there one more of its sound."""
    keep_audio: bool = True


class Enroll(Lesson):
    """Teach a sound."""

    do: Literal["enroll"] = "enroll"
    name: ProfileName


class Guided(_Request):
    """Teach at a stream, with guidance."""

    do: Literal["guide"] = "guide"
    name: ProfileName
    stream: str | None = None
    count: Annotated[int, Field(ge=1, le=20)] = 5
    description: str = ""
    tags: tuple[Tag, ...] = ()
    false_alarms_per_day: PerDay | None = None
    add: bool = False
    keep_audio: bool = True


class MarkEvent(_Request):
    """Say of an event that it was right or wrong; without `apply` only the effect is told."""

    do: Literal["mark"] = "mark"
    event: str
    verdict: Literal["right", "wrong"]
    apply: bool = False


class Oversight(LastSeconds):
    """A sound that made no event; without `apply` only the effect is told."""

    apply: bool = False


class Missed(Oversight):
    """Say that a profile's sound was in the last seconds and made no event."""

    do: Literal["missed"] = "missed"
    name: ProfileName


class Undo(_Request):
    """Take the last change of a profile back."""

    do: Literal["undo"] = "undo"
    name: ProfileName


class Promise(_Request):
    """A rate of false alarms, judged on what is known now."""

    false_alarms_per_day: PerDay


class KeepPromise(Promise):
    """Let a profile keep another rate of false alarms."""

    do: Literal["promise"] = "promise"
    name: ProfileName


class AskReport(_Request):
    """Ask what is known of a profile."""

    do: Literal["report"] = "report"
    name: ProfileName


Request = Annotated[
    Enroll | Guided | MarkEvent | Missed | Undo | KeepPromise | AskReport, Field(discriminator="do")
]

REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
