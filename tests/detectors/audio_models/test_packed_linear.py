"""Matrices in fewer bits map nearly as they did."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from detectors.audio_models.int4_layout import LAYOUTS
from detectors.audio_models.packed_linear import Int4Linear, PlainInt4Linear, empty_packed, pack, pack_all
from foundation.errors import ModelError


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 128), (2, 5, 128), (200, 128)])
@pytest.mark.parametrize(("weights", "close"), [("int8", 0.01), ("int4", 0.13)])
def test_a_packed_map_is_close_to_the_whole_one(
    weights: Literal["int8", "int4"], close: float, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """With a bias; one position, a few, and so many that another way is taken; in both types of models."""
    torch.manual_seed(1)
    whole = nn.Linear(128, 48).to(dtype)
    x = torch.randn(shape).to(dtype)
    wanted = whole(x).float()
    found = pack(whole, weights)(x)
    assert (found.dtype, found.shape) == (dtype, wanted.shape)
    assert float((found.float() - wanted).norm() / wanted.norm()) < close + (dtype is torch.bfloat16) * 0.01


def test_every_linear_map_inside_is_replaced() -> None:
    """However deep; what is not linear stays."""
    module = nn.Sequential(nn.Linear(64, 64), nn.Sequential(nn.GELU(), nn.Linear(64, 16)), nn.LayerNorm(16))
    pack_all(module, "int4")
    assert not [child for child in module.modules() if isinstance(child, nn.Linear)]
    assert isinstance(module[2], nn.LayerNorm)


def test_a_shape_without_a_kernel_is_refused() -> None:
    """Four bits come in groups."""
    with pytest.raises(ModelError, match="40 × 64"):
        pack(nn.Linear(64, 40), "int4")


@torch.inference_mode()
@pytest.mark.parametrize("columns", [16, 24, 100])
def test_eight_bits_work_in_any_width(columns: int) -> None:
    """Also where the kernel would read past the end of a row."""
    torch.manual_seed(1)
    whole = nn.Linear(columns, 32)
    x = torch.randn(4, columns)
    assert float((pack(whole, "int8")(x) - whole(x)).norm() / whole(x).norm()) < 0.02


@torch.inference_mode()
@pytest.mark.parametrize("rows", [3, 200])
def test_plain_operations_give_what_the_kernel_gives(rows: int) -> None:
    """The same four bits, on the way that any device can go."""
    torch.manual_seed(1)
    weight, x = torch.randn(80, 128), torch.randn(rows, 128)
    found = []
    for kind in (Int4Linear, PlainInt4Linear):
        linear = kind(128, 80, bias=False, dtype=torch.float32)
        linear.take(weight)
        found.append(linear(x))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_other_devices_get_plain_operations() -> None:
    """On `meta`, which computes shapes alone."""
    with torch.device("meta"):
        module = nn.Sequential(nn.Embedding(32, 64), nn.Linear(64, 48))
        empty_packed(module, "int4", torch.bfloat16, device="meta", tables=True)
        assert isinstance(module[1], PlainInt4Linear)
        assert module(torch.zeros(2, 3, dtype=torch.int64)).shape == (2, 3, 48)


@torch.inference_mode()
def test_a_packed_table_is_looked_up_row_by_row() -> None:
    """Close to the whole one, in its type."""
    whole = nn.Embedding(40, 64).to(torch.bfloat16)
    tokens = torch.tensor([[0, 39], [7, 7]])
    found = pack(whole, "int4")(tokens)
    assert (found.dtype, found.shape) == (torch.bfloat16, (2, 2, 64))
    assert float((found - whole(tokens)).float().norm() / whole(tokens).float().norm()) < 0.02


@given(
    rows=st.integers(1, 12).map(lambda n: 16 * n), name=st.sampled_from(sorted(LAYOUTS)), seed=st.integers(0)
)
def test_every_layout_gives_back_what_was_laid_out(rows: int, name: str, seed: int) -> None:
    """Also with rows that do not fill a block."""
    generator = torch.Generator().manual_seed(seed % 2**32)
    codes = torch.randint(0, 16, (rows, 6), generator=generator, dtype=torch.uint8)
    assert torch.equal(LAYOUTS[name].unpack(LAYOUTS[name].pack(codes)), codes)


@pytest.mark.parametrize(("capability", "name"), [("default", "plain"), ("avx2", "avx2")])
def test_a_processor_without_the_newest_vectors_has_its_own_layout(capability: str, name: str) -> None:
    """As torch lays four bits out when it is told to use no more; found without being told."""
    if torch.backends.cpu.get_cpu_capability() not in {"AVX2", "AVX512"}:
        pytest.skip("torch has one kernel on this processor")
    program = "from detectors.audio_models.int4_layout import this_layout; print(this_layout())"
    environment = os.environ | {"ATEN_CPU_CAPABILITY": capability}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == name
