"""Takes the actions of a rule that fired, one after another, up to the next delay."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from rules.conditions import all_hold
from rules.context import Context
from rules.model import Check, Choose, Delay, Parallel, PublishMqtt, Repeat, SaveClip, SetVariables, Stop
from rules.program import MAX_ROUNDS, START, current_round, innermost, place_of
from rules.requests import complaint, plain_value, request, work_out
from rules.state import Cursor, Frame, Run
from rules.template import TemplateFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.context import House
    from rules.model import Action, ActionRequest, Condition, Rule

MAX_BURST = 1_000
"""Actions that one run may take at one moment: more is a loop without a delay."""


class _Stopped(Exception):
    """The run is over, wherever it was."""


class Runner:
    """One run of one rule while it moves. `run` is where it stands; `requests` what it has asked for."""

    def __init__(self, house: House, rule: Rule, run: Run) -> None:
        self.run = run
        self.requests: list[ActionRequest] = []
        self._house = house
        self._rule = rule
        self._at = 0.0
        self._frames: list[Frame] = []
        self._others: list[Cursor] = []

    def advance(self, cursor: Cursor) -> None:
        """Go on from one of the run's cursors to the next delay, or to the end."""
        self._at = cursor.at
        self._frames = list(cursor.frames)
        place = self.run.cursors.index(cursor)
        before, after = self.run.cursors[:place], self.run.cursors[place + 1 :]
        self._others = [*before, *after]
        try:
            left = self._go()
        except _Stopped:
            self.run = replace(self.run, cursors=())
        else:
            self.run = replace(self.run, cursors=(*before, *left, *after))

    def _go(self) -> tuple[Cursor, ...]:
        """Take actions; return the cursors with which this one goes on later."""
        while True:
            block = innermost(self._rule.actions, self._frames)
            index = self._frames[-1].step
            if index >= len(block):
                if self._leave():
                    continue
                return ()
            action = block[index]
            self._count_burst()
            match action:
                case Delay():
                    self._next()
                    if action.delay_s > 0:
                        return (Cursor(at=self._at + action.delay_s, frames=tuple(self._frames)),)
                case Parallel():
                    return self._fork(action)
                case _:
                    self._take(action)

    def _take(self, action: Action) -> None:
        match action:
            case Choose():
                self._choose(action)
            case Repeat():
                if self._goes_round(action, 0):
                    self._frames.append(Frame(START, 0, 1))
                else:
                    self._next()
            case Check():
                if self._all_hold([action.condition]):
                    self._next()
                else:
                    self._frames[-1] = self._frames[-1]._replace(
                        step=len(innermost(self._rule.actions, self._frames))
                    )
            case SetVariables():
                self._set(action)
                self._next()
            case Stop():
                raise _Stopped
            case PublishMqtt() | SaveClip():
                self._ask(action)
                self._next()

    def _next(self) -> None:
        self._frames[-1] = self._frames[-1]._replace(step=self._frames[-1].step + 1)

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
        owner = innermost(self._rule.actions, self._frames)[self._frames[-1].step]
        if isinstance(owner, Parallel) and self._has_siblings():
            return False
        if isinstance(owner, Repeat) and self._goes_round(owner, ended.round):
            self._frames.append(Frame(START, 0, ended.round + 1))
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
                self._frames.append(Frame(branch, 0))
                return
        if action.default:
            self._frames.append(Frame(len(action.options), 0))
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

    def _count_burst(self) -> None:
        taken = self.run.burst + 1 if self.run.burst_at == self._at else 1
        self.run = replace(self.run, burst_at=self._at, burst=taken)
        if taken > MAX_BURST:
            self._complain(f"stopped: more than {MAX_BURST} actions without a delay between them")
            raise _Stopped

    # --- what depends on templates --------------------------------------------------------------------------

    def _context(self, turn: int | None = None) -> Context:
        return Context(
            house=self._house,
            rule_id=self._rule.id,
            cause=self.run.cause,
            at=self._at,
            variables=self.run.variables,
            round=current_round(self._frames) if turn is None else turn,
        )

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
            self.run = replace(self.run, variables=MappingProxyType({**self.run.variables, name: known}))

    def _ask(self, action: PublishMqtt | SaveClip) -> None:
        context = self._context()
        try:
            name, data = work_out(action, context)
        except TemplateFault as fault:
            self._complain(f"{fault}", name=" (mqtt.publish)" if isinstance(action, PublishMqtt) else "")
            if not action.continue_on_error:
                raise _Stopped from None
        else:
            self._send(request(context, self.run.requests, name, data))

    def _complain(self, message: str, *, name: str = "") -> None:
        self._send(
            complaint(self._context(), self.run.requests, f"{place_of(self._frames)}{name}: {message}")
        )

    def _send(self, made: ActionRequest) -> None:
        self.requests.append(made)
        self.run = replace(self.run, requests=self.run.requests + 1)
