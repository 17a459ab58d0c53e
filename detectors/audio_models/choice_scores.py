"""How likely given answers are, without generating any: one pass over the prompts, one over all choices.

More passes where what a pass would have to remember is too much: each choice remembers its whole prompt.
Beside Kimi-Audio and mini-omni, whose answers are both a stream of text tokens out of one head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from detectors.audio_models.qwen_context import Context, advance, begin

MOST_POSITIONS = 8_192
"""Of all rows of a pass together: 1.2 GB of memory in MiMo-Audio, 0.5 GB in Kimi-Audio."""


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
    steps = max(map(len, choices))
    rows: list[NDArray[np.float64]] = []
    for batch in _batches(prompts):
        hidden, context = begin(backbone, batch)
        longest = max(map(len, batch)) + steps
        at_once = max(1, MOST_POSITIONS // (longest * len(batch)))
        cut = [choices[at : at + at_once] for at in range(0, len(choices), at_once)]
        parts = []
        for number, some in enumerate(cut, start=1):
            own = context.repeated(len(some)) if number == len(cut) else context.copied(len(some))
            parts.append(_weighed(backbone, hidden, own, some, embed=embed, head=head))
        rows.append(np.concatenate(parts, axis=1))
    return np.concatenate(rows)


def _batches(prompts: Sequence[Tensor]) -> Iterator[Sequence[Tensor]]:
    """Cut the prompts into batches of at most MOST_POSITIONS each, padding included, in their order."""
    batch: list[Tensor] = []
    longest = 0
    for prompt in prompts:
        longest = max(longest, len(prompt))
        if batch and longest * (len(batch) + 1) > MOST_POSITIONS:
            yield batch
            batch, longest = [], len(prompt)
        batch.append(prompt)
    yield batch


def _weighed(
    backbone: nn.Module,
    hidden: Tensor,
    context: Context,
    choices: Sequence[Sequence[int]],
    *,
    embed: Callable[[Tensor], Tensor],
    head: Callable[[Tensor], Tensor],
) -> NDArray[np.float64]:
    """Weigh `choices` behind the prompts whose last states are `hidden` [prompts, width]."""
    prompts, device = len(hidden), hidden.device
    tokens = pad_sequence([torch.tensor(choice) for choice in choices], batch_first=True).to(device)
    counts = torch.tensor([len(choice) for choice in choices], device=device)
    states = hidden[:, None, None].expand(-1, len(choices), 1, -1)
    if tokens.shape[1] > 1:
        later = advance(backbone, context, embed(tokens[:, :-1].repeat(prompts, 1)))
        states = torch.cat((states, later.view(prompts, len(choices), *later.shape[1:])), dim=2)
    likelihood = head(states).float().log_softmax(-1)
    each = likelihood.gather(-1, tokens.expand(prompts, -1, -1)[..., None])[..., 0]
    inside = torch.arange(tokens.shape[1], device=device) < counts[:, None]
    total = each.double().where(inside, torch.zeros((), dtype=torch.float64, device=device)).sum(-1)
    scores: NDArray[np.float64] = total.cpu().numpy()
    return scores
