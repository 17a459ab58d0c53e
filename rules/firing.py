"""From a trigger that is met to a run under way: cooldown, conditions, mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from rules.conditions import holds
from rules.context import Context, House
from rules.derived import derived_sounds
from rules.draft import Draft
from rules.explaining import why_not
from rules.facts import World
from rules.model import EMIT, LOG, ActionRequest, Mode, Request, Rule
from rules.program import START, digest
from rules.requests import ask, complaint, plain_value, unclear
from rules.runner import Runner
from rules.state import Cause, Cursor, Frame, Run
from rules.template import TemplateFault
from rules.verdict import Stopped

MAX_DERIVED = 100
"""Sounds that rules may make of each other in one step: more is a circle."""

_NO_VARIABLES: Mapping[str, Any] = MappingProxyType({})


class Firing(NamedTuple):
    """A rule one of whose triggers is met."""

    house: House
    world: World
    rule: Rule
    cause: Cause
    told: bool
    """Whether anybody wants to know what stopped it."""
    plain: bool
    """Its actions only ask: nothing waits, and nothing steers."""

    def context(self, variables: Mapping[str, Any]) -> Context:
        """Return what conditions and variables see."""
        return Context(
            house=self.house,
            world=self.world,
            rule_id=self.rule.id,
            cause=self.cause,
            at=self.cause.at,
            variables=variables,
        )


def fire(draft: Draft, firing: Firing) -> Stopped | None:
    """Begin a run of the rule, or return what stopped it."""
    rule, at = firing.rule, firing.cause.at
    # Either way round, as a stream that lags reports late.
    last = draft.fired_at.rows.get(rule.id)
    if last is not None and abs(at - last) < rule.cooldown_s:
        return Stopped("cooldown", f"fired {at - last:.1f} s before, wanted {rule.cooldown_s:g} s")
    variables: Mapping[str, Any] = _NO_VARIABLES
    try:
        for name, value in rule.variables.items():
            known = plain_value(value, firing.context(variables).names)
            variables = MappingProxyType({**variables, name: known})
        context = firing.context(variables)
        if rule.conditions and (stopped := _condition(firing, context)) is not None:
            return stopped
    except TemplateFault as fault:
        context = firing.context(variables)
        draft.requests.append(complaint(context, 0, f"before its actions: {fault}"))
        return Stopped("template", str(fault))
    if _keeps_firing(draft, rule, at):
        return Stopped("keep_firing_for", f"still firing, wanted {rule.keep_firing_for_s:g} s of quiet")
    stopped = _make_room(draft, rule)
    if stopped is not None:
        return stopped
    if rule.cooldown_s > 0:
        draft.fired_at.put(rule.id, at)
    if firing.plain and not draft.runs.rows.get(rule.id):
        _ask_all(draft, rule, context)
    else:
        _begin(draft, firing, variables)
    return None


def go_on(draft: Draft, house: House, rule: Rule, at: float) -> None:
    """Let the first of the rule's runs that is due at `at` go on to its next delay or its end."""
    for place, run in enumerate(draft.runs.rows.get(rule.id, ())):
        cursor = next((cursor for cursor in run.cursors if cursor.at == at), None)
        if cursor is not None:
            runner = Runner(house, draft.world, rule, run)
            _advance(draft, runner, rule, place, cursor)
            if not runner.cursors:
                _let_next_begin(draft, rule, at)
            return


def _condition(firing: Firing, context: Context) -> Stopped | None:
    """Return the first of the rule's conditions that does not hold."""
    for number, condition in enumerate(firing.rule.conditions, start=1):
        if not holds(condition, context):
            why = f"number {number} was false: {why_not(condition, context)}" if firing.told else ""
            return Stopped("condition", why)
    return None


def _keeps_firing(draft: Draft, rule: Rule, at: float) -> bool:
    if not rule.keep_firing_for_s:
        return False
    last = draft.kept_at.rows.get(rule.id)
    draft.kept_at.put(rule.id, at if last is None else max(last, at))
    return last is not None and abs(at - last) < rule.keep_firing_for_s


def _make_room(draft: Draft, rule: Rule) -> Stopped | None:
    """Return why no further run may begin beside those under way, or make room for it."""
    runs = draft.runs.rows.get(rule.id, ())
    if not runs:
        return None
    match rule.mode:
        case Mode.SINGLE:
            return Stopped("mode", "single, and the actions of an earlier firing still go on")
        case Mode.RESTART:
            _put(draft, rule, ())
        case _ if len(runs) >= rule.max_runs:
            return Stopped("mode", f"{rule.mode.value}, and {rule.max_runs} runs are under way")
    return None


def _begin(draft: Draft, firing: Firing, variables: Mapping[str, Any]) -> None:
    rule, at = firing.rule, firing.cause.at
    runs = draft.runs.rows.get(rule.id, ())
    start = Cursor(at=at, frames=(Frame(START, 0),))
    waits = bool(runs) and rule.mode is Mode.QUEUED
    run = Run(
        cause=firing.cause,
        program=digest(rule.actions) if waits else "",
        cursors=() if waits else (start,),
        variables=variables,
    )
    if waits:
        _put(draft, rule, (*runs, run))
    else:
        _advance(draft, Runner(firing.house, firing.world, rule, run), rule, len(runs), start)


def _ask_all(draft: Draft, rule: Rule, context: Context) -> None:
    """Take actions that only ask, one after another. Most rules have no others, and no place to stand at."""
    for number, action in enumerate(cast("tuple[Request, ...]", rule.actions)):
        try:
            made = ask(action, context, number)
        except TemplateFault as fault:
            draft.requests.append(unclear(action, context, number, f"action {number + 1}", fault))
            if not action.continue_on_error:
                return
        else:
            draft.requests.append(made)
            if made.action == EMIT:
                _derive(draft, made)


def _advance(draft: Draft, runner: Runner, rule: Rule, place: int, cursor: Cursor) -> None:
    """Let one of a rule's runs go on, and keep what is left of it."""
    known = runner.cursors
    runner.advance(cursor)
    draft.requests.extend(runner.requests)
    for made in runner.requests:
        if made.action == EMIT:
            _derive(draft, made)
    for left in runner.cursors:
        if left not in known:
            draft.schedule(left.at, "run", rule.id)
    runs = draft.runs.rows.get(rule.id, ())
    if runner.cursors:
        _put(draft, rule, (*runs[:place], runner.run(digest(rule.actions)), *runs[place + 1 :]))
    elif place < len(runs):
        _put(draft, rule, (*runs[:place], *runs[place + 1 :]))


def _derive(draft: Draft, made: ActionRequest) -> None:
    """Let the rules hear a sound that one of them has made, unless they go round in a circle."""
    draft.derived += 1
    if draft.derived > MAX_DERIVED:
        message = f"rule {made.rule_id!r}: rules that fire each other were stopped after {MAX_DERIVED} sounds"
        draft.requests.remove(made)
        draft.requests.append(replace(made, action=LOG, data={"level": "error", "message": message}))
        return
    for sound in derived_sounds(made):
        draft.schedule(made.due_at, "derived", sound)


def _let_next_begin(draft: Draft, rule: Rule, at: float) -> None:
    """Where runs wait for each other, begin the first that waits."""
    runs = draft.runs.rows.get(rule.id, ())
    if runs and not any(run.cursors for run in runs):
        begun = max(at, runs[0].cause.at)
        first = runs[0]._replace(cursors=(Cursor(at=begun, frames=(Frame(START, 0),)),))
        _put(draft, rule, (first, *runs[1:]))
        draft.schedule(begun, "run", rule.id)


def _put(draft: Draft, rule: Rule, runs: tuple[Run, ...]) -> None:
    if runs:
        draft.runs.put(rule.id, runs)
    else:
        draft.runs.drop(rule.id)
