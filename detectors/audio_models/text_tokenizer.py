"""Words to tokens and back. Beside Kimi-Audio and mini-omni, whose makers publish them in different files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from foundation.errors import ModelError


class TextTokenizer(Protocol):
    """Words to tokens and back."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, without any that start or end it."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones left out; a character cut short becomes U+FFFD."""


class JsonTokenizer:
    """`tokenizer.json`, read by the library that wrote it."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        try:
            content = file.read_text(encoding="utf-8")
            complete = "model" in json.loads(content)
        except (OSError, ValueError) as error:
            raise ModelError(f"{file}: cannot be read as a tokenizer: {error}") from error
        if not complete:
            raise ModelError(f"{file}: not a tokenizer")
        self._tokenizer = Tokenizer.from_str(content)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
