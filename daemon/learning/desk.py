"""Teaching in the running daemon: from its own ears, in a thread of its own, in force when it is done."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from daemon.evidence.ring import PCM_SCALE
from daemon.learning.sound_picking import Sounds, event_recording, sounds_in
from daemon.learning.uploads import read_uploads
from detectors.types import AudioBlock
from fewshot_profiles.enrollment import MAX_EXAMPLES, Teaching
from fewshot_profiles.guidance import Guide
from foundation.errors import EvidenceUnavailable, ExampleError, OwnerError, SourceStalled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.evidence.ring import Ring
    from daemon.learning.marking import Effect, Marking
    from daemon.learning.requests import Enroll, Guided, Missed
    from daemon.learning.teacher import Teacher
    from daemon.learning.uploads import Upload
    from daemon.switches import Switches
    from detectors.types import Samples
    from fewshot_profiles.enrollment import EnrollmentResult
    from fewshot_profiles.profile import Profile

NICENESS = 5
"""Teaching gives way to hearing where both want the same core."""

GUIDE_PATIENCE_S = 120.0
"""A guided teaching in which nothing was heard for so long has been forgotten."""

OPEN_WITHIN_S = 3.0

_LOOK_EVERY_S = 0.1

_Result = TypeVar("_Result")


class TeachingDesk:
    """What the socket, MQTT and whoever comes later ask. Works while its `with` lasts.

    `in_force` puts what was written in force, and returns when it is listened for; `before_judging` brings
    to the disk what events were decided on.
    """

    def __init__(
        self,
        teacher: Teacher,
        marking: Marking,
        recorder: EvidenceRecorder,
        *,
        switches: Switches,
        in_force: Callable[[], Awaitable[None]],
        before_judging: Callable[[], Awaitable[None]],
    ) -> None:
        self._teacher = teacher
        self._marking = marking
        self._recorder = recorder
        self._switches = switches
        self._in_force = in_force
        self._before_judging = before_judging
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="teach", initializer=_give_way)
        self._one_at_a_time = asyncio.Lock()

    def close(self) -> None:
        """Let the work that goes on come to its end; take no more."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    async def enroll(self, wanted: Enroll) -> dict[str, Any]:
        """Teach from the ring or from a past event, and say how far it can be trusted. Raises OwnerError."""
        if wanted.event:
            sounds = await self._of_event(wanted.event)
        else:
            sounds = await self._listened(wanted)
        teaching = teaching_of(wanted)
        result = await self._blocking(
            lambda: self._teacher.enroll(
                teaching,
                sounds.recordings,
                add=wanted.add,
                keep_audio=wanted.keep_audio,
                without=sounds.spans,
            )
        )
        return {**enrolled_json(result), "sounds": list(sounds.found)}

    async def enroll_from(self, wanted: Enroll, uploads: Sequence[Upload]) -> dict[str, Any]:
        """Teach from files that were sent. Raises OwnerError."""
        result = await self._blocking(
            lambda: self._teacher.enroll(
                teaching_of(wanted), read_uploads(uploads), add=wanted.add, keep_audio=wanted.keep_audio
            )
        )
        return enrolled_json(result)

    async def guide(self, wanted: Guided) -> AsyncIterator[dict[str, Any]]:
        """Guide through teaching at a stream: yield what to tell the owner, and the result at the end."""
        stream = self._stream(wanted.stream)
        ring = await self._ring(stream)
        count = min(wanted.count, MAX_EXAMPLES)
        guide = Guide(wanted.name, rate_hz=ring.rate_hz, channels=ring.channels, wanted=count)
        began_at, at, heard_at = time.time(), ring.end, time.monotonic()
        while not guide.done:
            if time.monotonic() - heard_at > GUIDE_PATIENCE_S:
                raise ExampleError(
                    "Nothing was heard for two minutes; start again when the sound can be made."
                )
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._recorder.ring(stream) is not ring:
                raise SourceStalled(f"{stream} broke off while it was listened to; start again")
            start = max(at, ring.start)
            block = AudioBlock(samples=ring.read(start, ring.end), rate_hz=ring.rate_hz, start=start)
            at = ring.end
            for cue in await asyncio.to_thread(guide.accept, block):
                if cue.kind in {"heard", "refused"}:
                    heard_at = time.monotonic()
                yield asdict(cue)
        spans = ((began_at, time.time()),)
        result = await self._blocking(
            lambda: self._teacher.enroll(
                teaching_of(wanted),
                guide.examples,
                add=wanted.add,
                keep_audio=wanted.keep_audio,
                without=spans,
            )
        )
        yield enrolled_json(result)

    async def mark(self, event: str, verdict: Any, *, apply: bool) -> dict[str, Any]:
        """Say of an event that it was right or wrong. Raises OwnerError."""
        return await self._effect(lambda: self._marking.mark(event, verdict, apply=apply))

    async def missed(self, wanted: Missed) -> dict[str, Any]:
        """Say that a profile's sound was in the last seconds and made no event. Raises OwnerError."""
        sounds = await self._listened(wanted)
        stream = self._stream(wanted.stream)
        return await self._effect(
            lambda: self._marking.missed(
                wanted.name, stream, sounds.recordings, sounds.spans, apply=wanted.apply
            )
        )

    async def undo(self, name: str) -> dict[str, Any]:
        """Take the last change of a profile back. Raises OwnerError."""
        return {"message": await self._blocking(lambda: self._teacher.undo(name))}

    async def promise(self, name: str, false_alarms_per_hour: float) -> dict[str, Any]:
        """Let a profile keep another rate of false alarms, and no threshold that was set before.

        Raises OwnerError.
        """
        changed = await self._blocking(lambda: self._teacher.promise(name, false_alarms_per_hour))
        return promised_json(changed, lifted=self._switches.lift_threshold(name))

    async def report(self, name: str) -> dict[str, Any]:
        """Return the report on a profile. Raises OwnerError."""
        return asdict(await self._blocking(lambda: self._teacher.report(name), changes=False))

    async def look(self, work: Callable[[], _Result]) -> _Result:
        """Do what blocks and changes nothing, when nobody else does anything. Raises what it raises."""
        return await self._blocking(work, changes=False)

    async def upkeep(self, work: Callable[[], _Result]) -> _Result:
        """Do what blocks and may change profiles, when nobody else does. Raises what it raises."""
        return await self._blocking(work)

    async def _effect(self, work: Callable[[], Effect]) -> dict[str, Any]:
        await self._before_judging()
        return asdict(await self._blocking(work))

    async def _blocking(self, work: Callable[[], _Result], *, changes: bool = True) -> _Result:
        async with self._one_at_a_time:
            result = await asyncio.get_running_loop().run_in_executor(self._worker, work)
            if changes:
                await self._in_force()
        return result

    def _stream(self, named: str | None) -> str:
        streams = self._switches.streams
        if named is None and len(streams) == 1:
            return streams[0]
        if named not in streams:
            which = f"there is no stream {named!r}" if named else "say which stream"
            raise OwnerError(f"{which}: {', '.join(streams)}")
        return named

    async def _ring(self, stream: str) -> Ring:
        """Return what is held of a stream, waiting a moment for one that is just being opened."""
        deadline = time.monotonic() + OPEN_WITHIN_S
        while time.monotonic() < deadline:
            with suppress(EvidenceUnavailable):
                return self._recorder.ring(stream)
            await asyncio.sleep(_LOOK_EVERY_S)
        return self._recorder.ring(stream)

    async def _listened(self, wanted: Enroll | Missed) -> Sounds:
        stream = self._stream(wanted.stream)
        ring = await self._ring(stream)
        start = max(ring.start, ring.end - round(wanted.last_s * ring.rate_hz))
        pcm, rate_hz = ring.read_pcm(start, ring.end), ring.rate_hz
        began_at = time.time() - (ring.end - start) / rate_hz
        samples: Samples = (pcm / PCM_SCALE).astype("float32")
        return await self._blocking(
            lambda: sounds_in(
                f"{wanted.name} on {stream}",
                samples,
                rate_hz,
                began_at=began_at,
                picked=wanted.pick,
                surroundings=self._teacher.surroundings,
            ),
            changes=False,
        )

    async def _of_event(self, event_id: str) -> Sounds:
        return await self._blocking(lambda: event_recording(self._teacher, event_id), changes=False)


def teaching_of(wanted: Enroll | Guided) -> Teaching:
    """Return what the owner said about the sound."""
    per_day = wanted.false_alarms_per_day
    return Teaching(
        name=wanted.name,
        description=wanted.description,
        tags=wanted.tags,
        false_alarms_per_hour=None if per_day is None else per_day / 24.0,
    )


def enrolled_json(result: EnrollmentResult) -> dict[str, Any]:
    """Return what came of teaching, for a program to read."""
    return {
        "profile": result.profile.name,
        "version": result.profile.version,
        "revision": result.profile.revision,
        "report": asdict(result.report),
        "verdicts": [str(verdict) for verdict in result.report.verdicts],
    }


def promised_json(changed: Profile, *, lifted: float | None) -> dict[str, Any]:
    """Return what came of a promise, for a program to read; `lifted` is the threshold that was in its way."""
    return {
        "profile": changed.name,
        "threshold": round(changed.threshold, 4),
        "version": changed.version,
        "lifted_threshold": lifted,
    }


def _give_way() -> None:
    # Linux gives each thread a niceness of its own; elsewhere it stays as it is.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
