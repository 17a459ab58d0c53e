"""What the full audio model is asked while the daemon listens: a second opinion, and words for a sound."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from daemon.audio_model.clips import clip_of
from daemon.outbox.errand import Errand
from detectors.audio_models import AskOptions
from detectors.types import Decider, Phase
from foundation.errors import ActionError, HeardError
from rules.model import DESCRIBE

if TYPE_CHECKING:
    from types import TracebackType

    from daemon.audio_model.client import ModelStatus
    from daemon.audio_model.hybrid import Client
    from daemon.audio_model.settings import AudioModelConfig, TranscribeConfig, VerifyConfig
    from daemon.evidence.recorder import EvidenceRecorder
    from detectors.audio_models import Clip, Prompt
    from detectors.types import SoundEvent
    from integrations.audio_endpoint.endpoint import EndpointStatus
    from rules.model import ActionRequest

    Onward = Callable[[SoundEvent], None]

BEFORE_S = 0.5
VERIFIED_S = 1.0
"""Seconds after the onset that a second opinion is formed on; waiting for them counts as waiting."""
DESCRIBED_S = 5.0
"""Seconds after the onset that are put into words."""
TRANSCRIBED_S = 30.0
"""The most seconds of speech that are written down: what models made for speech take at once."""
SPOKEN_AFTER_S = 0.3
"""The end of a last word may be softer than what ends a sound."""
ANSWERS = ("Yes", "No")
DESCRIBE_QUESTION = "Describe this sound in one short sentence, for somebody who cannot hear it."
MAX_CAPTION_TOKENS = 64
TRANSCRIBE_QUESTION = "Transcribe the speech."
MAX_TRANSCRIPT_TOKENS = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What the model said about a sound because a rule asked."""

    event: SoundEvent
    rule_id: str
    question: str
    text: str


class SecondEars:
    """Stands between what was heard and whom it concerns. Sounds that nobody asked about pass untouched.

    `hear` never waits: a sound that is asked about is held back, with its end, and given on or dropped when
    the answer or the limit has come. Whatever becomes of the model, `without_answer` decides then.
    """

    def __init__(
        self,
        settings: AudioModelConfig | None,
        recorder: EvidenceRecorder,
        *,
        descriptions: Mapping[str, str],
        on_caption: Callable[[Caption], None],
    ) -> None:
        self._settings = settings
        self._recorder = recorder
        self._descriptions = descriptions
        self._on_caption = on_caption
        self._model = None if settings is None else settings.client()
        self._held: dict[str, list[SoundEvent]] = {}
        self._decided: dict[str, bool | None] = {}
        """Of sounds that go on: what the model said of their start; False: it was dropped."""
        self._group = asyncio.TaskGroup()
        self._opinions: set[asyncio.Task[None]] = set()
        self._dropped = 0
        self._going_on: set[str] = set()
        """Sounds whose start was given on, and whose end was not."""
        self._captions: dict[str, str] = {}
        """Of sounds that go on."""
        asked_about = () if settings is None else (*settings.verify, *settings.transcribe)
        for name in asked_about:
            if name not in descriptions:
                # It may be taught later.
                _log.warning("audio_model names %r, and there is no such profile yet", name)

    @property
    def model(self) -> Client | None:
        """Who is asked."""
        return self._model

    def hear(self, event: SoundEvent, onward: Onward) -> None:
        """Give a sound on, at once or when a second opinion has been formed."""
        if event.id in self._held:
            self._held[event.id].append(event)
        elif event.id in self._decided:
            self._after(event, self._decided.pop(event.id), onward)
        elif (asked := self._asked_about(event)) is not None:
            self._held[event.id] = [event]
            self._begin(self._decide(event, asked, onward), f"verify {event.profile}")
        else:
            self._pass(event, onward)

    async def settled(self) -> None:
        """Wait until every sound that is held back has been given on or dropped."""
        while self._opinions:
            await asyncio.wait(self._opinions)

    def doors(self) -> Mapping[str, Errand]:
        """Return the way to `heard.describe`, if there is one."""
        if self._settings is None:
            return {}
        describe_s = self._settings.describe_s
        # Only the running daemon has the audio: behind a restart this fails, and says so.
        return {
            DESCRIBE: Errand(do=self._describe, target=lambda _: DESCRIBE, expires_s=lambda _: describe_s)
        }

    def words(self) -> str:
        """Return which model there is, where, and how it does, for `heard status`."""
        if self._model is None or self._settings is None:
            return "none"
        status = self._model.status()
        each = status if isinstance(status, tuple) else (status,)
        told = [_told(one, where) for one, where in zip(each, self._settings.where, strict=True)]
        if self._dropped:
            told.append(f"{self._dropped} sounds refused")
        return ", ".join(told)

    async def __aenter__(self) -> Self:
        if self._model is not None:
            await self._model.__aenter__()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._opinions:
            task.cancel()
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        try:
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        finally:
            if self._model is not None:
                await self._model.__aexit__(kind, error, trace)

    def _asked_about(self, event: SoundEvent) -> VerifyConfig | None:
        """Return how a sound is asked about, or None if it is not."""
        asked = None if self._settings is None else self._settings.verify.get(event.profile)
        if asked is None or event.phase is not Phase.STARTED or event.decided_by is Decider.AUDIO_MODEL:
            return None
        return asked if asked.above <= event.score <= asked.below else None

    async def _decide(self, event: SoundEvent, asked: VerifyConfig, onward: Onward) -> None:
        answer: bool | None = None
        try:
            async with asyncio.timeout(asked.wait_s):
                answer = await self._opinion(event, asked)
        except (HeardError, TimeoutError) as error:
            _log.info("no second opinion on %s %s: %s", event.profile, event.id, error or "too late")
        except Exception:  # noqa: BLE001 - whatever ails the model, the sound is decided on without it
            _log.exception("no second opinion on %s %s", event.profile, event.id)
        passes = asked.without_answer == "pass" if answer is None else answer
        held = self._held.pop(event.id)
        if not passes:
            self._dropped += 1
            _log.info("%s %s on %s is not reported", event.profile, event.id, event.stream)
        said = answer if passes else False
        for one in held:
            self._after(one, said, onward)
        if held[-1].phase is Phase.STARTED:
            self._decided[event.id] = said

    def _after(self, event: SoundEvent, said: bool | None, onward: Onward) -> None:  # noqa: FBT001 - the model's answer
        if said is not False:
            self._pass(replace(event, verified=said), onward)

    def _pass(self, event: SoundEvent, onward: Onward) -> None:
        """Give a sound on, its end with what was said of it and in it."""
        if event.phase is Phase.STARTED:
            self._going_on.add(event.id)
            onward(event)
            return
        self._going_on.discard(event.id)
        event = replace(event, caption=self._captions.pop(event.id, event.caption))
        asked = None if self._settings is None else self._settings.transcribe.get(event.profile)
        if asked is None:
            onward(event)
        else:
            self._begin(self._transcribe(event, asked, onward), f"transcribe {event.profile}")

    def _begin(self, work: Coroutine[None, None, None], name: str) -> None:
        task = self._group.create_task(work, name=name)
        self._opinions.add(task)
        task.add_done_callback(self._opinions.discard)

    async def _transcribe(self, event: SoundEvent, asked: TranscribeConfig, onward: Onward) -> None:
        said: str | None = None
        try:
            async with asyncio.timeout(asked.wait_s):
                said = await self._transcript(event, asked)
        except (HeardError, TimeoutError) as error:
            _log.info("no transcript of %s %s: %s", event.profile, event.id, error or "too late")
        except Exception:  # noqa: BLE001 - whatever ails the model, the sound has ended
            _log.exception("no transcript of %s %s", event.profile, event.id)
        onward(replace(event, transcript=said))

    async def _transcript(self, event: SoundEvent, asked: TranscribeConfig) -> str:
        assert self._model is not None
        until_s = time.monotonic() + asked.wait_s
        end_s = event.decided_s if event.end_s is None else event.end_s
        start_s = max(event.onset_s - BEFORE_S, end_s - TRANSCRIBED_S + SPOKEN_AFTER_S)
        clip = await clip_of(self._recorder, event.stream, start_s, end_s + SPOKEN_AFTER_S)
        options = AskOptions(max_tokens=MAX_TRANSCRIPT_TOKENS)
        text = await self._model.ask([clip, TRANSCRIBE_QUESTION], options, within_s=_left_s(until_s))
        return text.strip()

    async def _opinion(self, event: SoundEvent, asked: VerifyConfig) -> bool:
        assert self._model is not None
        until_s = time.monotonic() + asked.wait_s
        clip = await self._clip(event, VERIFIED_S)
        name = event.profile.replace("_", " ")
        description = self._descriptions.get(event.profile, "")
        default = (
            f"Is this the sound of {name}{f' ({description})' if description else ''}? Answer yes or no."
        )
        prompt: Prompt = [clip, asked.question or default]
        scores = await self._model.score([prompt], ANSWERS, within_s=_left_s(until_s))
        yes, no = scores[0]
        return 1.0 / (1.0 + math.exp(min(no - yes, 700.0))) > asked.yes_above

    async def _describe(self, request: ActionRequest) -> None:
        if request.event is None:
            raise ActionError("no sound made the rule fire, so there is nothing to describe")
        assert self._model is not None
        assert self._settings is not None
        until_s = time.monotonic() + self._settings.describe_s
        question = str(request.data.get("question") or DESCRIBE_QUESTION)
        clip = await self._clip(request.event, DESCRIBED_S)
        options = AskOptions(max_tokens=MAX_CAPTION_TOKENS)
        text = await self._model.ask([clip, question], options, within_s=_left_s(until_s))
        event = replace(request.event, caption=text.strip())
        if event.id in self._going_on:
            self._captions[event.id] = text.strip()
        caption = Caption(event=event, rule_id=request.rule_id, question=question, text=text.strip())
        _log.info("%s on %s: %s", caption.event.profile, caption.event.stream, caption.text)
        self._on_caption(caption)

    async def _clip(self, event: SoundEvent, after_s: float) -> Clip:
        start_s, end_s = event.onset_s - BEFORE_S, event.onset_s + after_s
        return await clip_of(self._recorder, event.stream, start_s, end_s)


def _left_s(until_s: float) -> float:
    """Return what is left of a question's time: waiting for the sound itself has taken some."""
    return max(0.0, until_s - time.monotonic())


def _told(status: ModelStatus | EndpointStatus, where: str) -> str:
    """Return how one model does, for people."""
    told = [f"{status.name} on {where}: {status.state}"]
    if status.latency_s is not None:
        told.append(f"last answer {status.latency_s:.1f} s")
    if status.waiting:
        told.append(f"{status.waiting} waiting")
    if status.unanswered:
        told.append(f"{status.unanswered} of {status.answered + status.unanswered} unanswered")
    if status.error:
        told.append(status.error)
    return ", ".join(told)
