"""What the rules remember over a restart. It is kept together with what they decided, never apart from it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from rules.state import EngineState, deafened
from rules.state_json import Dumper

if TYPE_CHECKING:
    from daemon.outbox.writer import Memory
    from rules.engine import Engine

_TOLD_AGAIN = frozenset({"messages", "entities", "confirmed_at", "wake_at"})
_DECIDED = tuple(name for name in EngineState.__dataclass_fields__ if name not in _TOLD_AGAIN)

_log = logging.getLogger(__name__)


def recalled(text: str | None, engine: Engine, now: float) -> EngineState:
    """Return what was kept, as far as it still belongs to the engine's rules, at `now`, Unix seconds."""
    if text is None:
        return engine.initial_state()
    try:
        remembered = engine.restore(json.loads(text))
    except ValueError as error:
        _log.warning("the rules start afresh: %s", error)
        return engine.initial_state()
    return engine.adopt(deafened(remembered, now))


class Scribe:
    """Writes states down that follow one another."""

    def __init__(self) -> None:
        self._dumper = Dumper()

    def memory(self, state: EngineState) -> Memory:
        """Return what writes a state down, later and in the one thread that does such things."""
        return lambda: json.dumps(self._dumper.dump(state))


def decided(before: EngineState | None, after: EngineState) -> bool:
    """Tell whether the rules have made something of what they heard since `before`."""
    # A step leaves alone what it does not change.
    return before is None or any(getattr(after, name) is not getattr(before, name) for name in _DECIDED)
