"""From a score per hop to sounds that start and end.

A profile's sound starts when enough hops reach its threshold and goes on until its score has stayed under a
lower one for a while. The time of the onset is looked up backwards, because evidence arrives after the fact:
where the stretch of sound began that the score speaks of, or the hop in which the score began to rise, or the
10 ms in which the gate saw something abrupt there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from detectors.types import HOP_SAMPLES, HopScores, Phase

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.segmenter_plan import Plan, SegmenterSettings

REMEMBERED_HOPS = 32
"""Levels and onsets older than this can no longer belong to a sound that starts now."""

_Number = TypeVar("_Number", np.uint8, np.int64)

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """A sound that goes on."""

    profile: int
    onset_sample: int
    last_hop: int
    """The last one with a score that keeps it going."""
    score: float
    level_dbfs: float
    """Of its loudest hop."""
    quietest_dbfs: float
    """Of the quietest hop after the onset's."""
    noise_floor_dbfs: float
    speech: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterState:
    """What the segmenter remembers of one stream. The arrays are [profiles] and never written to."""

    soundings: tuple[Sounding, ...]
    over: NDArray[np.uint8]
    """The last hops as bits, the newest lowest: 1 where the score reached the threshold."""
    rise_hop: NDArray[np.int64]
    """Where the score began to rise; _NEVER while it is low."""
    free_hop: NDArray[np.int64]
    """From here on the profile may start without anything abrupt."""
    earliest_sample: NDArray[np.int64]
    """The end of the last sound: the next one's onset cannot lie before."""
    hops: tuple[tuple[int, float, float, bool], ...]
    """The newest hops: index, level, noise floor, speech."""
    onset_samples: tuple[int, ...]
    """The newest abrupt onsets."""
    resting: bool
    """Nothing is in `over` and `rise_hop`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A profile's sound started or ended. Samples are at DETECTION_RATE_HZ."""

    phase: Phase
    profile: int
    onset_sample: int
    end_sample: int | None
    score: float
    level_dbfs: float
    noise_floor_dbfs: float
    speech: bool


def initial_state(profiles: int) -> SegmenterState:
    """Return the state of a stream that has heard nothing yet."""
    return SegmenterState(
        soundings=(),
        over=np.zeros(profiles, np.uint8),
        rise_hop=np.full(profiles, _NEVER),
        free_hop=np.zeros(profiles, np.int64),
        earliest_sample=np.zeros(profiles, np.int64),
        hops=(),
        onset_samples=(),
        resting=True,
    )


def step(
    state: SegmenterState, hop: HopScores, onset_sample: int | None, plan: Plan
) -> tuple[SegmenterState, tuple[Transition, ...]]:
    """Take one hop into account; `onset_sample` is the gate's. Hops come in order, none is left out."""
    hops = (*state.hops[1 - REMEMBERED_HOPS :], (hop.index, hop.level_dbfs, hop.noise_floor_dbfs, hop.speech))
    onsets = _recent_onsets(state.onset_samples, onset_sample, hop.index)
    rising = hop.scores >= plan.rise
    anything = rising.any()
    over, rise_hop = state.over, state.rise_hop
    if anything or not state.resting:
        over = ((over << np.uint8(1)) | (hop.scores >= plan.enter).view(np.uint8)) & plan.window_mask
        rise_hop = np.where(rising, np.minimum(rise_hop, hop.index), _NEVER)
    heard = replace(
        state,
        resting=not anything and not over.any(),
        over=over,
        rise_hop=rise_hop,
        hops=hops,
        onset_samples=onsets,
    )
    if not state.soundings and not anything:
        return heard, ()
    after, transitions = _go_on(heard, hop, plan)
    ready = np.flatnonzero((np.bitwise_count(over) >= plan.start_hops) & ((over & 1) == 1)).tolist()
    if ready:
        sounding = {sound.profile for sound in after.soundings}
        started = tuple(
            _start(after, profile, hop, plan)
            for profile in ready
            if profile not in sounding and _may_start(after, profile, hop.index)
        )
        after = replace(after, soundings=after.soundings + started)
        transitions += tuple(_transition(Phase.STARTED, sound, None) for sound in started)
    return after, transitions


def finish(state: SegmenterState) -> tuple[Transition, ...]:
    """End every sound that still goes on: the stream is over."""
    return tuple(_transition(Phase.ENDED, sound, _end_sample(sound)) for sound in state.soundings)


def carried_over(state: SegmenterState, places: NDArray[np.int64]) -> SegmenterState:
    """Return the state for other profiles: `places` [profiles] says where each was before, −1 for a new one.

    Sounds of profiles that are gone have to be ended before.
    """
    new = places < 0
    at = {int(place): profile for profile, place in enumerate(places.tolist()) if place >= 0}

    def moved(array: NDArray[_Number], nothing: int) -> NDArray[_Number]:
        after: NDArray[_Number] = np.full(len(places), nothing, array.dtype)
        after[~new] = array[places[~new]]
        return after

    return replace(
        state,
        soundings=tuple(
            replace(sound, profile=at[sound.profile]) for sound in state.soundings if sound.profile in at
        ),
        over=moved(state.over, 0),
        rise_hop=moved(state.rise_hop, _NEVER),
        free_hop=moved(state.free_hop, 0),
        earliest_sample=moved(state.earliest_sample, 0),
    )


def gone(state: SegmenterState, places: NDArray[np.int64]) -> tuple[Transition, ...]:
    """End the sounds of profiles that `places` does not carry over."""
    kept = set(places.tolist())
    return tuple(
        _transition(Phase.ENDED, sound, _end_sample(sound))
        for sound in state.soundings
        if sound.profile not in kept
    )


def _recent_onsets(onsets: tuple[int, ...], newest: int | None, index: int) -> tuple[int, ...]:
    if onsets and onsets[0] < (index - REMEMBERED_HOPS) * HOP_SAMPLES:
        onsets = onsets[1:]
    return onsets if newest is None else (*onsets, newest)


def _go_on(
    state: SegmenterState, hop: HopScores, plan: Plan
) -> tuple[SegmenterState, tuple[Transition, ...]]:
    """Carry the sounds that go on over this hop; end those that have stopped, or have begun anew."""
    if not state.soundings:
        return state, ()
    going: list[Sounding] = []
    transitions: list[Transition] = []
    for sound in state.soundings:
        profile = sound.profile
        if (repeated_at := _repeated_at(state, sound, hop, plan)) is not None:
            again = _sounding(state, profile, repeated_at, hop)
            going.append(again)
            transitions.append(_transition(Phase.ENDED, sound, min(repeated_at, _end_sample(sound))))
            transitions.append(_transition(Phase.STARTED, again, None))
        elif (
            hop.index - sound.last_hop >= plan.end_hops[profile] and hop.scores[profile] < plan.leave[profile]
        ):
            transitions.append(_transition(Phase.ENDED, sound, _end_sample(sound)))
            state = _set_free(state, sound, hop.index + plan.settings.refractory_hops)
        else:
            going.append(_carry(sound, hop, keeps_on=bool(hop.scores[profile] >= plan.leave[profile])))
    return replace(state, soundings=tuple(going)), tuple(transitions)


def _carry(sound: Sounding, hop: HopScores, *, keeps_on: bool) -> Sounding:
    return Sounding(
        profile=sound.profile,
        onset_sample=sound.onset_sample,
        last_hop=hop.index if keeps_on else sound.last_hop,
        score=max(sound.score, float(hop.scores[sound.profile])),
        level_dbfs=max(sound.level_dbfs, hop.level_dbfs) if keeps_on else sound.level_dbfs,
        quietest_dbfs=min(sound.quietest_dbfs, hop.level_dbfs),
        noise_floor_dbfs=sound.noise_floor_dbfs,
        speech=sound.speech or (keeps_on and hop.speech),
    )


def _repeated_at(state: SegmenterState, sound: Sounding, hop: HopScores, plan: Plan) -> int | None:
    """Return where an impulse that still scores has plainly sounded again."""
    settings = plan.settings
    onset = state.onset_samples[-1] if state.onset_samples else -1
    if (
        not plan.impulse[sound.profile]
        or onset < (hop.index - 1) * HOP_SAMPLES
        or onset - sound.onset_sample < settings.repeat_hops * HOP_SAMPLES
        or hop.scores[sound.profile] < plan.enter[sound.profile]
        or sound.quietest_dbfs > sound.level_dbfs - settings.repeat_fall_db
    ):
        return None
    level_dbfs = max(level for index, level, _, _ in state.hops if (index + 1) * HOP_SAMPLES > onset)
    return onset if level_dbfs >= sound.level_dbfs - settings.repeat_level_db else None


def _set_free(state: SegmenterState, sound: Sounding, free_hop: int) -> SegmenterState:
    free_hops, earliest = state.free_hop.copy(), state.earliest_sample.copy()
    free_hops[sound.profile] = free_hop
    earliest[sound.profile] = _end_sample(sound)
    return replace(state, free_hop=free_hops, earliest_sample=earliest)


def _may_start(state: SegmenterState, profile: int, index: int) -> bool:
    return bool(index >= state.free_hop[profile]) or any(
        onset >= state.earliest_sample[profile] for onset in state.onset_samples
    )


def _start(state: SegmenterState, profile: int, hop: HopScores, plan: Plan) -> Sounding:
    """Begin a sound at its most likely onset.

    The stretch of sound around the first hop over the threshold may have begun a while before the encoder was
    sure; in one that goes back further than the encoder remembers, the rise of the score counts. Something
    abrupt there or in the encoder's delay before it is the best witness, then something abrupt until the
    first hop over the threshold, then the hop itself.
    """
    first_over = hop.index - int(state.over[profile]).bit_length() + 1
    rise = max(int(state.rise_hop[profile]), first_over - int(plan.lookback_hops[profile]))
    rise = min(rise, first_over)
    stretch = _stretch_start(state, first_over, plan.settings)
    if stretch is not None:
        rise = min(rise, stretch)
    from_sample = max(
        (rise - plan.settings.encoder_delay_hops) * HOP_SAMPLES, int(state.earliest_sample[profile])
    )
    before = [onset for onset in state.onset_samples if from_sample <= onset < (rise + 1) * HOP_SAMPLES]
    between = [
        onset
        for onset in state.onset_samples
        if (rise + 1) * HOP_SAMPLES <= onset < (first_over + 1) * HOP_SAMPLES
    ]
    if before:
        onset_sample = before[-1]
    elif between:
        onset_sample = between[0]
    else:
        onset_sample = max(rise * HOP_SAMPLES, int(state.earliest_sample[profile]))
    return _sounding(state, profile, onset_sample, hop)


def _stretch_start(state: SegmenterState, within: int, settings: SegmenterSettings) -> int | None:
    """Return the hop after the last quiet one before `within`; None if the encoder remembers none."""
    peak_dbfs = max((level for index, level, _, _ in state.hops if index >= within), default=0.0)
    for index, level_dbfs, _, _ in reversed(state.hops):
        if index >= within:
            continue
        if within - index > settings.memory_hops:
            return None
        if level_dbfs < peak_dbfs - settings.stretch_fall_db:
            return index + 1
        peak_dbfs = max(peak_dbfs, level_dbfs)
        if index == 0:
            return 0
    return None


def _sounding(state: SegmenterState, profile: int, onset_sample: int, hop: HopScores) -> Sounding:
    onset_hop = onset_sample // HOP_SAMPLES
    since = [kept for kept in state.hops if kept[0] >= onset_hop]
    return Sounding(
        profile=profile,
        onset_sample=onset_sample,
        last_hop=hop.index,
        score=float(hop.scores[profile]),
        level_dbfs=max(level for _, level, _, _ in since),
        quietest_dbfs=min((level for index, level, _, _ in since if index > onset_hop), default=0.0),
        noise_floor_dbfs=since[0][2],
        speech=any(speech for _, _, _, speech in since),
    )


def _end_sample(sound: Sounding) -> int:
    return (sound.last_hop + 1) * HOP_SAMPLES


def _transition(phase: Phase, sound: Sounding, end_sample: int | None) -> Transition:
    return Transition(
        phase=phase,
        profile=sound.profile,
        onset_sample=sound.onset_sample,
        end_sample=end_sample,
        score=sound.score,
        level_dbfs=sound.level_dbfs,
        noise_floor_dbfs=sound.noise_floor_dbfs,
        speech=sound.speech,
    )
