"""Rule files that are saved while the daemon runs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daemon.rule_files import RuleFiles
from rules.loader import load_rules, read_rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


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
