"""A request as JSON text, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rules.facts_json import dump_event, load_event
from rules.model import ActionRequest

if TYPE_CHECKING:
    from detectors.types import SoundEvent


def dump_request(request: ActionRequest) -> str:
    """Return a request as text, in ASCII: templates may give halves of characters, which no file takes."""
    return json.dumps(
        {
            "id": request.id,
            "rule": request.rule_id,
            "action": request.action,
            "event": None if request.event is None else dump_event(request.event),
            "due_at": request.due_at,
            "data": dict(request.data),
            "expires_s": request.expires_s,
        }
    )


def load_request(text: str) -> ActionRequest:
    """Return what `dump_request` gave; raises ValueError for anything else."""
    try:
        data = json.loads(text)
        return ActionRequest(
            id=str(data["id"]),
            rule_id=str(data["rule"]),
            action=str(data["action"]),
            event=None if data["event"] is None else load_event(data["event"]),
            due_at=float(data["due_at"]),
            data=data["data"],
            expires_s=None if data["expires_s"] is None else float(data["expires_s"]),
        )
    except (KeyError, TypeError) as fault:
        raise ValueError(f"not a request that was written down: {fault!r}") from fault


def dump_sound(event: SoundEvent | None) -> str | None:
    """Return a sound as text."""
    return None if event is None else json.dumps(dump_event(event))


def load_sound(text: str) -> SoundEvent:
    """Return what `dump_sound` gave."""
    return load_event(json.loads(text))
