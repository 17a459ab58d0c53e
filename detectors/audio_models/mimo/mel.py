"""MiMo-Audio's front end: natural-log mel magnitudes at 100 Hz of audio at 24 kHz."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from detectors.audio_models.mimo.config import CodecConfig

FLOOR = 1e-7


@lru_cache(maxsize=2)
def mel_filters(config: CodecConfig) -> Tensor:
    """Return what a spectrum's magnitudes are summed up with, float32 [1 + nfft // 2, n_mels]."""
    bank = mel_filter_bank(
        num_frequency_bins=1 + config.nfft // 2,
        num_mel_filters=config.n_mels,
        min_frequency=0.0,
        max_frequency=config.sampling_rate / 2,
        sampling_rate=config.sampling_rate,
        norm=None,
        mel_scale="htk",
    )
    return torch.from_numpy(bank).float()


def log_mel(samples: Tensor, config: CodecConfig) -> Tensor:
    """Return [1 + n // hop, n_mels] of float32 [n]; less than a window is followed by silence."""
    if len(samples) < config.nfft:
        samples = torch.nn.functional.pad(samples, (0, config.nfft - len(samples)))
    window = torch.hann_window(config.window_size, device=samples.device)
    spectrum = torch.stft(
        samples, config.nfft, config.hop_length, config.window_size, window, return_complex=True
    )
    magnitudes = mel_filters(config).to(samples.device).T @ spectrum.abs()
    return magnitudes.clamp(min=FLOOR).log().T
