"""What the engine remembers between events, as values that `rules.state_json` can write down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from detectors.types import SoundEvent
    from rules.facts import Known, MqttMessage


RESTART_S = 60.0
"""A sound whose end was reported longer before a restart has ended."""
FOUND_WITHIN_S = 15.0
"""A sound that is heard again so soon after a restart has gone on meanwhile."""


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


class TriggerKey(NamedTuple):
    """One trigger of one rule. The digest changes when the trigger is edited."""

    rule_id: str
    digest: str


class Place(NamedTuple):
    """Where a trigger keeps count: sounds on different streams are not repetitions."""

    trigger: TriggerKey
    stream: str
    """Empty where the trigger looks at all streams together."""


class Onset(NamedTuple):
    """One sound that counted."""

    at: float
    event_id: str


class Waiting(NamedTuple):
    """Which sound a trigger waits for to have gone on for long enough."""

    trigger: TriggerKey
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """A sound that goes on, and that a trigger fires for at `due_at` unless it ends before."""

    event: SoundEvent
    due_at: float
    lost_at: float | None = None
    """When its end was reported, or the daemon was started again: it fires only if it is found again."""
    findable: bool = False
    """The daemon was started again since, so that the end may not have been one."""

    @property
    def wakes_at(self) -> float:
        """When it fires, or is given up."""
        if self.findable and self.lost_at is not None:
            return max(self.due_at, self.lost_at + FOUND_WITHIN_S)
        return self.due_at


class Partial(NamedTuple):
    """The first steps of a sequence."""

    first_at: float
    last_at: float
    last_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A sound whose silence is waited for. Short pauses belong to it."""

    began_at: float
    until: float
    """When it was heard last."""
    going_on: tuple[str, ...]
    """Ids of the sounds that have not ended."""
    event: SoundEvent
    for_s: float
    """How long it must be silent."""

    @property
    def due_at(self) -> float | None:
        """When it has been silent for long enough; None while a sound goes on."""
        return None if self.going_on else self.until + self.for_s


class Cause(NamedTuple):
    """Why a rule fired."""

    trigger: TriggerKey
    trigger_id: str
    event: SoundEvent | None
    at: float
    """Unix seconds of event time."""
    told: Mapping[str, Any] = MappingProxyType({})
    """What templates know of a message or of a state: `topic`, `payload`, `entity_id`, `to_state`, …"""


class Held(NamedTuple):
    """Which entity a trigger waits for to have stayed as it is for long enough."""

    trigger: TriggerKey
    entity_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A state that a trigger fires for at `due_at` unless it changes before."""

    due_at: float
    told: Mapping[str, Any]


class Frame(NamedTuple):
    """A place in one list of actions."""

    branch: int
    """Which of the lists that the action one frame further out has."""
    step: int
    """The action that comes next, or that the next frame is inside of."""
    round: int = 0
    """Which repetition, from 1, where the list is repeated."""


class Cursor(NamedTuple):
    """Where a run goes on, and when. Inside a `parallel` there are several."""

    at: float
    frames: tuple[Frame, ...]
    """From the rule's own list of actions inwards."""


class Run(NamedTuple):
    """The actions of a rule that fired, under way. Without cursors it waits for the runs before it."""

    cause: Cause
    program: str
    """Digest of the actions that the frames point into."""
    cursors: tuple[Cursor, ...]
    variables: Mapping[str, Any]
    requests: int = 0
    """How many it has made."""
    burst_at: float = 0.0
    burst: int = 0
    """How many actions it has taken at the moment `burst_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Everything that the next step depends on besides the rules. Replaced, never changed."""

    sounding: Mapping[Waiting, Sounding] = field(default_factory=_none)
    onsets: Mapping[Place, tuple[Onset, ...]] = field(default_factory=_none)
    """Sounds so far of triggers that count, in order of time."""
    partials: Mapping[Place, tuple[Partial | None, ...]] = field(default_factory=_none)
    """How far sequences have come: for each number of steps the latest try."""
    running: Mapping[Place, Running] = field(default_factory=_none)
    alarms: Mapping[TriggerKey, float] = field(default_factory=_none)
    """When the clock next shows what a trigger waits for."""
    fired_at: Mapping[str, float] = field(default_factory=_none)
    """When each rule that has a cooldown fired last."""
    kept_at: Mapping[str, float] = field(default_factory=_none)
    """When each rule that keeps firing was last triggered."""
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=_none)
    """By rule, in the order in which they began."""
    messages: Mapping[str, MqttMessage] = field(default_factory=_none)
    """The last on each topic that a condition asks about."""
    entities: Mapping[str, Known] = field(default_factory=_none)
    """How each entity of Home Assistant that is named anywhere stands."""
    confirmed_at: float = 0.0
    """When Home Assistant answered last."""
    holding: Mapping[Held, Holding] = field(default_factory=_none)
    wake_at: float | None = None
    """When time alone makes something happen, or earlier."""


def due_times(state: EngineState) -> Iterator[float]:
    """Give every moment for which something waits."""
    yield from (item.wakes_at for item in state.sounding.values())
    yield from (item.due_at for item in state.running.values() if item.due_at is not None)
    yield from state.alarms.values()
    yield from (item.due_at for item in state.holding.values())
    yield from (cursor.at for runs in state.runs.values() for run in runs for cursor in run.cursors)


def deafened(state: EngineState, now: float) -> EngineState:
    """Return the state after a pause in listening up to `now`.

    Whatever sounded then has ended unreported, or ended because the daemon did; what is heard again soon has
    not.
    """
    running = {
        place: replace(item, going_on=(), until=max(item.until, now)) if item.going_on else item
        for place, item in state.running.items()
    }
    sounding = {
        waiting: replace(item, lost_at=now, findable=True)
        for waiting, item in state.sounding.items()
        if item.lost_at is None or now - item.lost_at <= RESTART_S
    }
    return replace(state, sounding=MappingProxyType(sounding), running=MappingProxyType(running))
