"""The daemon with a second opinion, whatever becomes of who gives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.broker import Mosquitto
from daemon.app import App
from daemon.audio_model.child import ModelPlace
from daemon.audio_model.second_ears import SecondEars
from daemon.audio_model.settings import AudioModelConfig, TranscribeConfig
from daemon.config import Config, EvidenceConfig
from daemon.evidence.ledger import verify_ledger
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.store import EvidenceStore
from daemon.history_file import read_events
from daemon.parts import Parts, load_rule_set
from detectors.types import Phase
from rules.model import DESCRIBE
from tests.daemon.home import Witness, configuration, file_stream, parts, recording
from tests.integrations.test_mqtt import listening

PATIENCE_S = 60.0
BOTH = [(Phase.STARTED, True), (Phase.ENDED, True)]
UNTOUCHED = [(Phase.STARTED, None), (Phase.ENDED, None)]

RULE = """
- id: tell
  triggers: [{trigger: sound, profile: whistle}]
  actions: [{action: heard.describe, data: {question: "a {{ trigger.profile }}?"}}]
"""


@pytest.fixture(autouse=True)
def odd_model(monkeypatch: pytest.MonkeyPatch, odd_place: Callable[..., ModelPlace]) -> None:
    """Let the configuration mean the stand-in: no checkpoint can be made to hang."""
    monkeypatch.setattr(AudioModelConfig, "place", lambda _: odd_place())


def asked(folder: Path, question: str, *, mqtt: Any = None, **verify: Any) -> Config:
    """Return a configuration in which whistles are asked about."""
    model = {"folder": str(folder), "verify": {"whistle": {"question": question, "wait_s": 30.0, **verify}}}
    streams = {"yard": file_stream(recording(folder / "yard.wav"))}
    return configuration(folder, streams, audio_model=model, mqtt=mqtt)


async def run(config: Config, decided_with: Parts | None = None) -> Witness:
    """Run the daemon until all its audio is complete."""
    witness = Witness()
    async with asyncio.timeout(PATIENCE_S):
        await App(config, decided_with or parts(), observers=[witness]).run()
    return witness


def told(witness: Witness) -> list[tuple[Phase, bool | None]]:
    return [(event.phase, event.verified) for event in witness.events]


async def test_a_sound_that_the_model_agrees_with_is_told_as_verified(tmp_path: Path) -> None:
    """Its end as well, in their order."""
    assert told(await run(asked(tmp_path, "is it?"))) == BOTH


async def test_a_sound_that_the_model_refuses_never_happened(tmp_path: Path) -> None:
    """Neither its start nor its end reaches anybody."""
    assert told(await run(asked(tmp_path, "no"))) == []


@pytest.mark.parametrize("fate", ["hang", "die", "fail"])
@pytest.mark.parametrize(("fallback", "expected"), [("pass", UNTOUCHED), ("drop", [])])
async def test_without_an_answer_the_stated_fallback_decides(
    tmp_path: Path, fate: str, fallback: str, expected: list[tuple[Phase, None]]
) -> None:
    """A model that hangs, dies or cannot be asked costs the limit at most, and listening nothing."""
    witness = await run(asked(tmp_path, fate, without_answer=fallback, wait_s=1.0))
    assert told(witness) == expected
    assert witness.rounds > 0


async def test_scores_outside_the_asked_range_pass_untouched(tmp_path: Path) -> None:
    """Nothing is started for them."""
    assert told(await run(asked(tmp_path, "no", below=0.01))) == UNTOUCHED


async def test_a_rule_has_a_sound_put_into_words(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """`heard.describe` asks the rule's question, and tells the answer over MQTT."""
    broker = {"host": mosquitto.host, "port": mosquitto.port}
    config = asked(tmp_path, "is it?", mqtt=broker, below=0.01)
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE)
    async with listening(mosquitto) as listener:
        witness = await run(config, parts(load_rule_set(config, parts().profiles, rules)))
        await listener.until_payload("heard/hub/available", "stopped")
    said = json.loads(listener.payloads("heard/hub/yard/caption")[0])
    assert said["caption"] == "a whistle? again"
    assert (said["event_type"], said["rule"]) == ("whistle", "tell")
    assert [failure for _, failure in witness.actions] == [None]


async def test_what_is_said_of_a_sound_stays_with_it(tmp_path: Path) -> None:
    """A caption is in the history, in the sidecar of the clip, and in the sound's end if that comes later."""
    config = asked(tmp_path, "is it?", below=0.01)
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE.replace("actions: [", "actions: [{action: heard.save_clip}, "))

    witness = await run(config, parts(load_rule_set(config, parts().profiles, rules)))

    [stored] = read_events(config.state_dir / "history.sqlite")
    assert (stored.phase, stored.caption) == (Phase.ENDED, "a whistle? again")
    [clip] = witness.clips
    assert json.loads(clip.with_suffix(".json").read_text())["event"]["caption"] == "a whistle? again"
    assert verify_ledger(config.evidence_folder) == []


async def test_speech_is_written_down_when_it_has_ended(tmp_path: Path) -> None:
    """The end of the sound carries the words, for rules and the history; its start had none yet."""
    config = asked(tmp_path, "is it?", below=0.01)
    assert config.audio_model is not None
    model = config.audio_model.model_copy(update={"transcribe": {"whistle": TranscribeConfig(wait_s=30.0)}})

    witness = await run(config.model_copy(update={"audio_model": model}))

    assert [event.transcript for event in witness.events] == [None, "Transcribe the speech. again"]
    [stored] = read_events(config.state_dir / "history.sqlite")
    assert stored.transcript == "Transcribe the speech. again"


async def test_without_a_transcript_the_end_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that hangs holds the end back for as long as was stated, and no longer."""
    monkeypatch.setattr("daemon.audio_model.second_ears.TRANSCRIBE_QUESTION", "hang")
    config = asked(tmp_path, "is it?", below=0.01)
    assert config.audio_model is not None
    model = config.audio_model.model_copy(update={"transcribe": {"whistle": TranscribeConfig(wait_s=0.5)}})

    witness = await run(config.model_copy(update={"audio_model": model}))

    assert [(event.phase, event.transcript) for event in witness.events] == [
        (Phase.STARTED, None),
        (Phase.ENDED, None),
    ]


async def test_the_status_says_which_model_there_is_and_how_it_does(tmp_path: Path) -> None:
    """Nothing but "none" where there is none."""
    settings = asked(tmp_path, "is it?").audio_model
    recorder = EvidenceRecorder(
        EvidenceStore(tmp_path / "evidence", limits=EvidenceConfig().limits(), heard_version="0"),
        before_s=1.0,
        after_s=1.0,
        encoder_id="none",
    )
    async with SecondEars(None, recorder, descriptions={}, on_caption=print) as ears:
        assert ears.words() == "none"
        assert not ears.doors()
    async with SecondEars(settings, recorder, descriptions={"whistle": ""}, on_caption=print) as ears:
        assert ears.words() == "odd on cpu: resting"
        assert DESCRIBE in ears.doors()
