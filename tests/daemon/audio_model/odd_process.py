"""A stand-in for the model's process: real models cannot be told to hang, and load for too long."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from daemon.audio_model.wire import LENGTHS, Message, lengths


def read() -> dict[str, Any]:
    head = sys.stdin.buffer.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        sys.exit(0)
    content, samples = lengths(head)
    message: dict[str, Any] = json.loads(sys.stdin.buffer.read(content))
    sys.stdin.buffer.read(samples)
    return message


def say(**content: Any) -> None:
    sys.stdout.buffer.write(Message(content=content).encode())
    sys.stdout.buffer.flush()


def main() -> None:
    """Do what the words of a question say."""
    first = read()
    if first["folder"].endswith("refused"):
        say(said="refused", error="no such tensor")
        return
    if first["folder"].endswith("slow-to-load"):
        time.sleep(3600)
    say(said="ready", name="odd", capabilities={})
    while True:
        asked = read()
        if asked["do"] != "cancel":
            answer(asked)


def answer(asked: dict[str, Any]) -> None:
    words = asked["prompts"][0][-1].get("text", "") if asked["prompts"] else ""
    if words == "hang":
        time.sleep(3600)
    if words == "die":
        os._exit(3)
    if words.startswith("wait "):
        time.sleep(float(words.removeprefix("wait ")))
    if words == "fail":
        say(said="failed", id=asked["id"], error="too long")
    elif asked["do"] == "score":
        likely = [likelihood(prompt[-1].get("text", "")) for prompt in asked["prompts"]]
        scores = [[sign * index for index, _ in enumerate(asked["choices"])] for sign in likely]
        say(said="done", id=asked["id"], scores=scores)
    else:
        for piece in (words, " again"):
            say(said="piece", id=asked["id"], text=piece)
        say(said="done", id=asked["id"])


def likelihood(words: str) -> float:
    """Return how much more likely each choice is than the one before."""
    return {"no": 1.0, "perhaps": -0.1}.get(words, -1.0)


if __name__ == "__main__":
    main()
