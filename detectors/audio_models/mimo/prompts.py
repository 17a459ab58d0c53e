"""How MiMo-Audio wants to be spoken to: turns for Instruct, one running text for Base."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from detectors.audio_models import Clip, Prompt, Reply

Style = Literal["chat", "base"]
"""`base`: the model continues a text, and learns from the examples in it; `chat`: it answers turns."""

Segment = str | Clip
"""A text is tokenised by itself, so the borders of segments decide what the tokens are."""


def segments(prompt: Prompt, *, style: Style, thinking: bool) -> list[Segment]:
    """Lay a prompt out as the model was trained to see it."""
    return list(_chat(prompt, thinking=thinking) if style == "chat" else _base(prompt))


def spoken_segments(prompt: Prompt) -> list[Segment]:
    """Lay a prompt out so that the answer is spoken."""
    *turns, _ = _chat(prompt, thinking=False)
    return [*turns[:-1], "<|im_start|>assistant\n<|sostm|>"]


def continuation(choice: str, *, style: Style) -> str:
    """Return what the model would write if `choice` were its answer."""
    return choice if style == "chat" else f" {choice}\n\n"


def _chat(prompt: Prompt, *, thinking: bool) -> Iterator[Segment]:
    """Yield user and assistant turns; only the last answer is left open."""
    yield "<|im_start|>user\n"
    for part in prompt:
        if isinstance(part, Reply):
            yield "<|im_end|>\n"
            yield "<|im_start|>assistant\n"
            yield f"<think>\n\n</think>\n{part.text}<|im_end|>\n"
            yield "<|im_start|>user\n"
        else:
            yield part
    yield "<|im_end|>\n"
    yield "<|im_start|>assistant\n"
    yield "<think>\n" if thinking else "<think>\n\n</think>\n"


def _base(prompt: Prompt) -> Iterator[Segment]:
    """Yield the examples as questions with answers, and one question without."""
    yield "[Int]:"
    for part in prompt:
        if isinstance(part, Reply):
            # In its makers' few-shot prompt only the last answer has a line break before it.
            yield f"Answer: {part.text}\n\n"
        elif isinstance(part, Clip):
            yield part
        else:
            yield f"Question: {part}"
    yield "\nAnswer:"
