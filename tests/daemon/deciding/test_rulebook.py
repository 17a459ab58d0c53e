"""The rules of a whole daemon: told by the broker, written down, and the same when told again."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING

import aiomqtt

from daemon.app import App
from daemon.deciding import journal as journal_module
from daemon.deciding import past
from daemon.deciding.journal import FILE_NAME, KEEP_DAYS, RulesJournal, read_record
from daemon.deciding.past import dry_run, kept_verdicts
from detectors.types import Phase
from rules.loader import load_rules
from rules.recorded import Began, Told
from tests.daemon.home import Witness, configuration, file_stream, parts, recording
from tests.integrations.test_mqtt import link_to, listening, until
from tests.rules.sounds import sound

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from benchmarks.broker import Mosquitto
    from daemon.config import Config
    from integrations.mqtt_listening import Said
    from rules.model import ActionRequest

RULES = """\
- id: whistled
  triggers: [{trigger: sound, profile: whistle}]
  conditions: [{condition: mqtt, topic: home/mode, is: listening}]
  actions:
    - {action: heard.emit, data: {event: signal}}
    - {action: mqtt.publish, data: {topic: home/heard, payload: {score: "{{ trigger.score }}"}}}
- id: signalled
  triggers: [{trigger: sound, profile: signal}]
  actions:
    - delay: 0.5
    - {action: mqtt.publish, data: {topic: home/signal, payload: "{{ trigger.stream }}"}}
- id: never
  triggers: [{trigger: sound, profile: whistle, above: 0.99999}]
  actions: [{action: heard.save_clip}]
- id: answers
  triggers: [{trigger: mqtt, topic: home/heard}]
  actions: [{action: mqtt.publish, data: {topic: home/answer, payload: "{{ trigger.payload_json.score }}"}}]
"""


NOW = float(round(time.time()))


def as_bytes(requests: list[ActionRequest]) -> bytes:
    return json.dumps([asdict(request) for request in requests], default=str, sort_keys=True).encode()


async def say(broker: Mosquitto, topic: str, payload: str) -> None:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.publish(topic, payload, qos=1, retain=True)


async def live(config: Config, rules: Path, mosquitto: Mosquitto) -> Witness:
    """Run a daemon on a recording until it has said the last thing that it has to say."""
    witness = Witness()
    app = App(config, parts(load_rules(rules)), observers=[witness])
    async with listening(mosquitto) as listener:
        running = asyncio.create_task(app.run())
        await listener.until_payload("home/signal", "yard")
        await listener.until(lambda _: bool(listener.payloads("home/answer")))
        app.stop()
        await running
    return witness


async def test_a_day_of_a_daemon_replayed_gives_the_same_requests_to_the_byte(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sounds, messages, delays and what rules made of sounds, all from what was written down."""
    monkeypatch.setattr(past, "local_zone", lambda: UTC)
    monkeypatch.setenv("TZ", "UTC")
    await say(mosquitto, "home/mode", "listening")
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    config = configuration(
        tmp_path,
        {"yard": file_stream(recording(tmp_path / "yard.wav"), realtime=True, loop=True)},
        mqtt={"host": mosquitto.host, "port": mosquitto.port},
        rules=str(rules),
    )
    witness = await live(config, rules, mosquitto)
    done = [request for request, _ in witness.actions]
    assert [request.action for request in done].count("heard.emit") >= 1
    assert ("yard", "signal", Phase.STARTED) in witness.heard()
    last_at = max(request.due_at for request in done)
    run = dry_run(config, load_rules(rules), since=0.0, until=last_at)
    again = {request.id: request for request in run.requests if request.due_at <= last_at}
    # What goes through the outbox is done a little later than what is done at once.
    assert as_bytes([again[request.id] for request in done]) == as_bytes(done)
    emitted = [request.id for request in run.requests if request.action == "heard.emit"]
    assert emitted == [request.id for request in done if request.action == "heard.emit"]
    missed = kept_verdicts(config, "never", since=0.0)
    assert {str(verdict.stopped).split(":")[0] for verdict in missed} == {"score"}


async def test_the_link_watches_what_the_rules_ask_for(mosquitto: Mosquitto) -> None:
    """By filter, with what the broker kept; what is no longer watched is heard no more."""
    heard: list[Said] = []
    await say(mosquitto, "home/mode", "kept")
    async with link_to(mosquitto) as link:
        link.watch({"home/+", "other/#"}, heard.append)
        await until(lambda: len(heard) == 1)
        link.publish("home/mode", "new", qos=1)
        link.publish("other/a/b", "x", qos=1)
        link.publish("home/a/b", "deeper", qos=1)
        await until(lambda: len(heard) == 3)
        link.watch({"home/a/b"}, heard.append)
        await asyncio.sleep(0.2)
        link.publish("home/mode", "unheard", qos=1)
        link.publish("home/a/b", "heard", qos=1)
        await until(lambda: len(heard) == 4)
    assert [(said.topic, said.payload, said.retained) for said in heard] == [
        ("home/mode", b"kept", True),
        ("home/mode", b"new", False),
        ("other/a/b", b"x", False),
        ("home/a/b", b"heard", False),
    ]


def test_what_is_written_down_reads_back(tmp_path: Path) -> None:
    """In order, from any moment on, with the rules that were in force then."""
    start, ended = sound(NOW + 3), sound(NOW + 3, ended_at=NOW + 4)
    journal = RulesJournal(tmp_path / FILE_NAME)
    journal.began(NOW + 1, "digest", deaf=True)
    journal.told(NOW + 2, None)
    journal.told(NOW + 3, start)
    journal.flush()
    journal.told(NOW + 4, ended)
    journal.flush()
    began = Began(now=NOW + 1, rules="digest", deaf=True)
    ends = [Told(now=NOW + 3, fact=start), Told(now=NOW + 4, fact=ended)]
    assert list(read_record(tmp_path / FILE_NAME)) == [began, Told(now=NOW + 2, fact=None), *ends]
    assert list(read_record(tmp_path / FILE_NAME, since=NOW + 2.5)) == [began, *ends]


def test_what_is_old_goes(tmp_path: Path) -> None:
    """After a month."""
    journal = RulesJournal(tmp_path / FILE_NAME)
    journal.told(NOW - (KEEP_DAYS + 1) * 86_400, None)
    journal.told(NOW, None)
    journal.flush()
    assert list(read_record(tmp_path / FILE_NAME)) == [Told(now=NOW, fact=None)]


def test_a_disk_that_takes_nothing_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded, told once, and written when the disk takes it."""
    monkeypatch.setattr(journal_module, "MAX_WAITING", 50)
    path = tmp_path / "none" / FILE_NAME
    journal = RulesJournal(path)
    for number in range(60):
        journal.told(NOW + number, None)
    journal.flush()
    journal.flush()
    assert caplog.text.count("not written") == 1
    path.parent.mkdir()
    journal.flush()
    assert [moment.now - NOW for moment in read_record(path)] == list(range(10, 60))
