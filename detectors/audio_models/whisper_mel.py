"""Whisper's log-mel picture, which the encoders of Kimi-Audio, GLM-4-Voice and mini-omni look at."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

RATE_HZ = 16_000
N_FFT = 400  # 25 ms
HOP = 160  # 10 ms


@lru_cache(maxsize=4)
def whisper_filters(bands: int) -> Tensor:
    """Return what a power spectrum is summed up with, float32 [1 + N_FFT // 2, bands]."""
    bank = mel_filter_bank(
        num_frequency_bins=1 + N_FFT // 2,
        num_mel_filters=bands,
        min_frequency=0.0,
        max_frequency=RATE_HZ / 2,
        sampling_rate=RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(bank).float()


def whisper_log_mel(samples: Tensor, *, bands: int) -> Tensor:
    """Return [..., bands, n // HOP] of float32 [..., n] at RATE_HZ.

    The caller pads as its encoder wants. Each row is normalised by its own loudest point.
    """
    window = torch.hann_window(N_FFT, device=samples.device)
    spectrum = torch.stft(samples, N_FFT, HOP, window=window, return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    picture = (whisper_filters(bands).to(samples.device).T @ power).clamp(min=1e-10).log10()
    loudest = picture.amax(dim=(-2, -1), keepdim=True)
    return (torch.maximum(picture, loudest - 8.0) + 4.0) / 4.0
