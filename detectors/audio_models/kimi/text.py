"""Kimi-Audio's words: Qwen2's vocabulary in tiktoken's format, and the tokens that structure a prompt."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foundation.errors import ModelError

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
"""How Qwen2 cuts a text before it looks for tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecialTokens:
    """The ids that structure a prompt and an answer, as published."""

    message_end: int = 151_645
    media_begin: int = 151_661
    media_end: int = 151_663
    blank: int = 151_666
    text_end: int = 151_667
    user_start: int = 151_670
    assistant_start: int = 151_671
    text_wanted: int = 151_675
    speech_wanted: int = 151_676

    def check(self, config: Mapping[str, Any]) -> None:
        """Raise ModelError if a configuration has other ids than these, where it has any."""
        for key, token in (("kimia_media_begin", self.media_begin), ("kimia_media_end", self.media_end)):
            if config.get(key, token) != token:
                raise ModelError(f"Kimi-Audio's config.json: {key} is {config[key]}, expected {token}")


class KimiText:
    """Words to tokens and back."""

    def __init__(self, file: Path) -> None:
        import tiktoken

        ranks = _ranks(file)
        self._count = len(ranks)
        self._encoding = tiktoken.Encoding(
            name="kimi-audio", pat_str=_WORDS, mergeable_ranks=ranks, special_tokens={}
        )

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; what looks like a special token is words as well."""
        return self._encoding.encode(text, disallowed_special=())

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones left out; a character cut short becomes U+FFFD."""
        return self._encoding.decode([token for token in tokens if token < self._count])


def _ranks(file: Path) -> dict[bytes, int]:
    """Read `tiktoken.model`: a token in base64 and its rank on each line."""
    ranks: dict[bytes, int] = {}
    try:
        for line in file.read_bytes().splitlines():
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
    except (OSError, ValueError, binascii.Error) as error:
        raise ModelError(f"{file}: cannot be read as tiktoken's ranks: {error}") from error
    if sorted(ranks.values()) != list(range(len(ranks))) or len(ranks) < 256:
        raise ModelError(f"{file}: its ranks are not complete; fetch it again")
    return ranks
