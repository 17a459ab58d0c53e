"""The whole daemon and its broker: what it says at last, obeys, and never tells."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

from benchmarks.broker import Mosquitto
from daemon.app import App
from daemon.parts import load_rule_set
from daemon.status import ask_status
from foundation.errors import HeardError
from integrations.mqtt_broker import Tls
from integrations.topics import Topics
from tests.daemon.home import Witness, configuration, file_stream, parts, recording
from tests.integrations.certificates import Authority
from tests.integrations.mqtt_security.brokers import PASSWORD, with_password
from tests.integrations.test_mqtt import Listener, listening, until
from tests.requirements import required_program

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from daemon.config import Config
    from daemon.parts import Parts

TOPICS = Topics(prefix="heard", node="hub")
PATIENCE_S = 30.0


def at(broker: Mosquitto, folder: Path, **settings: Any) -> Config:
    audio = recording(folder / "whistle.wav", ends_sounding=True)
    streams = {"kitchen": file_stream(audio, loop=True)}
    mqtt = {"host": broker.host, "port": broker.port, **settings}
    return configuration(folder, streams, mqtt=mqtt, api=None)


@asynccontextmanager
async def running(config: Config, decided_with: Parts | None = None) -> AsyncIterator[App]:
    witness = Witness()
    app = App(config, decided_with or parts(), observers=[witness])
    task = asyncio.create_task(app.run())
    await until(lambda: witness.is_ready or task.done())
    try:
        yield app
    finally:
        app.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task


async def told(config: Config) -> dict[str, Any]:
    return await asyncio.to_thread(ask_status, config.state_dir) or {}


async def statistics(listener: Listener) -> list[str]:
    await listener.until(lambda _: bool(listener.payloads(TOPICS.stats)))
    return listener.payloads(TOPICS.stats)[:1]


async def kept_by(broker: Mosquitto, context: ssl.SSLContext) -> list[str]:
    """Return all that the broker has retained, as its one user may read it."""
    kept: list[str] = []
    async with aiomqtt.Client(
        broker.host, broker.port, username="heard", password=PASSWORD, tls_context=context
    ) as client:
        await client.subscribe("#", qos=1)
        await client.publish(f"{TOPICS.root}/end", "x", qos=1)
        async for message in client.messages:
            if not message.retain:
                return kept
            kept.append(f"{message.topic} {message.payload!r}")
    raise AssertionError("the broker hung up")


async def test_statistics_are_told_as_soon_as_there_is_a_broker(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """They need not wait for the next minute, neither after the start nor after the broker came back."""
    mosquitto.stop()
    async with running(at(mosquitto, tmp_path)):
        for _ in range(2):
            mosquitto.start()
            async with listening(mosquitto) as listener:
                [stats] = await statistics(listener)
                assert json.loads(stats)["events"] >= 0
            mosquitto.kill()
        mosquitto.start()


async def test_a_stream_is_switched_off_over_mqtt_and_stays_so(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Its sounds end, its health says `disabled`; a restart does not switch it on again."""
    config = at(mosquitto, tmp_path)
    async with listening(mosquitto) as listener:
        async with running(config), aiomqtt.Client(mosquitto.host, mosquitto.port) as other:
            await listener.until_payload(TOPICS.state("kitchen", "whistle"), "ON")
            await other.publish(TOPICS.listen_set("kitchen"), "OFF", qos=1)
            await listener.until_payload(TOPICS.listen_state("kitchen"), "OFF")
            await listener.until_payload(TOPICS.health("kitchen"), "disabled")
            await listener.until(lambda _: listener.payloads(TOPICS.state("kitchen", "whistle"))[-1] == "OFF")
        before = len(listener.payloads(TOPICS.event("kitchen")))
        async with running(config):
            await listener.until(lambda _: listener.payloads(TOPICS.available).count("online") == 2)
            [stream] = (await told(config))["streams"]
            assert stream["health"] == "disabled"
            await listener.until(lambda _: listener.payloads(TOPICS.listen_state("kitchen"))[-1] == "OFF")
        assert len(listener.payloads(TOPICS.event("kitchen"))) == before
    assert listener.payloads(TOPICS.status("kitchen"))[-1] == "offline"


SECRETIVE = """
- id: told
  triggers: [{trigger: sound, profile: whistle}]
  actions: [{action: mqtt.publish, data: {topic: home/forbidden, payload: x}}]
"""


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_the_password_is_told_to_nobody_but_the_broker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], protocol: str
) -> None:
    """Not in the most talkative log, in status, errors, files or retained topics; nor is a wrong one."""
    caplog.set_level(logging.DEBUG)
    for logger in ("mqtt", "asyncio", "integrations", "daemon"):
        caplog.set_level(logging.DEBUG, logger=logger)
    wrong = "staple battery"
    authority = Authority(tmp_path, "home")
    certificate, key = authority.issue("broker", subject="IP:127.0.0.1")
    secured = [*with_password(tmp_path), f"certfile {certificate}", f"keyfile {key}"]
    broker = Mosquitto(required_program("mosquitto", debian_package="mosquitto"), tmp_path, secured)
    broker.start()
    rules = tmp_path / "rules.yaml"
    rules.write_text(SECRETIVE)
    said: list[str] = []
    for password in (wrong, PASSWORD):
        config = at(
            broker,
            tmp_path,
            protocol=protocol,
            username="heard",
            password=password,
            tls={"ca_file": str(authority.certificate)},
        )
        decided_with = parts(load_rule_set(config, parts().profiles, rules))
        async with running(config, decided_with):
            state = "connected" if password == PASSWORD else "disconnected"
            for _ in range(500):
                status = await told(config)
                done = status["mqtt"]["state"] == state and status["mqtt"]["error"] != ""
                if done or (password == PASSWORD and status["actions"] > 0):
                    break
                await asyncio.sleep(0.02)
            assert status["mqtt"]["state"] == state
            said.append(json.dumps(status))
            said.append(repr(config) + str(config) + config.model_dump_json())
    kept = await kept_by(broker, Tls(ca_file=authority.certificate).context())
    assert len(kept) > 5
    said += kept
    broker.kill()
    with pytest.raises(HeardError) as error:
        config.mqtt.model_copy(update={"host": "a..b"}).broker().check()  # type: ignore[union-attr] # it has one
    said += [str(error.value), *caplog.messages, *map(str, [record.args for record in caplog.records])]
    said += [*capfd.readouterr()]
    files = [file for file in config.state_dir.rglob("*") if file.is_file()]
    said += [file.read_bytes().decode(errors="replace") for file in files]
    everything = "\n".join(said)
    assert "refused mqtt.username" in everything
    assert PASSWORD not in everything
    assert wrong not in everything
