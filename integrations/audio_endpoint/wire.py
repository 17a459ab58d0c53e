"""What goes over the wire: chat completions with sound in them, and what comes back."""

from __future__ import annotations

import base64
import io
import json
import math
import wave
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.audio_models import AskOptions, Clip, Part, Prompt, Reply
from detectors.audio_models.resampling import samples_at
from detectors.types import DETECTION_RATE_HZ
from foundation.errors import PromptError

AudioParts = Literal["input_audio", "audio_url"]
"""How sound is spelled: `input_audio` is OpenAI's and llama-server's, `audio_url` vLLM's own."""

TOP_LOGPROBS = 20
"""As many as the interface allows."""
_LETTERS = "ABCDEFGHIJKLMNOPQRST"


def chat_body(prompt: Prompt, options: AskOptions, *, model: str, audio_parts: AudioParts) -> dict[str, Any]:
    """Return the request for an answer in words. The interface has no `top_k`, so none is sent."""
    return {
        "model": model,
        "messages": _messages(prompt, audio_parts),
        "max_tokens": options.max_tokens,
        # Said even where it is the usual value: what is usual differs between servers.
        "temperature": options.temperature,
        "top_p": options.top_p,
        "seed": options.seed,
    }


def choice_body(
    prompt: Prompt, choices: Sequence[str], *, model: str, audio_parts: AudioParts
) -> dict[str, Any]:
    """Return the request for the letter of a choice, with how likely each letter is.

    Raises PromptError if there are more choices than the interface tells the likelihood of.
    """
    if len(choices) > len(_LETTERS):
        raise PromptError(f"{len(choices)} choices are more than the {len(_LETTERS)} an endpoint can weigh")
    listed = "\n".join(f"{letter}) {choice}" for letter, choice in zip(_LETTERS, choices, strict=False))
    asked = f"\n{listed}\nAnswer with one letter and nothing else."
    body = chat_body([*prompt, asked], AskOptions(max_tokens=1), model=model, audio_parts=audio_parts)
    return {**body, "logprobs": True, "top_logprobs": TOP_LOGPROBS}


def answer_text(answer: Mapping[str, Any]) -> str:
    """Return the words of an answer. Raises ValueError if it is not one."""
    return str(_first_choice(answer)["message"]["content"] or "")


def choice_scores(answer: Mapping[str, Any], count: int) -> NDArray[np.float64]:
    """Return log-probabilities [count] out of an answer to `choice_body`. Raises ValueError if it is not one.

    A letter that is not among the likeliest tokens gets what the last of these has.
    """
    letters = _LETTERS[:count]
    said = _first_choice(answer)
    shown = ((said.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs") or []
    mass = dict.fromkeys(letters, 0.0)
    for token in shown:
        letter = str(token["token"]).strip().removesuffix(")").upper()
        if letter in mass:
            mass[letter] += math.exp(float(token["logprob"]))
    if any(mass.values()):
        floor = min(float(token["logprob"]) for token in shown)
        return np.array([math.log(mass[letter]) if mass[letter] else floor for letter in letters])
    answered = answer_text(answer).strip()[:1].upper()
    if not answered or answered not in letters:
        raise ValueError(f"answered {answer_text(answer)[:40]!r} where a letter was asked for")
    return np.array([0.0 if letter == answered else -math.inf for letter in letters])


def piece_text(line: bytes) -> str | None:
    """Return the words in one line of a streamed answer; None for its last. Raises ValueError."""
    text = line.decode("utf-8").strip()
    if not text.startswith("data:"):
        return ""
    data = text.removeprefix("data:").strip()
    if data == "[DONE]":
        return None
    event = json.loads(data)
    try:
        # A server may close with an event that has counts and no choice.
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"][:1])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a piece of a chat completion: {error}") from error


def _first_choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        choice = answer["choices"][0]
        choice["message"]["content"]
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"not a chat completion: {error!r} is missing") from error
    found: Mapping[str, Any] = choice
    return found


def _messages(prompt: Prompt, audio_parts: AudioParts) -> list[dict[str, Any]]:
    """Return the turns of a prompt: those of the owner, and what the model is made to have said."""
    messages: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []
    for part in prompt:
        if isinstance(part, Reply):
            if asked:
                messages.append({"role": "user", "content": asked})
            messages.append({"role": "assistant", "content": part.text})
            asked = []
        else:
            asked.append(_content(part, audio_parts))
    if asked:
        messages.append({"role": "user", "content": asked})
    return messages


def _content(part: Part, audio_parts: AudioParts) -> dict[str, Any]:
    if not isinstance(part, Clip):
        return {"type": "text", "text": part}
    sound = base64.b64encode(wav_bytes(part)).decode("ascii")
    if audio_parts == "audio_url":
        return {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{sound}"}}
    return {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}}


def wav_bytes(clip: Clip) -> bytes:
    """Return a clip as WAV, at the rate that audio models hear: more would only take time on the way."""
    if not len(clip.samples):
        raise PromptError("a clip without any sample cannot be heard; leave it out")
    samples = samples_at(clip, DETECTION_RATE_HZ)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(DETECTION_RATE_HZ)
        file.writeframes((samples.clip(-1.0, 1.0) * 32_767).round().astype("<i2").tobytes())
    return content.getvalue()
