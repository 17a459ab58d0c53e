"""The student network."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.dsp import FRAMES_PER_HOP, N_MELS
from training.network import StreamingEncoder

torch.set_num_threads(1)  # the sizes here are too small to share out
_NETWORK = StreamingEncoder(dim=16).eval()


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_any_cutting_into_hops_gives_the_embeddings_of_the_whole(pieces: list[int]) -> None:
    """What is trained on whole clips is what runs hop by hop."""
    torch.manual_seed(0)
    mel = torch.randn(2, sum(pieces) * FRAMES_PER_HOP, N_MELS)
    start = torch.zeros(2, _NETWORK.state_size)
    with torch.inference_mode():
        whole, end = _NETWORK(mel, start)
        state, parts = start, []
        for part in torch.split(mel, [piece * FRAMES_PER_HOP for piece in pieces], dim=1):
            embeddings, state = _NETWORK(part, state)
            parts.append(embeddings)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(state, end, atol=1e-5, rtol=0)


def test_the_future_never_reaches_the_past() -> None:
    """Changing later audio changes no earlier embedding."""
    torch.manual_seed(1)
    mel = torch.randn(1, 10 * FRAMES_PER_HOP, N_MELS)
    other = mel.clone()
    other[:, 6 * FRAMES_PER_HOP :] = 0
    start = torch.zeros(1, _NETWORK.state_size)
    with torch.inference_mode():
        torch.testing.assert_close(_NETWORK(mel, start)[0][:, :6], _NETWORK(other, start)[0][:, :6])
