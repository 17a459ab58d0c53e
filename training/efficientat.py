"""The teacher: EfficientAT's mn04, from waveforms."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from detectors.encoders.mel_picture import MelSettings, mel_triangles
from detectors.encoders.mn_network import MobileNet, load_mobile_net

MEL = MelSettings()


class LogMel(nn.Module):
    """Waveforms [batch, samples] at 32 kHz to pictures [batch, 128, frames]: `mel_picture` in torch."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bank", torch.from_numpy(mel_triangles(MEL)), persistent=False)
        window = torch.hann_window(MEL.window_samples, periodic=False)
        self.register_buffer("window", window, persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        emphasised = waveforms[:, 1:] - MEL.preemphasis * waveforms[:, :-1]
        spectrum = torch.stft(
            emphasised,
            MEL.fft_samples,
            MEL.hop_samples,
            MEL.window_samples,
            window=self.get_buffer("window"),
            center=True,
            pad_mode="reflect",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return ((self.get_buffer("bank") @ power + MEL.floor).log() + MEL.shift) / MEL.scale


class Teacher(nn.Module):
    """Waveforms [batch, samples] at 32 kHz to features [batch, 384] and AudioSet logits [batch, 527]."""

    def __init__(self, network: MobileNet) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.network = network

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        answers: tuple[Tensor, Tensor] = self.network(self.log_mel(waveforms))
        return answers


def load_mn04(checkpoint: Path) -> Teacher:
    """Load the authors' checkpoint; every tensor must be there and fit."""
    return Teacher(load_mobile_net(checkpoint, 0.4)).eval()
