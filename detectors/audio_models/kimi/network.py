"""Kimi-Audio's language model: a Qwen2 backbone for words, and a branch of it for speech."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import Qwen2Config

from detectors.audio_models.kimi.config import KimiConfig
from detectors.audio_models.qwen_context import empty_backbone


class Adaptor(nn.Module):
    """From stacked states to the backbone's width. Numbered as in the checkpoint."""

    def __init__(self, config: KimiConfig) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.ear_width, config.width),
            nn.SiLU(),
            nn.Identity(),
            nn.Linear(config.width, config.width),
            nn.LayerNorm(config.width, eps=config.epsilon),
        )

    def forward(self, states: Tensor) -> Tensor:
        """Return [n, width]."""
        adapted: Tensor = self.layers(states)
        return adapted


class Shown(nn.Module):
    """What the backbone is shown: both streams in one embedding, and what was heard. Named as published."""

    def __init__(self, config: KimiConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.vq_adaptor = Adaptor(config)

    def forward(
        self, audio: Tensor, text: Tensor, *, heard: Tensor | None = None, states: Tensor | None = None
    ) -> Tensor:
        """Return embeddings [..., width] of two streams [...].

        Args:
            audio: tokens.
            text: tokens.
            heard: positions of clips in a single row.
            states: stacked states at those positions.
        """
        embedded: Tensor = self.embed_tokens(audio)
        if heard is not None and states is not None:
            embedded[heard] = (embedded[heard] + self.vq_adaptor(states)) * math.sqrt(2)
        words: Tensor = self.embed_tokens(text)
        return embedded + words


class Network(nn.Module):
    """The parts, on the device `meta`; speech's are None where none is wanted."""

    def __init__(self, config: KimiConfig, *, speech: bool, device: str) -> None:
        super().__init__()
        self.config = config
        self.backbone = _layers(config, config.layers, device=device)
        self.branch = _layers(config, config.audio_layers, device=device) if speech else None
        with torch.device("meta"):
            self.shown = Shown(config)
            self.text_head: nn.Module = nn.Linear(config.width, config.vocabulary, bias=False)
            self.audio_head = nn.Linear(config.width, config.vocabulary, bias=False) if speech else None
            """Stays as it is: speech is sampled from it, and its mistakes are heard."""


@contextmanager
def tapped(network: Network) -> Iterator[list[Tensor]]:
    """Give, in place, what the audio branch is shown: hidden states of the backbone's latest pass."""
    latest: list[Tensor] = []

    def keep(_layer: nn.Module, _inputs: object, hidden: Tensor) -> None:
        latest[:] = [hidden]

    layers = network.backbone.get_submodule("layers")
    assert isinstance(layers, nn.ModuleList)
    tap = layers[network.config.audio_from_layer].register_forward_hook(keep)
    try:
        yield latest
    finally:
        tap.remove()


def _layers(config: KimiConfig, count: int, *, device: str) -> nn.Module:
    return empty_backbone(
        Qwen2Config(
            vocab_size=1,
            hidden_size=config.width,
            intermediate_size=config.feed_forward,
            num_hidden_layers=count,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.positions,
            rms_norm_eps=config.epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        ),
        device=device,
    )
