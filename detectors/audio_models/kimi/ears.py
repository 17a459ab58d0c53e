"""What Kimi-Audio hears of a clip: codes of one encoder and states of another, 12.5 a second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from detectors.audio_models import Clip
from detectors.audio_models.kimi.config import STACKED_STATES
from detectors.audio_models.kimi.voice_tokens import CODE_FRAMES, CODE_SAMPLES, VoiceTokenizer
from detectors.audio_models.resampling import samples_at
from detectors.audio_models.whisper_encoder import WINDOW_SAMPLES, WhisperEars
from detectors.audio_models.whisper_mel import HOP, RATE_HZ, whisper_log_mel
from detectors.types import Samples
from foundation.errors import PromptError

BATCH_PIECES = 16
"""Half-minutes that go through Whisper at once: more would not be faster, and take memory."""


class KimiEars:
    """Hears clips of any length, in pieces of half a minute."""

    def __init__(self, whisper: WhisperEars, tokenizer: VoiceTokenizer, *, device: str) -> None:
        self._whisper = whisper
        self._tokenizer = tokenizer
        self._device = device

    def hear(self, clips: Sequence[Clip]) -> list[tuple[list[int], Tensor]]:
        """Return each clip's codes, and as many stacked states [n, STACKED_STATES * width], in one batch."""
        cut = [_pieces(samples_at(clip, RATE_HZ)) for clip in clips]
        if not all(cut):
            raise PromptError("a clip without any sample cannot be heard; leave it out")
        codes, states = self._codes(cut), self._states([piece for pieces in cut for piece in pieces])
        left = iter(zip(codes, states, strict=True))
        heard = []
        for pieces in cut:
            mine = list(islice(left, len(pieces)))
            heard.append(
                (torch.cat([code for code, _ in mine]).tolist(), torch.cat([row for _, row in mine]))
            )
        return heard

    def _codes(self, cut: Sequence[Sequence[Samples]]) -> list[Tensor]:
        pictures: list[Tensor] = []
        lengths = [-(-len(piece) // HOP) for pieces in cut for piece in pieces]
        for pieces in cut:
            # Silence after a clip's shorter piece shows in its last frame, so all are as long as its longest.
            length = max(_count(piece) for piece in pieces) * CODE_SAMPLES
            rows = torch.zeros(len(pieces), length, device=self._device)
            for row, piece in zip(rows, pieces, strict=True):
                row[: len(piece)] = torch.from_numpy(piece)
            whole = whisper_log_mel(rows, bands=self._tokenizer.bands)
            ends = [_count(piece) * CODE_FRAMES for piece in pieces]
            pictures += [picture[:, :end] for picture, end in zip(whole, ends, strict=True)]
        batches = [slice(start, start + BATCH_PIECES) for start in range(0, len(pictures), BATCH_PIECES)]
        return [code for some in batches for code in self._tokenizer(pictures[some], lengths[some])]

    def _states(self, pieces: Sequence[Samples]) -> list[Tensor]:
        stacked: list[Tensor] = []
        for start in range(0, len(pieces), BATCH_PIECES):
            some = pieces[start : start + BATCH_PIECES]
            for states, piece in zip(self._whisper.states(some), some, strict=True):
                count = _count(piece)
                stacked.append(states[: STACKED_STATES * count].reshape(count, -1))
        return stacked


def _pieces(samples: Samples) -> list[Samples]:
    return [samples[start : start + WINDOW_SAMPLES] for start in range(0, len(samples), WINDOW_SAMPLES)]


def _count(piece: Samples) -> int:
    return -(-len(piece) // CODE_SAMPLES)
