"""`command.run`: programs, and nothing but those that are allowed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from daemon.acting.programs import Programs
from foundation.errors import ActionError
from rules.model import COMMAND, ActionRequest

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_a_program_is_told_what_it_is_run_for(tmp_path: Path) -> None:
    """Run again after a kill, it can tell that it was run before."""
    file = tmp_path / "id"
    code = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['HEARD_ID'])"
    await Programs([sys.executable]).run(program("-c", code, str(file)))
    assert file.read_text() == "1"


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
