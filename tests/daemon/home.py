"""A home for the whole daemon to run in: recordings with a whistle in them, and what it takes to hear it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from daemon.config import Config
from daemon.observer import Observer
from daemon.parts import Parts
from detectors.types import DETECTION_RATE_HZ, Phase
from tests.encoders_for_tests import LogMelEncoder, embed, taught

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from detectors.types import Samples, SoundEvent
    from rules.model import ActionRequest, Rule

WHISTLE_AT_S = 2.0
WHISTLE_S = 1.5


def hiss(seconds: float, level: float = 1e-3, seed: int = 0) -> Samples:
    """Return noise that is not a whistle."""
    generator = np.random.default_rng(seed)
    return (generator.standard_normal(round(seconds * DETECTION_RATE_HZ)) * level).astype(np.float32)


def whistle(seconds: float = WHISTLE_S) -> Samples:
    """Return a tone."""
    time_s = np.arange(round(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 2_000 * time_s)).astype(np.float32)


def recording(path: Path, *, ends_sounding: bool = False) -> Path:
    """Write a file in which one whistle sounds, until its end where told."""
    samples = hiss(WHISTLE_AT_S + WHISTLE_S + (0.0 if ends_sounding else 4.0))
    start = round(WHISTLE_AT_S * DETECTION_RATE_HZ)
    sound = whistle()
    samples[start : start + len(sound)] += sound
    soundfile.write(path, samples, DETECTION_RATE_HZ)
    return path


def parts(rules: tuple[Rule, ...] = ()) -> Parts:
    """Return an encoder without weights and the profile `whistle`."""
    return Parts(encoder=LogMelEncoder(), profiles=_profiles(), rules=rules)


@cache
def _profiles() -> Any:
    encoder = LogMelEncoder()
    background = np.concatenate(
        [embed(encoder, hiss(4.0, level, seed)) for seed, level in enumerate((1e-4, 1e-3, 1e-2, 0.1))]
    )
    sounding = embed(encoder, whistle() + hiss(WHISTLE_S, seed=9))[4:]
    return taught(encoder, {"whistle": ("sustained", sounding)}, background).profiles


def configuration(folder: Path, streams: Mapping[str, Mapping[str, Any]], **settings: Any) -> Config:
    """Return a configuration whose state is in `folder`."""
    return Config.model_validate(
        {"node": "hub", "state_dir": str(folder / "state"), "streams": streams, "api": None, **settings}
    )


def file_stream(path: Path, **settings: Any) -> dict[str, Any]:
    """Return a stream that plays a file as fast as the machine goes, unless told otherwise."""
    return {"source": "file", "path": str(path), "realtime": False, **settings}


class Witness(Observer):
    """Remembers everything."""

    def __init__(self) -> None:
        self.is_ready = False
        self.rounds = 0
        self.events: list[SoundEvent] = []
        self.actions: list[tuple[ActionRequest, Exception | None]] = []
        self.clips: list[Path] = []

    def ready(self) -> None:
        self.is_ready = True

    def readings(self, readings: Any) -> None:
        self.rounds += bool(readings)

    def event(self, event: SoundEvent) -> None:
        self.events.append(event)

    def action(self, request: ActionRequest, failure: Exception | None) -> None:
        self.actions.append((request, failure))

    def clip(self, event: SoundEvent, path: Path) -> None:
        del event
        self.clips.append(path)

    def heard(self) -> list[tuple[str, str, Phase]]:
        """Return stream, profile and phase of every event."""
        return [(event.stream, event.profile, event.phase) for event in self.events]
