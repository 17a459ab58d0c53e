"""mini-omni against what its makers' code computed from the same tiny checkpoint, in float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from detectors.audio_models import AskOptions, LoadOptions
from detectors.audio_models.mini_omni.codec import Codec, levels_of
from detectors.audio_models.mini_omni.loading import load_mini_omni
from detectors.audio_models.mini_omni.model import MiniOmni
from detectors.audio_models.mini_omni.tokens import clip_prompt, text_prompt
from detectors.audio_models.mini_omni.voice import frames_of
from detectors.audio_models.qwen_context import begin
from tests.detectors.audio_models.tiny_parts import write_byte_tokenizer, write_whisper

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = load_file(shared / "golden/mini_omni/outputs/reference_fp32.safetensors")
    return outputs


@pytest.fixture(scope="module")
def model(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> MiniOmni:
    """The recorded checkpoint, laid out as published, with ears that the recordings bypass."""
    folder = tmp_path_factory.mktemp("mini-omni")
    checkpoint = shared / "golden/mini_omni/checkpoint"
    for there, here in (
        ("lit_model.pth", "lit_model.pth"),
        ("model_config.yaml", "model_config.yaml"),
        ("snac_config.json", "snac_24khz/config.json"),
        ("snac_model.bin", "snac_24khz/pytorch_model.bin"),
    ):
        (folder / here).parent.mkdir(exist_ok=True)
        (folder / here).symlink_to(checkpoint / there)
    write_whisper(folder / "whisper-small", width=12, bands=80)
    write_byte_tokenizer(folder / "tokenizer.json")
    return load_mini_omni(folder, LoadOptions(dtype="float32", speech=True))


def _prompt(model: MiniOmni, recorded: dict[str, Tensor], task: str) -> Tensor:
    answer = model._tokens.transcript if task == "ASR" else model._tokens.text_answer
    states = len(recorded["audio_feature"][0])
    return clip_prompt(model._tokens, states, answer=answer, spoken=task == "A1A2")


@torch.inference_mode()
def _embedded(model: MiniOmni, recorded: dict[str, Tensor], task: str) -> Tensor:
    return model._network.embed(_prompt(model, recorded, task), recorded["audio_feature"][0])


def _together(steps: list[tuple[int, Tensor]]) -> Tensor:
    """Arrange steps as they were recorded: seven audio streams, then text."""
    sounds = torch.stack([sound for _, sound in steps], dim=1)
    return torch.cat((sounds, torch.tensor([[word for word, _ in steps]])))


@pytest.mark.parametrize("task", ["A1T2", "A1A2", "ASR"])
def test_prompts_and_first_logits_are_the_references(
    model: MiniOmni, recorded: dict[str, Tensor], task: str
) -> None:
    assert torch.equal(_prompt(model, recorded, task), recorded[f"{task}.prompt_ids"])
    with torch.inference_mode():
        hidden, _ = begin(model._network.backbone, [_embedded(model, recorded, task)])
        words = model._network.text_head(hidden[0])[recorded[f"{task}.text_logits_index"]]
        sounds = model._network.audio_logits(hidden[0])
    torch.testing.assert_close(words, recorded[f"{task}.text_logits_last"], rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(sounds, recorded[f"{task}.audio_logits_last"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("task", ["A1T2", "ASR"])
def test_greedy_answers_are_the_references(model: MiniOmni, recorded: dict[str, Tensor], task: str) -> None:
    tokens = list(model.text_tokens(_embedded(model, recorded, task), AskOptions(max_tokens=12)))
    assert tokens == recorded[f"{task}.tokens"].tolist()


def test_a_text_is_answered_as_the_reference_does(model: MiniOmni, recorded: dict[str, Tensor]) -> None:
    ids = recorded["T1T2.prompt_ids"]
    prompt = text_prompt(model._tokens, ids[-1, 1:-2].tolist(), spoken=False)
    assert torch.equal(prompt, ids)
    with torch.inference_mode():
        embedded = model._network.embed(prompt)
    tokens = list(model.text_tokens(embedded, AskOptions(max_tokens=12)))
    assert tokens == recorded["T1T2.tokens"].tolist()


def test_speech_and_words_are_the_references(model: MiniOmni, recorded: dict[str, Tensor]) -> None:
    """Alone, and batch-parallel: sound from one row, words from the other."""
    options = AskOptions(max_tokens=24)
    spoken = _embedded(model, recorded, "A1A2")
    assert torch.equal(_together(list(model.spoken_tokens([spoken], options))), recorded["A1A2.tokens"])
    rows = [spoken, _embedded(model, recorded, "A1T2")]
    assert torch.equal(_together(list(model.spoken_tokens(rows, options))), recorded["batch.tokens"])


def test_frames_and_levels_are_the_references(recorded: dict[str, Tensor]) -> None:
    frames = frames_of(recorded["snac.streams"][:7].T)
    for level, codes in enumerate(levels_of(frames)):
        assert torch.equal(codes[None], recorded[f"snac.level{level}"])
    for level, codes in enumerate(levels_of(frames[1:5])):
        assert torch.equal(codes[None], recorded[f"snac.window.level{level}"])


def test_the_codec_is_the_references(model: MiniOmni, recorded: dict[str, Tensor]) -> None:
    """Samples within 1e-5 of SNAC's, its noise left out."""
    codec = model._codec
    assert isinstance(codec, Codec)
    with torch.inference_mode():
        samples = codec([recorded[f"snac.level{level}"][0] for level in range(3)])
    torch.testing.assert_close(samples, recorded["snac.wav_nonoise"][0, 0], rtol=0, atol=1e-5)
