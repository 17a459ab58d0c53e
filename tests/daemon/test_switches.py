"""What the owner switches while the daemon runs, what it does there and then, and that it is kept."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from daemon.app import App
from daemon.control import ask
from daemon.learning import desk
from daemon.parts import load_rule_set
from daemon.status import ask_status
from daemon.switches import FILE_NAME, Switches
from detectors.types import Phase
from foundation.errors import HeardError, OwnerError, StateFolderError
from tests.daemon.home import Witness, configuration, file_stream, parts, recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.parts import Parts

PATIENCE_S = 30.0
KITCHEN = {"kitchen": {"source": "microphone"}}

RULES = """
- id: on_whistle
  triggers: [{trigger: sound, profile: whistle}]
  actions: [{action: notify.phone, data: {message: a whistle}}]
- id: dormant
  enabled: false
  triggers: [{trigger: sound, profile: whistle}]
  actions: [{action: notify.phone, data: {message: still a whistle}}]
"""


def rules_of(path: Path) -> Parts:
    file = path / "rules.yaml"
    file.write_text(RULES)
    return parts(load_rule_set(configuration(path, KITCHEN), parts().profiles, file))


def switches(path: Path) -> Switches:
    known = Switches(path / FILE_NAME, streams=["kitchen", "hall"])
    known.profiles_are(parts().profiles)
    return known


def test_everything_is_on_until_it_is_switched_off_and_stays_so(tmp_path: Path) -> None:
    """Each change is told once, and read again by the daemon after this one."""
    known, told = switches(tmp_path), []
    known.on_change(lambda: told.append(1))
    assert known.listening("kitchen")
    known.set_listening("kitchen", on=False)
    known.set_listening("kitchen", on=False)
    known.set_threshold("whistle", 0.75)
    assert len(told) == 2
    again = switches(tmp_path)
    assert (again.listening("kitchen"), again.listening("hall")) == (False, True)
    assert again.threshold("whistle") == 0.75
    again.set_threshold("whistle", None)
    again.set_listening("kitchen", on=True)
    assert switches(tmp_path).threshold("whistle") == parts().profiles[0].threshold
    assert switches(tmp_path).listening("kitchen")


def test_a_rule_may_be_switched_against_its_file(tmp_path: Path) -> None:
    """What its file disables can be switched on, and back; what the file enables, off."""
    known, rules = switches(tmp_path), rules_of(tmp_path).rules
    known.rules_are(rules)
    assert known.rules == ("on_whistle", "dormant")
    assert known.disabled(rules) == {"dormant"}
    known.set_rule_enabled("dormant", on=True)
    known.set_rule_enabled("on_whistle", on=False)
    assert known.disabled(rules) == {"on_whistle"}
    known.set_rule_enabled("on_whistle", on=True)
    known.set_rule_enabled("dormant", on=False)
    assert json.loads((tmp_path / FILE_NAME).read_text())["rules"] == {}


def test_a_threshold_outlives_another_version_of_its_profile(tmp_path: Path) -> None:
    """Taught anew, a profile is heard at the owner's threshold; its own is there when wanted again."""
    known = switches(tmp_path)
    known.set_threshold("whistle", 0.9)
    profile = parts().profiles[0]
    taught = replace(profile, detector=replace(profile.detector, threshold=0.3))
    known.profiles_are([taught])
    assert (known.threshold("whistle"), known.as_set([taught])[0].threshold) == (0.9, 0.9)
    known.set_threshold("whistle", None)
    assert (known.threshold("whistle"), known.as_set([taught])[0].threshold) == (0.3, 0.3)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda known: known.set_listening("kitchn", on=False), "did you mean 'kitchen'"),
        (lambda known: known.set_rule_enabled("no_such", on=False), "there is no rule 'no_such'"),
        (lambda known: known.threshold("whistel"), "did you mean 'whistle'"),
        (lambda known: known.set_threshold("whistle", 1.0), "between 0 and 1"),
        (lambda known: known.set_threshold("whistle", float("nan")), "between 0 and 1"),
    ],
)
def test_what_cannot_be_switched_is_refused(
    tmp_path: Path, act: Callable[[Switches], None], said: str
) -> None:
    """A wrong name is met with the right one, and nothing is kept."""
    with pytest.raises(OwnerError, match=said):
        act(switches(tmp_path))
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"listening": {"kitchen": "no"}}', '{"thresholds": {"a": 3}}']
)
def test_a_damaged_file_switches_nothing_on_unasked(tmp_path: Path, content: str) -> None:
    """A daemon that cannot tell which streams must not listen does not start."""
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(StateFolderError, match="mend it, or remove it"):
        switches(tmp_path)


def test_a_full_disk_does_not_keep_a_switch_from_working(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It acts, and the log says that it will not outlive a restart."""
    known = Switches(tmp_path / "gone" / FILE_NAME, streams=["kitchen"])
    known.set_listening("kitchen", on=False)
    assert not known.listening("kitchen")
    assert "not written" in caplog.text


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - observers are called, they do not wait
            await asyncio.sleep(0.01)


def switch(app: App) -> Switches:
    assert app.switches is not None
    return app.switches


async def test_a_stream_that_does_not_listen_hears_and_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sound ends, its ring is gone, so says its health; after a restart as well, until switched on."""
    monkeypatch.setattr(desk, "OPEN_WITHIN_S", 0.1)
    audio = recording(tmp_path / "whistle.wav", ends_sounding=True)
    config = configuration(tmp_path, {"kitchen": file_stream(audio, loop=True)})
    witness = Witness()
    app = App(config, parts(), observers=[witness])
    running = asyncio.create_task(app.run())
    await until(lambda: any(event.phase is Phase.STARTED for event in witness.events))
    switch(app).set_listening("kitchen", on=False)
    await until(lambda: witness.events[-1].phase is Phase.ENDED)
    count = len(witness.events)
    [stream] = ((await asyncio.to_thread(ask_status, config.state_dir)) or {})["streams"]
    assert (stream["health"], stream["online"], stream["problem"]) == (
        "disabled",
        False,
        "switched off; its source is closed",
    )
    assert stream["level_dbfs"] is None
    with pytest.raises(HeardError, match="no audio of stream 'kitchen' is held"):
        await asyncio.to_thread(ask, config.state_dir, {"do": "enroll", "name": "bell", "last_s": 10})
    app.stop()
    await running
    assert len(witness.events) == count

    witness = Witness()
    app = App(config, parts(), observers=[witness])
    running = asyncio.create_task(app.run())
    await until(lambda: witness.is_ready)
    assert not switch(app).listening("kitchen")
    switch(app).set_listening("kitchen", on=True)
    await until(lambda: any(event.phase is Phase.STARTED for event in witness.events))
    app.stop()
    await running


async def test_a_rule_that_is_switched_off_does_not_fire(tmp_path: Path) -> None:
    """It is asked no more, there and then; switched on it fires again; so does one that its file disables."""
    audio = recording(tmp_path / "whistle.wav")
    config = configuration(tmp_path, {"kitchen": file_stream(audio, loop=True)}, evidence={"save": "none"})
    witness = Witness()
    app = App(config, rules_of(tmp_path), observers=[witness])
    running = asyncio.create_task(app.run())

    def fired() -> set[str]:
        return {request.rule_id for request, _ in witness.actions}

    def whistled(since: int) -> bool:
        return len(witness.events) >= since + 6

    await until(lambda: fired() == {"on_whistle"})
    switch(app).set_rule_enabled("on_whistle", on=False)
    witness.actions.clear()
    heard = len(witness.events)
    await until(lambda: whistled(heard))
    assert fired() == set()
    switch(app).set_rule_enabled("dormant", on=True)
    await until(lambda: fired() == {"dormant"})
    switch(app).set_rule_enabled("on_whistle", on=True)
    await until(lambda: fired() == {"dormant", "on_whistle"})
    app.stop()
    await running


async def test_a_threshold_is_in_force_at_once(tmp_path: Path) -> None:
    """Out of reach, no whistle is heard any more; the profile's own brings them back."""
    audio = recording(tmp_path / "whistle.wav")
    config = configuration(tmp_path, {"kitchen": file_stream(audio, loop=True)})
    witness = Witness()
    app = App(config, parts(), observers=[witness])
    running = asyncio.create_task(app.run())
    await until(lambda: len(witness.events) >= 2)
    switch(app).set_threshold("whistle", 0.999_999)
    rounds = witness.rounds
    await until(lambda: witness.rounds > rounds + 30)
    count, rounds = len(witness.events), witness.rounds
    await until(lambda: witness.rounds > rounds + 100)
    assert len(witness.events) == count
    switch(app).set_threshold("whistle", None)
    await until(lambda: len(witness.events) > count)
    assert witness.events[-1].profile_version == parts().profiles[0].version
    app.stop()
    await running


async def test_a_daemon_whose_streams_are_all_off_is_not_taken_for_deaf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog is fed: systemd would restart a daemon that does what its owner wants."""
    audio = recording(tmp_path / "whistle.wav")
    config = configuration(tmp_path, {"kitchen": file_stream(audio, loop=True, realtime=True)})
    config.state_dir.mkdir()
    switches_off = Switches(config.state_dir / FILE_NAME, streams=["kitchen"])
    switches_off.set_listening("kitchen", on=False)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        app = App(config, parts())
        running = asyncio.create_task(app.run())
        told: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S):
            while told.count(b"WATCHDOG=1") < 2:
                told.append(await asyncio.get_running_loop().sock_recv(manager, 1_000))
        app.stop()
        await running
    assert any(b"READY=1" in each for each in told)
