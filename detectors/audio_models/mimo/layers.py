"""The transformer layer that MiMo-Audio's tokenizer uses throughout, and its rotary positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Attention with rotary positions over the whole head; the key projection has no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Attend within [batch, time, dim]; `mask` is True where a key may be seen."""
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = functional.scaled_dot_product_attention(_turn(q, rotary), _turn(k, rotary), v, attn_mask=mask)
        out: Tensor = self.out_proj(seen.transpose(1, 2).flatten(-2))
        return out


class Layer(nn.Module):
    """Attention, then two linear maps, each after a norm and beside a residual."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(dim, heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Map [batch, time, dim] to the same."""
        x = x + self.self_attn(self.self_attn_layer_norm(x), rotary, mask)
        out: Tensor = x + self.fc2(functional.gelu(self.fc1(self.final_layer_norm(x))))
        return out


def rotary_positions(length: int, head_dim: int, theta: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosines and sines [length, head_dim] in the type of `like`.

    In bfloat16 the frequencies are rounded as well: the published pipeline casts its buffers with its
    weights, and its codes are what a language model is used to.
    """
    exponents = torch.arange(0, head_dim, 2, device=like.device, dtype=torch.float32) / head_dim
    frequencies = (1.0 / theta**exponents).to(like.dtype).float()
    angles = torch.arange(length, device=like.device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def _turn(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    cosines, sines = rotary
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines
