"""Rule files that are saved while the daemon runs."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daemon.app import App
from daemon.deciding.rule_files import RuleFiles
from daemon.status import ask_status
from rules.loader import load_rules, read_rules
from tests.daemon.home import configuration, file_stream, parts, recording
from tests.integrations.test_mqtt import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.broker import Mosquitto


def rule(name: str) -> str:
    return f"- {{id: {name}, trigger: {{trigger: sound, profile: siren}}, action: {{delay: 1}}}}\n"


class Daemon:
    """Remembers what was put in force."""

    def __init__(self, folder: Path) -> None:
        self.adopted: asyncio.Queue[list[str]] = asyncio.Queue()
        self.files = RuleFiles(
            folder,
            read=partial(read_rules, folder),
            in_force=load_rules(folder),
            adopt=lambda rules: self.adopted.put_nowait([rule.id for rule in rules]),
        )

    async def next(self) -> list[str]:
        return await asyncio.wait_for(self.adopted.get(), 10)

    async def fault(self) -> str:
        async with asyncio.timeout(10):
            while self.files.fault is None:  # noqa: ASYNC110 - a fault is a value to be looked at
                await asyncio.sleep(0.02)
        return self.files.fault


@asynccontextmanager
async def watching(folder: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(folder)
    task = asyncio.create_task(daemon.files.run())
    try:
        yield daemon
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(rule("a"))
    return folder


async def test_what_is_saved_is_in_force(folder: Path) -> None:
    """Files that change, that are new, and that go; and what they include."""
    async with watching(folder) as daemon:
        (folder / "a.yaml").write_text(rule("changed"))
        assert await daemon.next() == ["changed"]
        (folder / "b.yaml").write_text("rules: !include parts/one.yaml\n")
        await daemon.fault()
        (folder / "parts").mkdir()
        (folder / "parts" / "one.yaml").write_text(rule("included"))
        assert await daemon.next() == ["changed", "included"]
        (folder / "parts" / "one.yaml").write_text(rule("again"))
        assert await daemon.next() == ["changed", "again"]
        (folder / "a.yaml").unlink()
        assert await daemon.next() == ["again"]


async def test_one_bad_file_changes_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log shows the place; the status says so in a line, until all is well again."""
    async with watching(folder) as daemon:
        (folder / "b.yaml").write_text(rule("b"))
        assert await daemon.next() == ["a", "b"]
        (folder / "b.yaml").write_text("- {id: [], trigger: sund}\n")
        fault = await daemon.fault()
        assert fault.startswith(str(folder / "b.yaml"))
        assert fault.endswith("more)")
        assert "b.yaml:1:8: expected text" in caplog.text
        assert [rule.id for rule in daemon.files.rules] == ["a", "b"]
        (folder / "b.yaml").write_text(rule("c"))
        assert await daemon.next() == ["a", "c"]
        assert daemon.files.fault is None


async def test_what_can_never_be_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the daemon starts, and when it is news."""
    (folder / "a.yaml").write_text(rule("a").replace("siren}", "siren, above: 80}"))
    async with watching(folder) as daemon:
        (folder / "b.yaml").write_text(rule("b"))
        assert await daemon.next() == ["a", "b"]
    assert caplog.text.count("never: no score is greater than 1; did you mean 0.8?") == 1


async def test_the_broker_is_told_of_a_bad_file(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Within a second or two, and again when it is mended; the rules in force stay."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(rule("a").replace("siren", "whistle"))
    config = configuration(
        tmp_path,
        {"yard": file_stream(recording(tmp_path / "yard.wav"), realtime=True, loop=True)},
        mqtt={"host": mosquitto.host, "port": mosquitto.port},
        rules=str(rules),
    )
    app = App(config, parts(load_rules(rules)))

    def faults(messages: list[tuple[str, str, bool]]) -> list[str | None]:
        stats = [json.loads(payload) for topic, payload, _ in messages if topic == "heard/hub/stats"]
        return [told["rules_fault"] for told in stats if told["rules"] == 1]

    async with listening(mosquitto) as listener:
        running = asyncio.create_task(app.run())
        await listener.until_payload("heard/hub/available", "online")
        await asyncio.sleep(1.0)
        rules.write_text("- {id: a, trigger: nothing}\n")
        began_s = time.monotonic()
        await listener.until(lambda messages: any(str(rules) in str(fault) for fault in faults(messages)))
        assert time.monotonic() - began_s < 10.0
        status = await asyncio.to_thread(ask_status, config.state_dir)
        assert status is not None
        assert status["rule_files"]["state"] == "refused"
        rules.write_text(rule("a").replace("siren", "whistle"))
        await listener.until(lambda messages: faults(messages)[-1] is None)
        app.stop()
        await running
