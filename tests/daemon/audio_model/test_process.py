"""The real process, with a real model in it that is small enough to make here."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from daemon.audio_model.child import ModelPlace
from daemon.audio_model.client import ModelProcess
from detectors.audio_models import AskOptions, LoadOptions, Prompt
from detectors.audio_models.opening import open_model
from foundation.errors import AudioModelUnavailable, PromptError
from tests.detectors.audio_models.tiny_mimo import write_mimo
from tests.detectors.audio_models.tiny_parts import noise_clip

LOAD = LoadOptions(dtype="float32")
PATIENCE_S = 50.0


async def test_the_process_answers_as_the_model_itself_does(tmp_path: Path) -> None:
    """Words, scores and refusals go through the pipe unchanged; this process loads no model for it."""
    folder = write_mimo(tmp_path)
    prompt: Prompt = [noise_clip(1.0), "What is this?"]
    options = AskOptions(max_tokens=6)
    # At its own low priority it would wait for whatever else a test machine does.
    program = "import daemon.audio_model.process as process\nprocess.NICENESS = 0\nprocess.main()"
    place = ModelPlace(folder=folder, load=LOAD, command=(sys.executable, "-c", program))
    async with ModelProcess(place) as process:
        answer = await process.ask(prompt, options, within_s=PATIENCE_S)
        scores = await process.score([prompt], ["dog", "rain"], within_s=PATIENCE_S)
        with pytest.raises(PromptError, match="positions"):
            await process.ask([noise_clip(100.0)], options, within_s=PATIENCE_S)
        assert process.status().name == folder.name
    model = open_model(folder, LOAD)
    assert answer == model.ask(prompt, options)
    np.testing.assert_allclose(scores, model.score([prompt], ["dog", "rain"]), rtol=1e-5)


async def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    """The owner is told how much is missing, and what would help."""
    folder = write_mimo(tmp_path)
    little = tmp_path / "meminfo"
    little.write_text("MemAvailable: 1000 kB\n")
    program = (
        "import pathlib, daemon.audio_model.plan as plan, daemon.audio_model.process as process\n"
        f"plan.MEMORY_INFO = pathlib.Path({str(little)!r})\n"
        "process.main()"
    )
    place = ModelPlace(folder=folder, load=LOAD, command=(sys.executable, "-c", program))
    async with ModelProcess(place) as process:
        with pytest.raises(AudioModelUnavailable, match=r"0\.0 GB are free"):
            await process.ask(["hello"], AskOptions(), within_s=PATIENCE_S)
        assert process.status().state == "refused"
