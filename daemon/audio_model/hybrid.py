"""A model on this machine, and one behind an endpoint for what the first is unsure of or cannot answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from daemon.audio_model.client import ModelProcess
from detectors.audio_models import Reply
from foundation.errors import HeardError, PromptError
from integrations.audio_endpoint.endpoint import AudioEndpoint

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from daemon.audio_model.client import ModelStatus
    from detectors.audio_models import AskOptions, Prompt
    from integrations.audio_endpoint.endpoint import EndpointStatus

LOCAL_SHARE = 0.5
"""Of a question's time: for so long the local model has it for itself."""

Answer = TypeVar("Answer")


class HybridModel:
    """Asks while its `async with` lasts.

    The local model is asked first. The endpoint is asked what it is unsure of, what it failed at, and what it
    has not answered at half the question's time; whoever then answers first is believed, the local model
    only if it is sure. Where the endpoint has no answer, the local one stands, however unsure.
    """

    def __init__(self, local: ModelProcess, remote: AudioEndpoint, *, sure_above: float) -> None:
        self._local = local
        self._remote = remote
        self._sure_above = sure_above
        self._left_behind: set[asyncio.Task[Any]] = set()
        """Answers of the endpoint that nobody waits for any more: they still say how it does."""

    async def load(self, *, within_s: float) -> None:
        """Load the local model, if it is not; raises as `ask` does."""
        await self._local.load(within_s=within_s)

    async def ask(
        self,
        prompt: Prompt,
        options: AskOptions,
        *,
        within_s: float,
        on_piece: Callable[[str], None] | None = None,
    ) -> str:
        """Return an answer; words have no certainty, so the local model's always count.

        `on_piece` is given all of it at once: whose answer it will be is not known before. Raises
        AudioModelUnavailable if there is none within `within_s`, and PromptError if neither can be asked.
        """

        async def here() -> list[str]:
            return [await self._local.ask(prompt, options, within_s=within_s)]

        def there(left_s: float) -> Coroutine[None, None, str]:
            return self._remote.ask(prompt, options, within_s=left_s)

        [said] = await self._either(here(), [there], within_s=within_s, sure=lambda _: True)
        if on_piece is not None:
            on_piece(said)
        return said

    async def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], *, within_s: float
    ) -> NDArray[np.float64]:
        """Return log-probabilities [prompts, choices]; raises as `ask` does.

        With examples in a prompt, a PromptError of the local model is raised at once: without them it may be
        able to, and the endpoint would be asked everything.
        """

        async def here() -> list[NDArray[np.float64]]:
            try:
                return list(await self._local.score(prompts, choices, within_s=within_s))
            except PromptError as error:
                if any(isinstance(part, Reply) for prompt in prompts for part in prompt):
                    raise _WithoutExamples(str(error)) from error
                raise

        def there(prompt: Prompt) -> Callable[[float], Coroutine[None, None, NDArray[np.float64]]]:
            async def one(left_s: float) -> NDArray[np.float64]:
                row: NDArray[np.float64] = (await self._remote.score([prompt], choices, within_s=left_s))[0]
                return row

            return one

        asked = [there(prompt) for prompt in prompts]
        rows: list[NDArray[np.float64]] = await self._either(
            here(), asked, within_s=within_s, sure=self._is_sure
        )
        return np.stack(rows)

    def status(self) -> tuple[ModelStatus, EndpointStatus]:
        """Return how the two are."""
        return self._local.status(), self._remote.status()

    async def __aenter__(self) -> Self:
        await self._local.__aenter__()
        await self._remote.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._left_behind:
            task.cancel()
        try:
            await self._remote.__aexit__(kind, error, trace)
        finally:
            await self._local.__aexit__(kind, error, trace)

    def _is_sure(self, scores: NDArray[np.float64]) -> bool:
        """Whether one choice has so much of the probability among them that no other opinion is needed."""
        weights = np.exp(scores - scores.max())
        return bool(weights.max() / weights.sum() > self._sure_above)

    async def _either(
        self,
        here: Coroutine[None, None, list[Answer]],
        there: Sequence[Callable[[float], Coroutine[None, None, Answer]]],
        *,
        within_s: float,
        sure: Callable[[Answer], bool],
    ) -> list[Answer]:
        """Return an answer for each of `there`; `here` gives the local ones all at once."""
        began_s = time.monotonic()
        local = asyncio.create_task(here, name="local audio model")
        local.add_done_callback(_looked_at)

        async def answer(row: int, ask: Callable[[float], Coroutine[None, None, Answer]]) -> Answer:
            await asyncio.wait({local}, timeout=LOCAL_SHARE * within_s)
            own = _answer(local, row)
            if own is not None and sure(own[0]):
                return own[0]
            remote = asyncio.create_task(ask(within_s - (time.monotonic() - began_s)), name="audio endpoint")
            self._left_behind.add(remote)
            remote.add_done_callback(self._left_behind.discard)
            remote.add_done_callback(_looked_at)
            await asyncio.wait({local, remote}, return_when=asyncio.FIRST_COMPLETED)
            own = _answer(local, row)
            if own is not None and sure(own[0]):
                return own[0]
            try:
                return await asyncio.shield(remote)
            except HeardError:
                return (await asyncio.shield(local))[row]

        try:
            return await _all(answer(row, ask) for row, ask in enumerate(there))
        finally:
            local.cancel()


Client = ModelProcess | AudioEndpoint | HybridModel
"""Whoever is asked."""


class _WithoutExamples(PromptError):
    """Asked without examples, the local model may have an answer."""


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Take note of a failure that nobody waits for, so that it is not reported as forgotten."""
    if not task.cancelled():
        task.exception()


def _answer(local: asyncio.Task[list[Answer]], row: int) -> tuple[Answer] | None:
    """Return what the local model said; None: nothing yet, or it cannot."""
    if not local.done():
        return None
    try:
        return (local.result()[row],)
    except _WithoutExamples:
        raise
    except HeardError:
        return None


async def _all(waiting: Iterable[Coroutine[None, None, Answer]]) -> list[Answer]:
    """Wait for all, so that none is forgotten; then raise what the first of them raised."""
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    answers: list[Answer] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        answers.append(outcome)
    return answers
