"""Matrices in fewer bits map nearly as they did."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn

from detectors.audio_models.packed_linear import pack, pack_all
from foundation.errors import ModelError


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, 128), (2, 5, 128)])
@pytest.mark.parametrize(("weights", "close"), [("int8", 0.01), ("int4", 0.13)])
def test_a_packed_map_is_close_to_the_whole_one(
    weights: Literal["int8", "int4"], close: float, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    """With a bias, one position and a batch of them, in both types that models are computed in."""
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
