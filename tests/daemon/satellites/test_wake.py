"""Sounds that wake satellites: the protocol's own client over loopback, and the whole chain behind it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soxr
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from daemon.demo.synthesis import impacts
from daemon.demo.synthesis.room import draw_room, placed, room_noise
from daemon.demo.synthesis.signal import RATE_HZ as SYNTHESIS_HZ
from daemon.demo.synthesis.signal import add_at
from daemon.models.choice import load_encoder
from daemon.parts import load_profiles
from daemon.satellites.hearing import SatelliteEars
from foundation.errors import AddressError
from integrations.wyoming import talk
from integrations.wyoming.wake import WakeServer
from tests.daemon.home import WHISTLE_AT_S, configuration, hiss, parts, whistle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.parts import Parts
    from detectors.types import Samples

RATE_HZ = 16_000
FORM: dict[str, int] = {"rate": RATE_HZ, "width": 2, "channels": 1}
ANSWER_S = 30.0
QUIET = hiss(3.0)


def with_whistle(seconds: float = 1.5) -> Samples:
    return np.concatenate([hiss(WHISTLE_AT_S), whistle(seconds) + hiss(seconds, seed=1), hiss(1.0, seed=2)])


def chunks(samples: Samples, *, piece: int = 1_600, first_ms: int = 0) -> list[Any]:
    pcm = (np.clip(samples, -1, 1) * 32_767).astype("<i2")
    return [
        AudioChunk(audio=pcm[at : at + piece].tobytes(), timestamp=first_ms + at * 1_000 // RATE_HZ, **FORM)
        for at in range(0, len(pcm), piece)
    ]


@asynccontextmanager
async def serving(
    heard_by: Parts | None = None, *, wanted: tuple[str, ...] = ("whistle",), max_clients: int = 4
) -> AsyncIterator[tuple[WakeServer, SatelliteEars]]:
    made = heard_by or parts()
    async with (
        SatelliteEars(made.encoder, made.profiles, wanted=wanted) as ears,
        WakeServer("127.0.0.1", 0, ears, version="1", max_clients=max_clients) as server,
    ):
        yield server, ears


@asynccontextmanager
async def satellite(server: WakeServer) -> AsyncIterator[AsyncTcpClient]:
    client = AsyncTcpClient(*server.address, connect_timeout=ANSWER_S, read_timeout=ANSWER_S)
    async with client:
        yield client


async def say(client: AsyncTcpClient, *events: Any) -> None:
    for event in events:
        await client.write_event(event.event())


async def answer(client: AsyncTcpClient) -> Event:
    event = await client.read_event()
    assert event is not None
    return event


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_tells_what_it_listens_for() -> None:
    """The profiles that the owner named are the wake words, and a ping comes back."""
    async with serving() as (server, _), satellite(server) as client:
        await say(client, Describe())
        [program] = Info.from_event(await answer(client)).wake
        await say(client, Ping(text="there?"))
        pong = Pong.from_event(await answer(client))

    assert program.name == "heard"
    assert program.installed
    assert [(model.name, model.phrase, model.installed) for model in program.models] == [
        ("whistle", "whistle", True)
    ]
    assert pong.text == "there?"


@pytest.mark.parametrize("names", [["whistle"], None])
async def test_a_sound_wakes_a_satellite_while_it_is_still_sending(names: list[str] | None) -> None:
    """The detection names the profile and the moment, on the satellite's own clock, before the audio ends."""
    async with serving() as (server, _), satellite(server) as client:
        await say(client, Detect(names=names), AudioStart(timestamp=70_000, **FORM))
        await say(client, *chunks(with_whistle(), first_ms=70_000))
        detection = Detection.from_event(await answer(client))

    assert detection.name == "whistle"
    assert detection.timestamp is not None
    assert 1_000 * WHISTLE_AT_S <= detection.timestamp - 70_000 <= 1_000 * (WHISTLE_AT_S + 0.6)


async def test_says_that_nothing_was_heard() -> None:
    """Audio that ends without a wake word is answered as such, and the next audio begins anew."""
    async with serving() as (server, _), satellite(server) as client:
        await say(client, Detect(names=["whistle"]), AudioStart(**FORM), *chunks(QUIET), AudioStop())
        first = await answer(client)
        await say(client, AudioStart(**FORM), *chunks(with_whistle()), AudioStop())
        second = await answer(client)
        await say(client, AudioStart(**FORM), *chunks(QUIET), AudioStop())
        third = await answer(client)

    assert [NotDetected.is_type(first.type), Detection.is_type(second.type)] == [True, True]
    assert NotDetected.is_type(third.type)


async def test_wakes_only_by_what_was_asked_for() -> None:
    """Of several wake words a satellite is told of its own; one that there is not is named to it."""
    async with serving() as (server, _), satellite(server) as client:
        await say(client, Detect(names=["glass"]))
        refused = Error.from_event(await answer(client))
        await say(client, AudioStart(**FORM), *chunks(with_whistle()), AudioStop())
        end = await answer(client)

    assert refused.text == "nothing here is called glass; known: whistle"
    assert NotDetected.is_type(end.type)


async def test_each_satellite_hears_for_itself() -> None:
    """What sounds at one wakes that one, however many there are; each may send in its own format."""
    stereo = {"rate": 48_000, "width": 4, "channels": 2}
    loud = (np.clip(np.repeat(with_whistle(), 3), -1, 1) * 0x7FFF_FFFF).astype("<i4")
    written = np.stack([loud, loud], axis=1).tobytes()
    async with serving() as (server, _), satellite(server) as one, satellite(server) as other:

        async def quiet() -> Event:
            await say(one, AudioStart(**FORM), *chunks(QUIET), AudioStop())
            return await answer(one)

        async def sounding() -> Event:
            await say(other, AudioStart(**stereo))
            for at in range(0, len(written), 48_000):
                await say(other, AudioChunk(audio=written[at : at + 48_000], **stereo))
            return await answer(other)

        at_one, at_other = await asyncio.gather(quiet(), sounding())
        assert server.detections == 1

    assert NotDetected.is_type(at_one.type)
    assert Detection.is_type(at_other.type)


async def test_there_is_an_end_to_how_many_it_serves() -> None:
    """One satellite too many is told why and sent away; a place that becomes free can be taken."""
    async with serving(max_clients=1) as (server, _):
        async with satellite(server) as client:
            await say(client, Ping())
            await answer(client)
            async with satellite(server) as late:
                assert Error.from_event(await answer(late)).code == "busy"
                assert await late.read_event() is None
        assert server.refused == 1
        async with asyncio.timeout(ANSWER_S):
            while server.clients:  # noqa: ASYNC110 - a server tells nobody who left
                await asyncio.sleep(0.01)
        async with satellite(server) as client:
            await say(client, Ping())
            assert Pong.is_type((await answer(client)).type)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"type": "audio-chunk", "payload_length": 123456789}\n',
        b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2}}\n',
        b'{"type": "detect", "data": {"names": "whistle"}}\n',
        b'{"type": 1}\n',
        b"[]\n",
        b"y" * 100_000,
    ],
)
async def test_one_that_speaks_something_else_is_sent_away(said: bytes) -> None:
    """Whatever knocks costs its own connection only."""
    async with serving() as (server, _):
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(said)
        async with asyncio.timeout(ANSWER_S):
            await asyncio.gather(reader.read(), return_exceptions=True)
        await closed(writer)
        async with satellite(server) as client:
            await say(client, Ping())
            assert Pong.is_type((await answer(client)).type)


async def test_one_that_does_not_read_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A satellite that sends and never takes what it is told holds nobody up, and loses its place."""
    monkeypatch.setattr(talk, "TAKEN_S", 0.2)
    ping = b'{"type": "ping", "data": {"text": "' + b"x" * 30_000 + b'"}}\n'

    async def only_send(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(ping)
            await writer.drain()

    async with serving() as (server, _):
        _, writer = await asyncio.open_connection(*server.address)
        async with asyncio.timeout(ANSWER_S):
            with pytest.raises(ConnectionError):
                await only_send(writer)
        await closed(writer)


async def test_profiles_that_change_are_other_wake_words() -> None:
    """What was taught or removed while it runs counts from the next audio on."""
    made = parts()
    async with serving(made) as (server, ears):
        ears.listens_for([])
        async with satellite(server) as client:
            await say(client, AudioStart(**FORM), *chunks(with_whistle()), AudioStop())
            assert NotDetected.is_type((await answer(client)).type)
            ears.listens_for(made.profiles)
            await say(client, AudioStart(**FORM), *chunks(with_whistle()), AudioStop())
            assert Detection.is_type((await answer(client)).type)


async def test_a_taken_address_is_the_owners_to_mend() -> None:
    """Two servers cannot share a port; the second says which, and what to change."""
    async with serving() as (server, ears):
        host, port = server.address
        with pytest.raises(AddressError, match=f"cannot listen at {host}:{port}"):
            async with WakeServer(host, port, ears, version="1", max_clients=1):
                pass


async def test_a_finger_snap_wakes_a_satellite(tmp_path: Path) -> None:
    """With the encoder and the profile that ship: synthesised snaps in a quiet room."""
    config = configuration(tmp_path, {"yard": {"source": "microphone"}})
    encoder = load_encoder(config)
    made = type(parts())(encoder=encoder, profiles=load_profiles(config, encoder.id), rules=())
    generator = np.random.default_rng(5)
    room = draw_room(generator)
    audio = room_noise(generator, room, 7 * SYNTHESIS_HZ)
    for at_s in (2, 3, 4):
        snap = placed(generator, room, impacts.finger_snap(generator), -9.0)
        add_at(audio, snap, at_s * SYNTHESIS_HZ)
    sent = chunks(soxr.resample(audio, SYNTHESIS_HZ, RATE_HZ))
    async with serving(made, wanted=("finger_snap",)) as (server, _), satellite(server) as client:
        await say(client, Detect(names=["finger_snap"]), AudioStart(**FORM), *sent, AudioStop())
        woken = await answer(client)

    assert Detection.from_event(woken).name == "finger_snap"
