"""The microphones and feeds: how they are, what they sound like now, and whether they listen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from daemon.api.answers import answer
from daemon.api.limits import body_as
from daemon.api.problems import not_found
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from daemon.api.house import House


class StreamState(BaseModel):
    """One microphone or feed."""

    stream: str
    source: str
    """What it listens to: microphone, file, pipe …"""
    online: bool
    health: str
    problem: str
    """Why it is not online; empty when it is."""
    level_dbfs: float | None
    noise_floor_dbfs: float | None
    listening: bool
    scores: dict[str, float]
    """Of every profile, 0 to 1; all 0 while it is quiet."""


class StreamStates(BaseModel):
    """All of them."""

    streams: list[StreamState]


class StreamChange(BaseModel):
    """What can be set."""

    model_config = ConfigDict(extra="forbid", strict=True)
    listening: bool = Field(description="false: its source is closed; nothing of it is heard or held.")


class Streams:
    """Answers what is asked about streams."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="GET", path=f"{API}/streams", name="list_streams", scope=Scope.READ,
                summary="The streams, with what they sound like now", handler=self.list,
                returns=StreamStates,
            ),
            Route(
                method="GET", path=f"{API}/streams/{{stream}}", name="get_stream", scope=Scope.READ,
                summary="One stream", handler=self.get, returns=StreamState, fails=(404,),
            ),
            Route(
                method="PATCH", path=f"{API}/streams/{{stream}}", name="change_stream", scope=Scope.ACT,
                summary="Let a stream listen, or close its source", handler=self.change,
                body=StreamChange, returns=StreamState, fails=(404,),
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with all streams."""
        del request
        return answer({"streams": streams_now(self._house)})

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one stream."""
        return answer(self._stream(request.match_info["stream"]))

    async def change(self, request: web.Request) -> web.Response:
        """Switch a stream on or off."""
        stream = request.match_info["stream"]
        self._stream(stream)
        change = await body_as(request, StreamChange)
        self._house.switches.set_listening(stream, change.listening)
        return answer(self._stream(stream))

    def _stream(self, name: str) -> dict[str, Any]:
        streams = {stream["stream"]: stream for stream in streams_now(self._house)}
        if name not in streams:
            raise not_found("stream", name, did_you_mean(name, streams))
        return streams[name]


def streams_now(house: House) -> list[dict[str, Any]]:
    """Return how every stream is."""
    newest = house.feed.newest
    return [
        {
            "stream": stream.stream,
            "source": stream.source,
            "online": stream.online,
            "health": stream.health,
            "problem": stream.problem,
            "level_dbfs": stream.level_dbfs,
            "noise_floor_dbfs": stream.noise_floor_dbfs,
            "listening": house.switches.listening(stream.stream),
            "scores": newest[stream.stream].scores if stream.stream in newest and stream.online else {},
        }
        for stream in house.status().streams
    ]
