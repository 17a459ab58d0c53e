"""Where a voice is, in the car or outside, as far as a few dozen numbers can tell; cheap, and no network.

A voice from outside is quieter than one in the cabin, duller behind glass, and smeared by the street and by
every panel that it comes through. So each hop is split into bands, held against a noise floor that is
followed in each band, and what stands above it is summed up for as long as somebody goes on speaking: how
loud, how bright and how far above the floor it is, how deep it is modulated, how fast it rises and how slowly
it decays. With a second microphone come coherence, delay and level difference between the two.

Pure functions: `step` takes a hop into account, `cues` turns the sums into one vector.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from math import exp

import numpy as np
from numpy.typing import NDArray

from detectors.dsp import MEL_HOP_SAMPLES, MEL_OVERLAP_SAMPLES, MEL_WINDOW_SAMPLES, N_FFT
from detectors.encoders import EncoderId
from detectors.types import DETECTION_RATE_HZ, HOP_S, HOP_SAMPLES, Samples

FRAMES_PER_HOP = HOP_SAMPLES // MEL_HOP_SAMPLES
BINS = N_FFT // 2 + 1
EDGES_HZ = (
    *(150, 250, 350, 450, 570, 700, 840, 1_000, 1_170, 1_370, 1_600),
    *(1_850, 2_150, 2_500, 2_900, 3_400, 4_000, 4_800, 5_800, 7_000, 8_000),
)
"""Of the bands: about one critical band each."""
BANDS = len(EDGES_HZ) - 1
SPEECH_BANDS = slice(1, 17)
BRIGHT_BANDS = slice(8, BANDS)
PAIR_EDGES_HZ = (200, 500, 900, 1_500, 2_500, 4_000, 6_000, 8_000)
DELAY_RANGES_HZ = ((300, 1_500), (1_500, 4_000), (300, 7_000))
DELAY_STEPS = 16
"""Delays are tried on either side up to the time that sound takes from one microphone to the other."""
SOUND_M_S = 343.0

SPEAKING_DB = 2.5
"""A hop counts in which the bands of speech are on average so far above their floors."""
PAUSE_HOPS = 10
"""After 0.8 s in which nobody spoke, the next voice is another utterance."""
VOICE_KEPT = exp(-HOP_S / 4.0)
"""An utterance is remembered for 4 s of speaking."""
NOISE_KEPT = exp(-HOP_S / 3.0)
FLOOR_SHARE = 0.3
"""The floor is the level that this share of the hops stays under."""
FLOOR_STEP_DB, FIRST_FLOOR_STEP_DB = 0.35, 3.0
OVER_FLOOR = 1.3
"""Less above the floor than this factor is its own fluctuation."""
DEEPEST_DB = 30.0
"""So far under the loudest of the utterance, quiet is quiet: how quiet it is says nothing of the talker."""
LOUD_DB = 6.0
"""Rises and decays are looked at where a frame is so far above the floor."""
REFERENCE_DB_SPL = 80.0
"""Sound pressure level of a full-scale signal in which a power of one is a power of one."""
NOTHING = 1e-10
LEAST_POWER = 1e-7
LEAST_BAND_DB = -50.0

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class CueState:
    """What is remembered of one stream. The arrays are never written to."""

    overlap: Samples
    """[microphones, MEL_OVERLAP_SAMPLES]: the end of what came before"""
    hops: int
    floor_db: Floats
    """[BANDS]"""
    before_db: Floats
    """[3, BANDS]: the last frames above the floor"""
    peak_db: Floats
    """[BANDS]: the loudest hop of this utterance"""
    quiet_hops: int
    """Since somebody last spoke."""
    spoken_hops: int
    """Of this utterance."""
    frames: float
    """Of these, how many are still remembered."""
    sums: Floats
    """[10, BANDS]: what `_band_sums` lists"""
    peaks: Floats
    """[2]: how peaky the waveform is, and its weight"""
    noise: Complexes
    """[3, BINS]: cross-power and both powers while nobody speaks; empty with one microphone"""
    voice: Complexes
    """The same while somebody does."""


def cue_id(microphones: int) -> EncoderId:
    """Return the identity that profiles of these cues store with their numbers."""
    name = "cabin_cues_one" if microphones == 1 else "cabin_cues_two"
    return EncoderId(
        name=name, sha256=sha256(f"{name}, revision 1".encode()).hexdigest(), dim=_dimension(microphones)
    )


def initial_state(microphones: int) -> CueState:
    """Return the state of a stream of one or two microphones that has heard nothing yet."""
    pair = np.zeros((3 if microphones > 1 else 0, BINS), np.complex128) + NOTHING
    return _forget(
        CueState(
            overlap=np.zeros((microphones, MEL_OVERLAP_SAMPLES), np.float32),
            hops=0,
            floor_db=np.zeros(BANDS),
            before_db=np.zeros((3, BANDS)),
            peak_db=np.zeros(BANDS),
            quiet_hops=0,
            spoken_hops=0,
            frames=0.0,
            sums=np.zeros((10, BANDS)),
            peaks=np.zeros(2),
            noise=pair,
            voice=pair,
        )
    )


def step(state: CueState, samples: Samples, full_scale_db_spl: float) -> CueState:
    """Take one hop into account: float32 [microphones, HOP_SAMPLES], hops in order.

    `full_scale_db_spl` is the sound pressure level at which the microphones reach full scale.
    """
    gain = np.float32(10.0 ** ((full_scale_db_spl - REFERENCE_DB_SPL) / 20.0))
    audio = np.concatenate((state.overlap, samples * gain), axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(audio, MEL_WINDOW_SAMPLES, axis=1)
    spectra = np.fft.rfft(frames[:, ::MEL_HOP_SAMPLES] * _window(), N_FFT)
    powers = spectra.real**2 + spectra.imag**2
    bands = powers[0] @ _band_bank() + LEAST_POWER
    level_db = 10.0 * np.log10(bands.mean(axis=0))
    floor_db = _follow(state, level_db)
    peak_db = np.maximum(state.peak_db, level_db)
    ground_db = np.maximum(floor_db, peak_db - DEEPEST_DB)
    above_db = 10.0 * np.log10(np.maximum(bands / 10.0 ** (ground_db / 10.0), 1.0))
    heard = replace(
        state,
        overlap=audio[:, -MEL_OVERLAP_SAMPLES:],
        hops=state.hops + 1,
        floor_db=floor_db,
        before_db=above_db[-3:],
        peak_db=peak_db,
    )
    if float(np.mean((level_db - floor_db)[SPEECH_BANDS])) < SPEAKING_DB:
        heard = replace(
            heard,
            quiet_hops=state.quiet_hops + 1,
            noise=state.noise * NOISE_KEPT + _cross_powers(spectra, powers),
        )
        return _forget(heard) if heard.quiet_hops == PAUSE_HOPS else heard
    return replace(
        heard,
        quiet_hops=0,
        spoken_hops=state.spoken_hops + 1,
        frames=state.frames * VOICE_KEPT + FRAMES_PER_HOP,
        sums=state.sums * VOICE_KEPT + _band_sums(bands, ground_db, above_db, state.before_db),
        peaks=state.peaks * VOICE_KEPT + _peakiness(audio[0, -HOP_SAMPLES:]),
        voice=state.voice * VOICE_KEPT + _cross_powers(spectra, powers),
    )


def cues(state: CueState, microphone_distance_m: float) -> NDArray[np.float32]:
    """Return the cues of this utterance so far, float32 [cue_id(microphones).dim].

    How far apart the microphones are turns delays into directions; of one microphone it means nothing.
    """
    found = [*_levels(state), *_shapes(state)]
    if state.voice.size:
        found += _pair(state, microphone_distance_m)
    return np.concatenate([_pooled(each) for each in found]).astype(np.float32)


def _pooled(cue: Floats) -> Floats:
    """Return the means of neighbouring bands of what is known by band; anything else as it is."""
    return cue.reshape(-1, 2).mean(axis=1) if len(cue) == BANDS else cue


def _forget(state: CueState) -> CueState:
    """Begin a new utterance; the floor and the noise stay known."""
    return replace(
        state,
        spoken_hops=0,
        frames=NOTHING,
        sums=np.full((10, BANDS), NOTHING),
        peaks=np.full(2, NOTHING),
        voice=np.full_like(state.voice, NOTHING),
        peak_db=np.full(BANDS, LEAST_BAND_DB),
    )


def _follow(state: CueState, level_db: Floats) -> Floats:
    """Move the floor towards the level that FLOOR_SHARE of the hops stays under."""
    if state.hops == 0:
        return level_db
    step_db = max(FLOOR_STEP_DB, FIRST_FLOOR_STEP_DB / (state.hops + 1))
    moved: Floats = state.floor_db + step_db * np.where(
        level_db > state.floor_db, FLOOR_SHARE, FLOOR_SHARE - 1.0
    )
    return moved


def _band_sums(bands: Floats, floor_db: Floats, above_db: Floats, before_db: Floats) -> Floats:
    """Return the ten sums of one hop, [10, BANDS].

    Power above the floor, its square, the floor, rises and decays between frames, their squares, the squares
    of decays over 30 ms, how many frames are loud, and how loud these are.
    """
    floor = 10.0 ** (floor_db / 10.0)
    excess = np.maximum(bands - OVER_FLOOR * floor, 0.0)
    joined = np.concatenate((before_db, above_db))
    loud = np.maximum(joined[2:-1], joined[3:]) > LOUD_DB
    change = np.diff(joined, axis=0)[2:] * loud
    rises, decays = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    slow = np.maximum(joined[:-3] - joined[3:], 0.0)
    parts = (
        *(excess, excess**2, np.broadcast_to(floor, excess.shape)),
        *(rises, decays, rises**2, decays**2, slow**2, loud, above_db * loud),
    )
    total: Floats = np.stack(parts).sum(axis=1)
    return total


def _peakiness(samples: Samples) -> Floats:
    """How far the differenced waveform stands out of itself: pulses of a near voice do, echoes fill gaps."""
    pieces = np.diff(samples, n=2)[: 9 * 140].reshape(9, 140).astype(np.float64)
    power = np.square(pieces).mean(axis=1) + NOTHING
    weight = power / power.max()
    fourth = (pieces**4).mean(axis=1) / power**2
    return np.array([weight @ fourth, weight.sum()])


def _cross_powers(spectra: Complexes, powers: Floats) -> Complexes:
    """Return the cross-power and both powers, summed over a hop's frames; nothing of one microphone."""
    if len(spectra) == 1:
        return np.zeros((0, BINS), np.complex128)
    cross: Complexes = np.stack((spectra[0] * spectra[1].conj(), powers[0], powers[1])).sum(axis=1)
    return cross


def _levels(state: CueState) -> list[Floats]:
    """How loud the voice and the noise are: the cues that depend on what the microphone is told to be."""
    power, floor = state.sums[0] / state.frames, state.sums[2] / state.frames
    peaks = state.sums[1] / state.sums[0]
    totals = (power[SPEECH_BANDS].sum(), power[BRIGHT_BANDS].sum(), floor[SPEECH_BANDS].sum())
    loudest = (peaks[SPEECH_BANDS].sum(), peaks[BRIGHT_BANDS].sum())
    return [
        *(np.maximum(_db(each), LEAST_BAND_DB) for each in (power, peaks)),
        _db(np.array(totals)),
        _db(np.array(loudest)),
    ]


def _shapes(state: CueState) -> list[Floats]:
    """How bright, how deep, how abrupt: what stays the same when somebody turns the gain."""
    excess, squares, floor, rise, decay, rises, decays, slow, loud, level = state.sums
    sure = excess / (excess + floor)
    bright = _db(excess / state.frames)
    bright -= float((bright * sure)[SPEECH_BANDS].sum()) / max(float(sure[SPEECH_BANDS].sum()), 1e-3)
    deep = _db(squares / excess) - _db(excess / state.frames)
    noise = _db(floor / state.frames)
    count = loud + 1e-3
    return [
        *(_db(1.0 + excess / floor), sure, np.clip(bright, -45.0, 30.0) * sure, deep * sure),
        noise - noise[SPEECH_BANDS].mean(),
        *(rise / count, decay / count, np.sqrt(rises / count), np.sqrt(decays / count)),
        *(np.sqrt(slow / count), level / count, np.log(count / state.frames + 1e-3)),
        np.array([state.peaks[0] / state.peaks[1], np.log(state.frames + 1e-6)]),
    ]


def _pair(state: CueState, distance_m: float) -> list[Floats]:
    """How alike two microphones hear the voice, and which of them first; the noise's part taken away."""
    heard = state.voice / state.frames
    noise = state.noise * ((1.0 - NOISE_KEPT) / FRAMES_PER_HOP)
    first, second = (np.maximum(heard[at].real - noise[at].real, 0.05 * heard[at].real) for at in (1, 2))
    cross = heard[0] - noise[0]
    sure = np.clip(1.0 - noise[1].real / heard[1].real, 0.0, 1.0)
    alike = np.minimum(np.abs(cross) ** 2 / (first * second), 1.5)
    mixed = np.abs(heard[0]) ** 2 / (heard[1].real * heard[2].real)
    weighted, plain = _pair_means(sure + 1e-3), _pair_means(np.ones(BINS))
    apart = np.abs(weighted @ _db(first / second))
    return [weighted @ alike, plain @ mixed, *_delays(cross, sure, distance_m), apart]


def _delays(cross: Complexes, sure: Floats, distance_m: float) -> list[Floats]:
    """Return, for each range of frequencies, how well each direction explains the phases, left or right."""
    phases = cross / (np.abs(cross) + NOTHING * NOTHING) * sure
    found = []
    for chosen, turns in _turns(distance_m):
        by_delay = (phases[chosen] @ turns).real / (float(sure[chosen].sum()) + 1e-3)
        best = int(np.argmax(by_delay))
        either = np.maximum(by_delay[DELAY_STEPS:], by_delay[DELAY_STEPS::-1])
        found.append(np.array([by_delay[best], abs(best - DELAY_STEPS) / DELAY_STEPS]))
        found.append(either[::2])
    return found


def _pair_means(weights: Floats) -> Floats:
    """Return what takes weighted means over the pair's bands: [bands, BINS]."""
    shares = _pair_bank() * weights
    means: Floats = shares / shares.sum(axis=1, keepdims=True)
    return means


def _db(power: Floats) -> Floats:
    decibels: Floats = 10.0 * np.log10(power + 1e-9)
    return decibels


def _dimension(microphones: int) -> int:
    alone = 14 * BANDS // 2 + 7
    if microphones == 1:
        return alone
    bands = len(PAIR_EDGES_HZ) - 1
    return alone + 3 * bands + len(DELAY_RANGES_HZ) * (2 + DELAY_STEPS // 2 + 1)


def _between(low_hz: float, high_hz: float) -> NDArray[np.bool_]:
    hertz = np.arange(BINS) * DETECTION_RATE_HZ / N_FFT
    chosen: NDArray[np.bool_] = (hertz >= low_hz) & (hertz < high_hz)
    return chosen


@lru_cache(maxsize=1)
def _window() -> Samples:
    return np.hanning(MEL_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=1)
def _band_bank() -> Floats:
    """Return which bins are in which band, [BINS, BANDS]."""
    return np.stack([_between(*edges) for edges in pairwise(EDGES_HZ)], axis=1).astype(np.float64)


@lru_cache(maxsize=1)
def _pair_bank() -> Floats:
    """Return which bins are in which band of the pair, [bands, BINS]."""
    return np.stack([_between(*edges) for edges in pairwise(PAIR_EDGES_HZ)]).astype(np.float64)


@lru_cache(maxsize=64)
def _turns(distance_m: float) -> tuple[tuple[NDArray[np.bool_], Complexes], ...]:
    """For each range its bins, and how each delay turns their phases, [chosen bins, delays]."""
    delays_s = np.arange(-DELAY_STEPS, DELAY_STEPS + 1) / DELAY_STEPS * distance_m / SOUND_M_S
    hertz = np.arange(BINS) * DETECTION_RATE_HZ / N_FFT
    turns = np.exp(2j * np.pi * hertz[:, None] * delays_s)
    return tuple((chosen, turns[chosen]) for chosen in (_between(*edges) for edges in DELAY_RANGES_HZ))
