"""What the daemon and the model's process say to each other over two pipes.

A message is eight bytes, two little-endian lengths; then JSON of the first length, and samples of the second:
the clips of a request one after the other, as float32.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.audio_models import Clip, Part, Prompt, Reply

LENGTHS = struct.Struct("<II")
MAX_JSON_BYTES = 4_000_000
MAX_SAMPLE_BYTES = 1_000_000_000
"""Twenty minutes of 192 kHz: more than any model's context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, either way."""

    content: Mapping[str, Any]
    samples: bytes = b""

    def encode(self) -> bytes:
        """Return its bytes."""
        content = json.dumps(self.content, ensure_ascii=False).encode()
        return LENGTHS.pack(len(content), len(self.samples)) + content + self.samples


def lengths(head: bytes) -> tuple[int, int]:
    """Read the eight bytes that a message starts with. Raises ValueError if they cannot be such."""
    content, samples = LENGTHS.unpack(head)
    if content > MAX_JSON_BYTES or samples > MAX_SAMPLE_BYTES:
        raise ValueError(f"a message of {content} and {samples} bytes")
    return content, samples


def pack_prompts(prompts: Sequence[Prompt]) -> tuple[list[list[Mapping[str, Any]]], bytes]:
    """Return prompts as JSON, and the samples of their clips."""
    chunks: list[bytes] = []

    def pack(part: Part) -> Mapping[str, Any]:
        if isinstance(part, Clip):
            chunks.append(np.ascontiguousarray(part.samples, np.float32).tobytes())
            return {"rate_hz": part.rate_hz, "samples": len(part.samples)}
        return {"reply": part.text} if isinstance(part, Reply) else {"text": part}

    packed = [[pack(part) for part in prompt] for prompt in prompts]
    return packed, b"".join(chunks)


def unpack_prompts(packed: Sequence[Sequence[Mapping[str, Any]]], samples: bytes) -> list[Prompt]:
    """Return the prompts that `pack_prompts` was given."""
    audio = np.frombuffer(samples, np.float32)
    at = 0

    def unpack(part: Mapping[str, Any]) -> Part:
        nonlocal at
        if "samples" in part:
            start, at = at, at + int(part["samples"])
            return Clip(samples=audio[start:at].copy(), rate_hz=int(part["rate_hz"]))
        return Reply(text=str(part["reply"])) if "reply" in part else str(part["text"])

    return [[unpack(part) for part in prompt] for prompt in packed]
