"""`heard outbox`, without a daemon; with one the file is the same."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner, Result

from daemon.cli import app
from daemon.outbox.errand import Errand
from daemon.outbox.file import read_outcomes, read_waiting
from daemon.outbox.outbox import Outbox
from foundation.errors import EndpointUnavailable, OwnerError
from rules.model import WEBHOOK, ActionRequest
from tests.daemon.home import recording

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "geheim"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration in whose state folder three actions wait."""
    (tmp_path / "state").mkdir()
    recording(tmp_path / "yard.wav")
    path = tmp_path / "heard.yaml"
    settings = {
        "node": "hub",
        "state_dir": str(tmp_path / "state"),
        "streams": {"yard": {"source": "file", "path": "yard.wav"}},
    }
    path.write_text(yaml.safe_dump(settings))
    asyncio.run(fill(tmp_path / "state" / "outbox.sqlite"))
    return path


async def fill(path: Path) -> None:
    async def away(_: ActionRequest) -> None:
        raise EndpointUnavailable("not now")

    errand = Errand(do=away, target=lambda _: "https://example.org", expires_s=lambda _: 3_600.0)
    async with Outbox(path) as outbox:
        outbox.begin(lambda _: errand, lambda *_: None)
        requests = [
            ActionRequest(
                id=f"id{number}",
                rule_id="glass_alarm",
                action=WEBHOOK,
                event=None,
                due_at=0.0,
                data={"url": f"https://example.org/{SECRET}", "body": SECRET},
            )
            for number in range(3)
        ]
        outbox.put([outbox.entry(errand, each) for each in requests], None)


def heard(config: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["outbox", *words, "--config", str(config)])


def test_what_waits_is_listed_without_what_may_be_secret(config: Path) -> None:
    """Which rule, which action, to whom, and until when."""
    shown = heard(config, "list")
    assert [line.split("  ")[1:5] for line in shown.output.splitlines()] == [
        [f"id{number}", "glass_alarm", WEBHOOK, "https://example.org"] for number in range(3)
    ]
    assert "expires in 0:59:5" in shown.output or "expires in 1:00:00" in shown.output
    as_json = heard(config, "list", "--json")
    assert [json.loads(line)["id"] for line in as_json.output.splitlines()] == ["id0", "id1", "id2"]
    assert SECRET not in shown.output + as_json.output


def test_what_is_dropped_is_gone_and_noted(config: Path) -> None:
    """By id, or all of it."""
    file = config.parent / "state" / "outbox.sqlite"
    assert heard(config, "drop", "id1").output == "Dropped: 1.\n"
    assert [each.id for each in read_waiting(file)] == ["id0", "id2"]
    assert heard(config, "drop", "--all").output == "Dropped: 2.\n"
    assert heard(config, "list").output == "Nothing waits.\n"
    assert [each.outcome for each in read_outcomes(file, 9)] == ["dropped"] * 3
    past = heard(config, "list", "--past", "2").output
    assert [line.split("  ")[1].strip() for line in past.splitlines()] == ["id0", "id2"]
    assert "dropped: by `heard outbox drop`" in past


@pytest.mark.parametrize(
    ("words", "why"),
    [((), "or --all"), (("id0", "--all"), "or --all"), (("id9",), "Nothing of this id waits: id9")],
)
def test_what_cannot_be_meant_is_refused(config: Path, words: tuple[str, ...], why: str) -> None:
    """With what to say in its place."""
    assert isinstance(heard(config, "drop", *words).exception, OwnerError)
    assert why in str(heard(config, "drop", *words).exception)
