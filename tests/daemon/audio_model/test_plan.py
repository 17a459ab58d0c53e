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


def test_the_smallest_one_is_counted_as_its_specification_does() -> None:
    """694 million parameters with two tables of words, besides its ears and its voice."""
    needs = plan("mini-omni", LoadOptions(dtype="float32", speech=True))
    own = [needs.parts[name] for name in ("backbone", "embedding", "text head", "audio heads", "adapter")]
    assert sum(own) / 4e6 == pytest.approx(694, abs=1)
    assert needs.parts["whisper-small encoder"] / 4e6 == pytest.approx(88, abs=1)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "mini-omni"])
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
