"""One step of the engine at work: what its parts share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from detectors.types import SoundEvent
from rules.context import Context, House
from rules.draft import Draft
from rules.firing import Firing, fire
from rules.index import Index, Watch
from rules.state import Cause
from rules.verdict import Stopped, Verdict

SWITCHED_OFF = Stopped("disabled", "the rule is switched off")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Step:
    """A draft that changes, and all that decides how. Made anew for each step."""

    draft: Draft
    index: Index
    house: House
    note: Callable[[Verdict], None] | None
    disabled: frozenset[str]
    """The ids of rules that may not fire."""

    def fire(self, watch: Watch, cause: Cause) -> bool:
        """Let a rule fire whose trigger is met; tell whether it did."""
        told = self.note is not None
        if watch.rule.id in self.disabled:
            stopped: Stopped | None = SWITCHED_OFF
        else:
            firing = Firing(self.house, self.draft.world, watch.rule, cause, told, watch.plain)
            stopped = fire(self.draft, firing)
        if told:
            self.tell(watch, cause.at, stopped, event=cause.event, told=cause.told)
        return stopped is None

    def context(self, watch: Watch, cause: Cause) -> Context:
        """Return what the templates of a trigger see."""
        return Context(
            house=self.house,
            world=self.draft.world,
            rule_id=watch.rule.id,
            cause=cause,
            at=cause.at,
            variables={},
        )

    def tell(
        self,
        watch: Watch,
        at: float,
        stopped: Stopped | None,
        *,
        event: SoundEvent | None = None,
        told: Mapping[str, Any] = _NOTHING,
    ) -> None:
        """Say what became of a trigger, to whoever wants to know."""
        if self.note is not None:
            self.note(
                Verdict(
                    rule_id=watch.rule.id,
                    trigger=watch.place,
                    at=at,
                    event=event,
                    told=told,
                    stopped=stopped,
                )
            )
