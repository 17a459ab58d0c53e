"""One request on its way, and what becomes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.outbox.file import Ended, Outcome, Waiting
from daemon.outbox.request_json import dump_request, dump_sound, load_request
from foundation.errors import ActionError, ActionExpired
from rules.model import ActionRequest

if TYPE_CHECKING:
    import asyncio

    from daemon.outbox.errand import Errand
    from foundation.errors import HeardError


class PushedOut(ActionExpired):
    """Others needed its place."""


class TakenOut(ActionError):
    """The owner took it out of the file."""


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """One request on its way."""

    seq: int
    id: str
    target: str
    rule_id: str
    action: str
    put_at: float
    """Unix seconds."""
    until_s: float
    """By the loop's clock: a clock that is set must not make anything expire."""
    expires_s: float
    body: str
    """The request as text; empty once it was given to the disk."""
    size: int
    """Of its text."""
    request: ActionRequest | None
    """None while only the disk has it."""
    ready: bool = False
    """It may have an effect: the disk has it, or does not take it."""
    on_disk: bool = False
    problem: str = ""
    """Why the last try failed."""
    given_up: HeardError | None = None
    trying: asyncio.Timeout | None = None
    """While it is under way."""


def made_ready(errand: Errand, request: ActionRequest, *, now_s: float) -> Entry:
    """Return a new one; `now_s` is what the loop's clock shows. Raises what `errand` does."""
    expires_s = errand.lifetime_s(request)
    body = dump_request(request)
    return Entry(
        seq=0,
        id=request.id,
        target=_clean(errand.target(request)),
        rule_id=request.rule_id,
        action=request.action,
        put_at=time.time(),
        until_s=now_s + expires_s,
        expires_s=expires_s,
        body=body,
        size=len(body),
        request=request,
    )


def read_again(row: Waiting, *, now_s: float, least_s: float) -> Entry:
    """Return one that was left; it has waited at least `least_s`, whatever the clock says.

    Raises ValueError where it cannot be read.
    """
    request = load_request(row.body)
    left_s = max(0.0, row.expires_s - max(time.time() - row.put_at, least_s))
    return Entry(
        seq=row.seq,
        id=row.id,
        target=row.target,
        rule_id=request.rule_id,
        action=request.action,
        put_at=row.put_at,
        until_s=now_s + left_s,
        expires_s=row.expires_s,
        body="",
        size=len(row.body),
        request=request,
        on_disk=True,
    )


def hand_over(entry: Entry) -> Waiting:
    """Return one as the file has it, and keep its text no longer."""
    body, entry.body = entry.body, ""
    return Waiting(
        seq=entry.seq,
        id=entry.id,
        target=entry.target,
        put_at=entry.put_at,
        expires_s=entry.expires_s,
        body=body,
    )


def expired(entry: Entry) -> ActionExpired:
    """Say that one was not delivered in its time."""
    why = f" ({entry.problem})" if entry.problem else ""
    return ActionExpired(f"not delivered within {entry.expires_s:g} s, and given up{why}")


def ended(entry: Entry, failure: Exception | None) -> Ended:
    """Return what became of one."""
    outcome = _outcome(failure)
    had_effect = outcome in {Outcome.DELIVERED, Outcome.FAILED}
    return Ended(
        seq=entry.seq,
        id=entry.id,
        rule_id=_clean(entry.rule_id),
        action=entry.action,
        target=entry.target,
        put_at=entry.put_at,
        ended_at=time.time(),
        outcome=outcome,
        why="" if failure is None else _clean(str(failure) or type(failure).__name__),
        event=dump_sound(entry.request.event) if had_effect and entry.request is not None else None,
    )


def unreadable(row: Waiting, fault: ValueError) -> Ended:
    """Return what becomes of one that the file has and nobody can read."""
    return Ended(
        seq=row.seq,
        id=row.id,
        rule_id="",
        action="",
        target=row.target,
        put_at=row.put_at,
        ended_at=time.time(),
        outcome=Outcome.FAILED,
        why=_clean(str(fault)),
        event=None,
    )


def outline(entry: Entry) -> ActionRequest:
    """Return what is left in memory of a request that was given up without being read again."""
    return ActionRequest(
        id=entry.id, rule_id=entry.rule_id, action=entry.action, event=None, due_at=entry.put_at
    )


def _outcome(failure: Exception | None) -> Outcome:
    match failure:
        case None:
            return Outcome.DELIVERED
        case PushedOut():
            return Outcome.PUSHED_OUT
        case ActionExpired():
            return Outcome.EXPIRED
        case TakenOut():
            return Outcome.DROPPED
    return Outcome.FAILED


def _clean(text: str) -> str:
    # A template may give halves of characters, which no file takes.
    return text.encode("utf-8", "replace").decode()
