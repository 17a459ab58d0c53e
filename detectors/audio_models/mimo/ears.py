"""Clips to the codes that MiMo-Audio's language model reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from detectors.audio_models import Clip
from detectors.audio_models.mimo.encoder import SEGMENT_FRAMES, Encoder
from detectors.audio_models.mimo.mel import log_mel
from detectors.audio_models.resampling import samples_at

BATCH_FRAMES = 4 * SEGMENT_FRAMES
"""How many mel frames, padding included, go through the encoder at once."""

REMEMBERED_CLIPS = 512
"""Codes kept, 1.6 kB per second of audio: the examples of profiles come again with every question."""


class Ears:
    """The tokenizer's encoder, and the codes of clips that it heard before."""

    def __init__(self, encoder: Encoder, *, group_size: int) -> None:
        self._encoder = encoder
        self._group_size = group_size
        self._known: OrderedDict[bytes, Tensor] = OrderedDict()

    def codes(self, clips: Sequence[Clip]) -> list[Tensor]:
        """Return [frames, levels] for each clip, its last frame repeated until whole groups are full."""
        keys = [_key(clip) for clip in clips]
        new = {key: clip for key, clip in zip(keys, clips, strict=True) if key not in self._known}
        for key, codes in zip(new, self._hear(list(new.values())), strict=True):
            self._known[key] = codes
        found = [self._known[key] for key in keys]
        for key in keys:
            self._known.move_to_end(key)
        while len(self._known) > REMEMBERED_CLIPS:
            self._known.popitem(last=False)
        return found

    def _hear(self, clips: Sequence[Clip]) -> list[Tensor]:
        config = self._encoder.config
        cut: list[tuple[Tensor, int]] = []
        owners: list[int] = []
        for owner, clip in enumerate(clips):
            samples = torch.from_numpy(np.ascontiguousarray(samples_at(clip, config.sampling_rate)))
            segments = torch.split(log_mel(samples, config), SEGMENT_FRAMES)
            cut.extend((segment, len(segments[0])) for segment in segments)
            owners.extend([owner] * len(segments))
        pieces: list[list[Tensor]] = [[] for _ in clips]
        for owner, codes in zip(owners, self._encode(cut), strict=True):
            pieces[owner].append(codes)
        return [self._whole_groups(torch.cat(parts)) for parts in pieces]

    def _encode(self, cut: list[tuple[Tensor, int]]) -> list[Tensor]:
        """Encode segments in batches of similar lengths, and give them back in order."""
        order = sorted(range(len(cut)), key=lambda index: len(cut[index][0]))
        encoded: dict[int, Tensor] = {}
        while order:
            batch = [order.pop()]
            widest = len(cut[batch[0]][0])
            while order and (len(batch) + 1) * widest <= BATCH_FRAMES:
                batch.append(order.pop())
            codes = self._encoder.codes(
                [cut[index][0] for index in batch], [cut[index][1] for index in batch]
            )
            encoded.update(zip(batch, codes, strict=True))
        return [encoded[index] for index in range(len(cut))]

    def _whole_groups(self, codes: Tensor) -> Tensor:
        missing = -len(codes) % self._group_size
        return torch.cat((codes, codes[-1:].expand(missing, -1)))


def _key(clip: Clip) -> bytes:
    return blake2b(clip.samples.tobytes() + clip.rate_hz.to_bytes(4, "little"), digest_size=16).digest()
