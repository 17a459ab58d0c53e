"""Kimi-Audio against what its makers' code computed from the same tiny checkpoint, in float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from detectors.audio_models import AskOptions, Clip, LoadOptions, Prompt, Reply
from detectors.audio_models.kimi.flow import Flow
from detectors.audio_models.kimi.loading import load_kimi
from detectors.audio_models.kimi.model import KimiAudio
from detectors.audio_models.kimi.network import tapped
from detectors.audio_models.kimi.prompts import Streams, lay_out
from detectors.audio_models.kimi.text import SpecialTokens
from detectors.audio_models.kimi.voice import Voice
from detectors.audio_models.whisper_mel import whisper_log_mel

TOLERANCE = 1e-4
TOKENS = SpecialTokens(
    message_end=300,
    media_begin=303,
    media_end=304,
    blank=305,
    text_end=306,
    user_start=307,
    assistant_start=308,
    text_wanted=309,
    speech_wanted=310,
)


class _Letters:
    """How the recordings turned words into tokens."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) % 250 for letter in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(token) for token in tokens)


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = load_file(shared / "golden/kimi/outputs/reference_fp32.safetensors")
    return outputs


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> KimiAudio:
    """The recorded checkpoint under a name that says it is one for conversations."""
    checkpoint = shared / "golden/kimi/checkpoint"
    folder = tmp_path_factory.mktemp("kimi")
    (folder / "glm-4-voice-tokenizer").symlink_to(checkpoint / "glm-4-voice-tokenizer")
    (folder / "Kimi-Audio-7B-Instruct").symlink_to(checkpoint / "Kimi-Audio-7B-tiny")
    load = LoadOptions(dtype="float32", speech=True)
    return load_kimi(folder / "Kimi-Audio-7B-Instruct", load, text=_Letters(), tokens=TOKENS)


@pytest.fixture(scope="module")
def clip(recorded: dict[str, Tensor]) -> Clip:
    return Clip(samples=recorded["wav16k"].numpy(), rate_hz=16_000)


def test_what_is_heard_is_what_the_reference_hears(
    model: KimiAudio, recorded: dict[str, Tensor], clip: Clip
) -> None:
    """Mel and both encoders, of one piece."""
    padded = torch.nn.functional.pad(recorded["wav16k"], (0, 480_000 - len(clip.samples)))
    mel = whisper_log_mel(padded, bands=128)
    torch.testing.assert_close(mel[:, :256], recorded["whisper.mel"], rtol=0, atol=TOLERANCE)
    with torch.inference_mode():
        ((codes, states),) = model._ears.hear([clip])
        frames = -(-len(clip.samples) // 160)
        picture = whisper_log_mel(padded[: 27 * 1_280], bands=128)
        before = model._ears._tokenizer.states([picture], [frames])
    assert codes == recorded["vq.tokens"].tolist()
    torch.testing.assert_close(before, recorded["vq.pre_pool"], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(states, recorded["whisper.feat_stacked"][0], rtol=0, atol=TOLERANCE)


def test_over_half_a_minute_the_codes_are_the_references(
    model: KimiAudio, recorded: dict[str, Tensor]
) -> None:
    """Two pieces of unequal length in one batch."""
    samples = np.tile(recorded["wav16k"].numpy(), 15)[: round(31.05 * 16_000)]
    with torch.inference_mode():
        ((codes, states),) = model._ears.hear([Clip(samples=samples, rate_hz=16_000)])
    assert codes == recorded["vq.tokens_31s"].tolist()
    assert len(states) == len(codes)


def _laid_out(
    model: KimiAudio, recorded: dict[str, Tensor], clip: Clip, name: str
) -> tuple[Streams, list[Tensor]]:
    asked, wanted = name.split(".")
    words = recorded["prompt.understand.text.text_ids"][0, 1:20].tolist()
    prompts: dict[str, Prompt] = {
        "understand": ["".join(map(chr, words)), clip],
        "two_clips": [clip, "A dog.", clip, "And this?"],
        "dialogue": [clip, Reply(text="Rain."), "Sure?"],
    }
    prompt = prompts[asked]
    count = sum(isinstance(part, Clip) for part in prompt)
    with torch.inference_mode():
        ((codes, states),) = model._ears.hear([clip])
    streams = lay_out(
        prompt,
        [codes] * count,
        style="chat",
        spoken=wanted == "both",
        tokens=TOKENS,
        text=model._text,
        audio_offset=320,
    )
    return streams, [states] * count


@pytest.mark.parametrize("name", ["understand.text", "understand.both", "two_clips.text", "dialogue.text"])
def test_prompts_and_logits_are_the_references(
    model: KimiAudio, recorded: dict[str, Tensor], clip: Clip, name: str
) -> None:
    """Ids equal; embeddings and both heads' logits close at every position."""
    streams, states = _laid_out(model, recorded, clip, name)
    assert streams.audio == recorded[f"prompt.{name}.audio_ids"][0].tolist()
    assert streams.text == recorded[f"prompt.{name}.text_ids"][0].tolist()
    heard = recorded[f"prompt.{name}.mask"][0].nonzero()[:, 0].tolist()
    assert streams.heard == heard
    network = model._network
    assert network.branch is not None
    assert network.audio_head is not None
    with torch.inference_mode(), tapped(network) as seen:
        embedded = model.embed(streams, states)
        hidden = network.backbone(inputs_embeds=embedded[None]).last_hidden_state
        words = network.text_head(hidden)
        sounds = network.audio_head(network.branch(inputs_embeds=seen[0]).last_hidden_state)
    torch.testing.assert_close(embedded, recorded[f"prompt.{name}.inputs_embeds"][0], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(words, recorded[f"prompt.{name}.text_logits"], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(sounds, recorded[f"prompt.{name}.audio_logits"], rtol=0, atol=TOLERANCE)


def test_greedy_words_are_the_references(model: KimiAudio, recorded: dict[str, Tensor], clip: Clip) -> None:
    with torch.inference_mode():
        embedded = model.embed(*_laid_out(model, recorded, clip, "understand.text"))
    tokens = list(model.text_tokens(embedded, AskOptions(max_tokens=14)))
    assert tokens == recorded["gen.text.text"].tolist()


def test_greedy_speech_is_the_references(model: KimiAudio, recorded: dict[str, Tensor], clip: Clip) -> None:
    """Words and sounds step by step; sounds begin when the words are six steps ahead."""
    with torch.inference_mode():
        embedded = model.embed(*_laid_out(model, recorded, clip, "understand.both"))
    steps = list(model.spoken_tokens(embedded, AskOptions(max_tokens=14)))
    assert [word for word, _ in steps] == recorded["gen.both.text"].tolist()
    assert [sound for _, sound in steps] == [TOKENS.blank] * 6 + recorded["gen.both.audio"].tolist()


def test_speech_is_what_the_reference_says(model: KimiAudio, recorded: dict[str, Tensor]) -> None:
    """41 codes in two chunks, from the same noise: relative to the loudest within 1e-4, and joined."""
    assert model._speaking is not None
    noise = iter((recorded["det.noise0"], recorded["det.noise1"]))
    voice = Voice(model._speaking, lambda _frames, _mels: next(noise))
    with torch.inference_mode():
        vocoded = model._speaking.vocoder(recorded["det.mel0"])
        pieces = [voice.push(code) for code in recorded["det.tokens"][0].tolist()] + [voice.finish()]
    _close_to_loudest(vocoded, recorded["voc.wav_from_mel0"][0])
    said = np.concatenate([piece.samples for piece in pieces if piece is not None])
    _close_to_loudest(torch.from_numpy(said), recorded["det.wav"][0])


def test_mel_flows_as_in_the_reference(model: KimiAudio, recorded: dict[str, Tensor]) -> None:
    """Two calls, the second with the first in view and its end made anew."""
    assert model._speaking is not None
    flow = Flow(model._speaking.flow)
    codes = recorded["det.tokens"][0].repeat_interleave(4)
    with torch.inference_mode():
        first = flow.mel(codes[:120], recorded["det.noise0"], hold_back=48)
        second = flow.mel(codes[72:], recorded["det.noise1"], hold_back=0)
    _close_to_loudest(first, recorded["det.mel0"])
    _close_to_loudest(second, recorded["det.mel1"])


def _close_to_loudest(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE * float(theirs.abs().max()))
