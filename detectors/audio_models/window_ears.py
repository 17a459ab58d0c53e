"""Audio encoders of full audio models as networks that ONNX can hold: windows of samples in, states out.

All windows have one length, so nothing is padded, and the picture that the encoder looks at is part of the
network. Spectra are matrix products in float64: what single precision would make of quiet bands is noise,
and a logarithm makes much of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from detectors.audio_models.mimo.encoder import Encoder
from detectors.audio_models.mimo.mel import FLOOR
from detectors.audio_models.mimo.mel import mel_filters as mimo_filters
from detectors.audio_models.whisper_mel import HOP, N_FFT, whisper_filters


class Spectrum(nn.Module):
    """Power [windows, frames, bins] of float32 [windows, samples]: centred frames, Hann, reflected ends."""

    _places: Tensor
    _cosines: Tensor
    _sines: Tensor

    def __init__(self, samples: int, *, fft_samples: int, hop_samples: int, frames: int) -> None:
        super().__init__()
        half = fft_samples // 2
        place = torch.arange(fft_samples)
        angles = 2 * math.pi / fft_samples * torch.outer(place.double(), torch.arange(half + 1))
        window = torch.hann_window(fft_samples, dtype=torch.float64)[:, None]
        # What lies before the first sample and behind the last one is reflected.
        places = (hop_samples * torch.arange(frames)[:, None] + place - half).abs()
        self.register_buffer("_places", torch.minimum(places, 2 * (samples - 1) - places))
        self.register_buffer("_cosines", window * angles.cos())
        self.register_buffer("_sines", window * angles.sin())

    def forward(self, samples: Tensor) -> Tensor:
        """Return the power of each frame and bin, float64."""
        framed = samples.double()[:, self._places]
        return (framed @ self._cosines).square() + (framed @ self._sines).square()


class WhisperWindow(nn.Module):
    """Whisper's encoder on windows alone, without the silence up to half a minute that its makers add."""

    _filters: Tensor

    def __init__(self, encoder: WhisperEncoder, *, samples: int) -> None:
        super().__init__()
        self._spectrum = Spectrum(samples, fft_samples=N_FFT, hop_samples=HOP, frames=samples // HOP)
        self.register_buffer("_filters", whisper_filters(encoder.config.num_mel_bins).double())
        positions = samples // HOP // 2
        kept = encoder.embed_positions.weight[:positions].clone()
        encoder.embed_positions = nn.Embedding(kept.shape[0], kept.shape[1], _weight=kept)
        encoder.config.max_source_positions = positions
        self._encoder = encoder

    def forward(self, samples: Tensor) -> Tensor:
        """Return the states [windows, 50 a second, width]."""
        picture = (self._spectrum(samples) @ self._filters).clamp(min=1e-10).log10()
        loudest = picture.amax(dim=(-2, -1), keepdim=True)
        picture = (torch.maximum(picture, loudest - 8.0) + 4.0) / 4.0
        states: Tensor = self._encoder(picture.float().transpose(1, 2)).last_hidden_state
        return states


class MimoWindow(nn.Module):
    """The encoder of MiMo-Audio-Tokenizer, up to what its codes are made from."""

    _filters: Tensor

    def __init__(self, encoder: Encoder, *, samples: int) -> None:
        super().__init__()
        config = encoder.config
        frames = 1 + samples // config.hop_length
        self._spectrum = Spectrum(
            samples, fft_samples=config.nfft, hop_samples=config.hop_length, frames=frames
        )
        self.register_buffer("_filters", mimo_filters(config).double())
        self._encoder = encoder

    def forward(self, samples: Tensor) -> Tensor:
        """Return the features [windows, 25 a second, width]."""
        picture = (self._spectrum(samples).sqrt() @ self._filters).clamp(min=FLOOR).log()
        return self._encoder.whole(picture.float())
