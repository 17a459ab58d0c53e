"""Sounds made from physics: struck things, tones, voices, a household, and the room they are heard in.

Each is a pure function of a `numpy.random.Generator` and gives mono float32 at `RATE_HZ`, its peak at 1. They
serve the demonstration alone: no profile, threshold or weight was ever made from them.
"""
