"""What the demonstration writes is what the daemon accepts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from daemon.config import load_config
from daemon.demo.folder import STREAM, DemoFolder
from daemon.demo.scene import Scene
from rules.loader import load_rules

PROFILES = ["glass_breaking", "alarm_beep", "siren", "baby_crying", "finger_snap", "doorbell"]


def test_configuration_and_rules_are_valid_and_point_into_the_folder(tmp_path: Path) -> None:
    """A stranger can take them as a first example of their own."""
    audio = np.full(4_800, 0.25, np.float32)
    scene = Scene(seed=0, examples=(audio, audio), planned=(), stretches=(), audio=audio)
    places = DemoFolder(path=tmp_path)
    places.write(scene, port=18_830)
    config = load_config(places.config)
    assert config.mqtt is not None
    assert config.mqtt.port == 18_830
    assert config.evidence_folder == places.evidence
    assert config.rules is not None
    rules = load_rules(config.rules, PROFILES, [STREAM])
    assert {rule.id for rule in rules} == {"glass_alarm", "danger", "nursery", "visitor", "snap_light"}
    read, rate_hz = soundfile.read(tmp_path / "scene.flac", dtype="float32")
    assert rate_hz == 48_000
    np.testing.assert_allclose(read, audio, atol=1e-4)
    assert all(path.is_file() for path in places.examples(2))


def test_a_second_scene_replaces_the_first(tmp_path: Path) -> None:
    """The folder can be used again and again."""
    places = DemoFolder(path=tmp_path)
    for level in (0.1, 0.2):
        audio = np.full(480, level, np.float32)
        places.write(Scene(seed=0, examples=(), planned=(), stretches=(), audio=audio), port=1_883)
    assert soundfile.read(tmp_path / "scene.flac")[0].max() > 0.15
