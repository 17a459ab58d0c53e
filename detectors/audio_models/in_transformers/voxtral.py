"""Voxtral's prompts, laid out as its makers' package mistral-common does.

The package itself is not used: with Python 3.11 and 3.12 its releases ask for a numpy below 2.4, and nothing
else here does. transformers reads the published `tekken.json` without it, and the layout is short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoFeatureExtractor, AutoTokenizer

from detectors.types import Samples

_PIECE_S = 30
"""Sound is padded to a multiple of it, and heard in such pieces."""
_TOKENS_OF_A_PIECE = 375


class VoxtralProcessor:
    """Does for Voxtral what processors of transformers do for other models."""

    audio_token = "[AUDIO]"  # noqa: S105 - a token of text

    def __init__(self, folder: Path) -> None:
        self.feature_extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        self.tokenizer = AutoTokenizer.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            mistral_format=False,
            bos_token="<s>",  # noqa: S106 - a token of text
            eos_token="</s>",  # noqa: S106 - a token of text
        )

    def apply_chat_template(self, conversation: Sequence[Mapping[str, Any]], **_: bool) -> str:
        """Return a conversation's text, each clip in it as one `audio_token`."""
        return "<s>" + "".join(map(self._turn, conversation))

    def __call__(
        self, *, text: Sequence[str], audio: Sequence[Samples] = (), **_: object
    ) -> dict[str, Tensor]:
        """Return what the network is shown: a single text's tokens and the pieces of its sound."""
        shown, *rest = text[0].split(self.audio_token)
        pieces = [self._pieces(samples) for samples in audio]
        for heard, words in zip(pieces, rest, strict=True):
            shown += "[BEGIN_AUDIO]" + self.audio_token * (_TOKENS_OF_A_PIECE * len(heard)) + words
        tokens = torch.tensor([self.tokenizer.encode(shown, add_special_tokens=False)])
        inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
        return inputs | {"input_features": torch.cat(pieces)} if pieces else inputs

    def _turn(self, turn: Mapping[str, Any]) -> str:
        said = ""
        after_words = False
        for part in turn["content"]:
            words = part.get("text")
            said += self.audio_token if words is None else "\n\n" * after_words + words
            after_words = words is not None
        return f"[INST]{said}[/INST]" if turn["role"] == "user" else f"{said.rstrip()}</s>"

    def _pieces(self, samples: Samples) -> Tensor:
        """Return a clip's spectrogram [pieces, bands, frames]."""
        extractor = self.feature_extractor
        heard = extractor(
            samples,
            sampling_rate=extractor.sampling_rate,
            truncation=False,
            padding=True,
            pad_to_multiple_of=_PIECE_S * extractor.sampling_rate,
            return_tensors="pt",
        )
        bands: Tensor = heard["input_features"][0]
        frames = _PIECE_S * extractor.sampling_rate // extractor.hop_length
        return bands.reshape(len(bands), -1, frames).transpose(0, 1)
