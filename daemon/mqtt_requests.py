"""Teaching and feedback over MQTT: the same requests as over the socket, one at a time, answered in JSON."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from daemon.control import answers, read_request
from foundation.errors import HeardError, OwnerError
from integrations.mqtt_listening import only_new

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from daemon.history import History
    from daemon.learning.desk import TeachingDesk
    from daemon.switches import Switches
    from integrations.mqtt import MqttLink
    from integrations.mqtt_listening import Said
    from integrations.topics import Topics

MAX_WAITING = 20
"""Requests beyond these are dropped: nobody marks so fast."""

MAX_REQUEST_BYTES = 100_000

LOOK_BACK = 20
"""Events among which the newest of a profile is looked for."""

_log = logging.getLogger(__name__)


class MqttRequests:
    """Listens on the node's `feedback` and `teach` topics and publishes each answer to `…/result`.

    Feedback is `{"event": id, "verdict": "wrong"}`, or with `stream` in place of `event` about the newest
    event there, or `{"profile": name, "verdict": "missed"}` with `stream` and `last_s`; teaching is
    `{"profile": name}` with `stream`, `last_s` and the like, where without a name the time makes one. Both
    are applied at once. `newest` gives the id of a stream's newest event, or raises OwnerError.
    """

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        desk: TeachingDesk,
        *,
        newest: Callable[[str], Awaitable[str]],
    ) -> None:
        self._link = link
        self._desk = desk
        self._newest = newest
        self._waiting: asyncio.Queue[Said] = asyncio.Queue(MAX_WAITING)
        for topic in (topics.feedback, topics.teach):
            link.listen(topic, only_new(self._put))
        self._teach = topics.teach

    async def run(self) -> None:
        """Answer what comes, until cancelled."""
        while True:
            said = await self._waiting.get()
            answer = await self._answer(said.payload, teaching=said.topic == self._teach)
            self._link.publish(f"{said.topic}/result", json.dumps(answer, ensure_ascii=False))

    def _put(self, said: Said) -> None:
        if self._waiting.full() or len(said.payload) > MAX_REQUEST_BYTES:
            _log.warning("a message on %s was dropped: too many wait, or it is too long", said.topic)
            return
        self._waiting.put_nowait(said)

    async def _answer(self, payload: bytes, *, teaching: bool) -> dict[str, Any]:
        done: dict[str, Any] = {}
        try:
            said = _as_request(payload, teaching=teaching)
            if said["do"] == "mark" and "event" not in said and isinstance(said.get("stream"), str):
                said["event"] = await self._newest(said.pop("stream"))
            request = read_request(json.dumps(said))
            async for line in answers(self._desk, request):
                done = line.get("done") or done
        except HeardError as error:
            return {"ok": False, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - a fault in one message must not end the daemon
            _log.exception("a request over MQTT failed")
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}
        return {"ok": True, **done}


async def newest_event(history: History, switches: Switches, stream: str) -> str:
    """Return the id of the newest event of a profile on `stream`. Raises OwnerError where there is none."""
    for event in await history.newest(LOOK_BACK, stream=stream):
        # What rules make up is no profile's, and cannot be marked.
        if event.profile in switches.profiles:
            return event.id
    raise OwnerError(f"nothing was heard on {stream!r} that could be marked")


def _as_request(payload: bytes, *, teaching: bool) -> dict[str, Any]:
    """Return the socket's request for what a message says. Raises OwnerError."""
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise OwnerError(f"the message is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise OwnerError('the message should be a JSON object, such as {"event": "…", "verdict": "wrong"}')
    named = {"name": said.pop("profile")} if "profile" in said else {}
    if teaching:
        return {"do": "enroll", "name": f"taught_{datetime.now():%Y%m%d_%H%M%S}", **named, **said}  # noqa: DTZ005 - the owner's own time
    if said.get("verdict") == "missed":
        del said["verdict"]
        return {"do": "missed", "apply": True, **named, **said}
    return {"do": "mark", "apply": True, **said}
