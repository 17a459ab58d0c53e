"""The encoder of MiMo-Audio-Tokenizer: log-mel in, 25 codes a second out, on up to 20 levels.

Segments of several clips go through in one batch. What a segment's codes are depends on the longest segment
of its own clip, because the reference encodes the segments of one clip together and its padding leaks into
the last frame of the shorter ones; `longest` carries that, so that a batch gives each clip what it would get
alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from detectors.audio_models.mimo.config import CodecConfig
from detectors.audio_models.mimo.layers import Layer, rotary_positions

SEGMENT_FRAMES = 6_000
"""60 s of mel frames: longer clips are cut, and their segments do not see each other."""


class Codebook(nn.Module):
    """One level's vectors."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.empty(size, dim))


class Quantizer(nn.Module):
    """Residual vector quantisation; nested as in the checkpoint: `vq.layers.N._codebook.embed`."""

    def __init__(self, sizes: tuple[int, ...], dim: int) -> None:
        super().__init__()
        levels = [nn.ModuleDict({"_codebook": Codebook(size, dim)}) for size in sizes]
        self.vq = nn.ModuleDict({"layers": nn.ModuleList(levels)})

    def codebooks(self) -> list[Tensor]:
        """Return the vectors of each level [size, dim], in float32 whatever the weights are in."""
        return [value.float() for name, value in self.named_parameters() if name.endswith("_codebook.embed")]

    def encode(self, features: Tensor) -> Tensor:
        """Return [..., levels] codes of [..., dim]: at each level the nearest vector of what is left."""
        left, codes = features.float(), []
        for vectors in self.codebooks():
            distances = vectors.square().sum(-1) - 2.0 * (left @ vectors.T)
            code = distances.argmin(-1)
            codes.append(code)
            left = left - vectors[code]
        return torch.stack(codes, dim=-1)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the sum of the vectors that [..., levels] codes name, of all levels or the first few."""
        levels = range(codes.shape[-1])
        chosen = [
            vectors[codes[..., level]] for level, vectors in zip(levels, self.codebooks(), strict=False)
        ]
        return torch.stack(chosen).sum(0)


class Encoder(nn.Module):
    """Named as in the checkpoint, under `encoder.`; `levels` is how many codebooks to hold."""

    def __init__(self, config: CodecConfig, *, levels: int) -> None:
        super().__init__()
        dim = config.d_model
        self.config = config
        self.conv1 = nn.Conv1d(config.n_mels, dim, config.kernel_size, padding=1)
        self.conv2 = nn.Conv1d(dim, dim, config.kernel_size, stride=config.stride_size, padding=1)
        self.layers = nn.ModuleList(
            Layer(dim, config.encoder_attention_heads, config.encoder_ffn_dim)
            for _ in range(config.encoder_layers)
        )
        self.layer_norm = nn.LayerNorm(dim)
        pool = config.avg_pooler
        self.down_sample_layer = nn.Sequential(nn.Conv1d(dim, dim, pool, stride=pool, bias=False), nn.GELU())
        self.down_sample_norm = nn.LayerNorm(dim)
        self.quantizer = Quantizer(config.codebook_size[:levels], dim)

    def features(self, mels: list[Tensor], longest: list[int]) -> list[Tensor]:
        """Return [frames at 25 Hz, dim] for each segment.

        Args:
            mels: log-mel segments [frames at 100 Hz, n_mels].
            longest: for each, the frames of its clip's longest segment.
        """
        device = self.conv1.weight.device
        lengths = torch.tensor([len(mel) for mel in mels], device=device)
        widest = torch.tensor(longest, device=device)
        x = pad_sequence(mels, batch_first=True).to(device=device, dtype=self.conv1.weight.dtype)
        x = functional.gelu(self.conv1(x.transpose(1, 2)))
        x = x * (torch.arange(x.shape[-1], device=device) < widest[:, None]).unsqueeze(1)
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        lengths, widest = (self._after(lengths), self._after(widest))
        x = self._pad_end(self._attend(x, lengths), lengths, widest)
        x = self.down_sample_norm(self.down_sample_layer(x.transpose(1, 2)).transpose(1, 2))
        pool = self.config.avg_pooler
        return [row[: -(-int(length) // pool)] for row, length in zip(x, lengths, strict=True)]

    def whole(self, mels: Tensor) -> Tensor:
        """Return [windows, frames at 25 Hz, dim] of as long windows [windows, frames at 100 Hz, n_mels].

        What `features` gives for each of them alone; nothing here depends on the data, so it can be traced.
        """
        x = functional.gelu(self.conv1(mels.transpose(1, 2)))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = self._through_layers(x, None)
        x = functional.pad(x, (0, 0, 0, -x.shape[1] % self.config.avg_pooler))
        features: Tensor = self.down_sample_norm(self.down_sample_layer(x.transpose(1, 2)).transpose(1, 2))
        return features

    def codes(self, mels: list[Tensor], longest: list[int]) -> list[Tensor]:
        """Return [frames at 25 Hz, levels] for each segment."""
        return [self.quantizer.encode(features) for features in self.features(mels, longest)]

    def _attend(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Let each segment's frames see each other, and no padding."""
        frames = torch.arange(x.shape[1], device=x.device)
        mask = None
        if int(lengths.min()) < x.shape[1]:
            mask = (frames < lengths[:, None])[:, None, None, :]
        return self._through_layers(x, mask)

    def _through_layers(self, x: Tensor, mask: Tensor | None) -> Tensor:
        head_dim = self.config.d_model // self.config.encoder_attention_heads
        rotary = rotary_positions(x.shape[1], head_dim, self.config.rope_theta, x)
        skipped = torch.zeros_like(x)
        for index, layer in enumerate(self.layers):
            x = layer(x, rotary, mask)
            if index == self.config.encoder_skip_layer_id - 1:
                skipped = x
        normed: Tensor = self.layer_norm(x + skipped)
        return normed

    def _pad_end(self, x: Tensor, lengths: Tensor, widest: Tensor) -> Tensor:
        """Fill what follows each segment: its last frame again up to its clip's longest, zeros after that."""
        pool = self.config.avg_pooler
        x = functional.pad(x, (0, 0, 0, -x.shape[1] % pool))
        frames = torch.arange(x.shape[1], device=x.device)
        last = x[torch.arange(len(x), device=x.device), lengths - 1].unsqueeze(1)
        x = torch.where((frames < lengths[:, None]).unsqueeze(-1), x, last)
        return x * (frames < widest[:, None]).unsqueeze(-1)

    def _after(self, lengths: Tensor) -> Tensor:
        """How many frames the strided convolution leaves."""
        return (lengths - 1) // self.config.stride_size + 1
