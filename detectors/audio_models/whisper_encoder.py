"""Whisper's encoder out of a published Whisper folder: what Kimi-Audio and mini-omni hear with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import WhisperConfig, WhisperModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from detectors.audio_models.checkpoint import Safetensors, check_inventory, fill, shapes_of
from detectors.audio_models.opening import read_config
from detectors.audio_models.whisper_mel import RATE_HZ, whisper_log_mel
from detectors.types import Samples
from foundation.errors import ModelError

WINDOW_SAMPLES = 30 * RATE_HZ
"""A picture always shows half a minute; what is shorter is followed by silence."""
STATE_SAMPLES = 320
"""One state: 20 ms."""


class WhisperEars:
    """From samples to Whisper's states, 50 a second."""

    def __init__(self, encoder: nn.Module, *, bands: int, dtype: torch.dtype, device: str) -> None:
        self._encoder = encoder
        self._bands = bands
        self._dtype = dtype
        self._device = device

    def states(self, pieces: Sequence[Samples]) -> Tensor:
        """Return [pieces, 1500, width] for pieces of at most WINDOW_SAMPLES at RATE_HZ, all in one batch."""
        padded = torch.zeros(len(pieces), WINDOW_SAMPLES, device=self._device)
        for row, piece in zip(padded, pieces, strict=True):
            row[: len(piece)] = torch.from_numpy(piece)
        picture = whisper_log_mel(padded, bands=self._bands)
        states: Tensor = self._encoder(picture.to(self._dtype)).last_hidden_state
        return states


def open_whisper(folder: Path, *, width: int, dtype: torch.dtype, device: str) -> WhisperEars:
    """Load the encoder alone. Raises ModelError if the folder's tensors are not those of a whole Whisper."""
    encoder = load_whisper(folder, dtype=dtype, device=device)
    if encoder.config.d_model != width:
        raise ModelError(
            f"{folder}: its states are {encoder.config.d_model} wide, and this model was made for {width}"
        )
    return WhisperEars(encoder, bands=encoder.config.num_mel_bins, dtype=dtype, device=device)


def load_whisper(folder: Path, *, dtype: torch.dtype, device: str) -> WhisperEncoder:
    """Load the encoder as its makers wrote it; raises as `open_whisper` does."""
    config = WhisperConfig(**read_config(folder))
    source = Safetensors(folder)
    with torch.device("meta"):
        whole = WhisperModel(config)
        encoder = WhisperEncoder(config)
    # The decoder's head repeats its embedding, and some writers store it all the same.
    check_inventory(source, shapes_of(whole, prefix="model."), ignored=(r"proj_out\.weight",))
    fill(encoder, source, prefix="model.encoder.", dtype=dtype, device=device)
    return encoder
