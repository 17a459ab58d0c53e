"""A house that was taught a bell over HTTP, has heard it, and kept its clip."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import soundfile

from daemon.parts import load_parts
from detectors.types import DETECTION_RATE_HZ
from tests.daemon.api.serving import serving
from tests.daemon.test_teaching import home, ring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.daemon.api.serving import Asked

RULES = """# Rules of this house
- id: on_bell
  alias: Somebody rings
  triggers: [{trigger: sound, profile: bell}]
  actions: [{action: heard.save_clip}]

# The next one
- id: never
  triggers: [{trigger: sound, profile: bell, count: 50, within: "00:00:01"}]
  actions: [{action: heard.save_clip}]
"""


def bells(folder: Path) -> list[Path]:
    """Write three recordings of a bell."""
    files = []
    for number, hz in enumerate((1_180.0, 1_200.0, 1_215.0)):
        audio = np.random.default_rng(number).normal(scale=4e-4, size=2 * DETECTION_RATE_HZ)
        sound = ring(hz)
        audio[8_000 : 8_000 + len(sound)] += sound
        soundfile.write(folder / f"bell {number}.wav", audio.astype(np.float32), DETECTION_RATE_HZ)
        files.append(folder / f"bell {number}.wav")
    return files


def form_of(files: list[Path], **fields: str) -> aiohttp.FormData:
    """Return a form with recordings."""
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    for file in files:
        form.add_field("file", file.read_bytes(), filename=f"../../{file.name}")
    return form


@asynccontextmanager
async def lived_in(folder: Path) -> AsyncIterator[Asked]:
    """Run a daemon until it was taught, has heard and has kept something."""
    (folder / "rules.d").mkdir()
    stream = {"source": "file", "path": str(home(folder / "hall.wav")), "loop": True}
    async with serving(
        folder,
        api={"requests_per_s": 10_000},
        parts_of=load_parts,
        streams={"hall": stream},
        stock_profiles=False,
        rules=str(folder / "rules.d"),
        evidence={"before_s": 1, "after_s": 1},
    ) as asked:
        answer = await asked.ask("POST", "/api/v1/profiles/bell/examples", data=form_of(bells(folder)))
        assert answer.status == 200, answer.body
        (folder / "rules.d" / "rules.yaml").write_text(RULES)
        async with asyncio.timeout(60.0):
            while not asked.witness.clips:  # noqa: ASYNC110 - observers are called, they do not wait
                await asyncio.sleep(0.05)
        yield asked


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    """Give the running daemon; tests leave it as they find it."""
    async with lived_in(tmp_path_factory.mktemp("house")) as asked:
        yield asked


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def lobby(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    """Give a running daemon that whoever is let in may look at."""
    async with serving(tmp_path_factory.mktemp("lobby"), api={"requests_per_s": 10_000}) as asked:
        yield asked
