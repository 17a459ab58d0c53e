"""The adapter for models of transformers, on tiny ones of each architecture with random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from detectors.audio_models import AskOptions, Clip, LoadOptions, Prompt, Reply
from detectors.audio_models.in_transformers import memory_parts
from detectors.audio_models.in_transformers.model import InTransformers
from detectors.audio_models.memory_plan import part_bytes
from detectors.audio_models.opening import open_model, read_config
from foundation.errors import ModelError, PromptError
from tests.detectors.audio_models import tiny_in_transformers
from tests.detectors.audio_models.tiny_parts import noise_clip

FULL = LoadOptions(dtype="float32")
FOUR = AskOptions(max_tokens=4)
QUESTION: Prompt = ["What is it?", noise_clip(1.0)]


@pytest.fixture(scope="module", params=tiny_in_transformers.KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / str(request.param)
    tiny_in_transformers.write(request.param, folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> InTransformers:
    model = open_model(folder, FULL)
    assert isinstance(model, InTransformers)
    return model


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


def test_clips_are_heard_in_their_order(model: InTransformers) -> None:
    """Of several clips in one prompt, where a model takes more than one; and however short one is."""
    first, second = noise_clip(0.7), noise_clip(0.001)
    prompts: list[Prompt] = [["Which?", first, "or", second], ["Which?", second, "or", first]]
    if not model.capabilities.few_shot:
        with pytest.raises(PromptError, match="takes one clip"):
            model.score(prompts, ["first"])
        return
    scores = model.score(prompts, ["first"])
    assert not np.allclose(scores[0], scores[1], rtol=1e-4)


def test_scores_are_of_whole_answers_and_of_each_prompt_alone(model: InTransformers) -> None:
    """The sum over a choice's tokens and whatever ends it, in one pass; company changes nothing."""
    prompts: list[Prompt] = [QUESTION, ["No clip."]]
    choices = ["horn", "a", ""]
    scores = model.score(prompts, choices)
    encoded = model._processor.tokenizer.encode("horn", add_special_tokens=False)
    tokens = torch.tensor([encoded])
    inputs = model.inputs(QUESTION)
    start = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat((inputs["input_ids"], tokens), dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.inference_mode():
        likelihood = model._network(**inputs).logits[0, start - 1 :].log_softmax(-1)
    wanted = likelihood[:-1].gather(-1, tokens[0, :, None]).sum() + likelihood[-1, [2, 3]].logsumexp(-1)
    assert scores[0, 0] == pytest.approx(float(wanted), rel=1e-4)
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
    # Voxtral's processor cuts nothing: what is too long for it takes more positions than it has.
    clip_s, message = {
        "voxtral": (181, "takes 2629 of"),
        "musicflamingo": (1_201, "and this clip lasts 1201 s; cut"),
    }.get(model.name, (601, "and this clip lasts 601 s; cut"))
    with pytest.raises(PromptError, match=message):
        model.ask([Clip(samples=np.zeros(clip_s * 16_000, np.float32), rate_hz=16_000)], FOUR)
    with pytest.raises(PromptError, match="without any sample"):
        model.ask([noise_clip(0.0)], FOUR)
    if not model.capabilities.few_shot:
        with pytest.raises(PromptError, match="takes one clip"):
            model.ask([noise_clip(0.5), Reply(text="rain"), noise_clip(0.5)], FOUR)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("weights", ["full", "int8", "int4"])
def test_the_plan_says_what_is_held(
    folder: Path, weights: Literal["full", "int8", "int4"], dtype: Literal["float32", "bfloat16"]
) -> None:
    """To the byte."""
    load = LoadOptions(weights=weights, dtype=dtype)
    parts = memory_parts(read_config(folder))
    planned = sum(part_bytes(part, load) for part in parts if part.name != "1000 positions")
    model = open_model(folder, load)
    assert isinstance(model, InTransformers)
    packed = (
        module for module in model._network.modules() if "scales" in dir(module) or "pairs" in dir(module)
    )
    tensors = [*model._network.parameters(), *(buffer for module in packed for buffer in module.buffers())]
    assert planned == sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def test_what_sees_is_not_held(folder: Path, model: InTransformers) -> None:
    """Nothing is ever shown to it."""
    assert not {"visual", "vision_tower"} & {part.name for part in memory_parts(read_config(folder))}
    assert not [
        name for name, _ in model._network.named_parameters() if "visual" in name or "vision_tower" in name
    ]


def test_the_plan_says_what_is_remembered(folder: Path, model: InTransformers) -> None:
    """Of so many positions, and never less than that."""
    inputs = model.inputs(QUESTION)
    with torch.inference_mode():
        layers = model._network(**inputs, use_cache=True).past_key_values.layers
    kept = (each for layer in layers for each in (layer.keys, layer.values) if each is not None)
    held = sum(each.numel() * each.element_size() for each in kept)
    (planned,) = (part for part in memory_parts(read_config(folder)) if part.name == "1000 positions")
    needed = 4 * planned.parameters * inputs["input_ids"].shape[1] // 1_000
    assert held <= needed
    assert held == needed or "gemma" in folder.name  # half of its layers remember the last positions only


def test_fewer_bits_hardly_change_the_odds(folder: Path, model: InTransformers) -> None:
    """At int8, of every network."""
    whole = model.score([QUESTION], ["horn", "a"])
    np.testing.assert_allclose(
        open_model(folder, replace(FULL, weights="int8")).score([QUESTION], ["horn", "a"]), whole, rtol=0.02
    )


def test_examples_go_into_one_conversation(qwen2_audio: Path) -> None:
    model = open_model(qwen2_audio, FULL)
    assert isinstance(model, InTransformers)
    prompt: Prompt = ["What is it?", noise_clip(0.5), Reply(text="rain"), "What is it?", noise_clip(0.7)]
    shown = model._processor.tokenizer.decode(model.inputs(prompt)["input_ids"][0])
    assert shown.count("<|audio_bos|>") == 2
    assert "<|im_start|>assistant\nrain" in shown
    assert len(model.ask(prompt, FOUR)) > 0


@pytest.mark.parametrize("fault", ["missing", "surplus", "misshapen"])
def test_another_models_tensors_are_refused_by_name(folder: Path, tmp_path: Path, fault: str) -> None:
    """What transformers would fill with noise, or leave lying, is an error here."""
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    own = next(name for name in tensors if name.endswith("layers.1.self_attn.q_proj.weight"))
    named = r"layers\.1\.self_attn\.q_proj\.weight"
    rows, columns = tensors[own].shape
    if fault == "surplus":
        tensors[own.replace("layers.1.", "layers.17.")] = torch.zeros(4, 4)
        message = r"layers\.17\.self_attn\.q_proj\.weight is not part of this model"
    elif fault == "misshapen":
        tensors[own] = torch.zeros(rows, columns - 1)
        message = rf"{named} has shape \[{rows}, {columns - 1}\], .* says \[{rows}, {columns}\]"
    else:
        del tensors[own]
        message = f"{named} is missing"
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=message):
        open_model(tmp_path, FULL)


@pytest.mark.parametrize("thinker", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
def test_what_speaks_is_left_out(thinker: str, tmp_path: Path) -> None:
    """A whole Omni model's folder answers as its thinker alone does."""
    tiny_in_transformers.write_whole_omni(thinker, tmp_path / "whole")
    tiny_in_transformers.write(thinker, tmp_path / "alone")
    whole, alone = (open_model(tmp_path / name, FULL) for name in ("whole", "alone"))
    np.testing.assert_array_equal(whole.score([QUESTION], ["a"]), alone.score([QUESTION], ["a"]))


def test_the_first_token_stands_once(tmp_path: Path) -> None:
    """Gemma's template and its tokenizer write it both."""
    tiny_in_transformers.write("gemma4", tmp_path)
    model = open_model(tmp_path, FULL)
    assert isinstance(model, InTransformers)
    assert model._processor.tokenizer.decode(model.inputs(["a"])["input_ids"][0]).count("<bos>") == 1


def test_voxtrals_prompts_are_laid_out_as_its_makers_do(tmp_path: Path) -> None:
    """As mistral-common 1.13.1 laid out the same conversations, 375 tokens for each 30 s of sound begun."""
    tiny_in_transformers.write("voxtral", tmp_path)
    model = open_model(tmp_path, FULL)
    assert isinstance(model, InTransformers)
    sound = "[BEGIN_AUDIO]" + 375 * "[AUDIO]"
    long = "[BEGIN_AUDIO]" + 750 * "[AUDIO]"
    laid_out: list[tuple[Prompt, str]] = [
        ([noise_clip(1.0), "the cat"], f"<s>[INST]{sound}the cat[/INST]"),
        (["What is it?", noise_clip(31.0)], f"<s>[INST]What is it?{long}[/INST]"),
        (
            ["a ", "the", noise_clip(1.0), noise_clip(2.5), "x", Reply(text="rain "), "?", noise_clip(1.0)],
            f"<s>[INST]a \n\nthe{sound}{sound}x[/INST]rain</s>[INST]?{sound}[/INST]",
        ),
        ([" pad ", Reply(text=" rain"), "more"], "<s>[INST] pad [/INST] rain</s>[INST]more[/INST]"),
    ]
    for prompt, text in laid_out:
        assert model._processor.tokenizer.decode(model.inputs(prompt)["input_ids"][0]) == text
    # [INST], o, f, " the", two new lines, " the", [/INST]: of the tokens, the longest.
    assert model.inputs(["of the", " the"])["input_ids"][0].tolist() == [1, 3, 171, 162, 319, 70, 70, 319, 4]


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


def test_words_that_need_another_package_name_it(tmp_path: Path) -> None:
    """Mistral's older files of words leave out what mistral-common knows."""
    tiny_in_transformers.write("voxtral", tmp_path)
    content = json.loads((tmp_path / "tekken.json").read_text(encoding="utf-8"))
    del content["special_tokens"]
    (tmp_path / "tekken.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="mistral-common"):
        open_model(tmp_path, FULL)


def test_a_size_without_ears_is_refused(tmp_path: Path) -> None:
    """Of Gemma 4, some sizes see and do not hear."""
    tiny_in_transformers.write("gemma4", tmp_path)
    config = read_config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "audio_config": None}), encoding="utf-8")
    with pytest.raises(ModelError, match="no ears"):
        open_model(tmp_path, FULL)


@pytest.mark.parametrize("content", [None, '{"model_type": "granite_speech"}', "{}"])
def test_a_wrong_folder_is_told_which_are_right(tmp_path: Path, content: str | None) -> None:
    """Whatever is in it."""
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=r"MiMo-Audio, Kimi-Audio, mini-omni, .* qwen2_audio, .*voxtral"):
        open_model(tmp_path, FULL)
