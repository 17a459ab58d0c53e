"""Sends what rules decided through its door. The engine has held it back until it was due."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from foundation.errors import ActionError, HeardError
from integrations.topics import payload_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from daemon.recorder import EvidenceRecorder
    from integrations.mqtt import MqttLink
    from rules.model import ActionRequest

    Door = Callable[[ActionRequest], None]
    """Takes a request without waiting for anything, or raises HeardError."""

_log = logging.getLogger(__name__)


class ActionDispatcher:
    """Knows the doors, by action name, and which rules fail at which of them.

    `on_done` is told each outcome: the request, and the error if there was one.
    """

    def __init__(
        self,
        doors: Mapping[str, Door],
        *,
        on_done: Callable[[ActionRequest, Exception | None], None] | None = None,
    ) -> None:
        self._doors = doors
        self._on_done = on_done
        self._failing: set[tuple[str, str]] = set()

    @property
    def failing(self) -> frozenset[tuple[str, str]]:
        """The rule id and action name of everything that failed the last time it was tried."""
        return frozenset(self._failing)

    def submit(self, requests: Iterable[ActionRequest]) -> None:
        """Send `requests` in their order. One that fails is logged, and keeps no other from its door."""
        for request in requests:
            failure = self._send(request)
            if self._on_done is not None:
                self._on_done(request, failure)

    def _send(self, request: ActionRequest) -> Exception | None:
        try:
            self._door(request.action)(request)
        except HeardError as error:
            self._failed(request, str(error))
            return error
        except Exception as error:  # noqa: BLE001 - a fault in one door must not silence the others
            self._failed(request, f"{type(error).__name__}: {error}", unexpected=error)
            return error
        self._worked(request)
        return None

    def _door(self, action: str) -> Door:
        try:
            return self._doors[action]
        except KeyError:
            there = ", ".join(sorted(self._doors)) or "none"
            raise ActionError(f"this configuration has no way to {action!r} (it has: {there})") from None

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


def mqtt_publish_door(link: MqttLink) -> Door:
    """Return the door of `mqtt.publish`: data holds `topic`, `payload`, and maybe `qos` and `retain`."""

    def publish(request: ActionRequest) -> None:
        data = request.data
        link.publish(
            str(data.get("topic", "")),
            payload_text(data.get("payload")),
            qos=data.get("qos", 0),
            retain=bool(data.get("retain", False)),
        )

    return publish
