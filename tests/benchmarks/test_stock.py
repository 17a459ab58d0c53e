"""Where stock profiles of an encoder are looked for, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import stock
from benchmarks.encoders import LogMelStatistics, load_encoder
from benchmarks.running import encoder_settings
from fewshot_profiles.store import STOCK_FOLDER


def test_builtin_listens_with_what_ships(tmp_path: Path) -> None:
    """Its profiles and bank are read from the package; the daemon needs no settings."""
    encoder = load_encoder("builtin").id
    profiles, bank = stock.read_stock(encoder)
    assert {profile.name for profile in profiles} == {
        path.parent.name for path in STOCK_FOLDER.glob("*/profile.yaml")
    }
    assert bank.encoder == str(encoder)
    assert encoder_settings("builtin", encoder, tmp_path) == {}


def test_what_was_not_made_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of another encoder is told how its profiles are made."""
    monkeypatch.setattr(stock, "RESULTS", tmp_path)
    with pytest.raises(SystemExit, match=r"benchmarks\.stock --data DIR --encoder log_mel"):
        stock.read_stock(LogMelStatistics().id)


def test_what_ships_is_not_made_over(tmp_path: Path) -> None:
    """A benchmark does not touch the package."""
    with pytest.raises(SystemExit, match=r"training\.stock_profiles"):
        stock.make_stock(load_encoder("builtin"), tmp_path)


def test_profiles_of_another_recipe_are_outdated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made before the recipe changed is no fair opponent; what ships is the recipe's own."""
    monkeypatch.setattr(stock, "RESULTS", tmp_path)
    encoder = LogMelStatistics().id
    folder = stock.stock_folder(encoder)
    folder.mkdir(parents=True)
    assert stock.outdated(encoder)
    (folder / stock.RECIPE_NAME).write_text(stock._recipe(), encoding="ascii")
    assert not stock.outdated(encoder)
    assert not stock.outdated(load_encoder("builtin").id)
