"""mini-omni on a tiny checkpoint that the tests make: what must hold whatever the weights are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from detectors.audio_models import AskOptions, Clip, LoadOptions, Prompt, Reply
from detectors.audio_models.memory_plan import total_bytes
from detectors.audio_models.mini_omni import TRANSCRIBE, memory_parts
from detectors.audio_models.mini_omni.codec import levels_of
from detectors.audio_models.mini_omni.loading import load_mini_omni
from detectors.audio_models.mini_omni.model import MiniOmni
from detectors.audio_models.mini_omni.voice import frames_of
from detectors.audio_models.opening import open_model
from detectors.audio_models.qwen_context import begin
from foundation.errors import ModelError, PromptError
from tests.detectors.audio_models.tiny_mini_omni import CONFIG, codec_weights, weights, write_mini_omni
from tests.detectors.audio_models.tiny_parts import noise_clip

FULL = LoadOptions(dtype="float32", speech=True)
TWELVE = AskOptions(max_tokens=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mini_omni(tmp_path_factory.mktemp("models") / "mini-omni")


@pytest.fixture(scope="module")
def model(folder: Path) -> MiniOmni:
    return load_mini_omni(folder, FULL)


def test_what_is_remembered_gives_what_is_shown_again(model: MiniOmni) -> None:
    """Greedy tokens out of the cache are those of a pass over everything at every step."""
    embedded = model._embedded([noise_clip(0.4)])
    tokens = list(model.text_tokens(embedded, TWELVE))
    again: list[int] = []
    with torch.inference_mode():
        for _ in tokens:
            hidden, _ = begin(model._network.backbone, [embedded])
            again.append(int(model._network.text_head(hidden[0]).argmax()))
            step = model._words_embedded(torch.tensor([[again[-1]]]))[0]
            embedded = torch.cat((embedded, step))
    assert tokens == again


def test_a_batch_scores_as_each_prompt_alone(model: MiniOmni) -> None:
    """Clips of unequal length, a transcript and a text go through together, and nothing changes."""
    prompts: list[Prompt] = [
        [noise_clip(0.3, seed=1)],
        [noise_clip(1.1, seed=2)],
        [TRANSCRIBE, noise_clip(0.7, seed=3)],
        ["What is this?"],
    ]
    choices = ["yes", "no", "a car horn", ""]
    together = model.score(prompts, choices)
    alone = np.concatenate([model.score([prompt], choices) for prompt in prompts])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    apart = np.concatenate([model.score(prompts, [choice]) for choice in choices], axis=1)
    np.testing.assert_allclose(together, apart, rtol=1e-5)


def test_a_score_is_the_probability_of_the_whole_answer(model: MiniOmni) -> None:
    """The sum over the choice's tokens and the end, worked out token by token."""
    embedded = model._embedded([noise_clip(0.4)])
    tokens = [*model._tokenizer.encode("horn"), model._tokens.end_of_text]
    expected = 0.0
    with torch.inference_mode():
        for token in tokens:
            hidden, _ = begin(model._network.backbone, [embedded])
            expected += float(model._network.text_head(hidden[0]).log_softmax(-1)[token])
            embedded = torch.cat((embedded, model._words_embedded(torch.tensor([[token]]))[0]))
    assert model.score([[noise_clip(0.4)]], ["horn"])[0, 0] == pytest.approx(expected, rel=1e-5)


def test_the_whole_answer_is_its_pieces(model: MiniOmni) -> None:
    prompt = [noise_clip(0.4)]
    assert "".join(model.stream(prompt, TWELVE)) == model.ask(prompt, TWELVE)
    assert model.ask(prompt, TWELVE) != model.ask([TRANSCRIBE, *prompt], TWELVE)


def test_closing_the_answer_ends_the_work(model: MiniOmni, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted answer runs the backbone no more, and the next one is as if there had been none."""
    prompt = [noise_clip(0.4)]
    expected = model.ask(prompt, TWELVE)
    calls: list[int] = []
    forward = model._network.backbone.forward

    def counted(**inputs: object) -> object:
        calls.append(1)
        return forward(**inputs)

    monkeypatch.setattr(model._network.backbone, "forward", counted)
    answer = iter(model.stream(prompt, TWELVE))
    next(answer)
    shown = len(calls)
    answer.close()  # type: ignore[attr-defined] # the port promises an iterator, and every one here is a generator
    assert len(calls) == shown < 12
    assert model.ask(prompt, TWELVE) == expected


def test_speech_in_pieces_is_speech_as_a_whole(model: MiniOmni) -> None:
    """What is said while tokens come is what the codec makes of all of them at once, sample for sample."""
    prompt, options = [noise_clip(0.4)], AskOptions(max_tokens=40)
    rows = [model._embedded(prompt, spoken=True), model._embedded(prompt)]
    steps = torch.stack([sound for _, sound in model.spoken_tokens(rows, options)])
    assert model._codec is not None
    with torch.inference_mode():
        frames = frames_of(steps).clamp(max=31)
        whole = model._codec(levels_of(frames)).numpy()
    pieces = list(model.speak(prompt, options))
    clips = [piece for piece in pieces if isinstance(piece, Clip)]
    assert len(clips) > 3
    assert {clip.rate_hz for clip in clips} == {24_000}
    np.testing.assert_allclose(np.concatenate([clip.samples for clip in clips]), whole, atol=1e-5)
    assert any(isinstance(piece, str) for piece in pieces)


def test_half_precision_stays_close(folder: Path, model: MiniOmni) -> None:
    half = load_mini_omni(folder, LoadOptions(dtype="bfloat16"))
    prompts, choices = [[noise_clip(0.4)]], ["yes", "no"]
    np.testing.assert_allclose(half.score(prompts, choices), model.score(prompts, choices), rtol=0.05)


def test_text_alone_needs_no_voice(tmp_path: Path) -> None:
    """Without speech, neither the codec's folder nor the audio heads are loaded."""
    folder = write_mini_omni(tmp_path / "mini-omni", voice=False)
    model = open_model(folder, LoadOptions(dtype="float32"))
    assert isinstance(model, MiniOmni)
    assert model._network.audio_head is None
    assert not model.capabilities.speech_output
    with pytest.raises(PromptError, match="load it with speech"):
        next(iter(model.speak([noise_clip(0.1)], TWELVE)))
    with pytest.raises(ModelError, match="snac_24khz is neither inside it nor beside it"):
        open_model(folder, FULL)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([noise_clip(0.1), Reply(text="a")], "no examples"),
        ([noise_clip(0.1), noise_clip(0.1)], "one clip"),
        (["What is it?", noise_clip(0.1)], "no words but 'Transcribe"),
        ([noise_clip(31.0)], "30 s at most, and this clip lasts 31 s"),
        ([noise_clip(4.0)], "204 of mini-omni's 160 positions"),
    ],
)
def test_what_it_has_no_place_for_is_refused(model: MiniOmni, prompt: Prompt, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        model.ask(prompt, TWELVE)


def _without(name: str) -> dict[str, Tensor]:
    changed = weights()
    del changed[name]
    return changed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_without("transformer.h.1.mlp.proj.weight"), r"transformer\.h\.1\.mlp\.proj\.weight is missing"),
        (
            weights() | {"transformer.h.2.norm_1.weight": torch.ones(16)},
            r"h\.2\.norm_1\.weight is not part of",
        ),
        (weights() | {"lm_head.weight": torch.ones(320, 16)}, r"lm_head\.weight has shape \[320, 16\]"),
    ],
)
def test_another_models_tensors_are_refused_by_name(
    folder: Path, tmp_path: Path, content: dict[str, Tensor], message: str
) -> None:
    """A missing tensor, one too many, and one of another shape; nothing is dropped in silence."""
    torch.save(content, tmp_path / "lit_model.pth")
    (tmp_path / "model_config.yaml").write_bytes((folder / "model_config.yaml").read_bytes())
    with pytest.raises(ModelError, match=message):
        open_model(tmp_path, FULL)


def test_a_codec_of_other_sizes_is_refused_by_tensor(tmp_path: Path) -> None:
    folder = write_mini_omni(tmp_path / "mini-omni")
    name = "decoder.model.1.parametrizations.weight.original0"
    torch.save(codec_weights() | {name: torch.ones(7, 1, 1)}, folder / "snac_24khz/pytorch_model.bin")
    with pytest.raises(ModelError, match=rf"{name} has shape \[7, 1, 1\]"):
        open_model(folder, FULL)


def test_a_checkpoint_cut_short_is_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / "lit_model.pth").read_bytes()
    (tmp_path / "lit_model.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "model_config.yaml").write_bytes((folder / "model_config.yaml").read_bytes())
    with pytest.raises(
        ModelError, match=r"lit_model\.pth: not a checkpoint that torch can read, or cut short"
    ):
        open_model(tmp_path, FULL)


def test_a_configuration_of_another_network_is_refused_by_key(folder: Path, tmp_path: Path) -> None:
    text = (
        (folder / "model_config.yaml")
        .read_text()
        .replace("parallel_residual: false", "parallel_residual: true")
    )
    (tmp_path / "model_config.yaml").write_text(text)
    with pytest.raises(ModelError, match="parallel_residual is True, expected False"):
        open_model(tmp_path, FULL)


def test_the_plan_counts_what_is_loaded(model: MiniOmni) -> None:
    """Parameters of the network itself, part by part, are those that the plan names."""
    parts = {part.name: part.parameters for part in memory_parts(CONFIG)}
    network = model._network
    assert network.audio_head is not None
    for name, module in (
        ("backbone", network.backbone),
        ("embedding", network.embedding),
        ("text head", network.text_head),
        ("adapter", network.adapter),
        ("audio heads", network.audio_head),
    ):
        assert sum(weight.numel() for weight in module.parameters()) == parts[name], name


def test_the_plan_knows_the_published_size() -> None:
    """0.69 billion parameters without the parts of other makers, as the published file has them."""
    published = CONFIG | {
        "n_embd": 896, "n_layer": 24, "n_head": 14, "head_size": 64, "intermediate_size": 4864,
        "block_size": 2048, "padded_vocab_size": 181_120, "text_vocab_size": 152_000,
        "audio_vocab_size": 4_160, "whisper_adapter_dim": 768,
    }  # fmt: skip
    parts = {part.name: part for part in memory_parts(published)}
    own = sum(part.parameters for name, part in parts.items() if "whisper" not in name and "snac" not in name)
    assert own / 1e6 == pytest.approx(694, abs=1)
    assert parts["whisper-small encoder"].parameters / 1e6 == pytest.approx(88, abs=0.5)
    assert total_bytes(list(parts.values()), LoadOptions(dtype="bfloat16")) / 2**30 == pytest.approx(
        1.4, abs=0.1
    )
