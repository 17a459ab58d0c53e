"""MiMo-Audio packed once answers as it does when it is packed at each start, and in less memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from detectors.audio_models import AudioModel, LoadOptions, Prompt, memory_plan
from detectors.audio_models.int4_layout import LAYOUTS, this_layout
from detectors.audio_models.mapped_file import MappedFile, write_aligned
from detectors.audio_models.mimo import memory_parts, pack_folder
from detectors.audio_models.mimo.packed import PackedTensors
from detectors.audio_models.opening import open_model, read_config
from detectors.audio_models.packed_folder import PACKED
from detectors.audio_models.packed_linear import Int4Linear, PlainInt4Linear
from foundation.errors import ModelError
from tests.detectors.audio_models.tiny_mimo import write_mimo
from tests.detectors.audio_models.tiny_parts import noise_clip

Bits = Literal["int8", "int4"]
CHOICES = ["dog", "a car that goes by"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mimo(tmp_path_factory.mktemp("mimo"))


@pytest.fixture(scope="module")
def packed(published: Path) -> Path:
    return packed_as("int4", published, published.parent / "packed")


@pytest.fixture
def own(published: Path, tmp_path: Path) -> Path:
    return packed_as("int4", published, tmp_path / "packed")


def packed_as(weights: Bits, folder: Path, target: Path) -> Path:
    pack_folder(folder, target, LoadOptions(weights=weights), lambda _done, _total: None)
    return target


def scores(model: AudioModel) -> NDArray[np.float64]:
    prompts: list[Prompt] = [[noise_clip(1.0, seed=seed), "What is this?"] for seed in range(3)]
    return model.score(prompts, CHOICES)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_a_packed_folder_gives_what_packing_at_the_start_gives(
    published: Path, tmp_path: Path, weights: Bits
) -> None:
    """To the last bit, under the name of the model that was packed."""
    folder = packed_as(weights, published, tmp_path / "packed")
    model = open_model(folder, LoadOptions())
    assert model.name == "MiMo-Audio-7B-Instruct"
    np.testing.assert_array_equal(scores(model), scores(open_model(published, LoadOptions(weights=weights))))


def test_layers_that_are_read_for_each_use_give_the_same(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a part of the layers, and with room for as few as possible; twice over."""
    monkeypatch.setattr(memory_plan, "LIBRARIES_BYTES", 0)
    monkeypatch.setattr(memory_plan, "PIECES_AT_ONCE", 1)
    whole = scores(open_model(packed, LoadOptions()))
    parts, load = memory_parts(read_config(packed)), LoadOptions(weights="int4")
    least, total = (count(parts, load) for count in (memory_plan.least_bytes, memory_plan.total_bytes))
    for limit in (least, (least + total) // 2):
        model = open_model(packed, LoadOptions(memory_bytes=limit))
        for _ in range(2):
            np.testing.assert_array_equal(scores(model), whole)


def test_a_limit_below_the_least_is_refused(packed: Path) -> None:
    """With the least that it works in."""
    with pytest.raises(ModelError, match=r"0\.1 GB are too little: 0\.5 GB are the least"):
        open_model(packed, LoadOptions(memory_bytes=100_000_000))


def test_a_limit_needs_a_packed_folder(published: Path) -> None:
    """Which command writes one is said."""
    with pytest.raises(ModelError, match="heard models pack"):
        open_model(published, LoadOptions(memory_bytes=3_000_000_000))


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (LoadOptions(weights="int8"), "packed as int4"),
        (LoadOptions(speech=True), "no speech parts"),
        (LoadOptions(memory_bytes=10**9, device="cuda"), "for `device: cpu`"),
        (LoadOptions(memory_bytes=10**9, dtype="float32"), "for `dtype: bfloat16`"),
    ],
)
def test_what_was_not_packed_is_refused(packed: Path, load: LoadOptions, reason: str) -> None:
    """Other bits, speech, and a limit where layers are not read for each use."""
    with pytest.raises(ModelError, match=reason):
        open_model(packed, load)


def test_a_folder_packed_for_another_processor_is_laid_out_anew(own: Path) -> None:
    """Four bits stand in another order there; the answers are the same."""
    here = this_layout()
    there = next(name for name in LAYOUTS if name != here)
    whole = scores(open_model(own, LoadOptions()))
    for file in own.glob("*.safetensors"):
        tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
        for name, tensor in tensors.items():
            if tensor.dtype is torch.uint8:
                tensors[name] = LAYOUTS[there].pack(LAYOUTS[here].unpack(tensor))
        write_aligned(tensors, file)
    config = json.loads((own / "config.json").read_text())
    config[PACKED]["int4_layout"] = there
    (own / "config.json").write_text(json.dumps(config))
    np.testing.assert_array_equal(scores(open_model(own, LoadOptions())), whole)


@torch.inference_mode()
def test_for_another_device_the_same_numbers_are_laid_out_for_plain_operations(packed: Path) -> None:
    """Multiplied here: no such device is at hand."""
    facts = read_config(packed)[PACKED]
    name = "backbone.layers.0.mlp.up_proj"
    x = torch.randn(5, 64)
    found = []
    for kind, device in ((Int4Linear, "cpu"), (PlainInt4Linear, "cuda")):
        source = PackedTensors(packed, facts, device=device)
        linear = kind(64, 64, bias=False, dtype=torch.float32)
        linear.weight, linear.pairs = source.read(f"{name}.weight"), source.read(f"{name}.pairs").float()
        found.append(linear(x))
    torch.testing.assert_close(*found)


def test_what_it_was_packed_from_is_written_down(packed: Path, published: Path) -> None:
    """Each file of weights by length and SHA-256, of both folders."""
    sources = read_config(packed)[PACKED]["sources"]
    assert set(sources) == {
        f"{folder}/{file.name}"
        for folder in ("MiMo-Audio-7B-Instruct", "MiMo-Audio-Tokenizer")
        for file in (published.parent / folder).glob("*.safetensors")
    }
    assert all(len(one["sha256"]) == 64 and one["bytes"] > 0 for one in sources.values())


def test_a_file_that_is_cut_short_is_refused(own: Path) -> None:
    """By its name."""
    file = own / "layer-01.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"layer-01\.safetensors"):
        open_model(own, LoadOptions())


def test_a_packing_that_fails_leaves_nothing_behind(published: Path, tmp_path: Path) -> None:
    """Neither the folder nor half of one; and what is there already is not touched."""
    target = tmp_path / "packed"

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_folder(published, target, LoadOptions(weights="int4"), stop)
    assert list(tmp_path.iterdir()) == []
    target.mkdir()
    with pytest.raises(ModelError, match="is there already"):
        packed_as("int4", published, target)
    assert list(target.iterdir()) == []


def test_what_cannot_be_packed_is_refused_before_any_work(
    published: Path, packed: Path, tmp_path: Path
) -> None:
    """What is packed already, and full weights."""
    with pytest.raises(ModelError, match="packed already"):
        packed_as("int4", packed, tmp_path / "again")
    with pytest.raises(ModelError, match="int4 or int8"):
        pack_folder(published, tmp_path / "full", LoadOptions(), lambda _done, _total: None)


def test_a_full_disk_is_told_beforehand(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is needed and what there is."""
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000))
    with pytest.raises(ModelError, match="are free there"):
        packed_as("int4", published, tmp_path / "packed")


def test_progress_comes_to_its_end(published: Path, tmp_path: Path) -> None:
    """Bytes done rise to bytes in all."""
    told: list[tuple[int, int]] = []
    pack_folder(published, tmp_path / "packed", LoadOptions(weights="int8"), lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1][0] == pytest.approx(told[-1][1], rel=0.2)


def test_a_mapped_file_that_was_let_go_reads_the_same(packed: Path) -> None:
    """Its pages are the file's own."""
    file = MappedFile(packed / "rest.safetensors")
    before = {name: file.read(name).clone() for name in file.header}
    file.let_go()
    assert all(torch.equal(file.read(name), tensor) for name, tensor in before.items())
