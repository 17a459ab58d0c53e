"""What the cues say while a scene is heard, hop by hop as the daemon would hear it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors import cabin_cues
from detectors.types import HOP_S, HOP_SAMPLES
from training.cabin.scenes import FULL_SCALE_DB, Scene

AGES = (6, 9, 14, 20, 30, 45)
"""After so many hops with a voice the cues are looked at, and at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CueRows:
    """The cues of many scenes; those of one microphone are the first ones."""

    cues: NDArray[np.float32]
    """[n, cue_id(2).dim]"""
    scene: NDArray[np.int32]
    """[n], the index of the scene"""
    last: NDArray[np.bool_]
    """[n], whether it is the scene's last row, at the end of the utterance"""

    def of(self, microphones: int) -> NDArray[np.float32]:
        """Return what one or two microphones have."""
        return self.cues[:, : cabin_cues.cue_id(microphones).dim]


def listen(scenes: Iterable[Scene]) -> CueRows:
    """Hear every scene through both microphones."""
    rows: list[NDArray[np.float32]] = []
    places: list[int] = []
    last: list[bool] = []
    for number, scene in enumerate(scenes):
        heard = _hear(scene)
        rows += heard
        places += [number] * len(heard)
        last += [False] * (len(heard) - 1) + [True]
    return CueRows(cues=np.stack(rows), scene=np.array(places, np.int32), last=np.array(last, np.bool_))


def _hear(scene: Scene) -> list[NDArray[np.float32]]:
    """Return the cues at AGES, while the talker talks, and at the end."""
    state = cabin_cues.initial_state(2)
    found: list[NDArray[np.float32]] = []
    for hop in range(int(scene.end_s / HOP_S)):
        samples = scene.samples[:, hop * HOP_SAMPLES : (hop + 1) * HOP_SAMPLES]
        before = state.spoken_hops
        state = cabin_cues.step(state, samples, FULL_SCALE_DB)
        talking = (hop + 1) * HOP_S > scene.start_s
        if talking and state.spoken_hops in AGES and state.spoken_hops != before:
            found.append(cabin_cues.cues(state, scene.microphone_distance_m))
    return [*found, cabin_cues.cues(state, scene.microphone_distance_m)]
