"""Which token comes next, out of a model's logits."""

from __future__ import annotations

import torch
from torch import Tensor

from detectors.audio_models import AskOptions


class Sampler:
    """Picks tokens as `AskOptions` says: temperature, then top-k, then top-p; reproducible by the seed."""

    def __init__(self, options: AskOptions) -> None:
        self._options = options
        self._generator = torch.Generator().manual_seed(options.seed)

    def pick(self, logits: Tensor, *, forbidden: Tensor | None = None) -> int:
        """Return the next token, never one of `forbidden`.

        Args:
            logits: [vocabulary], any floating type.
            forbidden: token ids.
        """
        scores = logits.float()
        if forbidden is not None:
            scores = scores.index_fill(0, forbidden, float("-inf"))
        options = self._options
        if options.temperature <= 0.0:
            return int(scores.argmax())
        scores = scores.cpu() / options.temperature
        if 0 < options.top_k < len(scores):
            least = scores.topk(options.top_k).values[-1]
            scores = scores.masked_fill(scores < least, float("-inf"))
        if options.top_p < 1.0:
            ordered, order = scores.sort()
            dropped = ordered.softmax(-1).cumsum(-1) <= 1.0 - options.top_p
            dropped[-1] = False
            scores = scores.index_fill(0, order[dropped], float("-inf"))
        return int(torch.multinomial(scores.softmax(-1), 1, generator=self._generator))
