"""The adapter for models of transformers, on tiny ones of four architectures with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from detectors.audio_models import AskOptions, Clip, LoadOptions, Prompt, Reply
from detectors.audio_models.in_transformers import memory_parts
from detectors.audio_models.in_transformers.loading import load_in_transformers
from detectors.audio_models.in_transformers.model import InTransformers
from detectors.audio_models.opening import open_model, read_config
from foundation.errors import ModelError, PromptError
from tests.detectors.audio_models import tiny_in_transformers
from tests.detectors.audio_models.tiny_parts import noise_clip

FULL = LoadOptions(dtype="float32")
FOUR = AskOptions(max_tokens=4)
QUESTION: Prompt = ["What is it?", noise_clip(1.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A tiny model on disk."""

    folder: Path
    processor: Any

    def load(self) -> InTransformers:
        return load_in_transformers(self.folder, FULL, processor=self.processor)


@pytest.fixture(scope="module", params=tiny_in_transformers.KINDS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("models") / request.param
    return Written(folder=folder, processor=tiny_in_transformers.write(request.param, folder))


@pytest.fixture(scope="module")
def model(written: Written) -> InTransformers:
    return written.load()


@pytest.fixture(scope="module")
def qwen2_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "Qwen2-Audio-7B-Instruct"
    tiny_in_transformers.write("qwen2_audio", folder)
    return folder


def test_what_is_remembered_gives_what_is_shown_again(model: InTransformers) -> None:
    """Greedy tokens out of the cache are those of a pass over everything at every step."""
    tokens = list(model.text_tokens(QUESTION, FOUR))
    assert len(tokens) == 4
    inputs = model.inputs(QUESTION)
    again: list[int] = []
    with torch.inference_mode():
        for _ in tokens:
            logits = model._network(**inputs).logits[0, -1].index_fill(0, model._forbidden, -np.inf)
            again.append(int(logits.argmax()))
            inputs["input_ids"] = torch.cat((inputs["input_ids"], torch.tensor([again[-1:]])), dim=1)
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            inputs.pop("mm_token_type_ids", None)
    assert tokens == again
    assert "".join(model.stream(QUESTION, FOUR)) == model.ask(QUESTION, FOUR)


def test_the_clip_is_heard(model: InTransformers) -> None:
    """Another clip, other odds."""
    tone = np.sin(np.arange(16_000) * 0.2).astype(np.float32)
    other: Prompt = ["What is it?", Clip(samples=tone, rate_hz=16_000)]
    scores = model.score([QUESTION, other], ["yes", "no"])
    assert not np.allclose(scores[0], scores[1], rtol=1e-4)


def test_scores_are_of_whole_answers_and_of_each_prompt_alone(model: InTransformers) -> None:
    """The sum over a choice's tokens and the end, in one pass over both; company changes nothing."""
    prompts: list[Prompt] = [QUESTION, ["No clip."]]
    choices = ["horn", "a", ""]
    scores = model.score(prompts, choices)
    encoded = model._processor.tokenizer.encode("horn", add_special_tokens=False)
    tokens = torch.tensor([[*encoded, model._ends[0]]])
    inputs = model.inputs(QUESTION)
    start = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat((inputs["input_ids"], tokens), dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        likelihood = model._network(**inputs).logits[0, start - 1 : -1].log_softmax(-1)
    assert scores[0, 0] == pytest.approx(float(likelihood.gather(-1, tokens[0, :, None]).sum()), rel=1e-4)
    alone = np.concatenate([model.score([prompt], [choices[0]]) for prompt in prompts])
    np.testing.assert_allclose(scores[:, :1], alone, rtol=1e-4)


def test_scores_in_several_passes_are_those_of_one(
    model: InTransformers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one pass would have to remember too much, choices are weighed in parts."""
    choices = ["horn", "a", "", "a car"]
    at_once = model.score([QUESTION], choices)
    monkeypatch.setattr("detectors.audio_models.in_transformers.model.MOST_POSITIONS", 1)
    np.testing.assert_allclose(model.score([QUESTION], choices), at_once, rtol=1e-4)


def test_closing_the_answer_ends_the_work(model: InTransformers, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    forward = model._network.forward

    def counted(*inputs: object, **named: object) -> object:
        calls.append(1)
        return forward(*inputs, **named)

    monkeypatch.setattr(model._network, "forward", counted)
    answer = model.text_tokens(QUESTION, FOUR)
    next(answer)
    answer.close()  # type: ignore[attr-defined] # the port promises an iterator, and every one here is a generator
    assert len(calls) == 1


def test_what_a_model_has_no_place_for_is_refused(model: InTransformers) -> None:
    with pytest.raises(PromptError, match="s at most, and this clip lasts 601 s; cut it"):
        model.ask([Clip(samples=np.zeros(9_616_000, np.float32), rate_hz=16_000)], FOUR)
    with pytest.raises(PromptError, match="without any sample"):
        model.ask([noise_clip(0.0)], FOUR)
    if not model.capabilities.few_shot:
        with pytest.raises(PromptError, match="takes one clip"):
            model.ask([noise_clip(0.5), Reply(text="rain"), noise_clip(0.5)], FOUR)


def test_the_plan_counts_what_is_loaded(written: Written, model: InTransformers) -> None:
    parts = memory_parts(read_config(written.folder))
    assert len(parts) > 1
    assert sum(part.parameters for part in parts) == sum(w.numel() for w in model._network.parameters())


def test_examples_go_into_one_conversation(qwen2_audio: Path) -> None:
    model = open_model(qwen2_audio, FULL)
    assert isinstance(model, InTransformers)
    prompt: Prompt = ["What is it?", noise_clip(0.5), Reply(text="rain"), "What is it?", noise_clip(0.7)]
    shown = model._processor.tokenizer.decode(model.inputs(prompt)["input_ids"][0])
    assert shown.count("<|audio_bos|>") == 2
    assert "<|im_start|>assistant\nrain" in shown
    assert len(model.ask(prompt, FOUR)) > 0


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("lm_head.weight", None, r"lm_head\.weight is missing"),
        ("model.language_model.layers.7.mlp.up_proj.weight", (24, 16), r"layers\.7.* is not part of"),
        ("model.multi_modal_projector.linear.weight", (16, 15), r"linear\.weight has shape \[16, 15\]"),
    ],
)
def test_another_models_tensors_are_refused_by_name(
    qwen2_audio: Path, tmp_path: Path, name: str, shape: tuple[int, ...] | None, message: str
) -> None:
    """What transformers would fill with noise, or leave lying, is an error here."""
    for file in qwen2_audio.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    found = {key.replace("language_model.model.", "model.language_model."): key for key in tensors}
    own = next(
        (key for short, key in found.items() if key.endswith(name.removeprefix("model.")) or short == name),
        name,
    )
    if shape is None:
        del tensors[own]
    else:
        tensors[own] = torch.zeros(shape)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=message):
        open_model(tmp_path, FULL)


def test_a_file_cut_short_is_refused_by_tensor(qwen2_audio: Path, tmp_path: Path) -> None:
    for file in qwen2_audio.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-50])
    with pytest.raises(ModelError, match="cut short inside"):
        open_model(tmp_path, FULL)


def test_a_folder_without_its_processor_is_refused(qwen2_audio: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "generation_config.json"):
        (tmp_path / name).write_bytes((qwen2_audio / name).read_bytes())
    with pytest.raises(ModelError, match="its processor cannot be loaded"):
        open_model(tmp_path, FULL)
    with pytest.raises(ModelError, match="`weights: int8` is not built for this model"):
        open_model(qwen2_audio, LoadOptions(weights="int8"))
