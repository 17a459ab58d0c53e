"""Enrolment end to end, with real files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.encoders import LogMelStatistics
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import logit
from fewshot_profiles.embedding import embed_clip
from fewshot_profiles.enrollment import EnrollmentResult, Teaching, enroll
from fewshot_profiles.matcher import Matcher
from foundation.errors import ExampleError
from tests.fewshot_profiles.conftest import noise, tone


def _enroll(files: list[Path], encoder: LogMelStatistics, bank: BackgroundBank) -> EnrollmentResult:
    # The bank of these tests is two minutes long: it cannot speak of weeks.
    teaching = Teaching(name="chime", tags=("door",), false_alarms_per_hour=6.0)
    return enroll(teaching, files, encoder=encoder, bank=bank)


def _wav(path: Path, samples: np.ndarray, rate_hz: int = DETECTION_RATE_HZ) -> Path:
    soundfile.write(path, samples, rate_hz)
    return path


def test_four_examples_make_a_profile_that_hears_the_fifth(
    chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """A bell of another pitch and level is heard; noise and a low tone are not."""
    result = _enroll(chimes, encoder, bank)
    matcher = Matcher([result.profile])

    def best(audio: np.ndarray) -> float:
        return float(matcher.score(embed_clip(encoder, audio, DETECTION_RATE_HZ).hops).max())

    assert best(tone(907.0, level=0.2)) >= matcher.thresholds[0]
    assert best(tone(170.0)) < matcher.thresholds[0]
    assert best(noise(99)) < matcher.thresholds[0]


def test_the_report_says_what_each_example_is_worth(
    chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """One verdict for each, a recall, and an expected rate."""
    result = _enroll(chimes, encoder, bank)
    assert [verdict.sounds for verdict in result.verdicts] == [1, 1, 1, 1]
    assert all(verdict.found for verdict in result.verdicts)
    assert "the others hear it" in str(result.verdicts[0])
    assert result.leave_one_out_recall == 1.0
    assert result.false_alarms_per_hour >= 0.0
    assert result.profile.kind == "impulse"
    assert [example.path for example in result.profile.examples] == [str(path) for path in chimes]


def test_a_single_example_works_and_claims_nothing(
    chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """With one example there is nothing to leave out."""
    result = _enroll(chimes[:1], encoder, bank)
    assert result.leave_one_out_recall is None
    assert result.verdicts[0].score is None


def test_several_sounds_in_one_file(tmp_path: Path, encoder: LogMelStatistics, bank: BackgroundBank) -> None:
    """Three rings in one recording are three sounds of one example."""
    file = _wav(tmp_path / "rings.wav", np.concatenate([tone(900.0), tone(880.0), tone(920.0)]))
    assert _enroll([file], encoder, bank).verdicts[0].sounds == 3


def test_a_long_sound_is_sustained(tmp_path: Path, encoder: LogMelStatistics, bank: BackgroundBank) -> None:
    """Two seconds of ringing are no impulse."""
    file = _wav(tmp_path / "long.wav", tone(900.0, 3.0))
    assert _enroll([file], encoder, bank).profile.kind == "sustained"


def test_enrolling_twice_gives_the_same_profile(
    chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """Nothing in it depends on chance."""
    first, second = (_enroll(chimes, encoder, bank).profile for _ in range(2))
    assert np.array_equal(first.embedded.positives, second.embedded.positives)
    # Linear algebra on several threads may differ in the last bits.
    assert np.allclose(first.detector.head.weights, second.detector.head.weights, rtol=1e-2, atol=1e-3)
    assert first.threshold == pytest.approx(second.threshold, rel=1e-2)


@pytest.mark.parametrize(
    ("samples", "reason", "remedy"),
    [
        (np.zeros(16_000), "silent", "level"),
        (np.full(400, 0.1), "lasts only", "whole sound"),
        (np.clip(tone(900.0) * 40, -1, 1), "clipped", "farther away"),
        (np.zeros(16_000 * 121), "121 s", "Cut out"),
        (np.zeros(0), "lasts only", "whole sound"),
    ],
    ids=["silence", "too short", "clipped", "too long", "empty"],
)
def test_what_cannot_teach_is_refused_with_a_remedy(
    samples: np.ndarray,
    reason: str,
    remedy: str,
    tmp_path: Path,
    encoder: LogMelStatistics,
    bank: BackgroundBank,
) -> None:
    """The text names the file, what is wrong and what to do."""
    file = _wav(tmp_path / "bad.wav", samples)
    with pytest.raises(ExampleError) as caught:
        _enroll([file], encoder, bank)
    assert str(file) in str(caught.value)
    assert reason in str(caught.value)
    assert remedy in str(caught.value)


def test_what_is_no_audio_is_refused(tmp_path: Path, encoder: LogMelStatistics, bank: BackgroundBank) -> None:
    """A text file and a missing one: both are named at once."""
    text = tmp_path / "notes.wav"
    text.write_text("not audio")
    with pytest.raises(ExampleError) as caught:
        _enroll([text, tmp_path / "missing.wav"], encoder, bank)
    assert "cannot be read as audio" in str(caught.value)
    assert "does not exist" in str(caught.value)


def test_values_that_are_no_numbers_are_refused(
    tmp_path: Path, encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """A float file may hold NaN."""
    audio = tone(900.0)
    audio[100] = np.nan
    path = tmp_path / "nan.wav"
    soundfile.write(path, audio, DETECTION_RATE_HZ, subtype="FLOAT")
    with pytest.raises(ExampleError, match="damaged"):
        _enroll([path], encoder, bank)


def test_an_example_unlike_the_others_is_refused(
    chimes: list[Path], tmp_path: Path, encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """Noise among bells is named, the bells are not."""
    odd = _wav(tmp_path / "odd.wav", noise(50))
    with pytest.raises(ExampleError, match="unlike") as caught:
        _enroll([*chimes, odd], encoder, bank)
    assert str(odd) in str(caught.value)
    assert str(chimes[0]) not in str(caught.value)


@pytest.mark.parametrize("count", [0, 21])
def test_too_few_and_too_many_examples(
    count: int, chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """One to twenty."""
    with pytest.raises(ExampleError, match="1 to 20"):
        _enroll(chimes[:1] * count, encoder, bank)


@pytest.mark.parametrize(("rate_hz", "channels"), [(8_000, 1), (44_100, 2), (192_000, 1), (48_000, 8)])
def test_any_rate_and_channels(
    rate_hz: int, channels: int, tmp_path: Path, encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """Files come as they come."""
    times = np.arange(rate_hz) / rate_hz
    bell = 0.3 * np.sin(2 * np.pi * 900 * times) * np.exp(-times * 6)
    samples = np.repeat(np.concatenate([np.zeros(rate_hz // 2), bell])[:, None], channels, axis=1)
    file = _wav(tmp_path / "bell.wav", samples, rate_hz)
    assert _enroll([file], encoder, bank).verdicts[0].sounds == 1


def test_what_the_bank_holds_of_the_same_sound_is_no_background(
    chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """Other people's bells, which a ready-made profile knows, do not make one's own bell deaf."""
    others = [embed_clip(encoder, tone(hz), DETECTION_RATE_HZ).hops[6:12] for hz in (870.0, 905.0, 940.0)]
    with_bells = replace(
        bank,
        embeddings=np.concatenate([bank.embeddings, *others]),
        recording=np.concatenate([bank.recording, np.repeat(np.arange(100, 103, dtype=np.int32), 6)]),
        ambient=np.concatenate([bank.ambient, np.ones(18, dtype=bool)]),
    )
    learnt = _enroll(chimes, encoder, bank).profile
    ready_made = replace(learnt, name="bell", embedded=replace(learnt.embedded, variant=None))
    teaching = Teaching(name="my_bell", false_alarms_per_hour=6.0)
    alone = enroll(teaching, chimes, encoder=encoder, bank=with_bells)
    beside = enroll(teaching, chimes, encoder=encoder, bank=with_bells, others=[ready_made])
    heard = embed_clip(encoder, tone(907.0, level=0.2), DETECTION_RATE_HZ).hops

    def clearance(result: EnrollmentResult) -> float:
        head = result.profile.detector.head
        return float(head.logits(heard).max()) - logit(result.profile.threshold)

    assert clearance(beside) > clearance(alone)
    assert clearance(beside) > 0
