"""Sends what rules decided through its door. The engine has held it back until it was due.

A door is a function that waits for nothing, or an errand, which goes through the outbox.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.outbox.errand import Errand
from daemon.outbox.expiry import TOLD_S
from foundation.errors import ActionError, HeardError
from integrations.topics import payload_text
from rules.model import COMMAND, DESCRIBE, MQTT_PUBLISH, SAVE_CLIP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.outbox.outbox import Outbox
    from daemon.outbox.writer import Memory
    from integrations.mqtt import MqttLink
    from rules.model import ActionRequest

    Door = Callable[[ActionRequest], None]
    """Takes a request without waiting for anything, or raises HeardError."""

OUR_DOMAINS = ("heard.", "mqtt.", "webhook.", "command.")
"""Every other action is Home Assistant's."""
HELP = {
    COMMAND: "the configuration allows no programs: name them under 'commands'",
    DESCRIBE: "there is no audio model to describe sounds",
    MQTT_PUBLISH: "the configuration has no 'mqtt'",
    SAVE_CLIP: "the configuration says 'evidence: {save: none}'",
    "": "the configuration has no 'home_assistant'",
}
"""What is missing where there is no way to an action; empty: those of Home Assistant."""

_log = logging.getLogger(__name__)


class ActionDispatcher:
    """Knows the doors, by action name, and which rules fail at which of them.

    `on_done` is told each outcome: the request, and the error if there was one.
    """

    def __init__(
        self,
        doors: Mapping[str, Door | Errand],
        *,
        outbox: Outbox | None = None,
        on_done: Callable[[ActionRequest, Exception | None], None] | None = None,
    ) -> None:
        self._doors = doors
        self._outbox = outbox
        self._on_done = on_done
        self._failing: set[tuple[str, str]] = set()
        if outbox is not None:
            outbox.begin(self._errand, self._done)

    @property
    def failing(self) -> frozenset[tuple[str, str]]:
        """The rule id and action name of everything that failed the last time it was tried."""
        return frozenset(self._failing)

    def submit(self, requests: Iterable[ActionRequest], memory: Memory | None = None) -> None:
        """Send `requests` in their order. One that fails is logged, and keeps no other from its door.

        `memory` is the state of the rules that goes with them.
        """
        posted = []
        for request in requests:
            try:
                door = self._door(request.action)
                if isinstance(door, Errand):
                    assert self._outbox is not None
                    posted.append(self._outbox.entry(door, request))
                    continue
                door(request)
            except Exception as error:  # noqa: BLE001 - a fault in one door must not silence the others
                self._done(request, error)
            else:
                self._done(request, None)
        if self._outbox is not None and (posted or memory is not None):
            self._outbox.put(posted, memory)

    def _errand(self, action: str) -> Errand:
        door = self._door(action)
        if not isinstance(door, Errand):
            raise ActionError(f"{action} is done at once or never")
        return door

    def _door(self, action: str) -> Door | Errand:
        theirs = "" if "." in action and not action.startswith(OUR_DOMAINS) else action
        door = self._doors.get(action) or self._doors.get(theirs)
        if door is None:
            why = HELP.get(theirs, f"there is: {', '.join(sorted(self._doors))}")
            raise ActionError(f"there is no way to {action!r}: {why}")
        return door

    def _done(self, request: ActionRequest, failure: Exception | None) -> None:
        if failure is None:
            self._worked(request)
        elif isinstance(failure, HeardError):
            self._failed(request, str(failure))
        else:
            self._failed(request, f"{type(failure).__name__}: {failure}", unexpected=failure)
        if self._on_done is not None:
            self._on_done(request, failure)

    def _failed(self, request: ActionRequest, why: str, *, unexpected: Exception | None = None) -> None:
        key = (request.rule_id, request.action)
        if key not in self._failing:
            self._failing.add(key)
            _log.warning("rule %r: %s failed: %s", request.rule_id, request.action, why, exc_info=unexpected)

    def _worked(self, request: ActionRequest) -> None:
        key = (request.rule_id, request.action)
        if key in self._failing:
            self._failing.remove(key)
            _log.info("rule %r: %s works again", request.rule_id, request.action)


def save_clip_door(recorder: EvidenceRecorder) -> Door:
    """Return the door of `heard.save_clip`."""

    def save_clip(request: ActionRequest) -> None:
        if request.event is None:
            raise ActionError("no sound made the rule fire, so there is no clip to keep")
        recorder.request(request.event, request.rule_id)

    return save_clip


def mqtt_publish_errand(link: MqttLink) -> Errand:
    """Return the way to `mqtt.publish`: data holds `topic`, `payload`, and maybe `qos` and `retain`."""

    async def publish(request: ActionRequest) -> None:
        data = request.data
        await link.deliver(
            str(data.get("topic", "")),
            payload_text(data.get("payload")),
            qos=data.get("qos", 1),
            retain=bool(data.get("retain", False)),
            id=request.id,
        )

    return Errand(do=publish, target=lambda _: MQTT_PUBLISH, expires_s=lambda _: TOLD_S)
