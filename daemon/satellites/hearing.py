"""Listens to voice satellites with the same chain as to microphones, apart from them.

A pipeline and a thread of their own: satellites cannot make the microphones late, however many there are.
What they hear is for them alone, neither recorded nor remembered nor given to rules.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import count
from typing import TYPE_CHECKING, Self

from daemon.hearing import Orders, hear
from daemon.pipeline import Pipeline
from daemon.sources.pcm import PcmReader, sample_format_of
from daemon.streams.inbox import Inbox, Opening
from detectors.types import AudioBlock, Phase
from fewshot_profiles.matcher import Matcher
from foundation.owned_task import OwnedTask
from integrations.wyoming.ears import WakeWord, Woken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from detectors.encoders import Encoder
    from detectors.gate import GateSettings
    from fewshot_profiles.profile import Profile
    from integrations.wyoming.wire import PcmFormat

_log = logging.getLogger(__name__)


class SatelliteEars:
    """Implements `integrations.wyoming.ears.Ears` between `async with` and its end."""

    def __init__(
        self,
        encoder: Encoder,
        profiles: Iterable[Profile],
        *,
        wanted: Sequence[str],
        gate_settings: GateSettings | None = None,
    ) -> None:
        self._wanted = frozenset(wanted)
        self._matcher = self._matcher_of(profiles)
        self._pipeline = Pipeline(encoder, self._matcher, gate_settings=gate_settings)
        self._orders = Orders()
        self._inbox = Inbox(())
        self._ears: dict[str, SatelliteEar] = {}
        self._numbers = count(1)
        self._worker = OwnedTask()
        for name in sorted(self._wanted - set(self._matcher.names)):
            # It may be taught later.
            _log.warning("wyoming.wake names %r, and there is no such profile yet", name)

    def words(self) -> list[WakeWord]:
        """Return what is listened for."""
        return [
            WakeWord(name=profile.name, description=profile.description, version=profile.version)
            for profile in self._matcher.profiles
        ]

    def listens_for(self, profiles: Iterable[Profile]) -> None:
        """Take profiles that were taught, changed or removed into account, from the next audio on."""
        matcher = self._matcher_of(profiles)
        if _heads(matcher) != _heads(self._matcher):
            self._matcher = matcher
            self._orders.listen_for(matcher)

    def open(self, audio: PcmFormat, told: Callable[[Woken], None]) -> SatelliteEar:
        """Begin to listen to a satellite; `told` must not wait."""
        name = f"satellite {next(self._numbers)}"
        self._inbox.add(name)
        ear = self._ears[name] = SatelliteEar(self._inbox, name, audio, told)
        return ear

    async def __aenter__(self) -> Self:
        await self._worker.start(self._listen(), name="satellites")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inbox.finish()
        await self._worker.stop(error, patience_s=1.0)

    def _matcher_of(self, profiles: Iterable[Profile]) -> Matcher:
        return Matcher([profile for profile in profiles if profile.name in self._wanted])

    async def _listen(self) -> None:
        try:
            async for heard in hear(self._inbox, self._pipeline, gather=True, orders=self._orders):
                for event in heard.events:
                    if event.phase is Phase.STARTED:
                        woken = Woken(name=event.profile, decided_s=event.decided_s)
                        self._ears[event.stream].told(woken)
                for stream in heard.closed:
                    self._inbox.remove(stream)
                    self._ears.pop(stream).closed.set()
        finally:
            for ear in self._ears.values():
                ear.closed.set()


class SatelliteEar:
    """Implements `integrations.wyoming.ears.Ear`: one stream of the satellites' inbox."""

    def __init__(self, inbox: Inbox, name: str, audio: PcmFormat, told: Callable[[Woken], None]) -> None:
        self.told = told
        self.closed = asyncio.Event()
        """Set when nothing more will be told."""
        self._inbox = inbox
        self._name = name
        self._audio = audio
        self._decode = PcmReader(sample_format_of(audio.width_bytes), audio.channels)
        self._received = 0
        self._opened = False

    async def hear(self, audio: bytes) -> None:
        """Take the next audio; waits while the machine is behind."""
        samples = self._decode.take(audio)
        length = samples.shape[1]
        if not length:
            return
        if not self._opened:
            self._open(epoch_s=time.time() - length / self._audio.rate_hz)
        block = AudioBlock(samples=samples, rate_hz=self._audio.rate_hz, start=self._received)
        self._inbox.put(self._name, block)
        self._received += length
        await self._inbox.room(self._name)

    async def close(self) -> None:
        """Return when all that was heard has been decided on."""
        if not self._opened:
            self._open(epoch_s=time.time())
        self._inbox.closed(self._name)
        await self.closed.wait()

    def _open(self, *, epoch_s: float) -> None:
        self._opened = True
        audio = self._audio
        self._inbox.opened(
            self._name, Opening(rate_hz=audio.rate_hz, channels=audio.channels, epoch_s=epoch_s)
        )


def _heads(matcher: Matcher) -> list[tuple[str, str, float]]:
    return list(zip(matcher.names, matcher.versions, matcher.thresholds.tolist(), strict=True))
