"""Recorded files through the pipeline that hears live audio: as fast as it goes, several side by side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.pipeline import Pipeline
from daemon.sources.file import FileSource
from detectors.types import AudioBlock, Phase, SoundEvent
from foundation.errors import AudioFileError

SIDE_BY_SIDE = 16
"""Files that share a batch: more save little time and cost memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedSound:
    """A sound in a file, from its onset to its end."""

    file: Path
    profile: str
    score: float
    onset_s: float
    end_s: float
    level_dbfs: float
    noise_floor_dbfs: float
    speech: bool

    def as_json(self) -> dict[str, Any]:
        """Return the one object a line that `heard replay --json` prints."""
        return {
            "file": str(self.file),
            "profile": self.profile,
            "score": self.score,
            "onset_s": round(self.onset_s, 3),
            "end_s": round(self.end_s, 3),
            "level_dbfs": self.level_dbfs,
            "noise_floor_dbfs": self.noise_floor_dbfs,
            "speech": self.speech,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedFile:
    """What was heard in one file."""

    file: Path
    seconds: float
    sounds: tuple[ReplayedSound, ...]
    """In order of onset."""
    error: AudioFileError | None
    """Why the file could not be read, or not to its end."""


@dataclass(slots=True, kw_only=True)
class _Playing:
    """A file on its way through the pipeline."""

    file: Path
    stream: str
    blocks: AsyncGenerator[AudioBlock, None]
    events: list[SoundEvent] = field(default_factory=list)
    seconds: float = 0.0
    error: AudioFileError | None = None
    started: bool = False
    over: bool = False


def replay(
    pipeline: Pipeline, files: Sequence[Path], *, side_by_side: int = SIDE_BY_SIDE
) -> Iterator[ReplayedFile]:
    """Yield what is heard in each file, in the order given; a file that cannot be read spoils no other.

    Not to be called where an event loop runs.
    """
    queue = deque(
        _Playing(file=file, stream=f"{number} {file}", blocks=_read(file))
        for number, file in enumerate(files)
    )
    unshown = deque(queue)
    playing: list[_Playing] = []
    with asyncio.Runner() as runner:
        try:
            while unshown:
                while queue and len(playing) < side_by_side:
                    playing.append(queue.popleft())
                _hear(pipeline, playing, runner.run(_next_blocks(playing)))
                playing = [each for each in playing if not each.over]
                while unshown and unshown[0].over:
                    yield _result(unshown.popleft())
        finally:
            for each in playing:
                if each.started:
                    pipeline.close(each.stream)
                runner.run(_stop(each))


async def _read(file: Path) -> AsyncGenerator[AudioBlock, None]:
    async with FileSource(file, epoch_s=0.0) as source:
        async for block in source.blocks():
            yield block


async def _next_blocks(playing: Sequence[_Playing]) -> list[AudioBlock | None]:
    return await asyncio.gather(*(_next_block(each) for each in playing))


async def _next_block(playing: _Playing) -> AudioBlock | None:
    try:
        return await anext(playing.blocks, None)
    except AudioFileError as error:
        playing.error = error
        return None


async def _stop(playing: _Playing) -> None:
    await playing.blocks.aclose()


def _hear(pipeline: Pipeline, playing: Sequence[_Playing], blocks: Sequence[AudioBlock | None]) -> None:
    """Take the next block of each file; where there is none, the file is over."""
    arrived: dict[str, AudioBlock] = {}
    by_stream = {each.stream: each for each in playing}
    for each, block in zip(playing, blocks, strict=True):
        if block is None:
            each.over = True
            if each.started:
                each.events += pipeline.close(each.stream)
            continue
        if not each.started:
            try:
                pipeline.open(
                    each.stream, rate_hz=block.rate_hz, channels=block.samples.shape[0], epoch_s=0.0
                )
            except ValueError as error:
                each.error, each.over = AudioFileError(f"{each.file}: {error}"), True
                continue
            each.started = True
        each.seconds = (block.start + block.samples.shape[1]) / block.rate_hz
        arrived[each.stream] = block
    for event in pipeline.accept(arrived):
        by_stream[event.stream].events.append(event)


def _result(playing: _Playing) -> ReplayedFile:
    sounds = [
        ReplayedSound(
            file=playing.file,
            profile=event.profile,
            score=event.score,
            onset_s=event.onset_s,
            end_s=event.end_s,
            level_dbfs=event.level_dbfs,
            noise_floor_dbfs=event.noise_floor_dbfs,
            speech=event.speech,
        )
        for event in playing.events
        if event.phase is Phase.ENDED and event.end_s is not None
    ]
    return ReplayedFile(
        file=playing.file,
        seconds=playing.seconds,
        sounds=tuple(sorted(sounds, key=lambda sound: (sound.onset_s, sound.profile))),
        error=playing.error,
    )
