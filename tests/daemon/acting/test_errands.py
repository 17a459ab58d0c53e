"""Actions that take time."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.acting import errands as module
from daemon.acting.errands import MAX_WAITING, Errand, Errands
from daemon.acting.programs import Programs
from foundation.errors import ActionError, EndpointUnavailable
from rules.model import COMMAND, ActionRequest

if TYPE_CHECKING:
    from pathlib import Path


def request(number: int, target: str = "a", **data: Any) -> ActionRequest:
    return ActionRequest(
        id=str(number), rule_id=target, action="x", event=None, due_at=0.0, data={"target": target, **data}
    )


class Target:
    """Does what it is asked, slowly or only after some failures where told to."""

    def __init__(self, *, failures: int = 0, hold: asyncio.Event | None = None) -> None:
        self.failures = failures
        self.hold = hold
        self.did: list[str] = []
        self.ended: list[tuple[str, Exception | None]] = []
        self.all_ended = asyncio.Event()

    async def do(self, request: ActionRequest) -> None:
        if self.hold is not None and request.data["target"] == "slow":
            await self.hold.wait()
        if self.failures:
            self.failures -= 1
            raise EndpointUnavailable("not now")
        if request.data.get("bad"):
            raise ActionError("never")
        self.did.append(request.id)

    def done(self, request: ActionRequest, failure: Exception | None) -> None:
        self.ended.append((request.id, failure))
        self.all_ended.set()

    def errand(self, expires_s: float = 10.0) -> Errand:
        return Errand(do=self.do, target=lambda request: str(request.data["target"]), expires_s=expires_s)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(module, "BACKOFF_MAX_S", 0.002)


async def test_what_fails_for_now_is_tried_again_in_order() -> None:
    """What comes later does not overtake it, and what can never be is given up at once."""
    target = Target(failures=3)
    async with Errands() as errands:
        for number, bad in enumerate((False, True, False)):
            errands.put(target.errand(), request(number, bad=bad), target.done)
    assert target.did == ["0", "2"]
    assert [(number, str(failure or "")) for number, failure in target.ended] == [
        ("0", ""),
        ("1", "never"),
        ("2", ""),
    ]


async def test_a_slow_target_holds_up_no_other() -> None:
    """And too many that wait for it push out the oldest."""
    hold = asyncio.Event()
    target = Target(hold=hold)
    async with Errands() as errands:
        for number in range(MAX_WAITING + 3):
            errands.put(target.errand(), request(number, "slow"), target.done)
        errands.put(target.errand(), request(999, "fast"), target.done)
        async with asyncio.timeout(5):
            while "999" not in target.did:
                await target.all_ended.wait()
                target.all_ended.clear()
        hold.set()
    assert target.did[0] == "999"
    given_up = [number for number, failure in target.ended if failure is not None]
    assert len(given_up) == 3
    assert len(target.did) == MAX_WAITING + 1


async def test_what_is_too_old_is_given_up() -> None:
    """Whether it hangs or fails."""
    target = Target(hold=asyncio.Event())
    async with Errands() as errands:
        errands.put(target.errand(0.05), request(1, "slow"), target.done)
        await target.all_ended.wait()
        target.failures = 10**6
        target.all_ended.clear()
        errands.put(target.errand(0.05), request(2), target.done)
        await target.all_ended.wait()
    assert [str(failure) for _, failure in target.ended] == ["given up after 0.05 s", "not now"]


# --- programs ---------------------------------------------------------------------------------------------


def program(*command: str, timeout_s: float = 5.0) -> ActionRequest:
    return ActionRequest(
        id="1",
        rule_id="r",
        action=COMMAND,
        event=None,
        due_at=0.0,
        data={"command": [sys.executable, *command], "timeout_s": timeout_s},
    )


async def test_a_program_is_run_without_a_shell(tmp_path: Path) -> None:
    """Its arguments reach it as they are."""
    file = tmp_path / "$(whoami) file"
    await Programs([sys.executable]).run(
        program("-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", str(file))
    )
    assert file.exists()


@pytest.mark.parametrize(
    ("command", "timeout_s", "why"),
    [
        (("-c", "import sys; sys.exit('no paper')"), 5.0, "ended with 1: no paper"),
        (("-c", "import time; time.sleep(60)"), 0.3, "did not end within 0.3 s"),
        (("-c", "a\0b"), 5.0, "NUL"),
    ],
)
async def test_a_program_that_fails_says_why(command: tuple[str, ...], timeout_s: float, why: str) -> None:
    """By its last words; one that hangs is ended."""
    with pytest.raises(ActionError, match=why):
        await Programs([sys.executable]).run(program(*command, timeout_s=timeout_s))


async def test_only_programs_that_are_allowed_are_run() -> None:
    """The message names those."""
    with pytest.raises(ActionError, match=r"does not allow the program .*'commands' has: /bin/true"):
        await Programs(["/bin/true"]).run(program("-c", ""))
    missing = replace(program(), data={"command": ["/none"], "timeout_s": 1.0})
    with pytest.raises(ActionError, match="cannot be started: No such file"):
        await Programs(["/none"]).run(missing)
