"""MiMo-Audio's language model: a Qwen2 backbone over words and groups of four audio frames.

Parts that are filled from the same checkpoint: what makes positions of codes, and the backbone with its
words; what makes codes of positions again is in `patch_decoder`. Modules are named as in the checkpoint.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import Qwen2Config

from detectors.audio_models.mimo.config import LanguageConfig
from detectors.audio_models.qwen_context import empty_backbone

MEANINGLESS = (
    r"(input_)?local_transformer\.embed_tokens\.weight",
    r".*\.rotary_emb\.inv_freq",
)
"""Tensors that some copies carry and that nothing reads."""


class PatchEncoder(nn.Module):
    """Four frames of codes become one position."""

    def __init__(self, config: LanguageConfig, *, device: str) -> None:
        super().__init__()
        self.config = config
        dim = config.input_local_dim
        with torch.device("meta"):
            tables = [nn.Embedding(size, dim) for size in config.speech_vocab_size]
            self.speech_embeddings = nn.ModuleList(tables)
            self.speech_group_downcast = nn.Linear(dim * config.group_size, config.hidden_size, bias=False)
        self.input_local_transformer = local_stack(
            config, hidden=dim, intermediate=4 * dim, layers=config.input_local_layers, device=device
        )

    def embed_frames(self, codes: Tensor) -> Tensor:
        """Return [..., dim]: the sum over [..., channels] codes, to which "no audio" adds nothing."""
        silent = self.config.speech_zeroemb_idx
        vectors: list[Tensor] = [
            table(code) * (code != zero).unsqueeze(-1)
            for table, code, zero in zip(self.speech_embeddings, codes.unbind(-1), silent, strict=True)
        ]
        total = vectors[0]
        # One by one, as the reference does: in bfloat16 the order of additions shows.
        for channel in vectors[1:]:
            total = total + channel
        return total

    def forward(self, codes: Tensor) -> Tensor:
        """Return [groups, hidden] of [groups, group_size, channels] codes."""
        return self.downcast(self.see(self.embed_frames(codes)))

    def see(self, frames: Tensor) -> Tensor:
        """Let the frames [groups, group_size, dim] of each group see each other, both ways."""
        groups, length, _ = frames.shape
        both_ways = torch.zeros(groups, 1, length, length, dtype=frames.dtype, device=frames.device)
        out = self.input_local_transformer(inputs_embeds=frames, attention_mask=both_ways, use_cache=False)
        seen: Tensor = out.last_hidden_state
        return seen

    def downcast(self, frames: Tensor) -> Tensor:
        """Join each group's frames into one position."""
        position: Tensor = self.speech_group_downcast(frames.flatten(-2))
        return position


class Words(nn.Module):
    """Text tokens in, logits over text tokens out."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        with torch.device("meta"):
            table = nn.Embedding(config.vocab_size, config.hidden_size)
            self.model = nn.ModuleDict({"embed_tokens": table})
            # It may be packed into fewer bits later.
            self.lm_head: nn.Module = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return [..., hidden] of text tokens."""
        words: Tensor = self.model["embed_tokens"](tokens)
        return words


def local_stack(
    config: LanguageConfig, *, hidden: int, intermediate: int, layers: int, device: str
) -> nn.Module:
    """Return the layers that look at the frames of one group."""
    heads = config.local_attn_heads
    return empty_backbone(
        _qwen2(
            config, hidden=hidden, intermediate=intermediate, layers=layers,
            heads=heads, key_value_heads=heads, head_dim=hidden // heads,
        ),
        device=device,
    )  # fmt: skip


def backbone(config: LanguageConfig, *, device: str) -> nn.Module:
    """Return the layers over positions and their last norm; in the checkpoint under `model.`."""
    return empty_backbone(
        _qwen2(
            config, hidden=config.hidden_size, intermediate=config.intermediate_size,
            layers=config.num_hidden_layers, heads=config.num_attention_heads,
            key_value_heads=config.num_key_value_heads, head_dim=config.head_dim,
        ),
        device=device,
    )  # fmt: skip


def _qwen2(
    config: LanguageConfig, *, hidden: int, intermediate: int, layers: int, heads: int, key_value_heads: int,
    head_dim: int,
) -> Qwen2Config:  # fmt: skip
    return Qwen2Config(
        vocab_size=1,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        head_dim=head_dim,
        rms_norm_eps=config.rms_norm_eps,
        max_position_embeddings=config.max_position_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        use_sliding_window=False,
        attn_implementation="sdpa",
    )
