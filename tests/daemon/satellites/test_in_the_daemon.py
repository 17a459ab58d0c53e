"""The whole daemon with a microphone and a satellite that speak the voice assistants' protocol."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from wyoming.audio import AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import async_write_event
from wyoming.wake import Detection

from daemon.app import App
from daemon.status import ask_status
from tests.daemon.home import Witness, configuration, parts
from tests.daemon.satellites.test_wake import FORM, answer, chunks, say, with_whistle
from tests.daemon.sources.microphone_service import service

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def serve_whistle(writer: asyncio.StreamWriter) -> None:
    """Be a microphone in front of which somebody whistles once, and that then hears nothing more."""
    for event in (AudioStart(**FORM), *chunks(with_whistle())):
        await async_write_event(event.event(), writer)
    await asyncio.sleep(PATIENCE_S)


async def test_hears_a_satellites_microphone_and_wakes_another_one(tmp_path: Path) -> None:
    """A stream's sound is an event; a satellite's sound is the satellite's own, and nobody else's."""
    port = free_port()
    witness = Witness()
    async with asyncio.timeout(PATIENCE_S), service(serve_whistle) as microphone:
        config = configuration(
            tmp_path,
            {"bedroom": {"source": "wyoming", "uri": f"tcp://127.0.0.1:{microphone}"}},
            wyoming={"wake": {"port": port, "profiles": ["whistle"]}},
        )
        app = App(config, parts(), observers=[witness])
        daemon = asyncio.create_task(app.run())
        while not witness.events:  # noqa: ASYNC110 - observers are called, they do not wait
            await asyncio.sleep(0.01)
        before = len(witness.events)
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await say(client, AudioStart(**FORM), *chunks(with_whistle()), AudioStop())
            woken = await answer(client)
            status = await asyncio.to_thread(ask_status, config.state_dir)
        during = [event.stream for event in witness.events[before:]]
        app.stop()
        await daemon

    assert witness.events[0].stream == "bedroom"
    assert Detection.from_event(woken).name == "whistle"
    assert set(during) <= {"bedroom"}
    assert status is not None
    assert status["satellites"] == f"wake words at 127.0.0.1:{port}, 1 satellites, 1 detections"
