"""From a trigger that is met to a run under way: cooldown, conditions, mode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rules.conditions import holds
from rules.context import Context
from rules.model import Mode
from rules.program import START, digest
from rules.requests import complaint, plain_value
from rules.runner import Runner
from rules.state import Cursor, Frame, Run
from rules.template import TemplateFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.context import House
    from rules.draft import Draft
    from rules.model import Rule
    from rules.state import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule one of whose triggers is met."""

    house: House
    rule: Rule
    cause: Cause

    def context(self, variables: Mapping[str, Any]) -> Context:
        """Return what conditions and variables see."""
        return Context(
            house=self.house,
            rule_id=self.rule.id,
            cause=self.cause,
            at=self.cause.at,
            variables=variables,
        )


def fire(draft: Draft, firing: Firing) -> str:
    """Begin a run of the rule, or return what stopped it."""
    rule, at = firing.rule, firing.cause.at
    # Either way round, as a stream that lags reports late.
    last = draft.fired_at.rows.get(rule.id)
    if last is not None and abs(at - last) < rule.cooldown_s:
        return f"cooldown: fired {at - last:.1f} s before, wanted {rule.cooldown_s:g} s"
    variables: dict[str, Any] = {}
    context = firing.context(variables)
    try:
        for name, value in rule.variables.items():
            variables[name] = plain_value(value, firing.context(variables).names)
        for number, condition in enumerate(rule.conditions, start=1):
            if not holds(condition, context):
                return f"condition: number {number} ({type(condition).__name__}) was false"
    except TemplateFault as fault:
        draft.requests.append(complaint(context, 0, f"before its actions: {fault}"))
        return f"template: {fault}"
    if _keeps_firing(draft, rule, at):
        return f"keep_firing_for: still firing, wanted {rule.keep_firing_for_s:g} s of quiet"
    stopped = _make_room(draft, rule)
    if stopped:
        return stopped
    if rule.cooldown_s > 0:
        draft.fired_at.put(rule.id, at)
    _begin(draft, firing, variables)
    return ""


def go_on(draft: Draft, house: House, rule: Rule, at: float) -> None:
    """Let the first of the rule's runs that is due at `at` go on to its next delay or its end."""
    runs = draft.runs.rows.get(rule.id, ())
    for place, run in enumerate(runs):
        cursor = next((cursor for cursor in run.cursors if cursor.at == at), None)
        if cursor is None:
            continue
        runner = Runner(house, rule, run)
        runner.advance(cursor)
        draft.requests.extend(runner.requests)
        moved = runner.run
        if moved.cursors and not moved.program:
            # Most runs end where they begin, and never need it.
            moved = replace(moved, program=digest(rule.actions))
        known = set(run.cursors)
        for left in moved.cursors:
            if left not in known:
                draft.schedule(left.at, "run", rule.id)
        if moved.cursors:
            _put(draft, rule, (*runs[:place], moved, *runs[place + 1 :]))
        else:
            _put(draft, rule, (*runs[:place], *runs[place + 1 :]))
            _let_next_begin(draft, rule, at)
        return


def _keeps_firing(draft: Draft, rule: Rule, at: float) -> bool:
    if not rule.keep_firing_for_s:
        return False
    last = draft.kept_at.rows.get(rule.id)
    draft.kept_at.put(rule.id, at if last is None else max(last, at))
    return last is not None and abs(at - last) < rule.keep_firing_for_s


def _make_room(draft: Draft, rule: Rule) -> str:
    """Return why no further run may begin beside those under way, or make room for it."""
    runs = draft.runs.rows.get(rule.id, ())
    if not runs:
        return ""
    match rule.mode:
        case Mode.SINGLE:
            return "mode: single, and the actions of an earlier firing still go on"
        case Mode.RESTART:
            _put(draft, rule, ())
        case _ if len(runs) >= rule.max_runs:
            return f"mode: {rule.mode.value}, and {rule.max_runs} runs are under way"
    return ""


def _begin(draft: Draft, firing: Firing, variables: Mapping[str, Any]) -> None:
    rule, at = firing.rule, firing.cause.at
    runs = draft.runs.rows.get(rule.id, ())
    queued = rule.mode is Mode.QUEUED and runs
    start = Cursor(at=at, frames=(Frame(START, 0),))
    run = Run(
        cause=firing.cause,
        program=digest(rule.actions) if queued else "",
        cursors=() if queued else (start,),
        variables=MappingProxyType(dict(variables)),
    )
    _put(draft, rule, (*runs, run))
    if not queued:
        draft.schedule(at, "run", rule.id)


def _let_next_begin(draft: Draft, rule: Rule, at: float) -> None:
    """Where runs wait for each other, begin the first that waits."""
    runs = draft.runs.rows.get(rule.id, ())
    if runs and not any(run.cursors for run in runs):
        begun = max(at, runs[0].cause.at)
        first = replace(runs[0], cursors=(Cursor(at=begun, frames=(Frame(START, 0),)),))
        _put(draft, rule, (first, *runs[1:]))
        draft.schedule(begun, "run", rule.id)


def _put(draft: Draft, rule: Rule, runs: tuple[Run, ...]) -> None:
    if runs:
        draft.runs.put(rule.id, runs)
    else:
        draft.runs.drop(rule.id)
