from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from daemon.logs import Changes, set_up_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _put_logging_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_journal_gets_priorities_and_no_times() -> None:
    """The journal adds the time itself and understands a priority in angle brackets, on every line."""
    out = io.StringIO()
    set_up_logging("info", environment={"JOURNAL_STREAM": "8:1"}, to=out)

    logging.getLogger("daemon.app").warning("one\ntwo")

    assert out.getvalue() == "<4>daemon.app: one\n<4>two\n"


def test_a_terminal_gets_times_and_levels() -> None:
    """Started by hand, a line says when and how bad."""
    out = io.StringIO()
    set_up_logging("warning", environment={}, to=out)

    logging.getLogger("daemon.app").info("not shown")
    logging.getLogger("daemon.app").error("shown")

    assert out.getvalue().endswith(" ERROR daemon.app: shown\n")
    assert "not shown" not in out.getvalue()


def test_a_condition_is_said_once_per_change(caplog: pytest.LogCaptureFixture) -> None:
    """A broken door fills no disk with log lines, and each thing is watched by itself."""
    changes = Changes(logging.getLogger("test"))

    with caplog.at_level(logging.INFO):
        for condition in ("full", "full", "fine", "full"):
            changes.note("disk", condition)
        changes.note("broker", "full")

    assert [record.getMessage() for record in caplog.records] == [
        "disk: full",
        "disk: fine",
        "disk: full",
        "broker: full",
    ]
