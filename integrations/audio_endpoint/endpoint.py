"""Questions to an endpoint: with a time limit, tried again, counted, and not at all while it is down."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import aiohttp
import numpy as np

from foundation.backoff import Backoff
from foundation.errors import AudioModelUnavailable, PromptError
from integrations.audio_endpoint.guard import Guard
from integrations.audio_endpoint.wire import (
    AudioParts,
    answer_text,
    chat_body,
    choice_body,
    choice_scores,
    piece_text,
)

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from detectors.audio_models import AskOptions, Prompt

TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another the next time."""
REFUSED = frozenset({401, 403, 404, 405})
"""Answers that only the owner can change: the token, the address, the model's name."""
AT_ONCE = 8
"""Questions under way; a server batches them by itself."""
LONGEST_ANSWER_BYTES = 4_000_000
_SHOWN = 200

Answer = TypeVar("Answer")
State = Literal["resting", "ready", "working", "down", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """Where the model is, and how much it may be asked."""

    url: str
    """Up to and with `/v1`."""
    model: str
    """What the server calls it."""
    token: str = field(default="", repr=False)
    audio_parts: AudioParts = "input_audio"
    tries: int = 3
    """For one question, within its time limit."""
    calls_per_hour: int = 240
    """Further tries count as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointStatus:
    """The endpoint at one moment."""

    state: State
    name: str
    waiting: int
    answered: int
    unanswered: int
    """Questions without an answer in time."""
    latency_s: float | None
    """Of the last answer."""
    error: str
    calls_left: int
    """In this hour."""


class _Passing(AudioModelUnavailable):
    """May go well the next time."""

    def __init__(self, text: str, *, after_s: float = 0.0) -> None:
        super().__init__(text)
        self.after_s = after_s
        """What the server asked for."""


class AudioEndpoint:
    """Asks while its `async with` lasts."""

    def __init__(self, settings: EndpointSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._guard = Guard(calls_per_hour=settings.calls_per_hour, clock=clock)
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(AT_ONCE)
        self._state: State = "resting"
        self._waiting = self._answered = self._unanswered = 0
        self._latency_s: float | None = None
        self._error = ""

    async def __aenter__(self) -> Self:
        headers = {"User-Agent": "heard"}
        if self._settings.token:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        # The limit is each question's own.
        limit = aiohttp.ClientTimeout(total=None)
        jar = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(headers=headers, timeout=limit, cookie_jar=jar)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def load(self, *, within_s: float) -> None:
        """Do nothing: what is behind an endpoint has its model loaded."""

    async def ask(
        self,
        prompt: Prompt,
        options: AskOptions,
        *,
        within_s: float,
        on_piece: Callable[[str], None] | None = None,
    ) -> str:
        """Return the model's answer; `on_piece` is given its pieces as they come.

        Raises AudioModelUnavailable if there is none within `within_s`, and PromptError if the endpoint
        cannot be asked that.
        """
        settings = self._settings
        body = chat_body(prompt, options, model=settings.model, audio_parts=settings.audio_parts)
        if on_piece is None:
            return await self._limited(self._tried(body, answer_text), within_s)
        return await self._limited(self._streamed({**body, "stream": True}, on_piece), within_s)

    async def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], *, within_s: float
    ) -> NDArray[np.float64]:
        """Return log-probabilities [prompts, choices]; raises as `ask` does.

        An endpoint cannot be asked how likely a given answer is. It is shown the choices with letters before
        them, and how likely each letter is as its first token counts; where the server keeps that to itself,
        the letter that it answers with has all the probability.
        """
        settings = self._settings
        bodies = [
            choice_body(prompt, choices, model=settings.model, audio_parts=settings.audio_parts)
            for prompt in prompts
        ]

        def weigh(answer: Mapping[str, Any]) -> NDArray[np.float64]:
            return choice_scores(answer, len(choices))

        async def together() -> NDArray[np.float64]:
            rows = await asyncio.gather(
                *(self._tried(body, weigh) for body in bodies), return_exceptions=True
            )
            for row in rows:
                if isinstance(row, BaseException):
                    raise row
            return np.stack([row for row in rows if not isinstance(row, BaseException)])

        return await self._limited(together(), within_s)

    def status(self) -> EndpointStatus:
        """Return how the endpoint is."""
        return EndpointStatus(
            state="working" if self._waiting else self._state,
            name=self._settings.model,
            waiting=self._waiting,
            answered=self._answered,
            unanswered=self._unanswered,
            latency_s=self._latency_s,
            error=self._error,
            calls_left=self._guard.calls_left,
        )

    async def _limited(self, work: Awaitable[Answer], within_s: float) -> Answer:
        began = time.monotonic()
        self._waiting += 1
        try:
            async with asyncio.timeout(within_s):
                answer = await work
        except TimeoutError:
            self._unanswered += 1
            self._went_wrong("down", f"{self._settings.url} gave no answer within {within_s:g} s")
            raise AudioModelUnavailable(self._error) from None
        except AudioModelUnavailable:
            self._unanswered += 1
            raise
        finally:
            self._waiting -= 1
        self._answered += 1
        self._latency_s = time.monotonic() - began
        return answer

    async def _tried(self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Answer]) -> Answer:
        """Ask until there is an answer, or tries are used up."""
        pauses = Backoff(first_s=0.5, most_s=8.0, steady_after_s=60.0)
        for left in reversed(range(self._settings.tries)):
            try:
                return await self._once(body, read)
            except _Passing as error:
                if not left:
                    raise
                await asyncio.sleep(max(error.after_s, pauses.after(0.0)))
        raise AssertionError("there is at least one try")

    async def _once(self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Answer]) -> Answer:
        async with self._room, self._sent(body) as response:
            answer = read(json.loads(await _bounded(response)))
        self._state, self._error = "ready", ""
        return answer

    async def _streamed(self, body: Mapping[str, Any], on_piece: Callable[[str], None]) -> str:
        """Ask once: what has been given away in pieces cannot be taken back."""
        said: list[str] = []
        async with self._room, self._sent(body) as response:
            async for line in response.content:
                piece = piece_text(line)
                if piece is None:
                    break
                if piece:
                    said.append(piece)
                    on_piece(piece)
            else:
                raise ValueError("it broke off")
        self._state, self._error = "ready", ""
        return "".join(said)

    @asynccontextmanager
    async def _sent(self, body: Mapping[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, and give the answer that goes well; whatever fails inside is said in one way."""
        assert self._session is not None
        url = self._settings.url.rstrip("/")
        with self._guard.call():
            try:
                # A redirect would take the sound to a place that nobody named.
                async with self._session.post(
                    f"{url}/chat/completions", json=body, allow_redirects=False
                ) as response:
                    if response.status != 200:
                        shown = (await _bounded(response)).decode("utf-8", "replace")[:_SHOWN]
                        self._turned_down(response, f"{url} answers {response.status}: {shown}")
                    yield response
            except (aiohttp.ClientError, OSError) as error:
                raise self._failed(f"{url} does not answer: {type(error).__name__}") from None
            except ValueError as error:
                raise self._failed(f"{url} gave no usable answer: {error}") from None

    def _turned_down(self, response: aiohttp.ClientResponse, told: str) -> None:
        """Raise what an answer other than 200 means."""
        if response.status in TRY_AGAIN:
            after = response.headers.get("Retry-After", "")
            raise self._failed(told, after_s=float(after) if after.isdigit() else 0.0)
        if response.status in REFUSED or response.status < 400:
            self._went_wrong("refused", told)
            raise AudioModelUnavailable(told)
        raise PromptError(told)

    def _failed(self, text: str, *, after_s: float = 0.0) -> _Passing:
        self._went_wrong("down", text)
        return _Passing(text, after_s=after_s)

    def _went_wrong(self, state: State, text: str) -> None:
        self._state, self._error = state, text


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > LONGEST_ANSWER_BYTES:
            raise ValueError("it is longer than any answer")
    return bytes(content)
