"""The demonstration as a whole: what is planned is heard, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import soundfile
from rich.console import Console

from benchmarks.demonstration import figures_of
from daemon.demo import DEFAULT_SEED
from daemon.demo.folder import DemoFolder
from daemon.demo.run import show_scenes


def test_the_default_scene_is_heard_as_planned() -> None:
    """Stock profiles and the doorbell just taught hear every planned sound, and nothing else."""
    scene = figures_of(DEFAULT_SEED)
    assert scene.missed == ()
    assert scene.others == ()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_one_scene_goes_through_the_daemon_to_broker_and_clips(tmp_path: Path) -> None:
    """In real time: rules act, messages arrive at an ordinary client, clips are kept, and it ends with 0."""
    places = DemoFolder(path=tmp_path)
    text = io.StringIO()
    console = Console(file=text, width=200)
    assert await show_scenes(seed=DEFAULT_SEED, once=True, places=places, console=console) == 0
    assert "mqtt     home/light/desk/set TOGGLE" in text.getvalue()
    assert "nothing else was" in text.getvalue()
    clips = sorted(places.evidence.glob("*/*.flac"))
    assert len(clips) >= 6
    assert all(9.0 < soundfile.info(clip).duration < 10.5 for clip in clips)
