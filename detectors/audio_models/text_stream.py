"""Words out of tokens as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence


class TextStream:
    """Turns tokens into pieces of text whose concatenation is the text of all tokens."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._given = ""

    def push(self, token: int) -> str:
        """Return what the token adds; nothing while it ends inside a character of several bytes."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if text.endswith("\N{REPLACEMENT CHARACTER}"):
            return ""
        return self._take(text)

    def finish(self) -> str:
        """Return what was held back."""
        return self._take(self._decode(self._tokens)) if self._tokens else ""

    def _take(self, text: str) -> str:
        piece = text[len(self._given) :]
        self._given = text
        return piece
