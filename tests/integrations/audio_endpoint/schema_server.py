"""A chat-completions server on loopback that holds every request against the interface's published types."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter, ValidationError

_PLAIN = TypeAdapter(CompletionCreateParamsNonStreaming)
_STREAMED = TypeAdapter(CompletionCreateParamsStreaming)


@dataclass(slots=True)
class SchemaServer:
    """Answers what `script` says, one entry a request; "Rain." when there is nothing left of it."""

    script: deque[web.StreamResponse | str | float | list[str]] = field(default_factory=deque)
    """A response as it stands; words; seconds to hang; pieces to stream, of which None breaks off."""
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    logprobs: Mapping[str, float] | None = None
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=50_000_000)
        app.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        try:
            check(body)
        except (ValidationError, ValueError) as error:
            self.wrong.append(str(error))
            return web.json_response({"error": {"message": str(error)}}, status=400)
        planned = self.script.popleft() if self.script else "Rain."
        if isinstance(planned, web.StreamResponse):
            return planned
        if isinstance(planned, float):
            await asyncio.sleep(planned)
            planned = "Late."
        if isinstance(planned, list) or body.get("stream"):
            return await self._stream(request, planned if isinstance(planned, list) else [planned])
        return web.json_response(self._completion(planned))

    def _completion(self, words: str) -> dict[str, Any]:
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": words, "refusal": None},
            "logprobs": None,
        }
        if self.logprobs is not None:
            shown = [
                {"token": token, "logprob": value, "bytes": None} for token, value in self.logprobs.items()
            ]
            choice["logprobs"] = {"content": [{**shown[0], "top_logprobs": shown}], "refusal": None}
        answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        ChatCompletion.model_validate(answer, strict=True)
        return answer

    async def _stream(self, request: web.Request, pieces: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            if piece == "BREAK":
                return response
            chunk = {
                "id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m",
                "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}],
            }  # fmt: skip
            ChatCompletionChunk.model_validate(chunk, strict=True)
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response


def check(body: Mapping[str, Any]) -> None:
    """Raise ValueError or ValidationError if a request is not what the published interface takes."""
    unknown = set(body) - set(CompletionCreateParamsNonStreaming.__annotations__) - {"stream"}
    if unknown:
        raise ValueError(f"the interface has no {sorted(unknown)}")
    known = {**body, "messages": [_without_own_spelling(message) for message in body["messages"]]}
    adapter = _STREAMED if body.get("stream") else _PLAIN
    _exhaust(adapter.validate_python(known))
    for part in sounds(body):
        if part["type"] == "input_audio":
            data = part["input_audio"]["data"]
        else:
            head, _, data = part["audio_url"]["url"].partition(",")
            if head != "data:audio/wav;base64":
                raise ValueError(f"sound comes as {head}")
        with wave.open(io.BytesIO(base64.b64decode(data, validate=True))) as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, 16_000):
                raise ValueError("not 16 kHz mono of 16 bits")


def sounds(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a request that are sound."""
    parts = [
        part
        for message in body["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    return [part for part in parts if part["type"] in {"input_audio", "audio_url"}]


def _without_own_spelling(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out sound in the spelling of vLLM, which is not part of the interface."""
    if isinstance(message["content"], str):
        return message
    kept = [part for part in message["content"] if part["type"] != "audio_url"]
    return {**message, "content": kept}


def _exhaust(value: object) -> None:
    """Go through all of it: what is checked lazily would not be otherwise."""
    if isinstance(value, Mapping):
        for inner in value.values():
            _exhaust(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            _exhaust(inner)
