"""What tests of every room share: the recordings beside the checkout, and a real broker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.broker import Mosquitto, find_mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the recordings, so that `-m "not recordings"` is complete without anybody's care."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.recordings)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that holds `audio/manifest.csv` and the teacher models."""
    folder = Path(os.environ.get("HEARD_SHARED", REPOSITORY.parent / "shared")).resolve()
    if not (folder / "audio" / "manifest.csv").is_file():
        _cannot_run(f"no audio/manifest.csv in {folder}; HEARD_SHARED names the folder that has it")
    return folder


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A running broker of this test's own."""
    executable = find_mosquitto()
    if executable is None:
        _cannot_run("mosquitto is not installed; on Debian: apt-get install mosquitto")
    broker = Mosquitto(executable, tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.kill()


def _cannot_run(reason: str) -> NoReturn:
    """Skip on a contributor's machine; fail in CI, where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
