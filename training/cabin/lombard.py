"""People raise their voices in noise: a scene as loud as it would be with somebody who hears the noise.

A voice rises by half a decibel for each decibel of noise above 50 dB(A), where the microphone is, inside and
outside alike. At the scene's signal-to-noise ratio the noise rises with it, up to what a car makes at most;
so the whole scene gets louder, and nothing else changes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.cabin.scenes import Scene

RISE = 0.5
QUIET_DBA = 50.0
LOUDEST_NOISE_DBA = 76.0


def raised_db(scene: Scene) -> float:
    """Return by how much the scene is louder than with a talker who hears no noise."""
    noise_dba = scene.level_dba - scene.snr_db
    by_voice = RISE / (1.0 - RISE) * max(0.0, noise_dba - QUIET_DBA)
    return min(by_voice, max(0.0, LOUDEST_NOISE_DBA - noise_dba))


def raised(scene: Scene) -> Scene:
    """Return the scene with its talker's voice raised."""
    louder_db = raised_db(scene)
    gain = np.float32(10.0 ** (louder_db / 20.0))
    return replace(
        scene,
        samples=np.clip(scene.samples * gain, -1.0, 1.0),
        level_dba=scene.level_dba + louder_db,
    )
