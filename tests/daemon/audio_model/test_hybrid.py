"""A model in a process of its own, and a real server for what that one is unsure of or cannot answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from daemon.app import App
from daemon.audio_model.child import ModelPlace
from daemon.audio_model.client import ModelProcess
from daemon.audio_model.hybrid import HybridModel
from daemon.audio_model.second_ears import SecondEars
from daemon.audio_model.settings import AudioModelConfig
from daemon.config import EvidenceConfig
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.store import EvidenceStore
from detectors.audio_models import AskOptions, Clip, Reply
from detectors.types import Decider, Phase
from foundation.errors import AudioModelUnavailable, PromptError
from integrations.audio_endpoint.endpoint import AudioEndpoint, EndpointSettings
from tests.daemon.home import Witness, configuration, file_stream, parts, recording
from tests.integrations.audio_endpoint.schema_server import SchemaServer

PATIENCE_S = 60.0
ASK = AskOptions()
YES_NO = ("Yes", "No")

Place = Callable[..., ModelPlace]


@pytest.fixture
async def server() -> AsyncIterator[SchemaServer]:
    async with SchemaServer() as started:
        started.logprobs = {"A": math.log(0.1), "B": math.log(0.9)}
        yield started
    assert started.wrong == []


@pytest.fixture
async def both(odd_place: Place, server: SchemaServer) -> AsyncIterator[HybridModel]:
    """The two, the local one loaded; it is sure where one choice is e times as likely as the other."""
    async with hybrid(odd_place(), server) as model:
        await model.load(within_s=PATIENCE_S)
        yield model


def hybrid(place: ModelPlace, server: SchemaServer, **settings: Any) -> HybridModel:
    remote = EndpointSettings(url=server.url, model="ears", tries=1, **settings)
    return HybridModel(ModelProcess(place), AudioEndpoint(remote), sure_above=0.7)


async def yes_of(model: HybridModel, *words: str, within_s: float = 30.0) -> list[float]:
    """Return the probability of a yes to each question."""
    scores = await model.score([[one] for one in words], YES_NO, within_s=within_s)
    likely: list[float] = (np.exp(scores[:, 0]) / np.exp(scores).sum(axis=1)).tolist()
    return likely


async def test_what_the_local_model_is_sure_of_stays_here(both: HybridModel, server: SchemaServer) -> None:
    assert await yes_of(both, "yes", "no") == pytest.approx([0.731, 0.269], abs=1e-3)
    assert server.requests == []


async def test_only_what_it_is_unsure_of_is_asked_of_the_endpoint(
    both: HybridModel, server: SchemaServer
) -> None:
    """Of several questions asked together just those, and the endpoint's answer counts."""
    assert await yes_of(both, "yes", "perhaps", "no") == pytest.approx([0.731, 0.1, 0.269], abs=1e-3)
    assert len(server.requests) == 1


async def test_where_the_endpoint_has_no_answer_the_local_one_stands(
    both: HybridModel, server: SchemaServer
) -> None:
    """Three failures, and it is left alone; that costs no time either."""
    server.script.extend(web.Response(status=500) for _ in range(3))
    for _ in range(4):
        assert await yes_of(both, "perhaps") == pytest.approx([0.525], abs=1e-3)
    assert len(server.requests) == 3
    local, remote = both.status()
    assert (local.state, remote.state, remote.unanswered) == ("ready", "down", 4)


async def test_an_endpoint_that_hangs_costs_no_more_than_the_questions_time(
    both: HybridModel, server: SchemaServer
) -> None:
    server.script.append(30.0)
    began = time.monotonic()
    assert await yes_of(both, "perhaps", within_s=1.0) == pytest.approx([0.525], abs=1e-3)
    assert time.monotonic() - began < 10.0


async def test_the_budget_of_the_endpoint_is_kept(odd_place: Place, server: SchemaServer) -> None:
    async with hybrid(odd_place(), server, calls_per_hour=1) as model:
        await model.load(within_s=PATIENCE_S)
        assert await yes_of(model, "perhaps") == pytest.approx([0.1])
        assert await yes_of(model, "perhaps") == pytest.approx([0.525], abs=1e-3)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fate", ["die", "fail", "hang"])
async def test_the_endpoint_answers_for_a_local_model_that_cannot(
    both: HybridModel, server: SchemaServer, fate: str
) -> None:
    """Dead or unable: at once. Hung: at half the question's time, so that there is time for an answer."""
    within_s = 6.0 if fate == "hang" else 30.0
    assert await yes_of(both, fate, within_s=within_s) == pytest.approx([0.1])
    assert len(server.requests) == 1


async def test_a_local_model_that_is_late_but_sure_is_believed(
    both: HybridModel, server: SchemaServer
) -> None:
    """The endpoint is asked by then; its call goes on, and says how it does."""
    server.script.append(30.0)
    assert await yes_of(both, "wait 2.5", within_s=4.0) == pytest.approx([0.731], abs=1e-3)
    assert len(server.requests) == 1
    _, remote = both.status()
    assert (remote.state, remote.unanswered) == ("working", 0)


async def test_neither_answers(both: HybridModel, server: SchemaServer) -> None:
    server.script.append(web.Response(status=500))
    with pytest.raises(AudioModelUnavailable, match="ended with code 3"):
        await yes_of(both, "die")


async def test_examples_that_the_local_model_cannot_be_shown_are_sent_nowhere(
    both: HybridModel, server: SchemaServer
) -> None:
    """Whoever asks leaves them out, and asks again."""
    clip = Clip(samples=np.zeros(160, np.float32), rate_hz=16_000)
    with pytest.raises(PromptError):
        await both.score([[clip, "what?", Reply(text="rain"), clip, "fail"]], YES_NO, within_s=30.0)
    assert server.requests == []


async def test_words_come_from_here_unless_there_are_none(both: HybridModel, server: SchemaServer) -> None:
    """Words have no certainty; they are given whole, because whose they will be is not known before."""
    pieces: list[str] = []
    assert await both.ask(["hello"], ASK, within_s=30.0, on_piece=pieces.append) == "hello again"
    assert pieces == ["hello again"]
    assert server.requests == []
    assert await both.ask(["hang"], ASK, within_s=6.0, on_piece=pieces.append) == "Rain."
    assert pieces == ["hello again", "Rain."]


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch, odd_place: Place) -> None:
    """Let the configuration mean the stand-in: no checkpoint can be made to hang."""
    monkeypatch.setattr(AudioModelConfig, "place", lambda _: odd_place())


async def told(folder: Path, server: SchemaServer, **model: Any) -> Witness:
    endpoint = {"url": server.url, "model": "ears", "tries": 1}
    settings = {"folder": str(folder), "endpoint": endpoint, "sure_above": 0.7, **model}
    streams = {"yard": file_stream(recording(folder / "yard.wav"))}
    witness = Witness()
    async with asyncio.timeout(PATIENCE_S):
        await App(configuration(folder, streams, audio_model=settings), parts(), observers=[witness]).run()
    return witness


@pytest.mark.usefixtures("unsure")
@pytest.mark.parametrize("question", ["perhaps", "hang"])
async def test_a_second_opinion_may_be_the_endpoints(
    tmp_path: Path, server: SchemaServer, question: str
) -> None:
    """It says no where the local model leans to a yes, or says nothing."""
    verify = {"whistle": {"question": question, "wait_s": 8.0}}
    assert (await told(tmp_path, server, verify=verify)).events == []
    assert len(server.requests) == 1


@pytest.mark.usefixtures("unsure")
async def test_without_either_the_stated_fallback_decides_in_time(
    tmp_path: Path, server: SchemaServer
) -> None:
    """Both hang; the sound goes on as it is, and the daemon ends without waiting for either."""
    server.script.append(3_600.0)
    witness = await told(tmp_path, server, verify={"whistle": {"question": "hang", "wait_s": 3.0}})
    assert [(event.phase, event.verified) for event in witness.events] == [
        (Phase.STARTED, None),
        (Phase.ENDED, None),
    ]
    assert len(server.requests) == 1


@pytest.mark.usefixtures("unsure")
async def test_a_sound_that_is_listened_to_may_be_the_endpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: SchemaServer
) -> None:
    """The local model takes it for a whistle with 0.52; the endpoint is sure that it is one."""
    server.logprobs = {"A": math.log(0.96), "B": math.log(0.04)}
    monkeypatch.setattr("daemon.audio_model.few_shot.Questionnaire.question", "perhaps")
    monkeypatch.setattr("daemon.audio_model.listening.ModelEars.is_news", lambda *_: False)
    witness = await told(tmp_path, server, mode="listen", listen={"wait_s": 30.0, "above": 0.9})
    start = witness.events[0]
    assert (start.phase, start.decided_by, start.score) == (Phase.STARTED, Decider.AUDIO_MODEL, 0.96)


@pytest.mark.usefixtures("unsure")
async def test_the_status_shows_both(tmp_path: Path, server: SchemaServer) -> None:
    endpoint = {"url": server.url, "model": "ears"}
    settings = AudioModelConfig.model_validate({"folder": str(tmp_path), "endpoint": endpoint})
    recorder = EvidenceRecorder(
        EvidenceStore(tmp_path / "evidence", limits=EvidenceConfig().limits(), heard_version="0"),
        before_s=1.0,
        after_s=1.0,
        encoder_id="none",
    )
    async with SecondEars(settings, recorder, descriptions={}, on_caption=print) as ears:
        assert ears.words() == f"odd on cpu: resting, ears on {server.url}: resting"
