"""What rules decided is kept until it is delivered, or visibly given up."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import stat
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.outbox import file as file_module
from daemon.outbox import lanes, waiting, writer
from daemon.outbox import outbox as outbox_module
from daemon.outbox.errand import Errand
from daemon.outbox.file import Ended, Outcome, drop_waiting, read_outcomes, read_waiting
from daemon.outbox.outbox import KEEP_READ, Outbox
from daemon.outbox.request_json import dump_request, load_request
from foundation.errors import ActionError, EndpointUnavailable, StateFolderError
from rules.model import ActionRequest
from tests.daemon.small_disk import fill, small_disk
from tests.daemon.sounds import sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

PATIENCE_S = 10.0


def request(number: int, target: str = "a", **data: Any) -> ActionRequest:
    return ActionRequest(
        id=str(number), rule_id=target, action="x", event=None, due_at=0.0, data={"target": target, **data}
    )


class Target:
    """Does what it is asked; not while it is `away`, and slowly where it is called "slow" and on `hold`."""

    def __init__(self) -> None:
        self.away = False
        self.hold: asyncio.Event | None = None
        self.tried: list[str] = []
        self.did: list[str] = []
        self.ended: list[tuple[str, str]] = []

    async def do(self, request: ActionRequest) -> None:
        self.tried.append(request.id)
        if self.hold is not None and request.data["target"] == "slow":
            await self.hold.wait()
        if self.away:
            raise EndpointUnavailable("not now")
        if request.data.get("bad"):
            raise ActionError("never")
        self.did.append(request.id)

    def done(self, request: ActionRequest, failure: Exception | None) -> None:
        self.ended.append((request.id, str(failure or "")))

    def errand(self, expires_s: float = 10.0) -> Errand:
        return Errand(
            do=self.do, target=lambda request: str(request.data["target"]), expires_s=lambda _: expires_s
        )

    @asynccontextmanager
    async def behind(self, path: Path) -> AsyncIterator[Outbox]:
        async with Outbox(path) as outbox:
            outbox.begin(lambda _: self.errand(), self.done)
            yield outbox

    def put(self, outbox: Outbox, *requests: ActionRequest, expires_s: float = 10.0) -> None:
        outbox.put([outbox.entry(self.errand(expires_s), each) for each in requests], None)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the outbox has no event for tests to wait on
            await asyncio.sleep(0.005)


def damage(path: Path) -> None:
    path.write_bytes(b"this is no database at all, and long enough to look like one" * 100)


def open_to_all(path: Path) -> None:
    path.touch(mode=0o644)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(lanes, "BACKOFF_MAX_S", 0.002)
    monkeypatch.setattr(lanes, "STOP_PATIENCE_S", 0.2)
    monkeypatch.setattr(outbox_module, "SWEEP_EVERY_S", 0.02)
    monkeypatch.setattr(writer, "LOOK_EVERY_S", 0.05)


async def test_what_fails_for_now_is_tried_again_in_order(path: Path) -> None:
    """What comes later does not overtake it, and what can never be is given up at once."""
    target = Target()
    target.away = True
    async with target.behind(path) as outbox:
        target.put(outbox, request(0), request(1, bad=True), request(2))
        await until(lambda: len(target.tried) > 2)
        assert set(target.tried) == {"0"}
        target.away = False
        await until(lambda: len(target.ended) == 3)
    assert target.did == ["0", "2"]
    assert target.ended == [("0", ""), ("1", "never"), ("2", "")]
    assert [each.outcome for each in read_outcomes(path, 9)] == ["delivered", "failed", "delivered"]
    assert read_waiting(path) == []


async def test_a_target_that_asks_for_patience_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as it says."""
    target, tried_s = Target(), []

    async def busy(request: ActionRequest) -> None:
        tried_s.append(asyncio.get_running_loop().time())
        if len(tried_s) == 1:
            raise EndpointUnavailable("later", again_after_s=0.2)
        target.did.append(request.id)

    monkeypatch.setattr(target, "do", busy)
    async with target.behind(path) as outbox:
        target.put(outbox, request(1))
        await until(lambda: target.did)
    assert tried_s[1] - tried_s[0] >= 0.2


async def test_a_door_only_gets_what_the_disk_has(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is tried can be read from the file at that moment, with the memory that belongs to it."""
    target = Target()
    seen: list[tuple[list[str], str]] = []

    async def look(request: ActionRequest) -> None:
        with closing(sqlite3.connect(path)) as database:
            (memory,) = database.execute("SELECT state FROM memory").fetchone()
        seen.append(([each.id for each in read_waiting(path) if each.id == request.id], memory))

    monkeypatch.setattr(target, "do", look)
    async with target.behind(path) as outbox:
        for number in range(5):
            outbox.put([outbox.entry(target.errand(), request(number))], lambda n=number: f"after {n}")  # type: ignore[misc] # a lambda's default
        await until(lambda: len(seen) == 5)
    assert [ids for ids, _ in seen] == [[str(number)] for number in range(5)]
    assert all(int(memory.split()[1]) >= number for number, (_, memory) in enumerate(seen))


async def test_what_was_left_goes_on_after_a_restart(path: Path) -> None:
    """In its order, before what is new, with the state of the rules, and with the sounds for the history."""
    target, event = Target(), sound(onset_s=1.0)
    target.away = True
    async with target.behind(path) as outbox:
        outbox.put(
            [outbox.entry(target.errand(), replace(request(number), event=event)) for number in range(3)],
            lambda: "the rules' memory",
        )
        await until(lambda: target.tried)
    target.away = False
    async with Outbox(path) as outbox:
        assert outbox.memory == "the rules' memory"
        assert outbox.sounds() == [event] * 3
        outbox.begin(lambda _: target.errand(), target.done)
        target.put(outbox, request(3))
        await until(lambda: len(target.did) == 4)
    assert target.did == ["0", "1", "2", "3"]


async def test_what_is_put_in_last_goes_out_before_the_end(path: Path) -> None:
    """A rule may fire on the last sound there is."""
    target = Target()
    async with target.behind(path) as outbox:
        target.put(outbox, request(1))
    assert target.did == ["1"]


async def test_stopping_does_not_wait_for_what_hangs_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on after the next start."""
    target = Target()
    target.hold = asyncio.Event()
    async with target.behind(path) as outbox:
        target.put(outbox, request(1, "slow"))
        await until(lambda: target.tried)
        monkeypatch.setattr(lanes, "STOP_PATIENCE_S", 10.0)
        outbox._lanes._lanes["slow"].tried_s -= 10.0
        began_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began_s < 5.0
    assert [row.id for row in read_waiting(path)] == ["1"]


async def test_a_slow_target_holds_up_no_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where too much waits, the target that most waits for gives up its oldest, visibly."""
    monkeypatch.setattr(waiting, "MAX_WAITING", 20)
    target = Target()
    target.hold = asyncio.Event()
    async with target.behind(path) as outbox:
        target.put(outbox, *(request(number, "slow") for number in range(19)))
        await until(lambda: target.tried)
        target.put(outbox, *(request(number, "fast") for number in range(100, 103)))
        await until(lambda: len(target.did) == 3)
        assert target.did == ["100", "101", "102"]
        assert [number for number, why in target.ended if "others wait" in why] == ["1", "2"]
        assert outbox.figures().pushed_out == 2
        target.hold.set()
        await until(lambda: len(target.did) == 20)
    assert target.did[3:] == ["0", *(str(number) for number in range(3, 19))]


async def test_what_is_too_old_is_given_up(path: Path) -> None:
    """Whether it hangs, fails, waits behind others, or its time passes while the daemon is not there."""
    target = Target()
    target.hold = asyncio.Event()
    async with target.behind(path) as outbox:
        target.put(outbox, request(1, "slow"), expires_s=0.3)
        await until(lambda: target.tried)
        target.put(outbox, request(2, "slow"), expires_s=0.1)
        await until(lambda: len(target.ended) == 2)
        target.away = True
        target.put(outbox, request(3), expires_s=0.1)
        await until(lambda: len(target.ended) == 3)
        assert outbox.figures().expired == 3
        target.put(outbox, request(4), expires_s=0.5)
        await until(lambda: "4" in target.tried)
    assert target.ended == [
        ("2", "not delivered within 0.1 s, and given up"),
        ("1", "not delivered within 0.3 s, and given up"),
        ("3", "not delivered within 0.1 s, and given up (not now)"),
    ]
    await asyncio.sleep(0.5)
    target.away = False
    async with target.behind(path):
        await until(lambda: len(target.ended) == 4)
    assert target.did == []
    assert [each.outcome for each in read_outcomes(path, 9)] == [Outcome.EXPIRED] * 4


async def test_no_light_of_before_goes_on_when_the_machine_is_back(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock without a battery says that no time has passed; what is worth it for longer still goes out."""
    target = Target()
    target.away = True
    async with target.behind(path) as outbox:
        target.put(outbox, request(1))
        target.put(outbox, request(2), expires_s=60.0)
        await until(lambda: target.tried)
    target.away = False
    (tmp_path / "boot_id").write_text("another")
    monkeypatch.setattr(file_module, "_BOOT_ID", tmp_path / "boot_id")
    async with target.behind(path):
        await until(lambda: len(target.ended) == 2)
    assert target.did == ["2"]
    assert "not delivered within 10 s" in target.ended[0][1]


async def test_a_rule_says_how_long_its_action_is_worth_delivering(path: Path) -> None:
    """In place of what the door would say."""
    target = Target()
    target.away = True
    async with target.behind(path) as outbox:
        target.put(outbox, replace(request(1), expires_s=0.05))
        await until(lambda: target.ended)
    assert target.ended == [("1", "not delivered within 0.05 s, and given up (not now)")]


async def test_what_waits_already_is_not_put_in_twice(path: Path) -> None:
    """A decision that is made again carries the same id."""
    target = Target()
    target.away = True
    async with target.behind(path) as outbox:
        target.put(outbox, request(1), request(1), request(2))
        target.put(outbox, request(1))
        assert outbox.figures().waiting == 2
        target.away = False
        await until(lambda: len(target.did) == 2)
    assert target.did == ["1", "2"]


async def test_a_long_queue_is_on_disk_alone(path: Path) -> None:
    """Memory holds what goes next; all of it arrives, in order."""
    target = Target()
    target.away = True
    count = 4 * KEEP_READ
    async with target.behind(path) as outbox:
        for number in range(count):
            target.put(outbox, request(number, payload="x" * 1_000))
        await until(lambda: len(read_waiting(path)) == count)
        await until(lambda: sum(entry.request is not None for entry in outbox._waiting) <= KEEP_READ)
        target.away = False
        await until(lambda: len(target.did) == count)
    assert target.did == [str(number) for number in range(count)]


async def test_what_the_owner_takes_out_is_not_delivered(path: Path) -> None:
    """From another process, while the daemon runs."""
    target = Target()
    target.away = True
    async with target.behind(path) as outbox:
        target.put(outbox, request(1), request(2), request(3))
        await until(lambda: len(read_waiting(path)) == 3)
        for row in read_waiting(path)[:2]:
            ended = Ended(
                seq=row.seq,
                id=row.id,
                rule_id="a",
                action="x",
                target=row.target,
                put_at=row.put_at,
                ended_at=0.0,
                outcome=Outcome.DROPPED,
                why="",
                event=None,
            )
            drop_waiting(path, [ended])
        await until(lambda: outbox.figures().dropped == 2)
        target.away = False
        await until(lambda: target.did)
    assert target.did == ["3"]
    assert [each.outcome for each in read_outcomes(path, 9)] == ["dropped", "dropped", "delivered"]


async def test_a_full_disk_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Actions go out from memory, status says so, and what waits is written when there is room again."""
    caplog.set_level(logging.INFO, logger="daemon.outbox.writer")
    target = Target()
    with small_disk(tmp_path / "disk", kilobytes=400) as disk:
        path = disk / "outbox.sqlite"
        async with target.behind(path) as outbox:
            ballast = fill(disk)
            for number in range(30):
                target.put(outbox, request(number, payload="x" * 10_000))
            await until(lambda: len(target.did) == 30)
            assert target.did == [str(number) for number in range(30)]
            assert outbox.figures().fault
            target.away = True
            target.put(outbox, request(100))
            await until(lambda: "100" in target.tried)
            ballast.unlink()
            await until(lambda: outbox.figures().fault is None)
            assert [row.id for row in read_waiting(path)] == ["100"]
    told = [record.message for record in caplog.records if record.name == "daemon.outbox.writer"]
    assert [line.split(":")[0].split(" reach")[0] for line in told] == [
        "actions are kept in memory",
        "the outbox",
    ]


async def test_a_disk_that_is_not_there_yet_stops_nothing(tmp_path: Path) -> None:
    """What was left on it goes out when it comes."""
    there, away = tmp_path / "there", tmp_path / "away"
    there.mkdir()
    target = Target()
    target.away = True
    async with target.behind(there / "outbox.sqlite") as outbox:
        target.put(outbox, request(1))
        await until(lambda: target.tried)
    there.rename(away)
    target.away = False
    async with target.behind(there / "outbox.sqlite") as outbox:
        target.put(outbox, request(2))
        await until(lambda: target.did == ["2"])
        assert outbox.figures().fault
        away.rename(there)
        await until(lambda: target.did == ["2", "1"])


async def test_a_disk_that_hangs_delays_an_alarm_a_moment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for ever; what it takes later is not sent again."""
    monkeypatch.setattr(waiting, "DISK_PATIENCE_S", 0.2)
    monkeypatch.setattr(file_module, "BUSY_TIMEOUT_S", 5.0)
    target = Target()
    async with target.behind(path) as outbox:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            target.put(outbox, request(1))
            await until(lambda: target.did == ["1"])
            assert "does not answer" in str(outbox.figures().fault)
            other.execute("COMMIT")
        await until(lambda: outbox.figures().fault is None)
    assert target.did == ["1"]
    assert read_waiting(path) == []


async def test_a_damaged_file_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A new one begins, and the log names the old one; a newer heard's is refused."""
    damage(path)
    target = Target()
    async with target.behind(path) as outbox:
        target.put(outbox, request(1))
        await until(lambda: target.did)
    assert "damaged" in caplog.text
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(StateFolderError, match="newer heard"):
        async with Outbox(path):
            pass


async def test_what_nobody_can_read_holds_up_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, noted and gone."""
    target = Target()
    target.away = True
    async with target.behind(path) as outbox:
        target.put(outbox, request(1), request(2))
        await until(lambda: target.tried)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE waiting SET body = '{}' WHERE id = '1'")
    target.away = False
    async with Outbox(path) as outbox:
        assert outbox.sounds() == []
        outbox.begin(lambda _: target.errand(), target.done)
        await until(lambda: target.did == ["2"])
    assert "cannot be read" in caplog.text
    assert [each.outcome for each in read_outcomes(path, 9)] == ["failed", "delivered"]


async def test_only_the_owner_reads_the_file(path: Path) -> None:
    """Payloads and addresses of webhooks may be secret, in the log beside it as well."""
    open_to_all(path)
    target = Target()
    async with target.behind(path) as outbox:
        target.put(outbox, request(1))
        await until(lambda: target.did)
        files = list(path.parent.iterdir())
        assert len(files) == 3
        assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_a_request_reads_back_as_it_was() -> None:
    """With its sound, and whatever a template gave."""
    made = replace(
        request(1, payload="\ud800 ü", nested={"a": [1, None, "x"]}), event=sound(onset_s=1.0), expires_s=3.0
    )
    text = dump_request(made)
    assert text.isascii()
    assert load_request(text) == made
