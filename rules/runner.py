"""Takes the actions of a rule that fired, one after another, up to the next delay."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from rules.conditions import all_hold
from rules.context import Context, House
from rules.facts import World
from rules.model import (
    Action,
    ActionRequest,
    Check,
    Choose,
    Condition,
    Delay,
    Parallel,
    Repeat,
    Request,
    Rule,
    SetVariables,
    Stop,
)
from rules.program import MAX_BURST, MAX_ROUNDS, START, current_round, innermost, place_of
from rules.requests import ask, complaint, plain_value, unclear
from rules.state import Cursor, Frame, Run
from rules.template import TemplateFault


class _Stopped(Exception):
    """The run is over, wherever it was."""


class Runner:
    """One run of one rule while it moves: `cursors` is where it stands, `requests` what it has asked for."""

    __slots__ = (
        "_at", "_begun", "_block", "_burst", "_burst_at", "_frames", "_house", "_made", "_others", "_rule",
        "_seen", "_variables", "_world", "cursors", "requests",
    )  # fmt: skip

    def __init__(self, house: House, world: World, rule: Rule, run: Run) -> None:
        self.cursors = run.cursors
        self.requests: list[ActionRequest] = []
        self._house = house
        self._world = world
        self._rule = rule
        self._begun = run
        self._variables = run.variables
        self._made = run.requests
        self._burst_at = run.burst_at
        self._burst = run.burst
        self._at = 0.0
        self._frames: list[Frame] = []
        self._block: tuple[Action, ...] = ()
        self._others: list[Cursor] = []
        self._seen: Context | None = None

    def run(self, program: str) -> Run:
        """Return where the run stands, of actions with this digest."""
        return Run(
            cause=self._begun.cause,
            program=program,
            cursors=self.cursors,
            variables=self._variables,
            requests=self._made,
            burst_at=self._burst_at,
            burst=self._burst,
        )

    def advance(self, cursor: Cursor) -> None:
        """Go on from one of the run's cursors to the next delay, or to the end."""
        if cursor.at != self._burst_at:
            self._burst_at, self._burst = cursor.at, 0
        self._at = cursor.at
        self._frames = list(cursor.frames)
        self._block = innermost(self._rule.actions, self._frames)
        place = self.cursors.index(cursor)
        before, after = self.cursors[:place], self.cursors[place + 1 :]
        self._others = [*before, *after]
        try:
            left = self._go()
        except _Stopped:
            self.cursors = ()
        else:
            self.cursors = (*before, *left, *after)

    def _go(self) -> tuple[Cursor, ...]:
        """Take actions; return the cursors with which this one goes on later."""
        while True:
            index = self._frames[-1].step
            if index >= len(self._block):
                if self._leave():
                    continue
                return ()
            action = self._block[index]
            self._burst += 1
            if self._burst > MAX_BURST:
                self._complain(f"stopped: more than {MAX_BURST} actions without a delay between them")
                raise _Stopped
            match action:
                case Delay():
                    self._next()
                    if action.delay_s > 0:
                        return (Cursor(at=self._at + action.delay_s, frames=tuple(self._frames)),)
                case Parallel():
                    return self._fork(action)
                case Choose() | Repeat() | Check() | SetVariables() | Stop():
                    self._steer(action)
                case _:
                    self._ask(action)
                    self._next()

    def _steer(self, action: Choose | Repeat | Check | SetVariables | Stop) -> None:
        match action:
            case Choose():
                self._choose(action)
            case Repeat():
                if self._goes_round(action, 0):
                    self._enter(Frame(START, 0, 1))
                else:
                    self._next()
            case Check():
                if self._all_hold([action.condition]):
                    self._next()
                else:
                    branch, _, turn = self._frames[-1]
                    self._frames[-1] = Frame(branch, len(self._block), turn)
            case SetVariables():
                self._set(action)
                self._next()
            case Stop():
                raise _Stopped

    def _next(self) -> None:
        branch, step, turn = self._frames[-1]
        self._frames[-1] = Frame(branch, step + 1, turn)

    def _enter(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._block = innermost(self._rule.actions, self._frames)

    def _fork(self, action: Parallel) -> tuple[Cursor, ...]:
        frames = tuple(self._frames)
        return tuple(
            Cursor(at=self._at, frames=(*frames, Frame(branch, 0))) for branch in range(len(action.branches))
        )

    def _leave(self) -> bool:
        """Come to the end of a list of actions; tell whether this cursor goes on behind it."""
        ended = self._frames.pop()
        if not self._frames:
            return False
        self._block = innermost(self._rule.actions, self._frames)
        owner = self._block[self._frames[-1].step]
        if isinstance(owner, Parallel) and self._has_siblings():
            return False
        if isinstance(owner, Repeat) and self._goes_round(owner, ended.round):
            self._enter(Frame(START, 0, ended.round + 1))
        else:
            self._next()
        return True

    def _has_siblings(self) -> bool:
        """Tell whether another branch of the innermost `parallel` is still under way."""
        shared = tuple(self._frames)
        return any(other.frames[: len(shared)] == shared for other in self._others)

    def _choose(self, action: Choose) -> None:
        for branch, option in enumerate(action.options):
            if self._all_hold(option.conditions):
                self._enter(Frame(branch, 0))
                return
        if action.default:
            self._enter(Frame(len(action.options), 0))
        else:
            self._next()

    def _goes_round(self, action: Repeat, done: int) -> bool:
        """Tell whether a repetition follows after `done` of them."""
        if done >= MAX_ROUNDS:
            self._complain(f"'repeat' stopped after {MAX_ROUNDS} rounds")
            return False
        if action.count is not None:
            return done < action.count
        if action.while_:
            return self._all_hold(action.while_, turn=done + 1)
        return done == 0 or not self._all_hold(action.until, turn=done, where_unclear=True)

    # --- what depends on templates --------------------------------------------------------------------------

    def _context(self, turn: int | None = None) -> Context:
        turn = current_round(self._frames) if turn is None else turn
        seen = self._seen
        if seen is None or seen.round != turn or seen.at != self._at or seen.variables is not self._variables:
            seen = self._seen = Context(
                house=self._house,
                world=self._world,
                rule_id=self._rule.id,
                cause=self._begun.cause,
                at=self._at,
                variables=self._variables,
                round=turn,
            )
        return seen

    def _all_hold(
        self, conditions: Iterable[Condition], *, turn: int | None = None, where_unclear: bool = False
    ) -> bool:
        try:
            return all_hold(conditions, self._context(turn))
        except TemplateFault as fault:
            self._complain(f"condition: {fault}")
            return where_unclear

    def _set(self, action: SetVariables) -> None:
        for name, value in action.values.items():
            try:
                known = plain_value(value, self._context().names)
            except TemplateFault as fault:
                self._complain(f"variable {name!r}: {fault}")
                continue
            self._variables = MappingProxyType({**self._variables, name: known})

    def _ask(self, action: Request) -> None:
        context = self._context()
        try:
            self._send(ask(action, context, self._made))
        except TemplateFault as fault:
            self._send(unclear(action, context, self._made, place_of(self._frames), fault))
            if not action.continue_on_error:
                raise _Stopped from None

    def _complain(self, message: str) -> None:
        self._send(complaint(self._context(), self._made, f"{place_of(self._frames)}: {message}"))

    def _send(self, made: ActionRequest) -> None:
        self.requests.append(made)
        self._made += 1
