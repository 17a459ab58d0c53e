"""The rules of the running daemon: in force, remembered, written down, and told what they ask about."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from daemon.deciding.home_states import HomeStates
from daemon.deciding.journal import FILE_NAME, RulesJournal
from daemon.deciding.memory import recalled
from daemon.deciding.reactions import Reactions
from daemon.zone import local_zone
from rules.engine import Engine
from rules.facts import MqttMessage
from rules.recorded import rules_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path
    from types import TracebackType

    from daemon.deciding.reactions import Reach
    from daemon.outbox.outbox import Outbox
    from daemon.switches import Switches
    from detectors.types import SoundEvent
    from integrations.home_assistant.rest import HomeAssistant
    from integrations.mqtt import MqttLink
    from integrations.mqtt_listening import Said
    from rules.model import Rule


class Rulebook:
    """Works while its `async with` lasts. `reactions` is who hears sounds."""

    def __init__(
        self,
        rules: tuple[Rule, ...],
        state_dir: Path,
        clip_url: Callable[[SoundEvent], str],
        *,
        switches: Switches,
        link: MqttLink | None,
        home: HomeAssistant | None,
        poll_s: float,
    ) -> None:
        self._rules = rules
        self._switches = switches
        self._clip_url = clip_url
        self._link = link
        self._zone = local_zone()
        self.journal = RulesJournal(state_dir / FILE_NAME)
        self._outbox: Outbox | None = None
        self._engine = self._make_engine()
        self._reactions: Reactions | None = None
        self._home = home
        self._poll_s = poll_s

    @property
    def reactions(self) -> Reactions:
        """Who hears sounds; there once `begin` was called."""
        assert self._reactions is not None
        return self._reactions

    def begin(self, reach: Reach, outbox: Outbox) -> None:
        """Let sounds that come from now on have their consequences with those in `reach`.

        What the rules remember is kept in `outbox`, and outlives a restart there.
        """
        now = time.time()
        self._outbox = outbox
        self._reactions = Reactions(
            self._engine,
            recalled(outbox.memory, self._engine, now),
            reach,
            rules=self._digest(),
            began_at=now,
        )
        self._watch()
        self._switches.on_change(self._look_at_switches)

    def use(self, rules: tuple[Rule, ...]) -> None:
        """Let other rules decide from now on."""
        self._rules = rules
        self._use_engine()
        self._switches.rules_are(rules)

    def tasks(self) -> Mapping[str, Coroutine[None, None, None]]:
        """Return what has to run beside the daemon's other work."""
        reactions = self.reactions
        assert self._outbox is not None
        tasks = {
            "rules": reactions.keep_time(),
            "rules memory": reactions.keep_memory(self._outbox),
        }
        if self._home is not None:
            states = HomeStates(
                self._home,
                lambda: self._engine.entities,
                reactions.on_fact,
                now=reactions.now,
                poll_s=self._poll_s,
            )
            tasks["home assistant"] = states.run()
        return tasks

    async def __aenter__(self) -> Self:
        await self.journal.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link is not None:
            self._link.watch((), self._on_said)
        try:
            if self._reactions is not None and self._outbox is not None:
                self._outbox.put((), self._reactions.memory())
        finally:
            await self.journal.__aexit__(kind, error, trace)

    def _look_at_switches(self) -> None:
        if self._switches.disabled(self._rules) != self._disabled:
            self._use_engine()

    def _use_engine(self) -> None:
        self._engine = self._make_engine()
        self.reactions.use(self._engine, rules=self._digest())
        self._watch()

    def _make_engine(self) -> Engine:
        disabled = self._disabled = self._switches.disabled(self._rules)
        # One that is switched off goes on following what happens; one that its file disables does nothing.
        rules = [replace(rule, enabled=rule.enabled or rule.id not in disabled) for rule in self._rules]
        return Engine(rules, self._clip_url, self._zone, note=self.journal.verdict, disabled=disabled)

    def _digest(self) -> str:
        return rules_digest(replace(rule, enabled=rule.id not in self._disabled) for rule in self._rules)

    def _watch(self) -> None:
        if self._link is not None:
            self._link.watch(self._engine.topics, self._on_said)

    def _on_said(self, said: Said) -> None:
        message = MqttMessage(
            topic=said.topic,
            payload=said.payload.decode(errors="replace"),
            at=self.reactions.now(),
            retained=said.retained,
        )
        self.reactions.on_fact(message)
