from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
import soxr

from daemon.app import App
from daemon.evidence.clips import Clip
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.store import EvidenceStore
from daemon.history import History
from daemon.parts import Parts, load_rule_set
from daemon.sources.opening import open_source
from daemon.status import ask_status
from detectors.types import Phase
from foundation.errors import AudioDeviceError, AudioFileError, StateFolderError
from integrations.mqtt import MqttLink
from tests.daemon.home import (
    WHISTLE_AT_S,
    WHISTLE_S,
    Witness,
    configuration,
    file_stream,
    hiss,
    parts,
    recording,
    whistle,
)
from tests.daemon.small_disk import fill, small_disk
from tests.integrations.test_mqtt import listening, retained

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.broker import Mosquitto
    from daemon.config import Config

STARTED, ENDED = Phase.STARTED, Phase.ENDED
PATIENCE_S = 30.0

RULES = """
- id: on_whistle
  triggers: [{trigger: sound, profile: whistle}]
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data: {topic: home/whistle, payload: "{{ trigger.stream }}"}
"""


def with_rules(config: Config, path: Path) -> Parts:
    path.write_text(RULES)
    profiles = parts().profiles
    return parts(load_rule_set(config, profiles, path))


@asynccontextmanager
async def running(config: Config, decided_with: Parts | None = None) -> AsyncIterator[tuple[App, Witness]]:
    """Run the daemon beside the test; leaving stops it."""
    witness = Witness()
    app = App(config, decided_with or parts(), observers=[witness])
    task = asyncio.create_task(app.run())
    try:
        yield app, witness
    finally:
        app.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def until_heard(witness: Witness, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(witness.events) < count:  # noqa: ASYNC110 - observers are called, they do not wait
            await asyncio.sleep(0.01)


async def run(config: Config, decided_with: Parts | None = None) -> Witness:
    """Run the daemon until all its audio is complete."""
    witness = Witness()
    async with asyncio.timeout(PATIENCE_S):
        await App(config, decided_with or parts(), observers=[witness]).run()
    return witness


async def history_of(config: Config) -> list[tuple[str, Phase]]:
    """Return stream and newest phase of every sound that is remembered."""
    async with History(config.state_dir / "history.sqlite") as history:
        return [(event.stream, event.phase) for event in await history.newest()]


async def test_hears_a_recording_to_its_end(tmp_path: Path) -> None:
    """The daemon ends by itself when its audio is complete; observers saw it all, the history has it."""
    config = configuration(tmp_path, {"yard": file_stream(recording(tmp_path / "yard.wav"))})

    witness = await run(config)

    assert witness.is_ready
    assert witness.rounds > 0
    assert witness.heard() == [("yard", "whistle", STARTED), ("yard", "whistle", ENDED)]
    assert witness.events[0].onset_s == pytest.approx(WHISTLE_AT_S, abs=0.2)
    assert await history_of(config) == [("yard", ENDED)]


async def test_acts_as_the_rules_say(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A sound becomes a message, an event, a state that ends, and a clip."""
    broker = {"host": mosquitto.host, "port": mosquitto.port}
    streams = {"yard": file_stream(recording(tmp_path / "yard.wav"))}
    config = configuration(tmp_path, streams, mqtt=broker)

    async with listening(mosquitto) as listener:
        witness = await run(config, with_rules(config, tmp_path / "rules.yaml"))
        await listener.until_payload("heard/hub/available", "stopped")

    assert [(request.action, failure) for request, failure in witness.actions] == [
        ("heard.save_clip", None),
        ("mqtt.publish", None),
    ]
    assert listener.payloads("home/whistle") == ["yard"]
    started, ended = (json.loads(payload) for payload in listener.payloads("heard/hub/yard/event"))
    assert (started["phase"], ended["phase"]) == ("started", "ended")
    [clip] = witness.clips
    assert started["clip"] == ended["clip"] == clip.as_uri()
    assert soundfile.info(clip).duration == pytest.approx(WHISTLE_AT_S + 5.0, abs=0.6)
    assert listener.payloads("heard/hub/yard/whistle/state")[-3:] == ["OFF", "ON", "OFF"]


async def test_stopping_ends_what_sounds(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A state that was ON is OFF when the daemon has gone, and history knows the end."""
    path = recording(tmp_path / "yard.wav", ends_sounding=True)
    broker = {"host": mosquitto.host, "port": mosquitto.port}
    config = configuration(
        tmp_path,
        {"yard": file_stream(path), "hall": file_stream(path, realtime=True, loop=True)},
        mqtt=broker,
    )

    async with running(config) as (_, witness):
        await until_heard(witness, 3)

    assert witness.heard()[-1] == ("hall", "whistle", ENDED)
    assert ("hall", ENDED) in await history_of(config)
    told = await retained(mosquitto)
    assert told["heard/hub/available"] == "stopped"
    assert told["heard/hub/hall/whistle/state"] == "OFF"
    assert told["heard/hub/hall/status"] == "offline"


async def test_stops_in_the_reverse_order_of_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto
) -> None:
    """What was started last may need what was started before, so it goes first."""
    journal: list[str] = []
    for resource in (History, EvidenceRecorder, MqttLink):
        _write_down(monkeypatch, resource, journal)
    broker = {"host": mosquitto.host, "port": mosquitto.port}
    streams = {"yard": file_stream(recording(tmp_path / "yard.wav"))}

    await run(configuration(tmp_path, streams, mqtt=broker))

    names = ["History", "MqttLink", "EvidenceRecorder"]
    assert journal == [f"+{name}" for name in names] + [f"-{name}" for name in reversed(names)]


async def test_tells_of_a_clip_that_is_stored_while_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mosquitto: Mosquitto
) -> None:
    """The link outlives the recorder: the broker has the last clip's picture, however slow the disk is."""
    store = EvidenceStore.store

    def slowly(self: EvidenceStore, clip: Clip) -> Path:
        time.sleep(1.0)
        return store(self, clip)

    monkeypatch.setattr(EvidenceStore, "store", slowly)
    config = configuration(
        tmp_path,
        {"yard": file_stream(recording(tmp_path / "yard.wav", ends_sounding=True))},
        evidence={"save": "all"},
        mqtt={"host": mosquitto.host, "port": mosquitto.port},
    )

    witness = await run(config)

    [clip] = witness.clips
    told = await retained(mosquitto)
    assert base64.b64decode(told["heard/hub/yard/spectrogram"]) == clip.with_suffix(".png").read_bytes()
    assert told["heard/hub/available"] == "stopped"


def _write_down(monkeypatch: pytest.MonkeyPatch, resource: Any, journal: list[str]) -> None:
    enter, leave = resource.__aenter__, resource.__aexit__

    async def entering(self: Any) -> Any:
        journal.append(f"+{resource.__name__}")
        return await enter(self)

    async def leaving(self: Any, *error: Any) -> Any:
        journal.append(f"-{resource.__name__}")
        return await leave(self, *error)

    monkeypatch.setattr(resource, "__aenter__", entering)
    monkeypatch.setattr(resource, "__aexit__", leaving)


async def test_a_bad_file_leaves_the_other_stream_alone(tmp_path: Path) -> None:
    """One stream that is not audio at all is told in the log; the others are heard."""
    (tmp_path / "bad.wav").write_text("this is not audio")
    config = configuration(
        tmp_path,
        {"bad": file_stream(tmp_path / "bad.wav"), "good": file_stream(recording(tmp_path / "good.wav"))},
    )

    assert (await run(config)).heard() == [("good", "whistle", STARTED), ("good", "whistle", ENDED)]


async def test_a_fault_of_ours_in_one_stream_leaves_the_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw in one stream costs that stream alone, and it is tried again."""
    original = open_source
    tries: list[object] = []

    def faulty(settings: Any) -> Any:
        if settings.path.name == "faulty.wav":
            tries.append(settings)
            raise ZeroDivisionError
        return original(settings)

    monkeypatch.setattr("daemon.rooms.open_source", faulty)
    good, bad = recording(tmp_path / "good.wav"), recording(tmp_path / "faulty.wav")
    config = configuration(tmp_path, {"faulty": file_stream(bad), "good": file_stream(good)})

    async with running(config) as (_, witness):
        await until_heard(witness, 2)

    assert witness.heard() == [("good", "whistle", STARTED), ("good", "whistle", ENDED)]
    assert tries


async def test_refuses_to_start_where_its_only_microphone_is_missing(tmp_path: Path) -> None:
    """There is nothing to listen to, so the owner is told at once."""
    config = configuration(tmp_path, {"kitchen": {"source": "microphone", "device": "no such device"}})

    with pytest.raises(AudioDeviceError):
        await run(config)


async def test_refuses_its_only_file_where_it_is_not_audio(tmp_path: Path) -> None:
    """The text names the file."""
    (tmp_path / "bad.wav").write_text("this is not audio")

    with pytest.raises(AudioFileError, match=r"bad\.wav"):
        await run(configuration(tmp_path, {"bad": file_stream(tmp_path / "bad.wav")}))


async def test_a_second_daemon_on_one_state_folder_is_refused(tmp_path: Path) -> None:
    """And the first goes on."""
    path = recording(tmp_path / "yard.wav")
    config = configuration(tmp_path, {"yard": file_stream(path, realtime=True)})

    async with running(config) as (_, witness):
        await until_heard(witness, 1)
        with pytest.raises(StateFolderError, match="holds the state folder"):
            await run(config)

    assert witness.events


async def test_listens_on_without_its_broker(tmp_path: Path) -> None:
    """No broker costs no event: the history has it, and the status says who is missing."""
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        broker = {"host": "127.0.0.1", "port": nobody.getsockname()[1]}
        path = recording(tmp_path / "yard.wav")
        config = configuration(tmp_path, {"yard": file_stream(path, realtime=True)}, mqtt=broker)

        async with running(config) as (_, witness):
            await until_heard(witness, 1)
            status = await asyncio.to_thread(ask_status, config.state_dir)

    assert status is not None
    assert status["mqtt"]["state"] == "disconnected"
    assert status["mqtt"]["since"] is not None
    assert await history_of(config) == [("yard", ENDED)]


async def test_listens_on_without_its_evidence_folder(tmp_path: Path) -> None:
    """A folder that cannot be made costs the clip alone, and the status says so."""
    (tmp_path / "file").touch()
    path = recording(tmp_path / "yard.wav")
    config = configuration(
        tmp_path,
        {"yard": file_stream(path), "hall": file_stream(path, realtime=True)},
        evidence={"folder": str(tmp_path / "file" / "evidence"), "save": "all", "after_s": 1},
    )

    async with running(config) as (_, witness):
        await until_heard(witness, 3)
        status = await asyncio.to_thread(ask_status, config.state_dir)

    assert status is not None
    assert status["evidence"]["state"] == "failing"
    assert status["evidence"]["error"]
    assert witness.clips == []
    assert len(await history_of(config)) == 2


async def test_tells_its_status(tmp_path: Path) -> None:
    """Whoever asks learns about every stream, the encoder and the counts."""
    path = recording(tmp_path / "yard.wav")
    config = configuration(tmp_path, {"yard": file_stream(path, realtime=True)})

    async with running(config) as (_, witness):
        await until_heard(witness, 1)
        status = await asyncio.to_thread(ask_status, config.state_dir)

    assert status is not None
    assert status["encoder"] == str(parts().encoder.id)
    assert (status["profiles"], status["events"], status["audio_model"]) == (1, 1, "none")
    [stream] = status["streams"]
    assert (stream["stream"], stream["source"], stream["online"], stream["health"]) == (
        "yard",
        "file",
        True,
        "ok",
    )
    assert stream["hops"] > 0
    assert stream["last_event"] == "whistle"


async def test_feeds_the_watchdog_while_audio_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service manager hears READY, then WATCHDOG, then STOPPING."""
    config = configuration(tmp_path, {"yard": file_stream(_hiss_file(tmp_path), realtime=True)})

    told = await _told(config, tmp_path, monkeypatch, seconds=2.5)

    assert any(message.startswith("READY=1") for message in told)
    assert "WATCHDOG=1" in told
    assert told[-1].startswith("STOPPING=1")


async def test_lets_the_watchdog_starve_where_no_audio_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is deaf must not look healthy."""
    silent = {"source": "pipe", "command": ["sleep", "60"], "rate_hz": 16_000}

    told = await _told(configuration(tmp_path, {"porch": silent}), tmp_path, monkeypatch, seconds=2.5)

    assert any(message.startswith("READY=1") for message in told)
    assert "WATCHDOG=1" not in told


def _hiss_file(folder: Path) -> Path:
    path = folder / "hiss.wav"
    soundfile.write(path, hiss(20.0), 16_000)
    return path


async def _told(
    config: Config, folder: Path, monkeypatch: pytest.MonkeyPatch, *, seconds: float
) -> list[str]:
    """Run for a while under a service manager and return what it was told."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(folder / "notify"))
        manager.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        async with running(config):
            await asyncio.sleep(seconds)
        told = []
        while True:
            try:
                told.append(manager.recv(4096).decode())
            except BlockingIOError:
                return told


async def test_listens_on_with_a_full_disk(tmp_path: Path) -> None:
    """A clip that does not fit is told; events and messages go on."""
    path = recording(tmp_path / "yard.wav")
    with small_disk(tmp_path / "disk", kilobytes=64) as disk:
        fill(disk)
        config = configuration(
            tmp_path,
            {"yard": file_stream(path), "hall": file_stream(path, realtime=True)},
            evidence={"folder": str(disk / "evidence"), "save": "all", "after_s": 1},
        )
        async with running(config) as (_, witness):
            await until_heard(witness, 3)
            status = await asyncio.to_thread(ask_status, config.state_dir)

    assert status is not None
    assert status["evidence"]["state"] == "failing"
    assert len(await history_of(config)) == 2


async def test_odd_audio_is_heard_or_spoils_nothing(tmp_path: Path) -> None:
    """Silence, clipping, NaN, 8 kHz, 192 kHz and eight channels side by side."""
    sound = hiss(WHISTLE_AT_S + WHISTLE_S + 1.0)
    sound[round(WHISTLE_AT_S * 16_000) :][: round(WHISTLE_S * 16_000)] += whistle()
    audio: dict[str, tuple[Any, int]] = {
        "good": (sound, 16_000),
        "eight_khz": (soxr.resample(sound, 16_000, 8_000), 8_000),
        "192_khz": (soxr.resample(sound, 16_000, 192_000), 192_000),
        "eight_channels": (np.tile(sound[:, None], (1, 8)), 16_000),
        "silent": (np.zeros(32_000, np.float32), 16_000),
        "clipped": (np.sign(hiss(2.0)), 16_000),
        "not_numbers": (np.full(32_000, np.nan, np.float32), 16_000),
    }
    for name, (samples, rate_hz) in audio.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, rate_hz, subtype="FLOAT")
    streams = {name: file_stream(tmp_path / f"{name}.wav") for name in audio}

    witness = await run(configuration(tmp_path, streams))

    heard = {stream for stream, _, phase in witness.heard() if phase is STARTED}
    assert heard == {"good", "eight_khz", "192_khz", "eight_channels"}
