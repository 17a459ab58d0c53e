"""Another encoder came."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.encoders import LogMelStatistics
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.embedding import embed_clip
from fewshot_profiles.enrollment import Surroundings, Teaching, enroll
from fewshot_profiles.folder import encoders_of, read_profile, write_profile
from fewshot_profiles.heads import Scaling
from fewshot_profiles.reembedding import hear_folder_anew, needs_hearing_anew
from foundation.errors import ProfileError
from tests.encoders_for_tests import LogMelEncoder
from tests.fewshot_profiles.conftest import noise


@pytest.fixture(scope="module")
def newcomer() -> Surroundings:
    """An encoder of another kind, with a bank of its own."""
    encoder = LogMelEncoder()
    hops = [embed_clip(encoder, noise(seed), DETECTION_RATE_HZ).hops[2::4] for seed in range(24)]
    rows = np.concatenate(hops)
    bank = BackgroundBank(
        encoder=str(encoder.id),
        embeddings=rows,
        recording=np.repeat(np.arange(len(hops), dtype=np.int32), [len(part) for part in hops]),
        ambient=np.ones(len(rows), dtype=bool),
        scaling=Scaling.of(rows),
        hours=0.03,
    )
    return Surroundings(encoder=encoder, bank=bank)


def test_examples_kept_as_audio_are_heard_anew(
    chimes: list[Path],
    encoder: LogMelStatistics,
    bank: BackgroundBank,
    newcomer: Surroundings,
    tmp_path: Path,
) -> None:
    """The profile works with both encoders afterwards, and the way back is an earlier version."""
    teaching = Teaching(name="chime", description="ours", tags=("door",), false_alarms_per_hour=0.3)
    result = enroll(teaching, chimes, encoder=encoder, bank=bank)
    folder = write_profile(result.profile, tmp_path, result.recordings)
    assert needs_hearing_anew(folder, newcomer)
    profile = hear_folder_anew(folder, newcomer)
    assert (profile.description, profile.tags, profile.promise_per_hour) == ("ours", ("door",), 0.3)
    assert [example.path for example in profile.examples] == [str(path) for path in chimes]
    assert set(encoders_of(folder)) == {str(encoder.id), str(newcomer.encoder_id)}
    assert read_profile(folder, newcomer.encoder_id).version == profile.version
    assert np.array_equal(
        read_profile(folder, encoder.id).detector.head.weights, result.profile.detector.head.weights
    )
    assert not needs_hearing_anew(folder, newcomer)


def test_without_audio_it_is_refused_with_the_reason(
    chimes: list[Path],
    encoder: LogMelStatistics,
    bank: BackgroundBank,
    newcomer: Surroundings,
    tmp_path: Path,
) -> None:
    """Which encoders, and what to do; the profile stays as it was."""
    folder = write_profile(
        enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank).profile, tmp_path
    )
    before = (folder / "examples.npz").read_bytes()
    with pytest.raises(ProfileError, match="not kept as audio") as caught:
        hear_folder_anew(folder, newcomer)
    assert str(encoder.id) in str(caught.value)
    assert str(newcomer.encoder_id) in str(caught.value)
    assert (folder / "examples.npz").read_bytes() == before
