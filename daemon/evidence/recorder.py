"""Keeps the last seconds of every stream, and makes clips of them when a rule asks."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from daemon.evidence.clips import Clip, clip_span
from daemon.evidence.ring import Ring
from foundation.errors import EvidenceUnavailable
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from daemon.evidence.store import EvidenceStore
    from detectors.types import AudioBlock, SoundEvent

RING_SLACK_S = 10.0
"""How late a rule may ask after the onset without losing the audio before it."""

MAX_PENDING_CLIPS = 64
"""Clips that wait for audio or for the disk: ten seconds at 48 kHz are 1 MB each."""

RETENTION_PERIOD_S = 3_600.0

STOP_PATIENCE_S = 20.0
"""Stopping waits this long for clips that are still being stored."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    """A clip that waits for the audio behind the onset."""

    event: SoundEvent
    rule_ids: list[str]
    end: int


@dataclass(frozen=True, slots=True)
class _Stream:
    ring: Ring
    pending: dict[str, _Pending]


class EvidenceRecorder:
    """Works while its `async with` lasts. No method waits for the disk; leaving waits for the last clips.

    `on_stored` is called with the clip's event and path when it is there. At least `remember_s` seconds of
    each stream are held.
    """

    def __init__(
        self,
        store: EvidenceStore,
        *,
        before_s: float,
        after_s: float,
        encoder_id: str,
        on_stored: Callable[[SoundEvent, Path], None] | None = None,
        remember_s: float = 0.0,
    ) -> None:
        self._store = store
        self._remember_s = remember_s
        self._before_s = before_s
        self._after_s = after_s
        self._encoder_id = encoder_id
        self._on_stored = on_stored
        self._streams: dict[str, _Stream] = {}
        self._ready: asyncio.Queue[Clip | SoundEvent | None] = asyncio.Queue()
        self._writer = OwnedTask()
        self._fault: str | None = None
        self._stored_clips = 0

    @property
    def fault(self) -> str | None:
        """Why clips cannot be stored at present, or None."""
        return self._fault

    @property
    def stored_clips(self) -> int:
        """Clips stored since the start."""
        return self._stored_clips

    def open(self, stream: str, *, rate_hz: int, channels: int) -> None:
        """Begin to hold the audio of `stream`; what a former opening held is finished first."""
        self.close(stream)
        seconds = max(self._before_s + self._after_s + RING_SLACK_S, self._remember_s)
        self._streams[stream] = _Stream(Ring(seconds=seconds, rate_hz=rate_hz, channels=channels), {})

    def accept(self, stream: str, block: AudioBlock) -> None:
        """Hold `block`, and finish the clips whose audio is now complete."""
        held = self._streams[stream]
        if block.start - held.ring.end > self._after_s * block.rate_hz:
            # What follows a gap longer than the rest of any clip is no longer part of it.
            self._finish_all(held)
        held.ring.write(block)
        for pending in [pending for pending in held.pending.values() if pending.end <= held.ring.end]:
            self._finish(held, pending)

    def close(self, stream: str) -> None:
        """Let go of `stream`; clips that wait for more of it end here."""
        held = self._streams.pop(stream, None)
        if held is not None:
            self._finish_all(held)

    def ring(self, stream: str) -> Ring:
        """Return what is held of `stream`. Raises EvidenceUnavailable if it is not open."""
        held = self._streams.get(stream)
        if held is None:
            raise EvidenceUnavailable(f"no audio of stream {stream!r} is held: is it online?")
        return held.ring

    def holds(self, stream: str, ring: Ring) -> bool:
        """Whether `ring` still grows: a stream that is open again has another one."""
        held = self._streams.get(stream)
        return held is not None and held.ring is ring

    def request(self, event: SoundEvent, rule_id: str) -> None:
        """Ask for the clip around `event`. Several rules that ask for the same one get one.

        Raises EvidenceUnavailable if the audio is not held, or too many clips wait already.
        """
        held = self._streams.get(event.stream)
        if held is None:
            raise EvidenceUnavailable(f"no audio of stream {event.stream!r} is held")
        pending = held.pending.get(event.id)
        if pending is not None:
            if rule_id not in pending.rule_ids:
                pending.rule_ids.append(rule_id)
            return
        end = self._span(event, held.ring)[1]
        if end <= held.ring.start:
            raise EvidenceUnavailable(
                f"the audio of event {event.id} is gone: only the last "
                f"{(held.ring.end - held.ring.start) / held.ring.rate_hz:.0f} s of a stream are held"
            )
        waiting = self._ready.qsize() + sum(len(stream.pending) for stream in self._streams.values())
        if waiting >= MAX_PENDING_CLIPS:
            raise EvidenceUnavailable(f"{waiting} clips wait to be stored already")
        pending = _Pending(event=event, rule_ids=[rule_id], end=end)
        held.pending[event.id] = pending
        if end <= held.ring.end:
            self._finish(held, pending)

    def told(self, event: SoundEvent) -> None:
        """Take note of what was said of `event`: it belongs into its clip's sidecar, if it has a clip."""
        held = self._streams.get(event.stream)
        pending = None if held is None else held.pending.get(event.id)
        if pending is not None:
            pending.event = replace(
                pending.event,
                caption=event.caption or pending.event.caption,
                transcript=event.transcript or pending.event.transcript,
            )
        else:
            self._ready.put_nowait(event)

    async def drained(self) -> None:
        """Wait until every clip whose audio is complete has been stored or refused."""
        await self._ready.join()

    async def __aenter__(self) -> Self:
        await self._writer.start(self._write(), name="evidence")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in list(self._streams):
            self.close(stream)
        self._ready.put_nowait(None)
        try:
            await self._writer.stop(error, patience_s=STOP_PATIENCE_S)
        finally:
            if not self._ready.empty():
                _log.warning("stopped with %d clips that were never stored", self._ready.qsize())

    def _span(self, event: SoundEvent, ring: Ring) -> tuple[int, int]:
        return clip_span(event, before_s=self._before_s, after_s=self._after_s, rate_hz=ring.rate_hz)

    def _finish_all(self, held: _Stream) -> None:
        for pending in list(held.pending.values()):
            self._finish(held, pending)

    def _finish(self, held: _Stream, pending: _Pending) -> None:
        del held.pending[pending.event.id]
        ring = held.ring
        end = min(pending.end, ring.end)
        start = min(max(self._span(pending.event, ring)[0], ring.start), end)
        clip = Clip(
            event=pending.event,
            rule_ids=tuple(pending.rule_ids),
            pcm=ring.read_pcm(start, end),
            rate_hz=ring.rate_hz,
            start=start,
            encoder_id=self._encoder_id,
        )
        self._ready.put_nowait(clip)

    async def _write(self) -> None:
        await self._retire()
        while True:
            try:
                async with asyncio.timeout(RETENTION_PERIOD_S):
                    work = await self._ready.get()
            except TimeoutError:
                await self._retire()
                continue
            if work is None:
                return
            if isinstance(work, Clip):
                await self._store_clip(work)
                await self._retire()
            else:
                await self._store_words(work)
            self._ready.task_done()

    async def _store_clip(self, clip: Clip) -> None:
        try:
            path = await asyncio.to_thread(self._store.store, clip)
        except EvidenceUnavailable as error:
            self._failed(str(error), clip.rule_ids)
            return
        self._fault_over()
        self._stored_clips += 1
        if self._on_stored is not None:
            self._on_stored(clip.event, path)

    async def _store_words(self, event: SoundEvent) -> None:
        try:
            await asyncio.to_thread(self._store.tell, event)
        except EvidenceUnavailable as error:
            self._failed(str(error), ())

    async def _retire(self) -> None:
        try:
            await asyncio.to_thread(self._store.retire, now=time.time())
        except EvidenceUnavailable as error:
            self._failed(str(error), ())

    def _failed(self, fault: str, rule_ids: tuple[str, ...]) -> None:
        if self._fault != fault:
            self._fault = fault
            asked = f"; asked by {', '.join(rule_ids)}" if rule_ids else ""
            _log.warning("%s%s; listening goes on", fault, asked)

    def _fault_over(self) -> None:
        if self._fault is not None:
            self._fault = None
            _log.info("evidence is stored again")
