from __future__ import annotations

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from daemon.deciding import memory as memory_module
from daemon.deciding.memory import RulesMemory
from rules.engine import Engine
from rules.model import Delay, Rule, SaveClip, SoundTrigger
from tests.daemon.sounds import sound

if TYPE_CHECKING:
    from pathlib import Path

    from rules.state import EngineState


@pytest.fixture
def engine() -> Engine:
    rule = Rule(
        id="glass",
        triggers=(SoundTrigger(profiles=("glass_breaking",)), SoundTrigger(profiles=("siren",), for_s=30.0)),
        actions=(Delay(delay_s=60.0), SaveClip()),
        cooldown_s=3_600.0,
    )
    return Engine([rule], lambda _: "", UTC)


def heard(engine: Engine, *profiles: str) -> EngineState:
    state = engine.initial_state()
    for profile in profiles:
        event = sound(profile=profile)
        state, _ = engine.step(state, event, event.decided_at)
    return state


def test_a_cooldown_and_a_delay_outlive_a_restart(tmp_path: Path, engine: Engine) -> None:
    """The daemon goes on where it was."""
    state = heard(engine, "glass_breaking")
    RulesMemory(tmp_path / "state.json").save(state)

    restored = RulesMemory(tmp_path / "state.json").load(engine, 10.0)

    assert restored == state
    assert restored.fired_at
    assert restored.runs


def test_a_sound_that_went_on_has_to_be_found_again(tmp_path: Path, engine: Engine) -> None:
    """After a crash nobody will tell its end, so nothing may follow from how long it lasts by itself."""
    state = heard(engine, "siren")
    assert state.sounding
    RulesMemory(tmp_path / "state.json").save(state)

    restored = RulesMemory(tmp_path / "state.json").load(engine, 10.0)

    assert [(item.lost_at, item.findable) for item in restored.sounding.values()] == [(10.0, True)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 99}', b"\xff"])
def test_a_damaged_file_starts_the_rules_afresh(
    tmp_path: Path, engine: Engine, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and stops nothing."""
    (tmp_path / "state.json").write_bytes(content)
    assert RulesMemory(tmp_path / "state.json").load(engine, 10.0) == engine.initial_state()
    assert "start afresh" in caplog.text


def test_a_disk_that_refuses_is_told_once(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """And the state is offered again until it is taken."""
    memory = RulesMemory(tmp_path / "not yet" / "state.json")
    state = heard(engine, "glass_breaking")
    memory.save(state)
    memory.save(state)
    assert caplog.text.count("not written") == 1

    (tmp_path / "not yet").mkdir()
    memory.save(state)

    assert RulesMemory(tmp_path / "not yet" / "state.json").load(engine, 10.0) == state


async def test_keeps_what_changed_while_the_daemon_runs(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut costs a few seconds, not the whole memory."""
    monkeypatch.setattr(memory_module, "KEEP_EVERY_S", 0.01)
    state = heard(engine, "glass_breaking")
    path = tmp_path / "state.json"
    keeping = asyncio.create_task(RulesMemory(path).keep(lambda: state))
    async with asyncio.timeout(10):
        while RulesMemory(path).load(engine, 10.0) != state:  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.01)
    keeping.cancel()
    await asyncio.wait({keeping})
