"""The full audio model of an endpoint, against a real server that checks requests by the published types."""

from __future__ import annotations

import asyncio
import base64
import io
import math
import wave
from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiohttp import web

from detectors.audio_models import AskOptions, Clip, Prompt, Reply
from foundation.errors import AudioModelUnavailable, PromptError
from integrations.audio_endpoint.endpoint import AudioEndpoint, EndpointSettings
from integrations.audio_endpoint.wire import AudioParts, wav_bytes
from tests.integrations.audio_endpoint.schema_server import SchemaServer, check, sounds

CLIP = Clip(samples=np.linspace(-1.2, 1.2, 4_800, dtype=np.float32), rate_hz=48_000)
ASK = AskOptions(max_tokens=20)
QUESTION: Prompt = ["What is it?", CLIP]


@pytest.fixture
async def server() -> AsyncIterator[SchemaServer]:
    async with SchemaServer() as started:
        yield started
    assert started.wrong == []


def _settings(server: SchemaServer, **more: object) -> EndpointSettings:
    return EndpointSettings(**({"url": server.url, "model": "m", "token": "secret"} | more))  # type: ignore[arg-type] # the test names what it changes


@pytest.mark.parametrize("spelling", ["input_audio", "audio_url"])
async def test_a_question_with_examples_is_asked_in_turns(server: SchemaServer, spelling: AudioParts) -> None:
    """Examples are turns of a conversation; sound goes along in either spelling, at 16 kHz."""
    prompt: Prompt = ["What is it?", CLIP, Reply(text="bell"), CLIP, "And this?", CLIP]
    async with AudioEndpoint(_settings(server, audio_parts=spelling)) as endpoint:
        assert await endpoint.ask(prompt, ASK, within_s=5) == "Rain."
    (request,) = server.requests
    assert [message["role"] for message in request["messages"]] == ["user", "assistant", "user"]
    assert request["messages"][1]["content"] == "bell"
    assert [part["type"] for part in request["messages"][2]["content"]] == [spelling, "text", spelling]
    assert len(sounds(request)) == 3
    assert (request["max_tokens"], request["temperature"]) == (20, 0.0)
    assert server.headers[0]["Authorization"] == "Bearer secret"


def test_sound_arrives_as_it_was() -> None:
    """At the rate that models hear, and never wrapped around where it is too loud."""
    with wave.open(io.BytesIO(wav_bytes(CLIP))) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_767
    expected = CLIP.samples[::3].clip(-1, 1)
    np.testing.assert_allclose(samples[100:-100], expected[100:-100], atol=0.01)


async def test_an_answer_comes_in_pieces(server: SchemaServer) -> None:
    server.script.append(["It ", "rai", "ns. Grüße"])
    pieces: list[str] = []
    async with AudioEndpoint(_settings(server)) as endpoint:
        said = await endpoint.ask(QUESTION, ASK, within_s=5, on_piece=pieces.append)
    assert pieces == ["It ", "rai", "ns. Grüße"]
    assert said == "".join(pieces)
    assert server.requests[0]["stream"] is True


async def test_an_answer_that_breaks_off_is_no_answer(server: SchemaServer) -> None:
    """And is not asked for again: its pieces have been given away."""
    server.script.append(["It ", "BREAK"])
    pieces: list[str] = []
    async with AudioEndpoint(_settings(server)) as endpoint:
        with pytest.raises(AudioModelUnavailable, match="broke off"):
            await endpoint.ask(QUESTION, ASK, within_s=5, on_piece=pieces.append)
    assert pieces == ["It "]
    assert len(server.requests) == 1


async def test_choices_are_weighed_by_their_letters(server: SchemaServer) -> None:
    """Spellings of one letter add up, and what is not shown is less likely than what is."""
    server.logprobs = {"A": math.log(0.5), " a": math.log(0.1), "B": math.log(0.3), "The": math.log(0.05)}
    async with AudioEndpoint(_settings(server)) as endpoint:
        scores = await endpoint.score([QUESTION, QUESTION], ["horn", "bell", "rain"], within_s=5)
    np.testing.assert_allclose(np.exp(scores), [[0.6, 0.3, 0.05]] * 2)
    asked = server.requests[0]["messages"][0]["content"][-1]["text"]
    assert "A) horn\nB) bell\nC) rain" in asked
    assert server.requests[0]["logprobs"] is True


async def test_a_server_that_weighs_nothing_is_taken_at_its_word(server: SchemaServer) -> None:
    server.script.extend([" b)", "Perhaps"])
    async with AudioEndpoint(_settings(server, tries=1)) as endpoint:
        scores = await endpoint.score([QUESTION], ["Yes", "No"], within_s=5)
        assert scores.tolist() == [[-math.inf, 0.0]]
        with pytest.raises(AudioModelUnavailable, match="answered 'Perhaps' where a letter was asked for"):
            await endpoint.score([QUESTION], ["Yes", "No"], within_s=5)


async def test_what_may_pass_is_tried_again(server: SchemaServer) -> None:
    """Busy, then nonsense, then an answer."""
    server.script.extend(
        [web.Response(status=503, headers={"Retry-After": "0"}), web.Response(text="<html>")]
    )
    async with AudioEndpoint(_settings(server)) as endpoint:
        assert await endpoint.ask(QUESTION, ASK, within_s=10) == "Rain."
        assert endpoint.status().state == "ready"
        assert endpoint.status().error == ""
    assert len(server.requests) == 3


async def test_a_wait_that_the_server_asks_for_counts_against_the_limit(server: SchemaServer) -> None:
    server.script.append(web.Response(status=429, headers={"Retry-After": "60"}))
    async with AudioEndpoint(_settings(server)) as endpoint:
        with pytest.raises(AudioModelUnavailable, match=r"no answer within 0\.3 s"):
            await endpoint.ask(QUESTION, ASK, within_s=0.3)
    assert len(server.requests) == 1


async def test_a_server_that_hangs_is_left_in_time(server: SchemaServer) -> None:
    server.script.append(30.0)
    async with AudioEndpoint(_settings(server)) as endpoint:
        with pytest.raises(AudioModelUnavailable, match=r"no answer within 0\.2 s"):
            await endpoint.ask(QUESTION, ASK, within_s=0.2)
        assert endpoint.status().unanswered == 1
        assert await endpoint.ask(QUESTION, ASK, within_s=5) == "Rain."


@pytest.mark.parametrize("status", [401, 404])
async def test_what_only_the_owner_can_change_is_not_tried_again(server: SchemaServer, status: int) -> None:
    server.script.append(web.Response(status=status, text="no such key"))
    async with AudioEndpoint(_settings(server)) as endpoint:
        with pytest.raises(AudioModelUnavailable, match=f"answers {status}: no such key"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        assert endpoint.status().state == "refused"
    assert len(server.requests) == 1


async def test_sound_is_not_taken_elsewhere(server: SchemaServer) -> None:
    """A redirect is an answer that only the owner can change."""
    async with SchemaServer() as elsewhere:
        away = {"Location": f"{elsewhere.url}/chat/completions"}
        server.script.append(web.Response(status=307, headers=away))
        async with AudioEndpoint(_settings(server)) as endpoint:
            with pytest.raises(AudioModelUnavailable, match="answers 307"):
                await endpoint.ask(QUESTION, ASK, within_s=5)
        assert elsewhere.requests == []


async def test_what_cannot_be_asked_is_said(server: SchemaServer) -> None:
    """The server's reason is told, and the endpoint counts as well."""
    server.script.append(web.Response(status=400, text="too many tokens"))
    async with AudioEndpoint(_settings(server)) as endpoint:
        with pytest.raises(PromptError, match="too many tokens"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        with pytest.raises(PromptError, match="21 choices"):
            await endpoint.score([QUESTION], [str(index) for index in range(21)], within_s=5)
        with pytest.raises(PromptError, match="without any sample"):
            await endpoint.ask([Clip(samples=CLIP.samples[:0], rate_hz=16_000)], ASK, within_s=5)


async def test_an_endpoint_that_is_down_is_left_alone(server: SchemaServer) -> None:
    """After three failures nothing is sent, until one call shows that it is back."""
    now = [0.0]
    server.script.extend(web.Response(status=500) for _ in range(4))
    async with AudioEndpoint(_settings(server, tries=1), clock=lambda: now[0]) as endpoint:
        for _ in range(3):
            with pytest.raises(AudioModelUnavailable, match="answers 500"):
                await endpoint.ask(QUESTION, ASK, within_s=5)
        with pytest.raises(AudioModelUnavailable, match="is down, and is tried again in"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        assert len(server.requests) == 3
        now[0] += 5.0
        with pytest.raises(AudioModelUnavailable, match="answers 500"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        with pytest.raises(AudioModelUnavailable, match="is down"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        now[0] += 10.0
        assert await endpoint.ask(QUESTION, ASK, within_s=5) == "Rain."
        assert await endpoint.ask(QUESTION, ASK, within_s=5) == "Rain."
    assert len(server.requests) == 6


async def test_only_one_call_shows_whether_it_is_back(server: SchemaServer) -> None:
    """Cancelled, it does not keep the endpoint shut for ever."""
    now = [0.0]
    server.script.extend(web.Response(status=500) for _ in range(3))
    server.script.append(30.0)
    async with AudioEndpoint(_settings(server, tries=1), clock=lambda: now[0]) as endpoint:
        for _ in range(3):
            with pytest.raises(AudioModelUnavailable):
                await endpoint.ask(QUESTION, ASK, within_s=5)
        now[0] += 5.0
        first = asyncio.create_task(endpoint.ask(QUESTION, ASK, within_s=5))
        while len(server.requests) < 4:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        with pytest.raises(AudioModelUnavailable, match="is down"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        now[0] += 300.0
        assert await endpoint.ask(QUESTION, ASK, within_s=5) == "Rain."


async def test_an_hours_calls_are_a_budget(server: SchemaServer) -> None:
    now = [0.0]
    async with AudioEndpoint(_settings(server, calls_per_hour=2), clock=lambda: now[0]) as endpoint:
        for minute in (0, 10):
            now[0] = minute * 60.0
            await endpoint.ask(QUESTION, ASK, within_s=5)
        assert endpoint.status().calls_left == 0
        with pytest.raises(
            AudioModelUnavailable, match=r"2 calls of this hour are used up; the next in 50 min"
        ):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        now[0] = 3_601.0
        assert await endpoint.ask(QUESTION, ASK, within_s=5) == "Rain."
        assert endpoint.status().answered == 3


async def test_nobody_there_is_said(server: SchemaServer) -> None:
    async with AudioEndpoint(_settings(server, url="http://127.0.0.1:9/v1", tries=1)) as endpoint:
        with pytest.raises(AudioModelUnavailable, match=r"127\.0\.0\.1:9/v1 does not answer"):
            await endpoint.ask(QUESTION, ASK, within_s=5)
        assert endpoint.status().state == "down"


def test_the_server_would_notice() -> None:
    """The check itself refuses what the interface does not take."""
    right = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
    check(right)
    wrong_parts = [{"type": "input_audio", "input_audio": {"data": 1, "format": "flac"}}]
    for wrong in (
        right | {"top_k": 5},
        right | {"max_tokens": "many"},
        right | {"messages": [{"role": "user", "content": wrong_parts}]},
        right | {"messages": [{"role": "listener", "content": "a"}]},
    ):
        with pytest.raises(ValueError, match=r"."):
            check(wrong)


def test_the_token_is_not_shown() -> None:
    assert "secret" not in repr(EndpointSettings(url="u", model="m", token="secret"))
    assert base64.b64encode(b"secret").decode() not in repr(
        EndpointSettings(url="u", model="m", token="secret")
    )
