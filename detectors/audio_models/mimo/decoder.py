"""The decoder of MiMo-Audio-Tokenizer: codes in, sound at 24 kHz out. Needed for speech output only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.audio_models.mimo.config import CodecConfig
from detectors.audio_models.mimo.layers import Layer, rotary_positions

LOUDEST_MAGNITUDE = 100.0


class Upsample(nn.Module):
    """A transposed convolution that doubles the rate, and a norm over channels and time together."""

    def __init__(self, dim_in: int, dim_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(dim_in, dim_out, kernel, stride)
        self.norm = nn.GroupNorm(1, dim_out)
        self.extra = kernel - stride

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, time, dim_in] to [batch, stride × time, dim_out]."""
        x = self.norm(self.conv(x.transpose(1, 2))).transpose(1, 2)
        return x[:, : x.shape[1] - self.extra]


class InverseSpectrum(nn.Module):
    """Frames of spectra to sound; keeps the window under the checkpoint's name."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.hop = config.hop_length
        self.window = nn.Parameter(torch.empty(config.window_size))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Return [batch, hop × time] of complex [batch, bins, time]."""
        length = len(self.window)
        window = self.window.float()[:, None]
        frames = torch.fft.irfft(spectrum, length, dim=1) * window
        total = (spectrum.shape[-1] - 1) * self.hop + length

        def overlap(columns: Tensor) -> Tensor:
            return functional.fold(columns, (1, total), (1, length), stride=(1, self.hop))[:, 0, 0]

        cut = (length - self.hop) // 2
        weights = overlap(window.square().expand(1, -1, spectrum.shape[-1]))
        return overlap(frames)[:, cut:-cut] / weights[:, cut:-cut]


class Head(nn.Module):
    """Log-magnitudes and phases out of the vocoder's states."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.out = nn.Linear(config.vocoder_dim, config.nfft + 2)
        self.istft = InverseSpectrum(config)

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, samples] of [batch, frames, vocoder_dim]."""
        magnitude, phase = self.out(x).float().transpose(1, 2).chunk(2, dim=1)
        spectrum = torch.polar(magnitude.exp().clamp(max=LOUDEST_MAGNITUDE), phase)
        sound: Tensor = self.istft(spectrum)
        return sound


class Vocoder(nn.Module):
    """A coarse mel picture becomes sound; each frame sees its neighbourhood."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.vocoder_dim
        self.embeddings = nn.Linear(config.n_mels, dim, bias=False)
        self.layers = nn.ModuleList(
            Layer(dim, config.vocoder_attention_heads, config.vocoder_intermediate_dim)
            for _ in range(config.vocoder_num_layers)
        )
        self.layer_norm = nn.LayerNorm(dim)
        self.head = Head(config)

    def forward(self, mel: Tensor) -> Tensor:
        """Return [batch, samples] of [batch, frames, n_mels]."""
        x = self.embeddings(mel)
        back, ahead = self.config.vocoder_attn_window_size
        frames = torch.arange(x.shape[1], device=x.device)
        distance = frames[None] - frames[:, None]
        mask = (distance >= -back) & (distance <= ahead)
        heads = self.config.vocoder_attention_heads
        rotary = rotary_positions(x.shape[1], self.config.vocoder_dim // heads, self.config.rope_theta, x)
        for layer in self.layers:
            x = layer(x, rotary, mask)
        sound: Tensor = self.head(self.layer_norm(x))
        return sound


class Decoder(nn.Module):
    """Named as in the checkpoint, under `decoder.`."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.d_model
        self.dconv1 = Upsample(dim, dim, config.avg_pooler, config.avg_pooler)
        self.layers = nn.ModuleList(
            Layer(dim, config.decoder_attention_heads, config.decoder_ffn_dim)
            for _ in range(config.decoder_layers)
        )
        self.layer_norm = nn.LayerNorm(dim)
        self.dconv2 = Upsample(dim, config.n_mels, config.decoder_kernel_size, config.decoder_stride_size)
        self.vocoder = Vocoder(config)

    def forward(self, features: Tensor) -> Tensor:
        """Return [batch, samples] of dequantised [batch, frames at 25 Hz, dim]."""
        sound: Tensor = self.vocoder(self.mel(features))
        return sound

    def mel(self, features: Tensor) -> Tensor:
        """Return the coarse mel picture [batch, frames at 100 Hz, n_mels]."""
        x = self.dconv1(features.to(self.dconv1.conv.weight.dtype))
        causal = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).tril()
        heads = self.config.decoder_attention_heads
        rotary = rotary_positions(x.shape[1], self.config.d_model // heads, self.config.rope_theta, x)
        for layer in self.layers:
            x = layer(x, rotary, causal)
        picture: Tensor = self.dconv2(self.layer_norm(x))
        return picture
