"""The full audio model as a pair of ears of its own: it is asked what opens a gate, and what is spoken.

Profiles go on deciding as they do, within milliseconds and whatever becomes of the model. Its sounds come in
addition, later; a sound that both hear is told once, by whoever was first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from daemon.audio_model.child import LOADED_WITHIN_S
from daemon.audio_model.few_shot import Questionnaire, questionnaire
from daemon.audio_model.segments import Look, Segment, Segments
from daemon.audio_model.sounds import ModelSounds
from detectors.audio_models import Clip
from foundation.errors import EvidenceUnavailable, HeardError, PromptError
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from daemon.audio_model.hybrid import Client
    from daemon.audio_model.settings import ListenConfig
    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.pipeline import StreamReading
    from detectors.types import SoundEvent
    from fewshot_profiles.profile import Profile

MAX_WAITING = 16
"""Looks; the oldest goes when one more comes, because what is newer is more worth knowing."""
BATCH = 8
"""Looks that the model is given at once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    look: Look
    clip: Clip
    since_s: float
    """On the monotonic clock."""


class ModelEars:
    """Listens between `async with` and its end. `onward` is given what the model hears.

    None of its methods waits, but `settled`. Whatever becomes of the model, nothing here stops.
    """

    def __init__(
        self,
        settings: ListenConfig | None,
        model: Client | None,
        recorder: EvidenceRecorder,
        *,
        profiles: Callable[[], Sequence[Profile]],
        folders: Sequence[Path],
        onward: Callable[[SoundEvent], None],
    ) -> None:
        self._settings = settings
        self._model = model
        self._recorder = recorder
        self._profiles = profiles
        self._folders = folders
        self._segments = Segments()
        self._sounds = ModelSounds(self._segments, onward)
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._worker = OwnedTask()
        self._questions: Questionnaire | None = None
        self._asked_of: tuple[str, ...] = ()
        self._with_examples = True
        self._looks = self._dropped = self._unanswered = 0
        self._latency_s: float | None = None

    @property
    def on(self) -> bool:
        """Whether the configuration wants it."""
        return self._settings is not None and self._model is not None

    def is_news(self, event: SoundEvent) -> bool:
        """Take a sound that a profile heard; return whether it still has to be told."""
        return not self.on or self._sounds.is_news(event)

    def readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Look at every stream whose gate is open, or on which somebody speaks."""
        for stream, reading in readings.items() if self.on else ():
            looks, ended = self._segments.read(stream, reading)
            for look in looks:
                self._put(look)
            if ended is not None:
                self._end_if_answered(ended)

    def closed(self, stream: str) -> None:
        """End what goes on in a stream that has ended."""
        if (segment := self._segments.close(stream)) is not None:
            self._end_if_answered(segment)

    async def settled(self) -> None:
        """Return when everything that was heard has been answered, or its time is over."""
        if self._settings is not None:
            for segment in self._segments.close_all():
                self._end_if_answered(segment)
            try:
                async with asyncio.timeout(self._settings.wait_s):
                    await self._idle.wait()
            except TimeoutError:
                _log.info(
                    "stopped with %d sounds that the audio model was not asked about", len(self._waiting)
                )

    def words(self) -> str:
        """Return how the listening goes, for `heard status`; empty where there is none."""
        if not self.on:
            return ""
        told = [f"listening: {self._looks} sounds looked at"]
        if self._latency_s is not None:
            told.append(f"told after {self._latency_s:.1f} s")
        for count, what in (
            (len(self._waiting), "waiting"),
            (self._dropped, "dropped"),
            (self._unanswered, "unanswered"),
        ):
            if count:
                told.append(f"{count} {what}")
        return ", ".join(told)

    async def __aenter__(self) -> Self:
        await self._worker.start(self._listen(), name="audio model listens")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._worker.stop(error)

    def _put(self, look: Look) -> None:
        try:
            clip = self._clip(look)
        except EvidenceUnavailable as error:
            _log.debug("a sound cannot be looked at: %s", error)
            return
        look.segment.waiting += 1
        self._waiting.append(_Waiting(look=look, clip=clip, since_s=time.monotonic()))
        while len(self._waiting) > MAX_WAITING:
            self._drop(self._waiting.popleft())
        self._idle.clear()
        self._arrived.set()

    def _clip(self, look: Look) -> Clip:
        ring = self._recorder.ring(look.segment.stream)
        end = min(round(look.end_s * ring.rate_hz), ring.end)
        start = max(round(look.start_s * ring.rate_hz), ring.start)
        return Clip(samples=ring.read(start, end).mean(axis=0, dtype=np.float32), rate_hz=ring.rate_hz)

    async def _listen(self) -> None:
        await self._load()
        while self.on:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._take():
                await self._ask(batch)
            self._idle.set()

    async def _load(self) -> None:
        """Have the model ready for the first sound: loading takes longer than a sound is worth waiting."""
        if self._model is not None and self.on:
            try:
                await self._model.load(within_s=LOADED_WITHIN_S)
            except HeardError as error:
                _log.warning("the audio model does not listen yet: %s", error)

    def _take(self) -> list[_Waiting]:
        """Return what is to be asked about next, without what has waited for too long."""
        assert self._settings is not None
        oldest_s = time.monotonic() - self._settings.wait_s
        while self._waiting and self._waiting[0].since_s < oldest_s:
            self._drop(self._waiting.popleft())
        return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    async def _ask(self, batch: Sequence[_Waiting]) -> None:
        shares: NDArray[np.float64] | None = None
        try:
            questions = await self._current()
            shares = await self._shares(questions, [one.clip for one in batch])
        except HeardError as error:
            _log.info("the audio model did not say what it heard: %s", error)
        except Exception:  # noqa: BLE001 - whatever ails the model, the profiles go on hearing
            _log.exception("the audio model did not say what it heard")
        if shares is None:
            self._unanswered += len(batch)
            for one in batch:
                self._answered(one.look.segment)
            return
        self._looks += len(batch)
        self._latency_s = time.monotonic() - batch[-1].since_s
        for one, row in zip(batch, shares, strict=True):
            self._judge(one.look, questions, row)
            self._answered(one.look.segment)

    async def _current(self) -> Questionnaire:
        """Return what is asked now: profiles come, change and go while the daemon runs."""
        assert self._settings is not None
        wanted = self._settings.profiles
        profiles = [one for one in self._profiles() if wanted is None or one.name in wanted]
        versions = tuple(profile.version for profile in profiles)
        if self._questions is None or versions != self._asked_of:
            self._questions = await asyncio.to_thread(
                questionnaire, profiles, self._folders, each=self._settings.examples
            )
            self._asked_of = versions
        return self._questions

    async def _shares(self, questions: Questionnaire, clips: Sequence[Clip]) -> NDArray[np.float64]:
        """Return how likely each choice is for each clip."""
        assert self._model is not None
        assert self._settings is not None
        with_examples = self._with_examples and bool(questions.examples)
        prompts = [questions.prompt(clip, with_examples=with_examples) for clip in clips]
        try:
            scores = await self._model.score(prompts, questions.choices, within_s=self._settings.wait_s)
        except PromptError as error:
            if not with_examples:
                raise
            _log.warning("the audio model is asked without examples from now on: %s", error)
            self._with_examples = False
            return await self._shares(questions, clips)
        return questions.probabilities(scores)

    def _answered(self, segment: Segment) -> None:
        segment.waiting -= 1
        self._end_if_answered(segment)

    def _drop(self, waiting: _Waiting) -> None:
        self._dropped += 1
        self._answered(waiting.look.segment)

    def _end_if_answered(self, segment: Segment) -> None:
        """End what goes on in a segment that is over, once all of it has been heard."""
        if segment.shut_s is not None and segment.waiting == 0:
            self._sounds.end_all(segment, segment.shut_s)

    def _judge(self, look: Look, questions: Questionnaire, shares: NDArray[np.float64]) -> None:
        """Take what the model said of a stretch: at most one profile is what it is."""
        assert self._settings is not None
        best = int(np.argmax(shares))
        name = questions.choice_names[best]
        sure = shares[best] >= self._settings.above
        profile = next((one for one in self._profiles() if one.name == name), None) if sure else None
        self._sounds.heard(look, profile, float(shares[best]))
