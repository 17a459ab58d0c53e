"""GLM-4-Voice's tokenizer: Whisper's layers, looking back and a little ahead, and 12.5 codes a second."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation uses
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

from detectors.audio_models.checkpoint import Safetensors, check_inventory, fill, shapes_of
from detectors.audio_models.opening import read_config
from foundation.errors import ModelError

CODE_SAMPLES = 1_280
"""80 ms"""
CODE_FRAMES = 8
"""Mel frames behind one code."""

_FIXED = {
    "model_type": "whisper",
    "pooling_type": "avg",
    "pooling_kernel_size": 4,
    "encoder_causal_convolution": True,
    "encoder_causal_attention": False,
}
_LEFT_OUT = (r"ema_count", r"ema_weight", r"embed_positions2\.weight")
"""What training left in the file."""


class VoiceTokenizer(nn.Module):
    """From log-mel to codes. Modules are named as in the checkpoint; build it on the device `meta`."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width = config.d_model
        self.conv1 = nn.Conv1d(config.num_mel_bins, width, 3)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2)
        self.embed_positions = nn.Embedding(config.max_source_positions, width)
        self.layers = nn.ModuleList(WhisperEncoderLayer(config) for _ in range(config.quantize_position))
        self.codebook = nn.Embedding(config.quantize_vocab_size, width)
        self.bands: int = config.num_mel_bins
        self._block: int = config.quantize_causal_block_size

    def forward(self, pictures: Sequence[Tensor], lengths: Sequence[int]) -> list[Tensor]:
        """Return the codes [frames / CODE_FRAMES] of pictures, all in one batch.

        Nothing looks ahead past its own block, and what fills up the shorter pictures is hidden, so that a
        picture's codes do not depend on the others.

        Args:
            pictures: log-mel [bands, frames] of each piece of sound, its frames a multiple of CODE_FRAMES.
            lengths: how many of its frames begin within the sound; the rest shows the silence after it.
        """
        counts = [picture.shape[1] // CODE_FRAMES for picture in pictures]
        states = self.states(pictures, lengths)
        pooled = F.avg_pool1d(states.transpose(1, 2), 4).transpose(1, 2)
        return [self._nearest(row[:count]) for row, count in zip(pooled, counts, strict=True)]

    def states(self, pictures: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
        """Return the last layer's states [pictures, states, width], two frames each."""
        rows = pad_sequence([picture.T for picture in pictures], batch_first=True).transpose(1, 2)
        hidden = F.gelu(self.conv1(F.pad(rows, (2, 0))))
        hidden = F.gelu(self.conv2(F.pad(hidden, (2, 0)))).transpose(1, 2)
        hidden = hidden + self.embed_positions.weight[: hidden.shape[1]]
        steps = torch.arange(hidden.shape[1], device=hidden.device)
        ends = (torch.tensor(lengths, device=hidden.device) + 1) // 2
        # A block is seen whole, and so is all before it.
        seen = steps[None, :] // self._block <= steps[:, None] // self._block
        mask = seen[None] & (steps[None, None, :] < ends[:, None, None])
        for layer in self.layers:
            hidden = layer(hidden, mask[:, None])
        return hidden

    def _nearest(self, states: Tensor) -> Tensor:
        table = self.codebook.weight
        distances = (table**2).sum(1) + (states**2).sum(1, keepdim=True) - 2 * states @ table.T
        return distances.argmin(1)


def open_voice_tokenizer(folder: Path, *, device: str) -> VoiceTokenizer:
    """Load it in float32, in which it was made: half precision changes codes."""
    published = read_config(folder)
    for key, value in _FIXED.items():
        if published.get(key) != value:
            raise ModelError(f"{folder}/config.json: {key} is {published.get(key)}, expected {value}")
    if published["pooling_position"] != published["quantize_position"]:
        raise ModelError(f"{folder}/config.json: pooling_position is not quantize_position")
    config = WhisperConfig(**published, attn_implementation="sdpa")
    with torch.device("meta"):
        tokenizer = VoiceTokenizer(config)
    source = Safetensors(folder)
    check_inventory(source, shapes_of(tokenizer), ignored=_LEFT_OUT)
    fill(tokenizer, source, dtype=torch.float32, device=device)
    return tokenizer
