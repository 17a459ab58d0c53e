"""Teaching, marking and undoing in the running daemon, with the encoder that ships."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from daemon.app import App
from daemon.control import SOCKET_NAME, ask, daemon_runs
from daemon.learning.ear import saved_ambience
from daemon.parts import load_parts
from detectors.types import DETECTION_RATE_HZ, Phase
from foundation.errors import OwnerError
from tests.daemon.home import Witness, configuration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.broker import Mosquitto
    from daemon.config import Config

PATIENCE_S = 50.0
SECOND = DETECTION_RATE_HZ
RINGS_S = (0.8, 2.5, 4.2)


def ring(hz: float) -> np.ndarray:
    """A struck bar: two partials that die away."""
    times = np.arange(int(0.6 * SECOND)) / SECOND
    partials = np.sin(2 * np.pi * hz * times) + 0.6 * np.sin(2 * np.pi * 2.76 * hz * times)
    return (0.2 * partials * np.exp(-times * 7)).astype(np.float32)


def home(path: Path, seconds: float = 6.0) -> Path:
    """Write a recording of a quiet room with three rings; the stream plays it over and over."""
    rng = np.random.default_rng(4)
    audio = rng.normal(scale=4e-4, size=int(seconds * SECOND)).astype(np.float32)
    for at_s, hz in zip(RINGS_S, (1_180.0, 1_200.0, 1_215.0), strict=True):
        sound = ring(hz)
        first = int(at_s * SECOND)
        audio[first : first + len(sound)] += sound
    soundfile.write(path, audio, SECOND)
    return path


@asynccontextmanager
async def listening_daemon(config: Config) -> AsyncIterator[Witness]:
    """Run the daemon with the profiles that lie in its folders; leaving stops it."""
    witness = Witness()
    app = App(config, load_parts(config), observers=[witness])
    task = asyncio.create_task(app.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not witness.is_ready:  # noqa: ASYNC110 - observers are called, they do not wait
                await asyncio.sleep(0.02)
        yield witness
    finally:
        app.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def asked(config: Config, **request: Any) -> dict[str, Any]:
    """Ask as a command would, from another thread."""
    answer = await asyncio.to_thread(ask, config.state_dir, request)
    assert answer is not None
    return answer


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)


def config_of(folder: Path, **settings: Any) -> Config:
    stream = {"source": "file", "path": str(home(folder / "hall.wav")), "loop": True}
    return configuration(folder, {"hall": stream}, stock_profiles=False, **settings)


def heard(witness: Witness, profile: str) -> list[str]:
    return [event.id for event in witness.events if event.profile == profile and event.phase is Phase.STARTED]


async def test_a_sound_is_taught_marked_and_taken_back(tmp_path: Path) -> None:
    """From the last seconds to events, from a wrong event to silence, and back again."""
    config = config_of(tmp_path)
    async with listening_daemon(config) as witness:
        await until(lambda: witness.rounds > 330)
        taught = await asked(config, do="enroll", name="bell", last_s=8)
        assert sum(sound["taught"] for sound in taught["sounds"]) >= 3
        assert taught["report"]["recall"]["value"] > 0.3
        assert (config.state_dir / "profiles" / "bell" / "examples" / "00.flac").is_file()
        await until(lambda: len(heard(witness, "bell")) >= 3)

        (event, *_) = heard(witness, "bell")
        await until(lambda: any(e.id == event and e.phase is Phase.ENDED for e in witness.events))
        preview = await asked(config, do="mark", event=event, verdict="wrong")
        assert not preview["applied"]
        assert preview["settled"]
        assert event in [turned["event"] for turned in preview["turned"]]
        applied = await asked(config, do="mark", event=event, verdict="wrong", apply=True)
        assert applied["applied"]
        assert applied["version_after"] != taught["version"]

        undone = await asked(config, do="undo", name="bell")
        assert "revision 1" in undone["message"]
        report = await asked(config, do="report", name="bell")
        assert report["version"] == taught["version"]
    assert not daemon_runs(config.state_dir)
    ambience = saved_ambience(config.state_dir / "ambience", load_parts(config).encoder.id)
    assert ambience.hours > 0
    assert len(ambience) > 0


async def test_nothing_half_written_is_left_by_what_cannot_teach(tmp_path: Path) -> None:
    """A quiet room teaches nothing, says so, and leaves no profile behind."""
    config = config_of(tmp_path)
    soundfile.write(
        tmp_path / "hall.wav", np.random.default_rng(0).normal(scale=2e-4, size=4 * SECOND), SECOND
    )
    async with listening_daemon(config) as witness:
        await until(lambda: witness.rounds > 10)
        with pytest.raises(OwnerError, match="Nothing stood out"):
            await asked(config, do="enroll", name="bell", last_s=10)
    assert not (config.state_dir / "profiles").exists() or not list((config.state_dir / "profiles").iterdir())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"do": "enroll", "name": "Bell"}, "name"),
        ({"do": "enroll", "name": "bell", "stream": "cellar"}, "there is no stream 'cellar': hall"),
        ({"do": "mark", "event": "0123", "verdict": "wrong"}, "no event '0123'"),
        ({"do": "report", "name": "bel"}, "no profile 'bel'"),
        ({"do": "sing"}, "understood"),
        ({"do": "undo", "name": "bell"}, "taught no profile 'bell'"),
    ],
    ids=["name", "stream", "event", "profile", "request", "undo"],
)
async def test_a_request_that_cannot_be_met_says_why(
    request_: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    """What is there instead, or what was meant."""
    config = config_of(tmp_path)
    async with listening_daemon(config):
        with pytest.raises(OwnerError) as caught:
            await asked(config, **request_)
        assert expected in str(caught.value)
        assert (config.state_dir / SOCKET_NAME).stat().st_mode & 0o077 == 0


@pytest.mark.slow
async def test_a_profile_is_in_force_when_its_folder_comes_and_gone_when_it_goes(tmp_path: Path) -> None:
    """Whoever writes it: another command, or a file manager."""
    config = config_of(tmp_path)
    async with listening_daemon(config) as witness:
        await until(lambda: witness.rounds > 330)
        await asked(config, do="enroll", name="bell", last_s=8, keep_audio=False)
        folder = config.state_dir / "profiles" / "bell"
        assert not (folder / "examples").exists()
        await until(lambda: heard(witness, "bell"))
        folder.rename(tmp_path / "elsewhere")
        (config.state_dir / "profiles" / "broken").mkdir()
        (config.state_dir / "profiles" / "broken" / "profile.yaml").write_text("name: [\n")
        await asyncio.sleep(0.5)
        (config.state_dir / "profiles" / "broken" / "profile.yaml").unlink()
        await asyncio.sleep(1.5)
        count = len(heard(witness, "bell"))
        rounds = witness.rounds
        await until(lambda: witness.rounds > rounds + 330)
        assert len(heard(witness, "bell")) == count


async def test_the_owner_is_guided_at_a_stream(tmp_path: Path) -> None:
    """Cues come as the sound is made, and the profile at the end."""
    config = configuration(
        tmp_path,
        {"hall": {"source": "file", "path": str(home(tmp_path / "hall.wav")), "loop": True}},
        stock_profiles=False,
    )
    cues: list[dict[str, Any]] = []
    async with listening_daemon(config):
        request = {"do": "guide", "name": "bell", "count": 2}
        answer = await asyncio.to_thread(ask, config.state_dir, request, cues.append)
    assert answer is not None
    assert answer["profile"] == "bell"
    assert [cue["message"] for cue in cues if cue["kind"] == "heard"] == [
        "heard it, 1 of 2",
        "heard it, 2 of 2",
    ]
    assert any(cue["kind"] == "level" for cue in cues)


@pytest.mark.slow
async def test_feedback_and_teaching_come_over_mqtt(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A dashboard's button is enough; the answer comes back on a topic of its own."""
    from aiomqtt import Client

    broker = {"host": mosquitto.host, "port": mosquitto.port}
    config = config_of(tmp_path, mqtt=broker)
    async with listening_daemon(config) as witness, Client(mosquitto.host, mosquitto.port) as client:
        await client.subscribe("heard/hub/+/result", qos=1)
        await until(lambda: witness.rounds > 330)
        await asyncio.sleep(0.5)
        answers: list[tuple[str, dict[str, Any]]] = []

        async def answer(topic: str, payload: str) -> dict[str, Any]:
            await client.publish(topic, payload, qos=1)
            async with asyncio.timeout(PATIENCE_S):
                message = await anext(aiter(client.messages))
            assert isinstance(message.payload, bytes)
            answers.append((message.topic.value, json.loads(message.payload)))
            return answers[-1][1]

        taught = await answer("heard/hub/teach", json.dumps({"profile": "bell", "last_s": 8}))
        assert taught["ok"], taught
        await until(lambda: heard(witness, "bell"))
        (event, *_) = heard(witness, "bell")
        await until(lambda: any(e.id == event and e.phase is Phase.ENDED for e in witness.events))
        marked = await answer("heard/hub/feedback", json.dumps({"event": event, "verdict": "right"}))
        assert marked["ok"], marked
        assert marked["applied"]
        wrong = await answer("heard/hub/feedback", "no JSON")
        assert not wrong["ok"]
        assert [topic for topic, _ in answers] == [
            "heard/hub/teach/result",
            "heard/hub/feedback/result",
            "heard/hub/feedback/result",
        ]
