"""How likely given answers are, without generating any: one pass over the prompts, one over all choices.

Beside Kimi-Audio and mini-omni, whose answers are both a stream of text tokens out of one head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from detectors.audio_models.qwen_context import advance, begin


def choice_log_probabilities(
    backbone: nn.Module,
    prompts: Sequence[Tensor],
    choices: Sequence[Sequence[int]],
    *,
    embed: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
) -> NDArray[np.float64]:
    """Return each choice's log-probability as the whole answer to each prompt [prompts, choices].

    Args:
        backbone: see `qwen_context`.
        prompts: embeddings [positions, width] of each.
        choices: the tokens of each, the one that ends an answer included.
        embed: from text tokens [rows, steps] to what a step of the answer looks like [rows, steps, width].
        head: from hidden states to logits over the text tokens.
    """
    hidden, context = begin(backbone, prompts)
    device = hidden.device
    tokens = pad_sequence([torch.tensor(choice) for choice in choices], batch_first=True).to(device)
    counts = torch.tensor([len(choice) for choice in choices], device=device)
    first = hidden[:, None, None].expand(-1, len(choices), 1, -1)
    if tokens.shape[1] > 1:
        rows = tokens[:, :-1].repeat(len(prompts), 1)
        later = advance(backbone, context.repeated(len(choices)), embed(rows))
        first = torch.cat((first, later.view(len(prompts), len(choices), *later.shape[1:])), dim=2)
    likelihood = head(first).float().log_softmax(-1)
    wanted = tokens.expand(len(prompts), -1, -1)[..., None]
    each = likelihood.gather(-1, wanted)[..., 0]
    inside = torch.arange(tokens.shape[1], device=device) < counts[:, None]
    total = each.double().where(inside, torch.zeros((), dtype=torch.float64, device=device)).sum(-1)
    scores: NDArray[np.float64] = total.cpu().numpy()
    return scores
