"""Keeps one stream coming in: opens its source, and opens it again for as long as it takes."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from daemon.streams.health import Health, HealthMeter
from daemon.streams.inbox import Inbox, Opening
from daemon.streams.wall_clock import ClockWatch
from foundation.backoff import Backoff
from foundation.errors import AudioDeviceError, HeardError, OwnerError, SourceStalled

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.sources import AudioSource
    from detectors.types import AudioBlock

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
"""A microphone that is plugged in again is heard within half a minute."""

STEADY_AFTER_S = 10.0
"""A source that delivered for this long was a good one."""

SWITCHED_OFF = "switched off; its source is closed"

_log = logging.getLogger(__name__)


class Capture:
    """One stream, from its source to the recorder and the inbox.

    A stalled source and a missing device are tried again for ever; anything else that the owner must mend
    ends the stream and stands in `failure`. With `needed_at_start`, a device that is missing at the first
    try ends it too. A stream that does not listen has no source open: nothing of it is heard or held.
    """

    def __init__(
        self,
        stream: str,
        *,
        open_source: Callable[[], AudioSource],
        inbox: Inbox,
        recorder: EvidenceRecorder,
        patient: bool,
        needed_at_start: bool,
        listening: bool = True,
    ) -> None:
        self.stream = stream
        self.online = False
        self.problem = ""
        self.failure: OwnerError | None = None
        self.tried = asyncio.Event()
        """Set once the source was opened, or could not be."""
        self.reopened = 0
        self.received_samples = 0
        self._open_source = open_source
        self._inbox = inbox
        self._recorder = recorder
        self._patient = patient
        self._needed_at_start = needed_at_start
        self._meter = HealthMeter()
        self._watch: ClockWatch | None = None
        self._dropped_before = 0
        self._dropped_by_source = 0
        self._on = asyncio.Event()
        self._limit: asyncio.Timeout | None = None
        self.listen(on=listening)

    @property
    def listening(self) -> bool:
        """Whether it is wanted that this stream is heard."""
        return self._on.is_set()

    @property
    def dropped_samples(self) -> int:
        """Samples lost since the daemon started, in the source or in the inbox."""
        return self._dropped_before + self._dropped_by_source

    @property
    def health(self) -> Health:
        """How well this stream hears."""
        return self._meter.health if self.listening else Health.DISABLED

    def listen(self, *, on: bool) -> None:
        """Open the source, or close it: sounds that go on end, and what was held of the stream is let go."""
        if on:
            self._on.set()
        elif self.listening:
            self._on.clear()
            if self._limit is not None and not self._limit.expired():
                self._limit.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Return when the audio is complete, or cannot be had without the owner."""
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=BACKOFF_MAX_S, steady_after_s=STEADY_AFTER_S)
        while True:
            await self._wanted()
            began = time.monotonic()
            try:
                if not await self._session_while_wanted():
                    continue
            except (SourceStalled, AudioDeviceError) as error:
                if isinstance(error, AudioDeviceError) and self._needed_at_start and not self.tried.is_set():
                    self._give_up(error)
                    return
                self._lost(str(error))
            except OwnerError as error:
                self._give_up(error)
                return
            except HeardError as error:
                self._lost(str(error))
            except Exception as error:  # noqa: BLE001 - the boundary that keeps the other streams alive
                _log.exception("%s: the stream broke off", self.stream)
                self._lost(f"{type(error).__name__}: {error}")
            else:
                _log.info("%s: the audio is complete", self.stream)
                return
            await asyncio.sleep(backoff.after(time.monotonic() - began))
            self.reopened += 1

    async def _wanted(self) -> None:
        """Wait until the stream is to be heard."""
        if self.listening:
            return
        self.tried.set()
        self.problem = SWITCHED_OFF
        _log.info("%s: %s", self.stream, SWITCHED_OFF)
        await self._on.wait()
        self.problem = ""
        _log.info("%s: switched on", self.stream)

    async def _session_while_wanted(self) -> bool:
        """Tell whether the audio is complete; it is not where the stream was switched off meanwhile."""
        try:
            async with asyncio.timeout(None) as limit:
                self._limit = limit
                await self._session()
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._limit = None
        return self.listening and not limit.expired()

    async def _session(self) -> None:
        """Open the source once and take what it gives."""
        async with self._open_source() as source:
            self.tried.set()
            try:
                async for block in source.blocks():
                    if not self.listening:
                        # The limit ends this session; found closing already, it would cut that short.
                        continue
                    if not self.online:
                        self._begin(source)
                    self._accept(block, source)
                    if self._patient:
                        await self._inbox.room(self.stream)
            finally:
                self._dropped_before += source.dropped_samples
                self._dropped_by_source = 0
                if self.online:
                    self.online = False
                    self._inbox.closed(self.stream)

    def _begin(self, source: AudioSource) -> None:
        self.online = True
        if self.problem:
            _log.info("%s: heard again", self.stream)
            self.problem = ""
        self._recorder.open(self.stream, rate_hz=source.rate_hz, channels=source.channels)
        opening = Opening(rate_hz=source.rate_hz, channels=source.channels, epoch_s=source.epoch_s)
        self._inbox.opened(self.stream, opening)
        # What can wait is no live audio: when it comes says nothing about the time.
        self._watch = None if self._patient else ClockWatch(epoch_s=source.epoch_s)

    def _accept(self, block: AudioBlock, source: AudioSource) -> None:
        self._recorder.accept(self.stream, block)
        self._meter.observe(block)
        self.received_samples += block.samples.shape[1]
        self._look_at_the_clock(block)
        crowded_out = self._inbox.put(self.stream, block)
        if crowded_out or source.dropped_samples > self._dropped_by_source:
            self._meter.lost_audio()
        self._dropped_before += crowded_out
        self._dropped_by_source = source.dropped_samples

    def _look_at_the_clock(self, block: AudioBlock) -> None:
        end_s = (block.start + block.samples.shape[1]) / block.rate_hz
        course = None if self._watch is None else self._watch.arrived(end_s, time.time())
        if course is not None:
            self._inbox.correct(self.stream, course)

    def _lost(self, problem: str) -> None:
        """Note why there is no audio; say it once for as long as it is the same."""
        self.tried.set()
        if problem != self.problem:
            _log.warning("%s: %s; trying again", self.stream, problem)
        self.problem = problem

    def _give_up(self, error: OwnerError) -> None:
        self.problem = str(error)
        self.failure = error
        self.tried.set()
        _log.error("%s: %s", self.stream, error)
