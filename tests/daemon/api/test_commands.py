from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from daemon.api.tokens import Scope, TokenFile
from daemon.cli import app
from foundation.errors import OwnerError

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "heard.yaml"
    path.write_text(yaml.safe_dump({"state_dir": str(tmp_path / "state")}))
    return path


def heard(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_token_is_made_listed_and_removed(config: Path) -> None:
    """It is shown once, alone on standard output, so that it can be piped to where it belongs."""
    made = heard("token", "add", "phone", "--scope", "act", "--config", config)
    secret = made.stdout.strip()
    tokens = TokenFile(config.parent / "state")

    assert (made.exit_code, tokens.scope_of(secret)) == (0, ("phone", Scope.ACT))
    listed = heard("token", "list", "--config", config, "--json")
    assert secret not in listed.output
    assert json.loads(listed.stdout)["scope"] == "act"
    assert heard("token", "remove", "phone", "--config", config).exit_code == 0
    assert tokens.scope_of(secret) is None


def test_slips_are_named(config: Path) -> None:
    assert heard("token", "add", "phone", "--scope", "all", "--config", config).exit_code == 2
    for name in ("", "a b", "../x", "-"):
        with pytest.raises(OwnerError, match="no name for a token"):
            TokenFile(config.parent / "state").add(name, Scope.READ)
    gone = heard("token", "remove", "phone", "--config", config)
    assert "there is no token 'phone'" in str(gone.exception)


def test_check_says_who_could_get_in(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**settings, "api": {"host": "0.0.0.0"}}))
    assert "heard token add" in str(heard("check", "--config", config).exception)

    config.write_text(yaml.safe_dump({**settings, "api": {"public_url": "https://heard.example"}}))
    checked = heard("check", "--config", config)
    assert "require_token" in checked.output
    assert checked.exit_code == 1
