"""How Kimi-Audio wants to be spoken to: two streams of equal length, one of words, one of all else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from detectors.audio_models import Clip, Part, Prompt, Reply
from detectors.audio_models.kimi.text import SpecialTokens
from detectors.audio_models.text_tokenizer import TextTokenizer

Style = Literal["chat", "base"]
"""`chat`: turns, for -Instruct. `base`: one running text of questions and answers."""

BASE_ANSWER_END = " \n\n"
"""What ends each example's answer in the Base model's prompt, and so the answer that it gives."""


@dataclass(slots=True)
class Streams:
    """A prompt as the model reads it. The only thing that grows here, and only while a prompt is laid out."""

    audio: list[int] = field(default_factory=list)
    text: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    """Where the positions of clips are, in order."""


def lay_out(
    prompt: Prompt,
    codes: Sequence[Sequence[int]],
    *,
    style: Style,
    spoken: bool,
    tokens: SpecialTokens,
    text: TextTokenizer,
    audio_offset: int,
) -> Streams:
    """Return the streams of a prompt.

    Args:
        prompt: words, clips and replies.
        codes: of each clip, in order.
        style: see `Style`.
        spoken: ask for speech as well.
        tokens: the special ones.
        text: turns words into tokens.
        audio_offset: where codes start in the one vocabulary.
    """
    writer = _Writer(tokens, text, audio_offset, iter(codes))
    if style == "base":
        for part in _base_parts(prompt):
            writer.add(part)
    else:
        wanted = tokens.speech_wanted if spoken else tokens.text_wanted
        for turn in turns(prompt):
            writer.turn(turn, wanted)
        writer.control(tokens.assistant_start)
    return writer.streams


def turns(prompt: Prompt) -> Iterator[list[Part]]:
    """Divide a prompt into turns.

    A turn's one clip comes last: only a turn that ends with a clip tells the model what answer is wanted.
    """
    turn: list[Part] = []
    for part in [*prompt, None]:
        if isinstance(part, Reply) or part is None:
            if sum(isinstance(shown, Clip) for shown in turn) == 1:
                turn.sort(key=lambda shown: isinstance(shown, Clip))
            if turn:
                yield turn
            turn = []
            if part is not None:
                yield [part]
        else:
            turn.append(part)


def _base_parts(prompt: Prompt) -> Iterator[str | Clip]:
    """Yield the running text of the Base model's prompt: examples, then what is asked."""
    asked = list(turns(prompt))
    for index, turn in enumerate(asked):
        if isinstance(turn[0], Reply):
            yield f"Answer: {turn[0].text}{BASE_ANSWER_END}"
            continue
        last = index == len(asked) - 1
        words = " ".join(part for part in turn if isinstance(part, str))
        question = f"Question: {words} \n\n"
        yield question if last else "\n" + question
        yield from (part for part in turn if isinstance(part, Clip))
        if last:
            yield "Answer: "


class _Writer:
    """Writes both streams position by position."""

    def __init__(
        self,
        tokens: SpecialTokens,
        text: TextTokenizer,
        audio_offset: int,
        codes: Iterator[Sequence[int]],
    ) -> None:
        self.streams = Streams()
        self._tokens = tokens
        self._text = text
        self._audio_offset = audio_offset
        self._codes = codes

    def turn(self, turn: Sequence[Part], wanted: int) -> None:
        """Write one role's parts between its start and the end of its message."""
        replied = isinstance(turn[0], Reply)
        self.control(self._tokens.assistant_start if replied else self._tokens.user_start)
        for part in turn:
            self.add(part)
        if isinstance(turn[-1], Clip):
            self.control(wanted)
        self.control(self._tokens.message_end)

    def add(self, part: Part) -> None:
        """Write words into the text stream, or a clip into the other one."""
        streams, blank = self.streams, self._tokens.blank
        if not isinstance(part, Clip):
            words = self._text.encode(part.text if isinstance(part, Reply) else part)
            streams.text += words
            streams.audio += [blank] * len(words)
            return
        codes = next(self._codes)
        self.control(self._tokens.media_begin)
        streams.heard += range(len(streams.audio), len(streams.audio) + len(codes))
        streams.audio += [self._audio_offset + code for code in codes]
        streams.text += [blank] * len(codes)
        self.control(self._tokens.media_end)

    def control(self, token: int) -> None:
        """Write a special token, beside which there are no words."""
        self.streams.audio.append(token)
        self.streams.text.append(self._tokens.blank)
