"""Run by heard's own interpreter: writes a recording in which a smoke alarm beeps, to be played in a loop."""

from __future__ import annotations

import sys

import numpy as np
import soundfile

from daemon.demo.synthesis.room import draw_room, placed, room_noise
from daemon.demo.synthesis.signal import RATE_HZ, add_at, samples
from daemon.demo.synthesis.tones import smoke_alarm

QUIET_BEFORE_S = 2.5
QUIET_AFTER_S = 2.5

rng = np.random.default_rng(4)
room = draw_room(rng)
alarm = placed(rng, room, smoke_alarm(rng, cycles=1), -10.0)
audio = room_noise(rng, room, samples(QUIET_BEFORE_S + QUIET_AFTER_S) + len(alarm))
add_at(audio, alarm, samples(QUIET_BEFORE_S))
soundfile.write(sys.argv[1], np.clip(audio, -1.0, 1.0), RATE_HZ)
