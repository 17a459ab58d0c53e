"""mini-omni's network: eight token streams in, eight out, around a Qwen2 backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation uses
from transformers import Qwen2Config

from detectors.audio_models.mini_omni.config import STREAMS, MiniOmniConfig
from detectors.audio_models.qwen_context import empty_backbone


class Adapter(nn.Module):
    """From Whisper's states to what the backbone is shown."""

    def __init__(self, ear_width: int, hidden: int, width: int) -> None:
        super().__init__()
        self.fc_1 = nn.Linear(ear_width, hidden, bias=False)
        self.fc_2 = nn.Linear(ear_width, hidden, bias=False)
        self.proj = nn.Linear(hidden, width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Return [..., width] for [..., ear_width]."""
        adapted: Tensor = self.proj(F.silu(self.fc_1(states)) * self.fc_2(states))
        return adapted


class Network(nn.Module):
    """Embedding, adapter, backbone and heads. Build it with `empty_network`."""

    def __init__(self, config: MiniOmniConfig, backbone: nn.Module, *, speech: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.adapter = Adapter(config.ear_width, config.feed_forward, config.width)
        self.backbone = backbone
        self.text_head = nn.Linear(config.width, config.text_vocabulary, bias=False)
        self.audio_head = (
            nn.Linear(config.width, STREAMS * config.audio_vocabulary, bias=False) if speech else None
        )

    def embed(self, streams: Tensor, states: Tensor | None = None) -> Tensor:
        """Return embeddings [positions, width] of a prompt [STREAMS + 1, positions].

        Args:
            streams: tokens in the one vocabulary.
            states: a clip's [n, ear_width], which take positions 1 to n of all audio streams.
        """
        embedded: Tensor = self.embedding(streams)
        if states is not None:
            embedded[:STREAMS, 1 : 1 + len(states)] = self.adapter(states)
        return embedded.mean(0)

    def audio_logits(self, hidden: Tensor) -> Tensor:
        """Return [..., STREAMS, audio vocabulary] for hidden states [..., width]."""
        assert self.audio_head is not None, "loaded without speech"
        logits: Tensor = self.audio_head(hidden)
        return logits.view(*hidden.shape[:-1], STREAMS, -1)


def empty_network(config: MiniOmniConfig, *, speech: bool, device: str) -> Network:
    """Return the network on the device `meta`, to be filled from a checkpoint."""
    backbone = empty_backbone(
        Qwen2Config(
            vocab_size=1,
            hidden_size=config.width,
            intermediate_size=config.feed_forward,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_size,
            max_position_embeddings=config.positions,
            rms_norm_eps=config.epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        ),
        device=device,
    )
    with torch.device("meta"):
        return Network(config, backbone, speech=speech)
