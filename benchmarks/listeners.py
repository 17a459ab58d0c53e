"""Do live listeners slow the audio? A hundred of them and fifty events a second, some of which nobody reads.

python -m benchmarks.listeners --json
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import numpy as np
import psutil
import soundfile
from rich.table import Table

from benchmarks.report import arguments, publish
from daemon.app import App
from daemon.config import Config
from daemon.observer import Observer
from daemon.parts import load_parts
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Phase, SoundEvent, event_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.api.feed import Feed
    from daemon.pipeline import StreamReading

HOP_S = HOP_SAMPLES / DETECTION_RATE_HZ
CLIENTS_PER_PROCESS = 25
CLIENT_NICENESS = 5
LOOK_EVERY_S = 0.01
START_TIMEOUT_S = 60.0
CONNECT_S = 3.0
"""For all clients to be greeted before anything is measured."""


@dataclass(slots=True)
class Watch(Observer):
    """When each hop of each stream had been worked through."""

    is_ready: bool = False
    done: list[tuple[str, int, float]] = field(default_factory=list)

    def ready(self) -> None:
        """Take note that the daemon listens."""
        self.is_ready = True

    def readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Note how far each stream is."""
        now = time.monotonic()
        self.done += [(stream, reading.hops, now) for stream, reading in readings.items()]

    def delays_s(self) -> list[float]:
        """Return how much later than the soonest hop of its stream each came, and forget them."""
        offsets: dict[str, list[float]] = {}
        for stream, hops, at in self.done:
            offsets.setdefault(stream, []).append(at - hops * HOP_S)
        self.done.clear()
        return [each - min(of_stream) for of_stream in offsets.values() for each in of_stream]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One stretch of time."""

    audio_delays_s: list[float]
    loop_delays_s: list[float]
    core_share: float
    resident_mb: float


async def main_async(options: Any) -> dict[str, Any]:
    """Measure without listeners, then with them."""
    with tempfile.TemporaryDirectory(prefix="heard-listeners-") as name:
        config = _config(Path(name), options)
        watch = Watch()
        app = App(config, load_parts(config), observers=[watch])
        running = asyncio.create_task(app.run())
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not watch.is_ready or not watch.done:  # noqa: ASYNC110 - observers are called
                    await asyncio.sleep(0.05)
            assert app.api is not None
            url = f"http://127.0.0.1:{app.api.port}"
            await asyncio.sleep(2.0)
            alone = await _measure(watch, app.api.feed, options, events_per_s=0)
            clients, heard = await _with_listeners(url, watch, app.api.feed, options)
            let_go = app.api.feed.let_go
        finally:
            app.stop()
            await running
    latencies = sorted(latency for client in clients for latency in client["latencies_s"])
    counts = [client["events"] for client in clients]
    return {
        "listeners": options.listeners, "deaf": options.deaf, "streams": options.streams,
        "events_per_s": options.events_per_s, "seconds": options.seconds,
        "alone": _figures(alone), "with_listeners": _figures(heard),
        "let_go": let_go, "messages_s": _spread(latencies),
        "events_got": {"least": min(counts), "most": max(counts)},
    }  # fmt: skip


async def _with_listeners(
    url: str, watch: Watch, feed: Feed, options: Any
) -> tuple[list[dict[str, Any]], Measured]:
    seconds = options.seconds + CONNECT_S
    programs = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.listeners", "--client", url, "--listeners", str(count),
            "--seconds", str(seconds), stdout=asyncio.subprocess.PIPE,
        )
        for count in _shares(options.listeners - options.deaf)
    ]  # fmt: skip
    deaf = [await _deaf_listener(url) for _ in range(options.deaf)]
    async with asyncio.timeout(START_TIMEOUT_S):
        while feed.listeners < options.listeners:  # noqa: ASYNC110 - clients in other processes
            await asyncio.sleep(0.05)
    heard = await _measure(watch, feed, options, events_per_s=options.events_per_s)
    clients: list[dict[str, Any]] = []
    for program in programs:
        said, _ = await program.communicate()
        clients += json.loads(said)
    for connection in deaf:
        connection.close()
    return clients, heard


async def _measure(watch: Watch, feed: Feed, options: Any, *, events_per_s: float) -> Measured:
    process = psutil.Process()
    watch.done.clear()
    spent = sum(process.cpu_times()[:2])
    loop_delays: list[float] = []
    ends_s = time.monotonic() + options.seconds
    next_event_s = time.monotonic()
    number = 0
    while (now := time.monotonic()) < ends_s:
        while events_per_s and next_event_s <= now:
            feed.published(_event(number), None)
            number += 1
            next_event_s += 1.0 / events_per_s
        await asyncio.sleep(LOOK_EVERY_S)
        loop_delays.append(time.monotonic() - now - LOOK_EVERY_S)
    return Measured(
        audio_delays_s=watch.delays_s(),
        loop_delays_s=loop_delays,
        core_share=(sum(process.cpu_times()[:2]) - spent) / options.seconds,
        resident_mb=process.memory_info().rss / 1e6,
    )


def _event(number: int) -> SoundEvent:
    """Return an event that says by its onset when it was told."""
    now = time.time()
    return SoundEvent(
        id=event_id(stream="room 0", profile="test", epoch_s=now, onset_sample=number),
        phase=Phase.STARTED, profile="test", profile_version="00000000", stream="room 0", epoch_s=now,
        onset_s=0.0, decided_s=0.0, end_s=None, score=1.0, level_dbfs=-20.0, noise_floor_dbfs=-60.0,
        speech=False,
    )  # fmt: skip


async def _deaf_listener(url: str) -> socket.socket:
    """Return a connection on which events are asked for, and never read."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(0.0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, int(port)))
    await loop.sock_sendall(connection, b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection


async def clients_async(url: str, count: int, seconds: float) -> list[dict[str, Any]]:
    """Listen `count` times, every other one over a WebSocket; return what each was told, and how late."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(
            *(_client(session, url, seconds, web_socket=number % 2 == 0) for number in range(count))
        )


async def _client(
    session: aiohttp.ClientSession, url: str, seconds: float, *, web_socket: bool
) -> dict[str, Any]:
    latencies: list[float] = []

    def told(text: str) -> None:
        now, message = time.time(), json.loads(text)
        if message["type"] == "event":
            latencies.append(now - datetime.fromisoformat(message["event"]["started"]).timestamp())

    try:
        async with asyncio.timeout(seconds):
            if web_socket:
                async with session.ws_connect(f"{url}/api/v1/live/ws") as connection:
                    async for message in connection:
                        told(message.data)
            else:
                async with session.get(f"{url}/api/v1/live") as response:
                    async for line in response.content:
                        if line.startswith(b"data: "):
                            told(line[6:].decode())
    except TimeoutError:
        pass
    return {"events": len(latencies), "latencies_s": latencies}


def _config(folder: Path, options: Any) -> Config:
    noise = np.random.default_rng(5).standard_normal(20 * DETECTION_RATE_HZ).astype(np.float32) * 1e-2
    soundfile.write(folder / "room.wav", noise, DETECTION_RATE_HZ)
    stream = {"source": "file", "path": str(folder / "room.wav"), "loop": True}
    return Config.model_validate(
        {
            "state_dir": str(folder / "state"),
            "streams": {f"room {number}": stream for number in range(options.streams)},
            "gate": {"always_open": True},
            "api": {"port": 0, "requests_per_s": 1_000},
        }
    )


def _shares(count: int) -> list[int]:
    whole, rest = divmod(count, CLIENTS_PER_PROCESS)
    return [CLIENTS_PER_PROCESS] * whole + ([rest] if rest else [])


def _figures(measured: Measured) -> dict[str, Any]:
    return {
        "audio_delay_s": _spread(sorted(measured.audio_delays_s)),
        "loop_delay_s": _spread(sorted(measured.loop_delays_s)),
        "core_share": measured.core_share,
        "resident_mb": measured.resident_mb,
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": float(np.median(values)),
        "p95": float(np.quantile(values, 0.95)),
        "max": float(np.max(values)),
    }


def table(figures: Mapping[str, Any]) -> Table:
    """Lay the figures out for people."""
    title = f"{figures['listeners']} listeners, {figures['events_per_s']} events a second"
    result = Table("", "alone", "with listeners", title=title)
    alone, heard = figures["alone"], figures["with_listeners"]
    for key, label in (("audio_delay_s", "audio, later than its soonest"), ("loop_delay_s", "event loop")):
        for part in ("median", "p95", "max"):
            result.add_row(
                f"{label}, {part}", f"{alone[key][part] * 1e3:.0f} ms", f"{heard[key][part] * 1e3:.0f} ms"
            )
    result.add_row("of one core", f"{alone['core_share']:.0%}", f"{heard['core_share']:.0%}")
    result.add_row("resident", f"{alone['resident_mb']:.0f} MB", f"{heard['resident_mb']:.0f} MB")
    for part, value in figures["messages_s"].items():
        result.add_row(f"event at the listener, {part}", "", f"{value * 1e3:.0f} ms")
    got = figures["events_got"]
    result.add_row("events that each got", "", f"{got['least']} to {got['most']}")
    result.add_row("let go, of those that do not read", "", f"{figures['let_go']} of {figures['deaf']}")
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any] | None:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.listeners", "Live listeners beside the hearing.", data=False)
    parser.add_argument("--listeners", type=int, default=100)
    parser.add_argument("--deaf", type=int, default=5, help="of these, how many never read")
    parser.add_argument("--events-per-s", type=float, default=50.0)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of the two measurements")
    parser.add_argument("--client", metavar="URL", help="only listen there, and print what came")
    options = parser.parse_args(argv)
    if options.client is not None:
        # Elsewhere listeners sit on other machines; here they must not take the daemon's cores.
        os.nice(CLIENT_NICENESS)
        json.dump(asyncio.run(clients_async(options.client, options.listeners, options.seconds)), sys.stdout)
        return None
    figures = asyncio.run(main_async(options))
    return publish("listeners", options, figures, table(figures))


if __name__ == "__main__":
    main()
