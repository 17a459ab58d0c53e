"""Guided teaching at a source that no daemon holds: `heard profiles enroll NAME --microphone` without one."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.learning.desk import GUIDE_PATIENCE_S, enrolled_json, teaching_of
from daemon.sources.opening import open_source
from fewshot_profiles.guidance import Guide
from foundation.errors import ExampleError, OwnerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.learning.requests import Guided
    from daemon.learning.teacher import Teacher


def guided_at_source(
    teacher: Teacher, wanted: Guided, on_cue: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Collect the tries from the stream's own source, teach, and return the result. Raises OwnerError."""
    began_at = time.time()
    guide = asyncio.run(_collect(teacher, wanted, on_cue))
    result = teacher.enroll(
        teaching_of(wanted),
        guide.examples,
        add=wanted.add,
        keep_audio=wanted.keep_audio,
        without=[(began_at, time.time())],
    )
    return enrolled_json(result)


async def _collect(teacher: Teacher, wanted: Guided, on_cue: Callable[[dict[str, Any]], None]) -> Guide:
    streams = teacher.config.streams
    name = wanted.stream or (next(iter(streams)) if len(streams) == 1 else None)
    if name is None or name not in streams:
        raise OwnerError(f"say which stream: {', '.join(streams)}")
    async with open_source(streams[name]) as source, aclosing(source.blocks()) as blocks:  # type: ignore[type-var] # the sources' iterators are generators
        guide = Guide(wanted.name, rate_hz=source.rate_hz, channels=source.channels, wanted=wanted.count)
        heard_at = time.monotonic()
        async for block in blocks:
            for cue in guide.accept(block):
                if cue.kind in {"heard", "refused"}:
                    heard_at = time.monotonic()
                on_cue(asdict(cue))
            if guide.done:
                return guide
            if time.monotonic() - heard_at > GUIDE_PATIENCE_S:
                break
    raise ExampleError(
        f"Heard {len(guide.examples)} of {wanted.count}, and then nothing more: start again when the sound "
        "can be made."
    )
