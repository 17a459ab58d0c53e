"""The actions of a rule file, and what each of them becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.wording import describe, did_you_mean
from rules.condition_grammar import read_condition
from rules.data_grammar import read_variables
from rules.model import (
    SAVE_CLIP,
    Action,
    Check,
    Choose,
    Delay,
    Option,
    Parallel,
    Repeat,
    SetVariables,
    Stop,
)
from rules.program import MAX_ROUNDS
from rules.reading import Node, read_each
from rules.request_grammar import NAMED, read_request
from rules.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.model import Condition

IF_KEYS = ("if", "then", "else")
CHOOSE_KEYS = ("choose", "default")
OPTION_KEYS = ("conditions", "sequence")
REPEAT_KEYS = ("count", "while", "until", "sequence")
MAX_BRANCHES = 20

LATER_STEPS = (
    "wait_template",
    "wait_for_trigger",
    "event",
    "scene",
    "device_id",
    "set_conversation_response",
)


def read_action(node: Node, scope: Scope) -> Action | None:
    """Make an action of one step; None where it was refused."""
    step = node.value
    if isinstance(step, str) and "{" in step:
        return _check(node, scope)
    if not isinstance(step, dict):
        node.refuse(f"expected an action such as {{action: {SAVE_CLIP}}}, found {describe(step)}")
        return None
    for key, reader in _STEPS.items():
        if key in step:
            return reader(node, scope)
    _refuse_step(node)
    return None


def read_actions(node: Node | None, scope: Scope) -> tuple[Action, ...]:
    """Read one action or a list of them."""
    return read_each(node, lambda item: read_action(item, scope), at_least_one="action")


def _refuse_step(node: Node) -> None:
    """Say what is wrong with a step that has no word of an action."""
    for key in node.value:
        child = node.child(key, None)
        if key in LATER_STEPS:
            child.refuse(f"{key!r} is not supported yet; supported: {', '.join(_STEPS)}", key=True)
            return
        if key == "service":
            child.refuse("unknown key 'service'; did you mean 'action'?", key=True)
            return
    known = did_you_mean(next(iter(node.value), ""), _STEPS)
    meant = known if "did you mean" in known else ""
    node.refuse(f"'action' is missing: supported are {NAMED} and {', '.join(list(_STEPS)[1:])}{meant}")


# --- what steers ------------------------------------------------------------------------------------------


def _delay(node: Node, scope: Scope) -> Delay | None:  # noqa: ARG001 - every reader of a step takes a scope
    keys = node.entries(("delay",)) or {}
    delay_s = keys["delay"].seconds()
    return None if delay_s is None else Delay(delay_s=delay_s)


def _check(node: Node, scope: Scope) -> Check | None:
    condition = read_condition(node, scope)
    return None if condition is None else Check(condition=condition)


def _if(node: Node, scope: Scope) -> Choose:
    keys = node.entries(IF_KEYS) or {}
    if "then" not in keys:
        node.refuse("'then' is missing: what follows where the conditions hold")
    option = Option(
        conditions=_conditions(keys.get("if"), scope), actions=read_actions(keys.get("then"), scope)
    )
    return Choose(options=(option,), default=read_actions(keys.get("else"), scope))


def _choose(node: Node, scope: Scope) -> Choose:
    keys = node.entries(CHOOSE_KEYS) or {}
    options = read_each(keys["choose"], lambda item: _option(item, scope), at_least_one="option")
    return Choose(options=options, default=read_actions(keys.get("default"), scope))


def _option(node: Node, scope: Scope) -> Option | None:
    keys = node.entries(OPTION_KEYS, also={"condition": "conditions"})
    if keys is None:
        return None
    for required, purpose in (("conditions", "when this is chosen"), ("sequence", "what follows then")):
        if required not in keys:
            node.refuse(f"{required!r} is missing: {purpose}")
    return Option(
        conditions=_conditions(keys.get("conditions"), scope),
        actions=read_actions(keys.get("sequence"), scope),
    )


def _repeat(node: Node, scope: Scope) -> Repeat | None:
    keys = (node.entries(("repeat",)) or {})["repeat"].entries(REPEAT_KEYS)
    if keys is None:
        return None
    how = [key for key in ("count", "while", "until") if key in keys]
    if len(how) != 1:
        node.refuse(f"'repeat' needs one of count, while and until, found {' and '.join(how) or 'none'}")
    if "sequence" not in keys:
        node.refuse("'sequence' is missing: what to repeat")
    return Repeat(
        actions=read_actions(keys.get("sequence"), scope),
        count=keys["count"].whole(1, MAX_ROUNDS) if "count" in keys else None,
        while_=_conditions(keys.get("while"), scope),
        until=_conditions(keys.get("until"), scope),
    )


def _parallel(node: Node, scope: Scope) -> Parallel | None:
    branches = (node.entries(("parallel",)) or {})["parallel"]
    read = read_each(branches, lambda item: _branch(item, scope), at_least_one="branch")
    if len(read) > MAX_BRANCHES:
        branches.refuse(f"expected at most {MAX_BRANCHES} branches, found {len(read)}")
    return Parallel(branches=read)


def _branch(node: Node, scope: Scope) -> tuple[Action, ...] | None:
    """Read one branch: an action, a list of them, or a mapping with `sequence`."""
    if isinstance(node.value, dict) and "sequence" in node.value:
        return read_actions((node.entries(("sequence",)) or {})["sequence"], scope)
    return read_actions(node, scope)


def _sequence(node: Node, scope: Scope) -> Choose:
    return Choose(options=(), default=read_actions((node.entries(("sequence",)) or {})["sequence"], scope))


def _stop(node: Node, scope: Scope) -> Stop:  # noqa: ARG001 - every reader of a step takes a scope
    keys = node.entries(("stop",)) or {}
    reason = keys["stop"].text() if keys["stop"].value is not None else ""
    return Stop(reason=reason or "")


def _variables(node: Node, scope: Scope) -> SetVariables:
    return SetVariables(values=read_variables((node.entries(("variables",)) or {})["variables"], scope))


def _conditions(node: Node | None, scope: Scope) -> tuple[Condition, ...]:
    return read_each(node, lambda item: read_condition(item, scope), at_least_one="condition")


_STEPS: dict[str, Callable[[Node, Scope], Action | None]] = {
    "action": read_request,
    "delay": _delay,
    "if": _if,
    "choose": _choose,
    "repeat": _repeat,
    "parallel": _parallel,
    "sequence": _sequence,
    "stop": _stop,
    "variables": _variables,
    "condition": _check,
    "and": _check,
    "or": _check,
    "not": _check,
}
"""The word by which each kind of step is known."""
