"""A stream that is a cabin has an ear more; a stream that is none has nothing of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from daemon.cli import app
from daemon.config import Config, load_config
from daemon.pipeline import Pipeline
from daemon.sources.settings import CabinSettings
from daemon.streams.cabin import Cabin, cabin_of, cabin_tags
from detectors.gate import GateSettings
from detectors.types import DETECTION_RATE_HZ, AudioBlock, Phase, SoundEvent
from fewshot_profiles.cabin import CABIN_FOLDER, CABIN_PROFILES, INSIDE, OUTSIDE, cabin_matchers
from fewshot_profiles.matcher import Matcher
from foundation.errors import ConfigError
from tests.encoders_for_tests import LogMelEncoder

LOUD, FAINT = 0.1, 0.0002


def talking(amplitude: float, *, bright: bool = True) -> np.ndarray:
    """Two seconds of quiet, three of syllables, one of quiet."""
    rng = np.random.default_rng(0)
    at = np.arange(3 * DETECTION_RATE_HZ) / DETECTION_RATE_HZ
    pitch = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.7 * at)) / DETECTION_RATE_HZ
    buzz = sum(np.sin(order * pitch) / order ** (0.8 if bright else 2.0) for order in range(1, 45))
    syllables = np.clip(np.sin(2 * np.pi * 3.3 * at) + 0.4, 0.0, 1.0)
    audio = rng.normal(0.0, 3e-5, 6 * DETECTION_RATE_HZ)
    audio[2 * DETECTION_RATE_HZ : 5 * DETECTION_RATE_HZ] += amplitude * buzz * syllables
    return audio.astype(np.float32)


def hear(audio: np.ndarray, chunk: int = 4_000, *, cabin: bool = True) -> list[SoundEvent]:
    """Run [channels, n] through a pipeline that knows no other profile."""
    place = Cabin(settings=CabinSettings(), gate=GateSettings(), matchers=cabin_matchers([CABIN_FOLDER]))
    pipeline = Pipeline(LogMelEncoder(), Matcher([]), cabin_of=lambda _stream: place if cabin else None)
    pipeline.open("cabin", rate_hz=DETECTION_RATE_HZ, channels=len(audio), epoch_s=0.0)
    events: list[SoundEvent] = []
    for start in range(0, audio.shape[1], chunk):
        block = AudioBlock(samples=audio[:, start : start + chunk], rate_hz=DETECTION_RATE_HZ, start=start)
        events += pipeline.accept({"cabin": block})
    return events + pipeline.close("cabin")


def names(events: list[SoundEvent]) -> set[str]:
    return {event.profile for event in events if event.phase is Phase.STARTED}


def test_a_loud_voice_is_inside_and_a_faint_dull_one_outside() -> None:
    """And every voice that begins ends."""
    inside = hear(np.stack([talking(LOUD)] * 2))
    assert names(inside) == {INSIDE}
    assert names(hear(np.stack([talking(FAINT, bright=False)] * 2))) <= {OUTSIDE}
    assert len(inside) % 2 == 0


def test_one_microphone_is_enough() -> None:
    """It hears one voice, in one place."""
    assert len(names(hear(talking(LOUD)[None]))) == 1


def test_a_stream_that_is_no_cabin_hears_neither() -> None:
    assert hear(talking(LOUD)[None], cabin=False) == []


def test_nobody_speaks_in_silence_and_hiss() -> None:
    hiss = np.random.default_rng(1).normal(0.0, 1e-3, (2, 8 * DETECTION_RATE_HZ)).astype(np.float32)
    assert hear(hiss) == []
    assert hear(np.zeros((1, 8 * DETECTION_RATE_HZ), np.float32)) == []


def test_any_chunking_gives_the_same_voices() -> None:
    """However a source cuts its audio, the events are the same."""
    audio = np.stack([talking(LOUD), np.roll(talking(LOUD), 2)])
    whole = hear(audio, audio.shape[1])
    assert whole
    assert hear(audio, 1_601) == whole
    assert hear(audio, 37) == whole


def test_only_streams_that_say_so_are_cabins(tmp_path: Path) -> None:
    """And their profiles are known to rules only then."""
    text = "streams:\n  hall: {source: microphone}\n"
    file = tmp_path / "heard.yaml"
    file.write_text(text)
    house = load_config(file)
    assert cabin_tags(house) == {}
    assert cabin_of(house)("hall") is None
    file.write_text(text + "  car:\n    source: microphone\n    channels: 2\n    cabin: {}\n")
    car = load_config(file)
    assert set(cabin_tags(car)) == set(CABIN_PROFILES)
    assert cabin_of(car)("hall") is None
    assert cabin_of(car)("car") is not None


def test_the_distance_of_microphones_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "heard.yaml"
    file.write_text("streams:\n  car: {source: microphone, cabin: {microphone_distance_m: 3.0}}\n")
    with pytest.raises(ConfigError, match=r"heard\.yaml:2"):
        load_config(file)


def adapted(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """Run `heard cabin adapt` on a configuration with one cabin."""
    config = tmp_path / "heard.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\nstreams:\n  car: {{source: microphone, cabin: {{}}}}\n"
    )
    result = CliRunner().invoke(app, ["cabin", "adapt", "--config", str(config), *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_a_cars_own_voices_are_learnt_by_command(tmp_path: Path) -> None:
    """What was learnt is what the next daemon decides with."""
    file = tmp_path / "driver.wav"
    soundfile.write(file, talking(LOUD), DETECTION_RATE_HZ)
    code, said = adapted(tmp_path, "--inside", str(file))
    assert code == 0, said
    assert "driver.wav: inside" in said
    config = Config.model_validate(
        {"state_dir": str(tmp_path / "state"), "streams": {"car": {"source": "microphone", "cabin": {}}}}
    )
    cabin = cabin_of(config)("car")
    assert cabin is not None
    stock = cabin_matchers([CABIN_FOLDER])
    assert cabin.matchers[1].matcher.versions != stock[1].matcher.versions
    assert cabin.matchers[2].matcher.versions == stock[2].matcher.versions


def test_what_cannot_teach_a_car_is_refused(tmp_path: Path) -> None:
    """Each says what to do, and nothing is written."""
    quiet, text = tmp_path / "quiet.wav", tmp_path / "notes.txt"
    soundfile.write(quiet, np.zeros(DETECTION_RATE_HZ, np.float32), DETECTION_RATE_HZ)
    text.write_text("no audio")
    for arguments, reason in (
        ((), "at least one recording"),
        (("--inside", str(quiet)), "nobody is heard to speak"),
        (("--inside", str(text)), "cannot be read as audio"),
        (("--inside", str(quiet), "--stream", "hall"), "there are: car"),
    ):
        code, said = adapted(tmp_path, *arguments)
        assert code == 2
        assert reason in said
    assert not (tmp_path / "state" / "cabin").exists()


def test_a_recording_is_replayed_as_the_cabin_would_hear_it(tmp_path: Path) -> None:
    """Only where the command says so; a stream that is not there is named."""
    file, config = tmp_path / "drive.wav", tmp_path / "heard.yaml"
    soundfile.write(file, np.stack([talking(LOUD)] * 2).T, DETECTION_RATE_HZ)
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\nstock_profiles: false\n"
        "streams:\n  car: {source: microphone, channels: 2, cabin: {}}\n"
    )

    def replayed(*options: str) -> str:
        return CliRunner().invoke(app, ["replay", str(file), "--config", str(config), *options]).output

    assert INSIDE in replayed("--stream", "car")
    assert INSIDE not in replayed()
    assert "hall" in replayed("--stream", "hall")
