"""What a model needs is said before it is loaded."""

from __future__ import annotations

import pytest

from daemon.audio_model.plan import PUBLISHED, plan
from detectors.audio_models import LoadOptions
from foundation.errors import ModelError


def test_published_sizes_are_known_without_the_download() -> None:
    """MiMo-Audio for text in bfloat16 is 15.6 GiB of weights by its specification."""
    needs = plan("MiMo-Audio-7B-Instruct", LoadOptions())
    weights = needs.total_bytes - needs.parts["libraries"] - needs.parts["1000 positions"]
    assert weights / 2**30 == pytest.approx(15.6, abs=0.1)
    assert needs.left_out.keys() == {"patch decoder", "audio decoder"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_fewer_bits_need_less_and_speech_needs_more(name: str) -> None:
    """In this order: int4, int8, full, full with speech."""
    loads = [
        LoadOptions(weights="int4"),
        LoadOptions(weights="int8"),
        LoadOptions(),
        LoadOptions(speech=True),
    ]
    totals = [plan(name, load).total_bytes for load in loads]
    assert totals == sorted(set(totals))


def test_an_unknown_name_is_a_slip() -> None:
    """With what was meant."""
    with pytest.raises(ModelError, match="MiMo-Audio-7B-Base"):
        plan("MiMo-Audio-7B-Basis", LoadOptions())
