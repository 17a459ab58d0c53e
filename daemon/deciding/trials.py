"""Runs the tests that rule files carry; recordings in them go through the pipeline that hears live audio."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from daemon.parts import load_detection
from daemon.sources.file import FileSource
from foundation.errors import AudioFileError
from rules.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daemon.config import Config
    from daemon.pipeline import Pipeline
    from detectors.types import SoundEvent
    from rules.trial import GivenAudio, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a test ended."""

    trial: Trial
    faults: tuple[str, ...]
    """Empty: it has passed."""


def run_trials(config: Config, trials: Iterable[Trial]) -> Iterator[Outcome]:
    """Give the outcome of each test. Not to be called where an event loop runs."""
    ears = _Ears(config)
    for trial in trials:
        try:
            faults = run_trial(trial, ears.hear)
        except AudioFileError as error:
            faults = [str(error)]
        yield Outcome(trial=trial, faults=tuple(faults))


class _Ears:
    """The pipeline, made when the first recording is to be heard."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def _pipeline(self) -> Pipeline:
        return load_detection(self._config)

    def hear(self, given: GivenAudio, at: float) -> list[SoundEvent]:
        """Return what is heard in a recording that begins at `at`."""
        return asyncio.run(_heard(self._pipeline, given, at))


async def _heard(pipeline: Pipeline, given: GivenAudio, at: float) -> list[SoundEvent]:
    events: list[SoundEvent] = []
    opened = False
    async with FileSource(given.file, epoch_s=at) as source:
        async for block in source.blocks():
            if not opened:
                pipeline.open(
                    given.stream, rate_hz=block.rate_hz, channels=block.samples.shape[0], epoch_s=at
                )
                opened = True
            events += pipeline.accept({given.stream: block})
    return events + (pipeline.close(given.stream) if opened else [])
