"""The daemon with a full audio model that listens itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from daemon.app import App
from daemon.audio_model.child import ModelPlace
from daemon.audio_model.few_shot import SOMETHING_ELSE, Questionnaire, questionnaire
from daemon.audio_model.settings import AudioModelConfig
from daemon.config import Config
from daemon.status import ask_status
from detectors.audio_models import Clip, LoadOptions, Reply
from detectors.audio_models.opening import open_model
from detectors.types import DETECTION_RATE_HZ, Decider, Phase, Samples
from tests.daemon.home import Witness, configuration, file_stream, hiss, parts, recording, whistle
from tests.detectors.audio_models.tiny_mimo import write_mimo

PATIENCE_S = 120.0

pytestmark = pytest.mark.timeout(150)

STARTED, ENDED = Phase.STARTED, Phase.ENDED


def rumble(seconds: float) -> Samples:
    """Return what opens the gate, and what no profile knows."""
    return hiss(seconds, level=0.1, seed=4)


def rumbling(path: Path) -> Path:
    samples = np.concatenate([hiss(2.0), rumble(1.5), hiss(4.0, seed=1)])
    soundfile.write(path, samples, DETECTION_RATE_HZ)
    return path


def listening(folder: Path, sounds: Path, **listen: Any) -> Config:
    """Return a configuration in which the model listens to a recording of `sounds`."""
    model = {"folder": str(folder), "mode": "listen", "listen": {"wait_s": 30.0, **listen}}
    return configuration(folder, {"yard": file_stream(sounds)}, audio_model=model)


async def run(config: Config, *, within_s: float = PATIENCE_S) -> Witness:
    witness = Witness()
    async with asyncio.timeout(within_s):
        await App(config, parts(), observers=[witness]).run()
    return witness


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, odd_place: Callable[..., ModelPlace]) -> None:
    """Let the configuration mean a process that prefers the first choice, for e to 1."""
    monkeypatch.setattr(AudioModelConfig, "place", lambda _: odd_place())


@pytest.mark.usefixtures("stand_in")
async def test_what_no_profile_knows_is_told_by_the_model(tmp_path: Path) -> None:
    """Its sounds begin and end like all others, and say who heard them."""
    config = listening(tmp_path, rumbling(tmp_path / "yard.wav"))

    witness = await run(config)

    assert [(event.profile, event.phase, event.decided_by) for event in witness.events] == [
        ("whistle", STARTED, Decider.AUDIO_MODEL),
        ("whistle", ENDED, Decider.AUDIO_MODEL),
    ]
    start, end = witness.events
    assert start.onset_s == pytest.approx(2.0, abs=0.2)
    assert start.score == pytest.approx(0.731, abs=1e-3)
    assert end.end_s is not None
    assert 3.5 < end.end_s < 7.5


@pytest.mark.usefixtures("stand_in")
async def test_speech_is_told_where_the_gate_stays_shut(tmp_path: Path, shared: Path) -> None:
    """Nothing is loud enough for this gate, and so the profiles hear nothing."""
    sentence = min((shared / "audio" / "librispeech").rglob("*.opus"))
    speech, _ = soundfile.read(sentence, dtype="float32", frames=6 * 48_000)
    samples = np.concatenate([hiss(3.0), soxr.resample(speech, 48_000, DETECTION_RATE_HZ), hiss(4.0)])
    soundfile.write(tmp_path / "yard.wav", samples, DETECTION_RATE_HZ)
    config = listening(tmp_path, tmp_path / "yard.wav")
    deaf = config.gate.model_copy(update={"lowest_dbfs": 0.0})

    witness = await run(config.model_copy(update={"gate": deaf}))

    starts = [event for event in witness.events if event.phase is STARTED]
    assert {event.decided_by for event in starts} == {Decider.AUDIO_MODEL}
    assert starts[0].onset_s == pytest.approx(3.2, abs=0.6)
    assert sum(event.phase is ENDED for event in witness.events) == len(starts)


@pytest.mark.usefixtures("stand_in")
async def test_a_model_that_is_not_sure_tells_nothing(tmp_path: Path) -> None:
    """Below the certainty that the owner wants, a sound is no sound."""
    assert (await run(listening(tmp_path, rumbling(tmp_path / "yard.wav"), above=0.8))).events == []


@pytest.mark.usefixtures("stand_in")
async def test_a_sound_that_both_hear_is_told_once(tmp_path: Path) -> None:
    """By the profile, which is sooner."""
    witness = await run(listening(tmp_path, recording(tmp_path / "yard.wav")))
    assert [(event.phase, event.decided_by) for event in witness.events] == [
        (STARTED, Decider.PROFILES),
        (ENDED, Decider.PROFILES),
    ]


@pytest.mark.parametrize("question", ["hang", "die", "fail"])
async def test_profiles_go_on_hearing_whatever_becomes_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd_place: Callable[..., ModelPlace], question: str
) -> None:
    """A model that hangs, dies or cannot be asked costs what it would have added, and nothing else."""
    monkeypatch.setattr(AudioModelConfig, "place", lambda _: odd_place())
    monkeypatch.setattr("daemon.audio_model.few_shot.Questionnaire.question", question)
    witness = await run(listening(tmp_path, recording(tmp_path / "yard.wav"), wait_s=1.0))
    assert [(event.phase, event.decided_by) for event in witness.events] == [
        (STARTED, Decider.PROFILES),
        (ENDED, Decider.PROFILES),
    ]


async def test_more_than_the_model_can_hear_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd_place: Callable[..., ModelPlace]
) -> None:
    """A backlog has an end, the oldest goes first, and `heard status` says how much went."""
    monkeypatch.setattr(AudioModelConfig, "place", lambda _: odd_place())
    monkeypatch.setattr("daemon.audio_model.few_shot.Questionnaire.question", "hang")
    monkeypatch.setattr("daemon.audio_model.listening.MAX_WAITING", 2)
    soundfile.write(tmp_path / "yard.wav", rumble(40.0), DETECTION_RATE_HZ)
    config = listening(tmp_path, tmp_path / "yard.wav", wait_s=20.0)
    config = config.model_copy(
        update={
            "streams": {name: one.model_copy(update={"loop": True}) for name, one in config.streams.items()}
        }
    )
    app = App(config, parts())
    task = asyncio.create_task(app.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                status = await asyncio.to_thread(ask_status, config.state_dir)
                if status is not None and "dropped" in status["audio_model"]:
                    break
                await asyncio.sleep(0.2)
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert "listening: 0 sounds looked at" in status["audio_model"]


def test_the_question_shows_the_examples_whose_audio_was_kept(tmp_path: Path) -> None:
    """Each example with its answer, cut to its sound, then the sound itself; others are named only."""
    kept = tmp_path / "whistle" / "examples"
    kept.mkdir(parents=True)
    for number in range(3):
        samples = np.concatenate([hiss(1.0), whistle(), hiss(2.0)])
        soundfile.write(kept / f"{number}.flac", samples, DETECTION_RATE_HZ)
    questions = questionnaire(parts().profiles, [tmp_path / "gone", tmp_path], each=2)
    clip = Clip(samples=rumble(1.0), rate_hz=DETECTION_RATE_HZ)

    shown = questions.prompt(clip, with_examples=True)

    assert questions.choices == ["whistle", SOMETHING_ELSE]
    assert [type(part) for part in shown] == [str, Clip, str, Reply, Clip, str, Reply, Clip, str]
    assert shown[-2] is clip
    assert isinstance(shown[1], Clip)
    assert shown[1].duration_s == pytest.approx(1.9, abs=0.25)
    assert questions.prompt(clip, with_examples=False) == [shown[0], clip, questions.question]


@pytest.mark.timeout(120)  # torch takes its time to load where others work, too
async def test_the_real_process_decides_as_the_model_itself_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of the published layout, few-shot, in its own process: its probability is the event's score."""
    folder = write_mimo(tmp_path / "models")
    load = LoadOptions(dtype="float32")
    program = "import daemon.audio_model.process as process\nprocess.NICENESS = 0\nprocess.main()"
    place = ModelPlace(folder=folder, load=load, command=(sys.executable, "-c", program))
    monkeypatch.setattr(AudioModelConfig, "place", lambda _: place)
    kept = tmp_path / "profiles" / "whistle" / "examples"
    kept.mkdir(parents=True)
    soundfile.write(kept / "1.flac", np.concatenate([hiss(1.0), whistle()]), DETECTION_RATE_HZ)
    asked: list[Any] = []
    monkeypatch.setattr("daemon.audio_model.few_shot.EXAMPLE_S", 0.5)
    monkeypatch.setattr("daemon.audio_model.segments.BEFORE_S", 0.0)

    def remember(self: Any, clip: Clip, *, with_examples: bool) -> Any:
        asked.append([*self.prompt_before(clip, with_examples=with_examples)])
        return asked[-1]

    monkeypatch.setattr(Questionnaire, "prompt_before", Questionnaire.prompt, raising=False)
    monkeypatch.setattr(Questionnaire, "prompt", remember)
    config = listening(tmp_path, rumbling(tmp_path / "yard.wav"), above=0.0001, wait_s=100.0)
    config = config.model_copy(update={"profiles": (tmp_path / "profiles",)})

    witness = await run(config, within_s=110.0)

    scores = open_model(folder, load).score([asked[0]], ["whistle", SOMETHING_ELSE])[0]
    share = float(np.exp(scores[0]) / np.exp(scores).sum())
    started = [event for event in witness.events if event.phase is STARTED]
    assert [event.score for event in started] == ([pytest.approx(share, abs=1e-3)] if share > 0.5 else [])
    assert isinstance(asked[0][3], Reply)
