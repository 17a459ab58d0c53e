"""What the history remembers, and what it survives."""

# ruff: noqa: ASYNC240 - a test may wait for its own files

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import history as history_module
from daemon.history import History
from daemon.history_file import open_history, read_event, read_events, write_events
from detectors.types import Decider, Phase, SoundEvent
from foundation.errors import StateFolderError
from tests.daemon.small_disk import fill, small_disk
from tests.daemon.sounds import EPOCH_S, sound

if TYPE_CHECKING:
    from collections.abc import Iterator

SOUNDS = str(Path(__file__).parent)
"""Other distributions install a package called `tests`, which a program outside pytest would find first."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def ended(event: SoundEvent) -> SoundEvent:
    return sound(onset_s=event.onset_s, phase=Phase.ENDED, end_s=event.onset_s + 1.0, score=0.95)


async def test_what_was_recorded_can_be_asked_for(path: Path) -> None:
    """The newest first, by profile, by stream, since a moment, and no more than asked."""
    events = [
        sound(onset_s=float(number), profile="pq"[number % 2], stream="kh"[number % 3 // 2])
        for number in range(9)
    ]
    async with History(path) as history:
        for event in events:
            history.record(event)
        await history.flush()
        assert await history.newest() == events[::-1]
        assert await history.newest(2) == [events[8], events[7]]
        assert await history.newest(profile="q") == [events[number] for number in (7, 5, 3, 1)]
        assert await history.newest(stream="h") == [events[number] for number in (8, 5, 2)]
        assert await history.newest(since=EPOCH_S + 7) == [events[8], events[7]]
        assert (history.healthy, history.buffered_events) == (True, 0)


async def test_the_end_of_a_sound_replaces_its_beginning(path: Path) -> None:
    """One row for each sound; an end that was told stays, even if the start is told again."""
    async with History(path) as history:
        history.record(sound())
        await history.flush()
        assert [event.phase for event in await history.newest()] == [Phase.STARTED]
        history.record(ended(sound()))
        await history.flush()
        history.record(sound())
        await history.flush()
        assert await history.newest() == [ended(sound())]


async def test_leaving_writes_what_is_left(path: Path) -> None:
    """A clean stop loses nothing, also without asking for a flush."""
    async with History(path) as history:
        for number in range(500):
            history.record(sound(onset_s=float(number)))
    assert len(read_events(path, 1_000)) == 500


async def test_a_killed_daemon_loses_nothing_that_was_written(path: Path) -> None:
    """After `kill -9` the file is whole and every event that was flushed is there."""
    program = f"""
import asyncio
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from daemon.history import History
import sys
sys.path.insert(0, {SOUNDS!r})
from sounds import sound
async def main():
    async with History(Path({str(path)!r})) as history:
        for number in range(10**6):
            history.record(sound(onset_s=float(number)))
            await history.flush()
            print(number, flush=True)
asyncio.run(main())
"""
    root = Path(history_module.__file__).parents[1]
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=root, stdout=asyncio.subprocess.PIPE
    )
    assert daemon.stdout is not None
    for _ in range(50):
        last = int(await daemon.stdout.readline())
    daemon.send_signal(signal.SIGKILL)
    last = int(([str(last), *(await daemon.stdout.read()).decode().split("\n")[:-1]])[-1])
    await daemon.wait()
    assert {event.onset_s for event in read_events(path, 10**6)} >= {
        float(number) for number in range(last + 1)
    }
    async with History(path) as history:
        assert history.healthy


@pytest.fixture(scope="module")
def shared_history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, sqlite3.Connection]]:
    path = tmp_path_factory.mktemp("history") / "history.sqlite"
    with closing(open_history(path)) as database:
        yield path, database


@settings(deadline=None)
@given(
    level=st.floats(allow_nan=False),
    score=st.floats(0, 1),
    name=st.text(st.characters(exclude_categories=["Cs"])),
    end_s=st.none() | st.floats(0, 1e6),
)
def test_every_event_comes_back_as_it_was(
    shared_history: tuple[Path, sqlite3.Connection],
    level: float,
    score: float,
    name: str,
    end_s: float | None,
) -> None:
    """Names in any script and levels down to digital silence survive the file."""
    event = sound(level_dbfs=level, score=score, profile=name, stream=name, end_s=end_s, speech=True)
    path, database = shared_history
    database.execute("DELETE FROM events")
    write_events(database, [event])
    assert read_events(path) == [event]


@pytest.mark.parametrize("kind", ["rubbish", "torn"])
async def test_a_damaged_file_is_set_aside_and_a_new_one_begins(
    path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the daemon nor the damaged file is lost; the log names it."""
    if kind == "rubbish":
        path.write_bytes(b"this is no database" * 100)
    else:
        async with History(path) as history:
            for number in range(2_000):
                history.record(sound(onset_s=float(number)))
        content = bytearray(path.read_bytes())
        content[8_192:20_480] = bytes(range(256)) * 48
        path.write_bytes(content)
    damaged = path.read_bytes()
    async with History(path) as history:
        history.record(sound())
        await history.flush()
        assert await history.newest() == [sound()]
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == damaged
    assert aside.name in caplog.text


async def test_damage_while_running_is_found_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that goes bad under the daemon is set aside at the next write, and no event is lost."""
    monkeypatch.setattr(history_module, "RETRY_S", 0.01)
    async with History(path) as history:
        for number in range(500):
            history.record(sound(onset_s=float(number)))
        await history.flush()
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        with path.open("r+b") as file:
            file.write(b"rubbish" * 1_000)
        history.record(sound(onset_s=1_000.0))
        await history.flush()
        assert (await history.newest(1))[0].onset_s == 1_000.0
    assert len(list(path.parent.glob("*.damaged-*"))) >= 1


async def test_a_full_disk_keeps_events_in_memory_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, `healthy` and one log line tell, and one tells when it is over."""
    monkeypatch.setattr(history_module, "RETRY_S", 0.02)
    caplog.set_level(logging.INFO, logger="daemon.history")
    with small_disk(tmp_path / "disk", kilobytes=1_000) as folder:
        path = folder / "history.sqlite"
        async with History(path) as history:
            history.record(sound(onset_s=1.0))
            await history.flush()
            ballast = fill(folder)
            for number in range(2, 300):
                history.record(sound(onset_s=float(number)))
            async with asyncio.timeout(20.0):
                while history.healthy:  # noqa: ASYNC110 - the history has no event for tests to wait on
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.1)
                assert history.buffered_events == 298
                assert history.fault is not None
                assert "full" in history.fault
                ballast.unlink()
                await history.flush()
        assert history.healthy
        assert len(read_events(path, 1_000)) == 299
    assert len([record for record in caplog.records if record.name == "daemon.history"]) == 2


async def test_a_folder_that_cannot_be_used_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon starts and listens; when the folder is there, the events reach it."""
    monkeypatch.setattr(history_module, "RETRY_S", 0.02)
    folder = tmp_path / "state"
    async with History(folder / "history.sqlite") as history:
        assert not history.healthy
        history.record(sound())
        folder.mkdir()
        async with asyncio.timeout(20.0):
            await history.flush()
        assert history.healthy
    assert read_events(folder / "history.sqlite") == [sound()]


async def test_the_memory_is_bounded_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest go first, and the stop says how many never reached the disk."""
    monkeypatch.setattr(history_module, "MAX_BUFFERED", 10)
    async with History(tmp_path / "nowhere" / "history.sqlite") as history:
        for number in range(15):
            history.record(sound(onset_s=float(number)))
        assert (history.buffered_events, history.lost_events) == (10, 5)
    assert "10 events that the disk did not take" in caplog.text


async def test_the_file_of_a_newer_program_is_refused(path: Path) -> None:
    """An older heard does not write into what it does not understand."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StateFolderError, match="newer heard"):
        async with History(path):
            pass


def test_no_history_yet_is_an_empty_one(path: Path) -> None:
    """Asking before the first run neither fails nor creates a file."""
    assert read_events(path) == []
    assert not path.exists()


OLD_SCHEMA = """
CREATE TABLE events (
    id TEXT PRIMARY KEY, phase TEXT NOT NULL, profile TEXT NOT NULL, profile_version TEXT NOT NULL,
    stream TEXT NOT NULL, epoch_s REAL NOT NULL, onset_s REAL NOT NULL, decided_s REAL NOT NULL, end_s REAL,
    score REAL NOT NULL, level_dbfs REAL, noise_floor_dbfs REAL, speech INTEGER NOT NULL,
    onset_at REAL GENERATED ALWAYS AS (epoch_s + onset_s) VIRTUAL
) STRICT;
CREATE INDEX events_by_onset ON events (onset_at);
PRAGMA user_version = 1;
"""


OLD_COLUMNS = (
    "id", "phase", "profile", "profile_version", "stream", "epoch_s", "onset_s", "decided_s", "end_s",
    "score", "level_dbfs", "noise_floor_dbfs", "speech",
)  # fmt: skip


@pytest.mark.parametrize("version", [1, 0])
async def test_a_history_of_before_is_read_and_gone_on_with(path: Path, version: int) -> None:
    """Nothing is lost when columns are added; a reader may come before any writer has added them."""
    before = [sound(onset_s=1.0), ended(sound(onset_s=2.0))]
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(OLD_SCHEMA)
        database.execute(f"PRAGMA user_version = {version}")
        database.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [tuple(getattr(event, column) for column in OLD_COLUMNS) for event in before],
        )
    assert read_events(path) == before[::-1]
    assert read_event(path, before[0].id) == before[0]

    said = sound(onset_s=3.0, verified=True, caption="a bell", transcript="come in", decided_by=Decider.RULES)
    async with History(path) as history:
        history.record(said)
    assert read_events(path) == [said, *before[::-1]]


@pytest.mark.parametrize("late", [False, True])
async def test_words_are_kept_whenever_they_come(path: Path, late: bool) -> None:  # noqa: FBT001 - parametrized
    """What was said of a sound stays, whether its end was told before or after."""
    told = [replace(sound(), caption="a bell"), ended(sound())]
    async with History(path) as history:
        for event in reversed(told) if late else told:
            history.record(event)
            await history.flush()
        assert await history.newest() == [replace(ended(sound()), caption="a bell")]
