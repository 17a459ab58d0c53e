"""What a model needs is said before it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.audio_model.plan import PUBLISHED, must_fit, plan, read_for_each_pass
from detectors.audio_models import LoadOptions
from detectors.audio_models.in_transformers.published import CONFIGS
from detectors.audio_models.mimo import pack_folder
from foundation.errors import ModelError
from tests.detectors.audio_models.tiny_mimo import write_mimo


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


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name not in {"mini-omni", *CONFIGS}])
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


def test_what_is_in_transformers_is_counted_on_its_published_configuration() -> None:
    """Voxtral Mini in bfloat16 needs about 9.5 GB, its makers say; fewer bits shrink what writes words."""
    full, int8 = (plan("Voxtral-Mini-3B-2507", LoadOptions(weights=bits)) for bits in ("full", "int8"))
    assert full.total_bytes == pytest.approx(9.5e9, rel=0.06)
    assert int8.parts["audio_tower"] == full.parts["audio_tower"]
    assert int8.parts["language_model"] < 0.6 * full.parts["language_model"]


def test_an_unknown_name_is_a_slip() -> None:
    """With what was meant."""
    with pytest.raises(ModelError, match="MiMo-Audio-7B-Base"):
        plan("MiMo-Audio-7B-Basis", LoadOptions())


def test_four_bits_fit_into_six_gigabytes() -> None:
    """With libraries and 1000 positions; and there is a way into three."""
    needs = plan("MiMo-Audio-7B-Instruct", LoadOptions(weights="int4"))
    assert needs.total_bytes < 6e9
    assert needs.least_bytes is not None
    assert needs.least_bytes < 1.5e9


def test_nothing_less_is_promised_of_a_model_that_cannot_be_packed() -> None:
    """Only MiMo-Audio's layers can be read for each use, and only in fewer bits."""
    assert plan("Kimi-Audio-7B", LoadOptions(weights="int4")).least_bytes is None
    assert plan("MiMo-Audio-7B-Base", LoadOptions()).least_bytes is None


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny MiMo-Audio in four bits."""
    published = write_mimo(tmp_path_factory.mktemp("mimo"))
    folder = published.parent / "packed"
    pack_folder(published, folder, LoadOptions(weights="int4"), lambda _done, _total: None)
    return folder


def test_a_packed_folder_is_planned_in_its_own_bits(packed: Path) -> None:
    """Nobody has to say again which those are."""
    needs = plan(str(packed), LoadOptions())
    assert (needs.weights, needs.packed) == ("int4", True)
    assert needs.total_bytes == plan(str(packed), LoadOptions(weights="int4")).total_bytes


def test_what_a_limit_leaves_no_room_for_is_read_for_each_token(packed: Path) -> None:
    """Nothing where all fits; below the least nothing works."""
    needs = plan(str(packed), LoadOptions())
    assert needs.least_bytes is not None
    assert read_for_each_pass(str(packed), LoadOptions(), needs.total_bytes) == 0
    with pytest.raises(ModelError, match="are too little"):
        read_for_each_pass(str(packed), LoadOptions(), needs.least_bytes - 1)


def test_a_packed_folder_that_does_not_fit_is_refused_with_the_way_out(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which limit would let it work; with that limit it is let in."""
    needs = plan(str(packed), LoadOptions())
    assert needs.least_bytes is not None
    monkeypatch.setattr("daemon.audio_model.plan.available_bytes", lambda: needs.total_bytes - 1)
    with pytest.raises(ModelError, match="with `memory_gb` it works"):
        must_fit(packed, LoadOptions())
    must_fit(packed, LoadOptions(memory_bytes=needs.least_bytes))
