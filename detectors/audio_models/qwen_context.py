"""A Qwen2 backbone that is given embeddings: many prompts in one batch, and what it remembers between steps.

All three families build on it: each feeds it sums of several tokens rather than tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, Qwen2Config, Qwen2Model
from transformers.models.qwen2.modeling_qwen2 import Qwen2RotaryEmbedding


def empty_backbone(config: Qwen2Config, *, device: str) -> nn.Module:
    """Return layers and last norm on the device `meta`, with rotations that are ready and no embedding."""
    with torch.device("meta"):
        backbone: Any = Qwen2Model(config)
    backbone.embed_tokens = None  # embeddings are made elsewhere
    with torch.device(device):
        backbone.rotary_emb = Qwen2RotaryEmbedding(config)
    built: nn.Module = backbone
    return built


@dataclass(slots=True, kw_only=True)
class Context:
    """What a backbone has been shown so far, for each row of a batch. `advance` adds to it."""

    cache: DynamicCache
    mask: Tensor | None
    """1 where a row has something [rows, positions]; None while no row is shorter than another."""
    positions: Tensor
    """The next position of each row [rows]"""

    def copied(self, times: int) -> Context:
        """Return a context in which each row stands `times` times; this one stays as it is."""
        own = Context(cache=deepcopy(self.cache), mask=self.mask, positions=self.positions)
        return own.repeated(times)

    def repeated(self, times: int) -> Context:
        """Let each row stand `times` times, in place: the context itself is used up."""
        self.cache.batch_repeat_interleave(times)
        mask = None if self.mask is None else self.mask.repeat_interleave(times, dim=0)
        return Context(cache=self.cache, mask=mask, positions=self.positions.repeat_interleave(times))


def begin(backbone: nn.Module, prompts: Sequence[Tensor]) -> tuple[Tensor, Context]:
    """Show a backbone its prompts, of embeddings [positions, width] each.

    Returns:
        The hidden states of each prompt's last position [prompts, width], and the context to go on from.
    """
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=prompts[0].device)
    rows = pad_sequence(list(prompts), batch_first=True, padding_side="left")
    empty = rows.shape[1] - lengths
    steps = torch.arange(rows.shape[1], device=rows.device)
    mask = (steps >= empty[:, None]).long() if bool(empty.any()) else None
    context = Context(cache=DynamicCache(config=backbone.config), mask=mask, positions=lengths)
    positions = (steps - empty[:, None]).clamp(min=0)
    hidden = _forward(backbone, rows, positions, context)
    return hidden[:, -1], context


def advance(backbone: nn.Module, context: Context, embeddings: Tensor) -> Tensor:
    """Go on by embeddings [rows, steps, width]; return their hidden states, and keep them in the context."""
    rows, steps, _ = embeddings.shape
    if context.mask is not None:
        context.mask = torch.cat((context.mask, context.mask.new_ones(rows, steps)), dim=1)
    ahead = torch.arange(steps, device=embeddings.device)
    positions = context.positions[:, None] + ahead
    context.positions = context.positions + steps
    return _forward(backbone, embeddings, positions, context)


def _forward(backbone: nn.Module, embeddings: Tensor, positions: Tensor, context: Context) -> Tensor:
    output: Any = backbone(
        inputs_embeds=embeddings,
        attention_mask=context.mask,
        position_ids=positions,
        past_key_values=context.cache,
        use_cache=True,
    )
    hidden: Tensor = output.last_hidden_state
    return hidden
