"""The model's process may die, hang or be slow; whoever asks gets an answer or a clear no, in time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest

from daemon.audio_model.child import ModelPlace
from daemon.audio_model.client import MAX_WAITING, ModelProcess
from daemon.audio_model.wire import pack_prompts, unpack_prompts
from detectors.audio_models import AskOptions, Clip, Reply
from foundation.errors import AudioModelUnavailable, PromptError

Place = Callable[..., ModelPlace]
ASK = AskOptions()
LONG_S = 30.0


def test_a_prompt_comes_out_of_the_pipe_as_it_went_in() -> None:
    """Words, clips and replies in their order, samples to the bit."""
    clips = [
        Clip(samples=np.arange(n, dtype=np.float32), rate_hz=rate) for n, rate in ((3, 8_000), (5, 48_000))
    ]
    packed, samples = pack_prompts([[clips[0], "what?", Reply(text="a ü")], ["and", clips[1]]])
    (first, second) = unpack_prompts(packed, samples)
    assert [first[1], first[2], second[0]] == ["what?", Reply(text="a ü"), "and"]
    for found, sent in ((first[0], clips[0]), (second[1], clips[1])):
        assert isinstance(found, Clip)
        assert found.rate_hz == sent.rate_hz
        np.testing.assert_array_equal(found.samples, sent.samples)


async def test_nothing_is_started_before_something_is_asked(odd_place: Place) -> None:
    """The process is lazy; then it answers piece by piece, and stays."""
    async with ModelProcess(odd_place()) as model:
        assert model.status().state == "resting"
        assert model.pid is None
        pieces: list[str] = []
        assert await model.ask(["hello"], ASK, within_s=LONG_S, on_piece=pieces.append) == "hello again"
        assert pieces == ["hello", " again"]
        pid = model.pid
        scores = await model.score([["a"], ["b"]], ["yes", "no", "perhaps"], within_s=LONG_S)
        assert scores.tolist() == [[0, -1, -2], [0, -1, -2]]
        status = model.status()
        assert (status.state, status.name, status.answered, model.pid) == ("ready", "odd", 2, pid)
        assert status.latency_s is not None


async def test_a_killed_process_comes_back(odd_place: Place) -> None:
    """Who asks next is told at once while it is down, and answered once it may start again."""
    async with ModelProcess(odd_place()) as model:
        await model.ask(["hello"], ASK, within_s=LONG_S)
        assert model.pid is not None
        os.kill(model.pid, signal.SIGKILL)
        answer = await _patiently(model, "hello")
        assert answer == "hello again"
        assert model.status().starts == 2


async def test_a_process_that_dies_over_a_question_fails_that_question_at_once(odd_place: Place) -> None:
    """The error says how it ended; nobody waits for the time limit."""
    async with ModelProcess(odd_place()) as model:
        await model.ask(["hello"], ASK, within_s=LONG_S)
        with pytest.raises(AudioModelUnavailable, match="ended with code 3"):
            await model.ask(["die"], ASK, within_s=LONG_S)
        assert model.status().state == "down"
        assert await _patiently(model, "hello") == "hello again"


async def test_a_hung_process_is_given_up_in_time_and_then_ended(odd_place: Place) -> None:
    """The question fails at its own limit; later the process is killed, and a new one answers."""
    async with ModelProcess(odd_place(), hung_s=0.3) as model:
        await model.ask(["hello"], ASK, within_s=LONG_S)
        hung = model.pid
        began = time.monotonic()
        with pytest.raises(AudioModelUnavailable, match=r"within 0\.2 s"):
            await model.ask(["hang"], ASK, within_s=0.2)
        assert time.monotonic() - began < 5.0
        assert await _patiently(model, "hello") == "hello again"
        assert model.pid != hung


async def test_a_slow_answer_is_not_waited_for_and_costs_no_process(odd_place: Place) -> None:
    """What comes too late is dropped; the same process answers the next question, with its own answer."""
    async with ModelProcess(odd_place()) as model:
        await model.ask(["hello"], ASK, within_s=LONG_S)
        pid = model.pid
        with pytest.raises(AudioModelUnavailable):
            await model.ask(["wait 0.5"], ASK, within_s=0.1)
        assert await model.ask(["next"], ASK, within_s=LONG_S) == "next again"
        assert model.pid == pid


async def test_a_question_that_cannot_be_asked_is_the_askers_fault(odd_place: Place) -> None:
    """The process lives on."""
    async with ModelProcess(odd_place()) as model:
        with pytest.raises(PromptError, match="too long"):
            await model.ask(["fail"], ASK, within_s=LONG_S)
        assert model.status().state == "ready"


async def test_a_model_that_the_owner_must_mend_says_so(odd_place: Place) -> None:
    """Its refusal shows in the status, with its reason."""
    async with ModelProcess(odd_place("refused")) as model:
        with pytest.raises(AudioModelUnavailable, match="no such tensor"):
            await model.ask(["hello"], ASK, within_s=LONG_S)
        assert model.status().state == "refused"
        assert "no such tensor" in model.status().error


async def test_while_it_loads_questions_fail_at_their_own_limit(odd_place: Place) -> None:
    """Loading goes on behind them; stopping the daemon ends it."""
    async with ModelProcess(odd_place("slow-to-load")) as model:
        with pytest.raises(AudioModelUnavailable, match="loading"):
            await model.ask(["hello"], ASK, within_s=0.3)
        assert model.status().state == "loading"
        pid = model.pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_too_many_questions_are_refused_at_once(odd_place: Place) -> None:
    """The queue is bounded, so that nobody waits behind what can never be answered in time."""
    async with ModelProcess(odd_place("slow-to-load")) as model:
        waiting = [
            asyncio.create_task(model.ask(["hello"], ASK, within_s=2.0)) for _ in range(MAX_WAITING + 2)
        ]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert any("questions wait" in str(outcome) for outcome in outcomes)
        assert model.status().unanswered == MAX_WAITING + 2


async def _patiently(model: ModelProcess, question: str) -> str:
    """Ask until the process is back."""
    async with asyncio.timeout(LONG_S):
        while True:
            try:
                return await model.ask([question], ASK, within_s=LONG_S)
            except AudioModelUnavailable:
                await asyncio.sleep(0.05)
