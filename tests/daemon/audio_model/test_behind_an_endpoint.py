"""The daemon with its full audio model behind a real server that checks every request."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daemon.app import App
from daemon.audio_model.hybrid import HybridModel
from daemon.audio_model.settings import AudioModelConfig
from detectors.types import Phase
from integrations.audio_endpoint.endpoint import AudioEndpoint
from tests.daemon.home import Witness, configuration, file_stream, parts, recording
from tests.integrations.audio_endpoint.schema_server import SchemaServer, sounds

PATIENCE_S = 60.0


@pytest.fixture
async def server() -> AsyncIterator[SchemaServer]:
    async with SchemaServer() as started:
        yield started
    assert started.wrong == []


async def _told(folder: Path, server: SchemaServer, **verify: Any) -> list[tuple[Phase, bool | None]]:
    """Return what a daemon tells of a whistle that the endpoint is asked about."""
    endpoint = {"url": server.url, "model": "ears", "tries": 1}
    model = {"endpoint": endpoint, "verify": {"whistle": {"wait_s": 30.0, **verify}}}
    streams = {"yard": file_stream(recording(folder / "yard.wav"))}
    witness = Witness()
    async with asyncio.timeout(PATIENCE_S):
        await App(configuration(folder, streams, audio_model=model), parts(), observers=[witness]).run()
    return [(event.phase, event.verified) for event in witness.events]


async def test_a_sound_is_told_or_not_as_the_endpoint_says(tmp_path: Path, server: SchemaServer) -> None:
    """It is sent the sound and the question, and its odds decide."""
    server.logprobs = {"A": math.log(0.9), "B": math.log(0.1)}
    assert await _told(tmp_path, server) == [(Phase.STARTED, True), (Phase.ENDED, True)]
    assert len(sounds(server.requests[0])) == 1
    server.logprobs = {"A": math.log(0.1), "B": math.log(0.9)}
    assert await _told(tmp_path, server) == []


async def test_an_endpoint_that_fails_leaves_it_to_the_fallback(tmp_path: Path, server: SchemaServer) -> None:
    server.script.append(web.Response(status=500))
    assert await _told(tmp_path, server) == [(Phase.STARTED, None), (Phase.ENDED, None)]


def test_a_configuration_names_a_folder_or_an_endpoint(tmp_path: Path) -> None:
    """Either, or both; the token stays in its file until it is needed."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    endpoint = {"url": "http://gpu.local:8000/v1", "model": "ears", "token_file": str(token)}
    config = AudioModelConfig.model_validate({"endpoint": endpoint})
    assert config.where == ("http://gpu.local:8000/v1",)
    assert isinstance(config.client(), AudioEndpoint)
    assert config.endpoint is not None
    assert config.endpoint.settings().token == "secret"
    with pytest.raises(ValueError, match="'folder' or 'endpoint' is needed"):
        AudioModelConfig.model_validate({})
    for one in ({"folder": str(tmp_path)}, {"endpoint": endpoint}):
        with pytest.raises(ValueError, match="'sure_above' has no meaning without both"):
            AudioModelConfig.model_validate({**one, "sure_above": 0.9})
    both = AudioModelConfig.model_validate({"folder": str(tmp_path), "endpoint": endpoint})
    assert isinstance(both.client(), HybridModel)
    assert both.where == ("cpu", "http://gpu.local:8000/v1")
    with pytest.raises(ValueError, match="url"):
        AudioModelConfig.model_validate({"endpoint": endpoint | {"url": "gpu.local"}})
