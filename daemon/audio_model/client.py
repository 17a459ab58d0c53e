"""Questions to the full audio model, one after the other, each with a time limit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from daemon.audio_model.child import Child
from daemon.audio_model.wire import Message, pack_prompts
from foundation.backoff import Backoff
from foundation.errors import AudioModelUnavailable, ModelError, PromptError
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from daemon.audio_model.child import ModelPlace
    from detectors.audio_models import AskOptions, Prompt

MAX_WAITING = 32
"""Questions; what comes when so many wait is refused, and falls back at once."""
HUNG_S = 30.0
"""How long a process may go on with a question that nobody waits for any more, before it is ended."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Request:
    content: Mapping[str, Any]
    samples: bytes
    answer: asyncio.Future[Mapping[str, Any]]
    on_piece: Callable[[str], None] | None
    pieces: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """The model at one moment."""

    state: str
    """`resting` (not loaded yet), `loading`, `ready`, `working`, `down` or `refused`"""
    name: str
    waiting: int
    answered: int
    unanswered: int
    """Questions without an answer in time."""
    latency_s: float | None
    """Of the last answer, waiting included."""
    starts: int
    error: str


class ModelProcess:
    """Loads the model when it is first asked, and again after its process has ended."""

    def __init__(self, place: ModelPlace, *, hung_s: float = HUNG_S) -> None:
        self._place = place
        self._hung_s = hung_s
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue(MAX_WAITING)
        self._backoff = Backoff(first_s=2.0, most_s=300.0, steady_after_s=60.0)
        self._worker = OwnedTask()
        self._child: Child | None = None
        self._state, self._error, self._name = "resting", "", place.folder.name
        self._started_at = self._not_before = 0.0
        self._numbers = self._starts = self._answered = self._unanswered = 0
        self._latency_s: float | None = None

    async def ask(
        self,
        prompt: Prompt,
        options: AskOptions,
        *,
        within_s: float,
        on_piece: Callable[[str], None] | None = None,
    ) -> str:
        """Return the model's answer; `on_piece` is given its pieces as they come.

        Raises AudioModelUnavailable if there is none within `within_s`, and PromptError if the model cannot
        be asked that.
        """
        said = await self._put("ask", [prompt], {"options": asdict(options)}, within_s, on_piece)
        return str(said["text"])

    async def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], *, within_s: float
    ) -> NDArray[np.float64]:
        """Return log-probabilities [prompts, choices]; raises as `ask` does."""
        said = await self._put("score", prompts, {"choices": list(choices)}, within_s, None)
        return np.array(said["scores"], np.float64)

    async def load(self, *, within_s: float) -> None:
        """Load the model, if it is not, before it is asked anything; raises as `ask` does."""
        await self._put("load", [], {}, within_s, None)

    def status(self) -> ModelStatus:
        """Return how the model is."""
        if self._child is not None and not self._child.alive:
            self._state, self._error = "down", self._error or "its process has ended"
        return ModelStatus(
            state=self._state,
            name=self._name,
            waiting=self._waiting.qsize(),
            answered=self._answered,
            unanswered=self._unanswered,
            latency_s=self._latency_s,
            starts=self._starts,
            error=self._error,
        )

    @property
    def pid(self) -> int | None:
        """The number of the process, if one runs."""
        return None if self._child is None or not self._child.alive else self._child.pid

    async def __aenter__(self) -> Self:
        await self._worker.start(self._serve(), name="audio model")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._worker.stop(error)
        finally:
            if self._child is not None:
                await self._child.kill()

    async def _put(
        self,
        what: str,
        prompts: Sequence[Prompt],
        more: Mapping[str, Any],
        within_s: float,
        on_piece: Callable[[str], None] | None,
    ) -> Mapping[str, Any]:
        asked_at = time.monotonic()
        packed, samples = pack_prompts(prompts)
        self._numbers += 1
        request = _Request(
            content={"do": what, "id": self._numbers, "prompts": packed, **more},
            samples=samples,
            answer=asyncio.get_running_loop().create_future(),
            on_piece=on_piece,
        )
        try:
            self._waiting.put_nowait(request)
            async with asyncio.timeout(within_s):
                said = await request.answer
        except asyncio.QueueFull:
            self._unanswered += 1
            raise AudioModelUnavailable(f"{MAX_WAITING} questions wait for the audio model already") from None
        except TimeoutError:
            self._unanswered += 1
            raise AudioModelUnavailable(
                f"no answer of the audio model within {within_s:g} s ({self._state})"
            ) from None
        except AudioModelUnavailable:
            self._unanswered += 1
            raise
        self._answered += 1
        self._latency_s = time.monotonic() - asked_at
        return said

    async def _serve(self) -> None:
        """Carry out one request after the other; nobody's fault ends this."""
        while True:
            request = await self._waiting.get()
            if request.answer.done():
                continue
            try:
                child = await self._ready_child()
                self._state = "working"
                await self._carry_out(child, request)
            except (AudioModelUnavailable, ModelError) as error:
                self._failed(error)
                if not request.answer.done():
                    request.answer.set_exception(AudioModelUnavailable(str(error)))

    async def _ready_child(self) -> Child:
        if self._child is not None and self._child.alive:
            return self._child
        if self._child is not None:
            self._ended()
        wait_s = self._not_before - time.monotonic()
        if wait_s > 0:
            raise AudioModelUnavailable(f"the audio model is down, and is started again in {wait_s:.0f} s")
        self._state = "loading"
        self._starts += 1
        self._started_at = time.monotonic()
        self._child = await Child.start(self._place)
        await self._child.ready()
        self._name = self._child.name
        return self._child

    async def _carry_out(self, child: Child, request: _Request) -> None:
        await child.send(Message(content=request.content, samples=request.samples))
        talk = asyncio.create_task(self._talk(child, request))
        try:
            either: set[asyncio.Future[Any]] = {talk, request.answer}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not talk.done():
                await child.send(Message(content={"do": "cancel", "id": request.content["id"]}))
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(talk), self._hung_s)
            if not talk.done():
                await child.kill()
                raise AudioModelUnavailable("the audio model hung, and its process was ended")
            talk.result()
        finally:
            talk.cancel()

    async def _talk(self, child: Child, request: _Request) -> None:
        """Hear the process out on one request."""
        while True:
            said = await child.hear()
            if said["said"] == "piece":
                request.pieces.append(said["text"])
                if request.on_piece is not None and not request.answer.done():
                    request.on_piece(said["text"])
                continue
            self._state, self._error = "ready", ""
            if not request.answer.done():
                if said["said"] == "failed":
                    request.answer.set_exception(PromptError(said["error"]))
                else:
                    request.answer.set_result({**said, "text": "".join(request.pieces)})
            return

    def _failed(self, error: Exception) -> None:
        if self._child is not None and not self._child.alive:
            self._ended()
        state = "refused" if isinstance(error, ModelError) else "down"
        if str(error) != self._error and not str(error).startswith("the audio model is down"):
            _log.warning("%s; what needs no model goes on", error)
            self._error = str(error)
        self._state = state

    def _ended(self) -> None:
        """Remember when the next process may start."""
        self._child = None
        now = time.monotonic()
        self._not_before = now + self._backoff.after(now - self._started_at)
