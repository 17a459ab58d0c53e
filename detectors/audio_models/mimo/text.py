"""MiMo-Audio's words: Qwen2's tokenizer and eight tokens of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detectors.audio_models.text_tokenizer import JsonTokenizer
from foundation.errors import ModelError

OWN_TOKENS = (
    "<|sosp|>", "<|eosp|>", "<|empty|>", "<|Human|>", "<|SpeechLM|>", "<|sostm|>", "<|eostm|>", "<|eot|>",
)  # fmt: skip
"""Where the tokenizer's file lacks them, they are added in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """The ids that structure a prompt and an answer."""

    end_of_text: int
    im_start: int
    im_end: int
    audio_begin: int
    audio_end: int
    audio_group: int
    speech_begin: int
    speech_end: int
    speech_text_end: int
    own: tuple[int, ...]
    """All of OWN_TOKENS."""


class MimoText(JsonTokenizer):
    """Words to tokens and back, with the special tokens looked up by name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "tokenizer.json")
        self._tokenizer.add_special_tokens(
            [name for name in OWN_TOKENS if self._tokenizer.token_to_id(name) is None]
        )
        ids: dict[str, int] = {}
        for name in ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *OWN_TOKENS):
            token = self._tokenizer.token_to_id(name)
            if token is None:
                raise ModelError(f"{folder / 'tokenizer.json'}: has no {name}: not MiMo-Audio's tokenizer")
            ids[name] = token
        self.special = SpecialTokens(
            end_of_text=ids["<|endoftext|>"],
            im_start=ids["<|im_start|>"],
            im_end=ids["<|im_end|>"],
            audio_begin=ids["<|sosp|>"],
            audio_end=ids["<|eosp|>"],
            audio_group=ids["<|empty|>"],
            speech_begin=ids["<|sostm|>"],
            speech_end=ids["<|eostm|>"],
            speech_text_end=ids["<|eot|>"],
            own=tuple(ids[name] for name in OWN_TOKENS),
        )
