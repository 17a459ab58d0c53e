from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from daemon.pipeline import Pipeline
from detectors.gate import GateSettings
from detectors.types import HOP_S, AudioBlock, Phase, SoundEvent
from fewshot_profiles.matcher import Matcher
from tests.encoders_for_tests import LogMelEncoder, embed, taught

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RATE_HZ = 16_000
EPOCH_S = 1_700_000_000.0
Audio = NDArray[np.float32]


def noise(seconds: float, level_dbfs: float = -60.0, seed: int = 0, rate_hz: int = RATE_HZ) -> Audio:
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal(round(seconds * rate_hz)) * 10 ** (level_dbfs / 20)
    return samples.astype(np.float32)


def whistle(seconds: float, rate_hz: int = RATE_HZ) -> Audio:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.1 * np.sin(2 * np.pi * 2_500 * time_s)).astype(np.float32)


def click(rate_hz: int = RATE_HZ, seed: int = 1) -> Audio:
    burst = noise(0.06, -16.0, seed, rate_hz)
    return (burst * np.exp(-np.arange(len(burst)) / (0.015 * rate_hz))).astype(np.float32)


def scene(
    sounds: Mapping[float, Audio], seconds: float = 12.0, seed: int = 0, rate_hz: int = RATE_HZ
) -> Audio:
    """Lay sounds, by their onsets in seconds, into quiet noise."""
    audio = noise(seconds, seed=seed, rate_hz=rate_hz)
    for onset_s, sound in sounds.items():
        start = round(onset_s * rate_hz)
        audio[start : start + len(sound)] += sound
    return audio


def teach() -> Matcher:
    """Teach a whistle and a click, from audio of the full band and of a telephone's."""
    encoder = LogMelEncoder()

    def narrow(audio: Audio) -> Audio:
        resampled: Audio = soxr.resample(audio, 8_000, RATE_HZ)
        return resampled

    whistling = [scene({0.0: whistle(1.0)}, 1.0, seed) for seed in range(4)]
    whistling += [narrow(scene({0.0: whistle(1.0, 8_000)}, 1.0, seed, 8_000)) for seed in range(4)]
    clicking = [scene({0.5: click(seed=seed)}, 1.0, seed) for seed in range(20, 28)]
    background = [noise(10.0), narrow(noise(10.0, rate_hz=8_000)), np.zeros(RATE_HZ, np.float32)]
    return taught(
        encoder,
        {
            "whistle": ("sustained", np.concatenate([embed(encoder, audio)[3:] for audio in whistling])),
            "click": ("impulse", np.concatenate([embed(encoder, audio)[6:8] for audio in clicking])),
        },
        np.concatenate([embed(encoder, audio) for audio in background]),
    )


MATCHER = teach()


def blocks(audio: Audio, sizes: Sequence[int], rate_hz: int = RATE_HZ) -> list[AudioBlock]:
    """Cut audio into blocks of these sizes, over and over."""
    result: list[AudioBlock] = []
    start = 0
    samples = audio if audio.ndim == 2 else audio[None]
    while start < samples.shape[1]:
        piece = samples[:, start : start + sizes[len(result) % len(sizes)]]
        result.append(AudioBlock(samples=piece, rate_hz=rate_hz, start=start))
        start += piece.shape[1]
    return result


def hear(
    audio: Audio,
    sizes: Sequence[int] = (320,),
    *,
    rate_hz: int = RATE_HZ,
    gate_settings: GateSettings | None = None,
) -> list[SoundEvent]:
    pipeline = Pipeline(LogMelEncoder(), MATCHER, gate_settings=gate_settings)
    channels = np.atleast_2d(audio).shape[0]
    pipeline.open("kitchen", rate_hz=rate_hz, channels=channels, epoch_s=EPOCH_S)
    events = []
    for block in blocks(audio, sizes, rate_hz):
        events += pipeline.accept({"kitchen": block})
    return events + pipeline.close("kitchen")


def rounded(events: Sequence[SoundEvent]) -> list[dict[str, object]]:
    """Return events as they must be equal: batches may move the last digit of a score."""
    return [asdict(replace(event, score=round(event.score, 3))) for event in events]


def starts(events: Sequence[SoundEvent]) -> list[tuple[str, float]]:
    return [(event.profile, event.onset_s) for event in events if event.phase is Phase.STARTED]


SCENE = scene({3.03: click(), 5.0: whistle(2.0), 9.51: click()})


def test_sounds_are_heard_where_they_are() -> None:
    """Each sound starts once, within a tenth of a second of its onset, and ends."""
    events = hear(SCENE)
    heard = starts(events)
    assert [profile for profile, _ in heard] == ["click", "whistle", "click"]
    for (_, onset_s), expected_s in zip(heard, (3.03, 5.0, 9.51), strict=True):
        assert onset_s == pytest.approx(expected_s, abs=0.1)
    ended = {event.id: event for event in events if event.phase is Phase.ENDED}
    assert set(ended) == {event.id for event in events if event.phase is Phase.STARTED}
    assert next(e for e in ended.values() if e.profile == "whistle").end_s == pytest.approx(7.0, abs=0.5)


def test_quiet_is_quiet() -> None:
    """Nothing is heard in background noise alone, nor in digital silence."""
    assert hear(noise(10.0)) == []
    assert hear(np.zeros(80_000, np.float32)) == []


def test_a_snap_is_decided_within_its_second_hop() -> None:
    """From the onset of an abrupt sound to the decision pass at most two hops of audio."""
    started = [event for event in hear(SCENE) if event.phase is Phase.STARTED and event.profile == "click"]
    assert all(event.decided_s - event.onset_s <= 2 * HOP_S + 0.01 for event in started)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_other_rates_give_the_same_sounds(rate_hz: int) -> None:
    """Resampling moves nothing."""
    audio = scene({3.03: whistle(1.5, rate_hz)}, 8.0, rate_hz=rate_hz)
    (profile, onset_s), *more = starts(hear(np.stack([audio, audio]), (rate_hz // 50,), rate_hz=rate_hz))
    assert (profile, more) == ("whistle", [])
    assert onset_s == pytest.approx(3.03, abs=0.1)


def test_any_chunking_gives_the_same_events() -> None:
    """Single samples, 37 samples, and one second at a time: equal to the last bit."""
    short = scene({0.83: click(), 1.6: whistle(0.8)}, 3.0)
    whole = hear(short, (len(short),))
    assert len(starts(whole)) == 2
    assert hear(short, (RATE_HZ,)) == whole
    assert hear(short, (37,)) == whole
    assert hear(short, (1,)) == whole


@settings(max_examples=8, deadline=None)
@given(sizes=st.lists(st.integers(10, 20_000), min_size=1, max_size=8))
def test_random_chunkings_give_the_same_events(sizes: list[int]) -> None:
    """How the audio was cut cannot be told from the events."""
    short = SCENE[: 8 * RATE_HZ]
    assert hear(short, sizes) == hear(short, (RATE_HZ,))


def test_live_is_replay() -> None:
    """Streams that arrive side by side in 20 ms blocks hear what each hears alone as a file."""
    audios = {
        f"stream {number}": scene({1.5 + 0.37 * number: whistle(1.0), 5.0: click()}, 8.0, seed=number)
        for number in range(5)
    }
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    queues = {name: blocks(audio, (320,)) for name, audio in audios.items()}
    live: dict[str, list[SoundEvent]] = {name: [] for name in audios}
    for name in audios:
        pipeline.open(name, rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
    generator = np.random.default_rng(0)
    while any(queues.values()):
        arrived = {name: queue.pop(0) for name, queue in queues.items() if queue and generator.random() < 0.7}
        for event in pipeline.accept(arrived):
            live[event.stream].append(event)
    for name in audios:
        live[name] += pipeline.close(name)
    for name, audio in audios.items():
        alone = [replace(event, stream=name, id="") for event in hear(audio, (RATE_HZ,))]
        assert len(starts(alone)) >= 2
        assert rounded([replace(event, id="") for event in live[name]]) == rounded(alone)


def test_events_of_all_streams_come_in_order_of_time() -> None:
    """One call that covers seconds of several streams returns events as they were decided."""
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    arrived = {}
    for number in range(3):
        name = f"stream {number}"
        pipeline.open(name, rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S + 0.5 * number)
        (arrived[name],) = blocks(SCENE, (len(SCENE),))
    events = pipeline.accept(arrived)
    decided_at = [event.decided_at for event in events]
    assert len(events) >= 9
    assert decided_at == sorted(decided_at)


def test_the_gate_loses_nothing_that_is_heard_without_it() -> None:
    """With the gate always open the same sounds start, at the same times."""
    gated, open_always = hear(SCENE), hear(SCENE, gate_settings=GateSettings(always_open=True))
    assert [profile for profile, _ in starts(gated)] == [profile for profile, _ in starts(open_always)]
    for (_, one), (_, other) in zip(starts(gated), starts(open_always), strict=True):
        assert one == pytest.approx(other, abs=0.1)


def test_a_shut_gate_saves_the_encoder() -> None:
    """In a quiet room the encoder hears next to nothing, and the reading says so."""
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
    assert pipeline.reading("kitchen") is None
    for block in blocks(noise(20.0), (320,)):
        pipeline.accept({"kitchen": block})
    reading = pipeline.reading("kitchen")
    assert reading is not None
    assert (reading.gate_open, reading.top, reading.hops, reading.encoder_hops) == (False, (), 250, 0)
    assert reading.level_dbfs == pytest.approx(-60.0, abs=1.0)
    assert reading.noise_floor_dbfs == pytest.approx(-60.0, abs=2.0)


def test_the_reading_names_what_scores_highest() -> None:
    """While something sounds, the reading has the scores of the profiles that fit best."""
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
    pipeline.accept({"kitchen": blocks(SCENE, (6 * RATE_HZ,))[0]})
    reading = pipeline.reading("kitchen")
    assert reading is not None
    assert reading.top[0][0] == "whistle"
    assert reading.top[0][1] > 0.7
    assert 0 < reading.encoder_hops < reading.hops


def test_a_gap_keeps_later_sounds_in_their_place() -> None:
    """Samples that the source dropped are silence; what comes after has its true time."""
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
    events = []
    for block in blocks(SCENE, (320,)):
        if not 3.5 <= block.start / RATE_HZ < 4.5:
            events += pipeline.accept({"kitchen": block})
    events += pipeline.close("kitchen")
    assert starts(events) == starts(hear(SCENE))


def test_an_end_comes_with_the_stream() -> None:
    """A stream that stops in the middle of a sound ends it."""
    events = hear(SCENE[: round(6.2 * RATE_HZ)])
    assert [event.phase for event in events if event.profile == "whistle"] == [Phase.STARTED, Phase.ENDED]


def test_a_stream_can_come_back() -> None:
    """After its end a stream of the same name starts from nothing, and gives the same events."""
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    passes = []
    for _ in range(2):
        pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
        with pytest.raises(ValueError, match="open already"):
            pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
        (whole,) = blocks(SCENE, (len(SCENE),))
        passes.append(pipeline.accept({"kitchen": whole}) + pipeline.close("kitchen"))
        assert pipeline.streams == ()
    assert passes[0] == passes[1]


def test_profiles_can_be_replaced_while_it_listens() -> None:
    """Other profiles hold from the next hop on; a sound that went on has its end."""
    pipeline = Pipeline(LogMelEncoder(), MATCHER)
    pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
    first, second = blocks(SCENE, (6 * RATE_HZ,))
    before = pipeline.accept({"kitchen": first})
    (ended,) = pipeline.replace_matcher(Matcher(MATCHER.profiles[1:]))
    assert (ended.profile, ended.phase) == ("whistle", Phase.ENDED)
    assert ended.id in {event.id for event in before}
    after = pipeline.accept({"kitchen": second}) + pipeline.close("kitchen")
    assert [profile for profile, _ in starts(after)] == ["click"]


def test_without_profiles_it_listens_and_hears_nothing() -> None:
    """No profiles are no error."""
    pipeline = Pipeline(LogMelEncoder(), Matcher(()))
    pipeline.open("kitchen", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
    (whole,) = blocks(SCENE, (len(SCENE),))
    assert pipeline.accept({"kitchen": whole}) + pipeline.close("kitchen") == []
