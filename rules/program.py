"""The actions of a rule as a small program, and the places in it."""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING

from rules.model import Choose, Parallel, Repeat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.model import Action
    from rules.state import Frame

MAX_ROUNDS = 10_000
"""How often a `repeat` goes round."""

MAX_BURST = 1_000
"""Actions that one run may take at one moment: more is a loop without a delay."""

START = 0
"""The branch that the rule's own list of actions counts as."""


def digest(actions: Sequence[Action]) -> str:
    """Return what changes when the actions are edited, and with it the meaning of places in them."""
    return blake2b(repr(tuple(actions)).encode(), digest_size=8).hexdigest()


def block_of(action: Action, branch: int) -> tuple[Action, ...]:
    """Return one of the lists of actions that an action holds."""
    match action:
        case Choose():
            return action.options[branch].actions if branch < len(action.options) else action.default
        case Parallel():
            return action.branches[branch]
        case Repeat():
            return action.actions
    raise AssertionError(f"{type(action).__name__} holds no actions")


def every_action(actions: Sequence[Action]) -> Iterator[Action]:
    """Give all actions, however deep inside of others."""
    for action in actions:
        yield action
        match action:
            case Choose():
                lists = (*(option.actions for option in action.options), action.default)
            case Parallel():
                lists = action.branches
            case Repeat():
                lists = (action.actions,)
            case _:
                lists = ()
        for inner in lists:
            yield from every_action(inner)


def innermost(actions: tuple[Action, ...], frames: Sequence[Frame]) -> tuple[Action, ...]:
    """Return the list of actions that the last of `frames` is in."""
    for outer, inner in pairwise(frames):
        actions = block_of(actions[outer.step], inner.branch)
    return actions


def place_of(frames: Sequence[Frame]) -> str:
    """Name a place for the owner: "action 2" or, inside of others, "action 2.1"."""
    return "action " + ".".join(str(frame.step + 1) for frame in frames)


def current_round(frames: Sequence[Frame]) -> int | None:
    """Return which repetition of the innermost `repeat` this is, from 1; None outside of any."""
    for frame in reversed(frames):
        if frame.round:
            return frame.round
    return None
