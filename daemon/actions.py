"""Sends what rules decided through its door when it is due. A failing door keeps no other waiting."""

from __future__ import annotations

import asyncio
import heapq
import logging
from typing import TYPE_CHECKING, Self

from foundation.errors import ActionError, HeardError
from foundation.owned_task import OwnedTask
from integrations.topics import payload_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from daemon.recorder import EvidenceRecorder
    from integrations.mqtt import MqttLink
    from rules.model import ActionRequest

    Door = Callable[[ActionRequest], None]
    """Takes a request without waiting for anything, or raises HeardError."""

_log = logging.getLogger(__name__)


class ActionDispatcher:
    """Works while its `async with` lasts. Requests go out in the order in which they are due.

    `doors` are by action name. `on_done` is told each outcome: the request, and the error if there was one.
    """

    def __init__(
        self,
        doors: Mapping[str, Door],
        *,
        on_done: Callable[[ActionRequest, Exception | None], None] | None = None,
    ) -> None:
        self._doors = doors
        self._on_done = on_done
        self._waiting: list[tuple[float, int, ActionRequest]] = []
        self._submitted = 0
        self._sooner = asyncio.Event()
        self._failing: set[tuple[str, str]] = set()
        self._task = OwnedTask()

    @property
    def waiting_actions(self) -> int:
        """Actions that are not due yet."""
        return len(self._waiting)

    @property
    def failing(self) -> frozenset[tuple[str, str]]:
        """The rule id and action name of everything that failed the last time it was tried."""
        return frozenset(self._failing)

    def submit(self, requests: Iterable[ActionRequest], *, now: float) -> None:
        """Take requests that the engine made at `now`, its event time; what is due goes out at once.

        Delays run on the machine's monotonic clock from here: the clock of a sound card drifts away from it.
        """
        loop_now = asyncio.get_running_loop().time()
        for request in requests:
            due_s = loop_now + max(0.0, request.due_at - now)
            heapq.heappush(self._waiting, (due_s, self._submitted, request))
            self._submitted += 1
        self._send_due()
        self._sooner.set()

    async def __aenter__(self) -> Self:
        await self._task.start(self._run(), name="actions")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, _, request in sorted(self._waiting):
            _log.warning(
                "stopped before %s of rule %r was due: it is dropped", request.action, request.rule_id
            )
        self._waiting.clear()
        await self._task.stop(error)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._send_due()
            self._sooner.clear()
            wait_s = self._waiting[0][0] - loop.time() if self._waiting else None
            try:
                await asyncio.wait_for(self._sooner.wait(), wait_s)
            except TimeoutError:
                continue

    def _send_due(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            self._send(heapq.heappop(self._waiting)[2])

    def _send(self, request: ActionRequest) -> None:
        failure: Exception | None = None
        try:
            self._door(request.action)(request)
        except HeardError as error:
            failure = error
            self._failed(request, str(error))
        except Exception as error:  # noqa: BLE001 - a fault in one door must not silence the others
            failure = error
            self._failed(request, f"{type(error).__name__}: {error}", unexpected=error)
        else:
            self._worked(request)
        if self._on_done is not None:
            self._on_done(request, failure)

    def _door(self, action: str) -> Door:
        try:
            return self._doors[action]
        except KeyError:
            there = ", ".join(sorted(self._doors)) or "none"
            raise ActionError(
                f"there is no door for {action!r} in this configuration (there are: {there})"
            ) from None

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
