"""From a position of MiMo-Audio's backbone back to four frames of codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from detectors.audio_models.mimo.config import LanguageConfig
from detectors.audio_models.mimo.language import local_stack

Pick = Callable[[Tensor], int]
"""Chooses a code out of its logits."""


class PatchDecoder(nn.Module):
    """Says all channels, each as late as its delay; named as in the checkpoint."""

    def __init__(self, config: LanguageConfig, *, device: str) -> None:
        super().__init__()
        self.config = config
        dim = config.local_dim
        with torch.device("meta"):
            self.hidden_states_downcast = nn.Linear(config.hidden_size, dim, bias=False)
            heads = [nn.Linear(dim, size, bias=False) for size in config.speech_vocab_size]
            self.local_transformer_lm_heads = nn.ModuleList(heads)
            if config.local_dim != config.input_local_dim:
                self.speech_embeddings_to_local = nn.Linear(config.input_local_dim, dim, bias=False)
        self.local_transformer = local_stack(
            config, hidden=dim, intermediate=config.local_ffn_dim, layers=config.local_layers, device=device
        )

    def start(self, hidden: Tensor) -> Tensor:
        """Return what the first step is shown, of a position's state [..., hidden]."""
        first: Tensor = self.hidden_states_downcast(hidden)
        return first

    def say(self, first: Tensor, tables: nn.ModuleList, pick: Pick) -> Tensor:
        """Return codes [group_size, channels].

        Args:
            first: what `start` made of one position [dim].
            tables: the speech embeddings, which belong to the patch encoder.
            pick: called for each frame of each channel, with logits in which "no audio" is impossible.
        """
        config = self.config
        codes = torch.zeros(config.group_size, config.audio_channels, dtype=torch.int64, device=first.device)
        cache = DynamicCache(config=self.local_transformer.config)
        shown = first
        for step in range(config.group_size + max(config.delay_pattern)):
            out = self.local_transformer(
                inputs_embeds=shown.view(1, 1, -1), past_key_values=cache, use_cache=True
            )
            state: Tensor = out.last_hidden_state[0, -1]
            shown = torch.zeros_like(first)
            for channel, delay in enumerate(config.delay_pattern):
                if not delay <= step < delay + config.group_size:
                    continue
                logits = self.local_transformer_lm_heads[channel](state)
                logits[config.speech_zeroemb_idx[channel]] = float("-inf")
                codes[step - delay, channel] = code = pick(logits)
                shown = shown + self._to_local(tables[channel](codes.new_tensor(code)))
        return codes

    def _to_local(self, vector: Tensor) -> Tensor:
        if self.config.local_dim == self.config.input_local_dim:
            return vector
        local: Tensor = self.speech_embeddings_to_local(vector)
        return local
