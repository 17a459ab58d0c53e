"""`python -m daemon.audio_model.process`: one full audio model, asked over standard input.

The first message says which model to load. It gives way to everything else on the machine: to the listening
daemon for computing time, and to everybody when memory runs out. When its standard input ends, so does it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, BinaryIO

from daemon.audio_model.plan import must_fit
from daemon.audio_model.wire import LENGTHS, Message, lengths, unpack_prompts
from detectors.audio_models import AskOptions, LoadOptions
from detectors.audio_models.opening import open_model
from foundation.errors import HeardError, OwnerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.audio_models import AudioModel

NICENESS = 5
FIRST_TO_GO = 800
"""Of a thousand, on the kernel's scale of whom to end when memory runs out."""

_log = logging.getLogger(__name__)


def main() -> None:
    """Serve until standard input ends."""
    # Libraries print; what they print must not stand between messages.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="audio model: %(message)s")
    _give_way()
    first = _read(sys.stdin.buffer)
    if first is None:
        return
    load = LoadOptions(
        **{key: value for key, value in first.content["load"].items() if key != "companions"},
        companions={name: Path(path) for name, path in first.content["load"]["companions"].items()},
    )
    try:
        folder = Path(first.content["folder"])
        must_fit(folder, load)
        model = open_model(folder, load)
    except OwnerError as error:
        _write(answers, {"said": "refused", "error": str(error)})
        return
    capabilities = asdict(model.capabilities)
    _write(answers, {"said": "ready", "name": model.name, "capabilities": capabilities})
    _Service(model, answers).run()


class _Service:
    """Works on one request after the other; another thread hears when one is no longer wanted."""

    def __init__(self, model: AudioModel, answers: BinaryIO) -> None:
        self._model = model
        self._answers = answers
        self._asked: SimpleQueue[Message] = SimpleQueue()
        self._unwanted: set[int] = set()

    def run(self) -> None:
        threading.Thread(target=self._hear, name="requests", daemon=True).start()
        while True:
            message = self._asked.get()
            number = int(message.content["id"])
            try:
                self._work(number, message)
            except Exception as error:  # noqa: BLE001 - one bad request must not cost the next its loaded model
                known = isinstance(error, HeardError)
                if not known:
                    _log.exception("request %d failed", number)
                text = str(error) if known else f"{type(error).__name__}: {error}"
                self._say({"said": "failed", "id": number, "error": text})
            self._unwanted.discard(number)

    def _hear(self) -> None:
        while True:
            message = _read(sys.stdin.buffer)
            if message is None:
                os._exit(0)
            if message.content["do"] == "cancel":
                self._unwanted.add(int(message.content["id"]))
            else:
                self._asked.put(message)

    def _work(self, number: int, message: Message) -> None:
        content = message.content
        prompts = unpack_prompts(content["prompts"], message.samples)
        if number in self._unwanted:
            self._say({"said": "done", "id": number})
        elif content["do"] == "score":
            scores = self._model.score(prompts, content["choices"])
            self._say({"said": "done", "id": number, "scores": scores.tolist()})
        elif content["do"] == "load":
            self._say({"said": "done", "id": number})
        else:
            for piece in self._model.stream(prompts[0], AskOptions(**content["options"])):
                if number in self._unwanted:
                    break
                self._say({"said": "piece", "id": number, "text": piece})
            self._say({"said": "done", "id": number})

    def _say(self, content: Mapping[str, Any]) -> None:
        _write(self._answers, content)


def _give_way() -> None:
    os.nice(NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO), encoding="ascii")


def _read(source: BinaryIO) -> Message | None:
    head = source.read(LENGTHS.size)
    if len(head) < LENGTHS.size:
        return None
    content_bytes, sample_bytes = lengths(head)
    content, samples = source.read(content_bytes), source.read(sample_bytes)
    if len(content) < content_bytes or len(samples) < sample_bytes:
        return None
    return Message(content=json.loads(content), samples=samples)


def _write(answers: BinaryIO, content: Mapping[str, Any]) -> None:
    answers.write(Message(content=content).encode())
    answers.flush()


if __name__ == "__main__":
    main()
