"""MiMo-Audio agrees with itself: however it is asked, the answer is the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from detectors.audio_models import AskOptions, AudioModel, Clip, LoadOptions, Prompt, Reply
from detectors.audio_models.memory_plan import total_bytes
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.ears import Ears
from detectors.audio_models.mimo.loading import load_codec, load_network
from detectors.audio_models.mimo.model import MimoAudio
from detectors.audio_models.mimo.prompts import segments
from detectors.audio_models.mimo.sizes import codec_parts, language_parts
from detectors.audio_models.mimo.speaking import SpeakingMimoAudio, Voice
from detectors.audio_models.opening import open_model
from detectors.audio_models.qwen_context import advance, begin
from foundation.errors import ModelError, PromptError
from tests.detectors.audio_models.tiny_mimo import CODEC, LANGUAGE, rewrite, write_mimo
from tests.detectors.audio_models.tiny_parts import noise_clip

LOAD = LoadOptions(dtype="float32")
QUESTION = "What is this?"
SHARD = "model-00001-of-00002.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mimo(tmp_path_factory.mktemp("mimo"))


@pytest.fixture(scope="module")
def model(folder: Path) -> AudioModel:
    return open_model(folder, LOAD)


@pytest.fixture
def own_folder(tmp_path: Path) -> Path:
    return write_mimo(tmp_path)


def test_pieces_of_a_stream_are_the_whole_answer(model: AudioModel) -> None:
    """Streaming = whole, and the same seed gives the same answer."""
    prompt: Prompt = [noise_clip(1.0), QUESTION]
    options = AskOptions(max_tokens=24, temperature=0.8, top_k=20, top_p=0.9, seed=5)
    pieces = list(model.stream(prompt, options))
    assert len(pieces) > 1
    assert "".join(pieces) == model.ask(prompt, options)


def test_a_closed_stream_does_no_more(model: AudioModel) -> None:
    """Whoever stops reading stops the work."""
    stream = model.stream([QUESTION], AskOptions(max_tokens=64))
    next(stream)
    stream.close()  # type: ignore[attr-defined] # the port promises an iterator, this is a generator
    assert list(stream) == []


def test_scores_in_one_batch_are_those_of_each_alone(model: AudioModel) -> None:
    """Batched = single, with prompts and choices of unequal length."""
    prompts: list[Prompt] = [[noise_clip(0.5), QUESTION], [noise_clip(2.3, seed=1), "Say."], [QUESTION]]
    choices = ["dog", "a car that goes by", ""]
    together = model.score(prompts, choices)
    alone = np.array([[model.score([prompt], [choice])[0, 0] for choice in choices] for prompt in prompts])
    assert together.shape == (3, 3)
    assert (together < 0).all()
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@torch.inference_mode()
def test_a_remembered_context_gives_what_a_fresh_look_gives(model: AudioModel) -> None:
    """Cached = uncached."""
    assert isinstance(model, MimoAudio)
    shown = model.positions(segments([noise_clip(1.0), QUESTION], style="chat", thinking=False))
    (embedded,) = model.embed([shown])
    whole, _ = begin(model._network.backbone, [embedded])
    _, context = begin(model._network.backbone, [embedded[:-5]])
    steps = advance(model._network.backbone, context, embedded[None, -5:])
    torch.testing.assert_close(steps[:, -1], whole)


@pytest.mark.parametrize("most", [1, 100, 300])
def test_scores_in_several_passes_are_those_of_one(
    model: AudioModel, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Where one pass would have to remember too much, prompts and choices are weighed in parts."""
    prompts: list[Prompt] = [[noise_clip(0.5), QUESTION], [noise_clip(2.3, seed=1), "Say."], [QUESTION]]
    choices = ["dog", "a car that goes by", ""]
    at_once = model.score(prompts, choices)
    monkeypatch.setattr("detectors.audio_models.choice_scores.MOST_POSITIONS", most)
    np.testing.assert_allclose(model.score(prompts, choices), at_once, rtol=1e-5)


def test_sixty_four_clips_are_weighed_at_once(model: AudioModel) -> None:
    """One call, and each clip gets what it would get alone."""
    prompts: list[Prompt] = [[noise_clip(0.2 + 0.01 * seed, seed=seed), QUESTION] for seed in range(64)]
    scores = model.score(prompts, ["yes", "no"])
    assert scores.shape == (64, 2)
    for at in (0, 31, 63):
        np.testing.assert_allclose(scores[at], model.score([prompts[at]], ["yes", "no"])[0], rtol=1e-5)


def test_clips_heard_together_have_the_codes_they_have_alone(folder: Path) -> None:
    """A batch of clips of 0.01 s to 61 s, the longest cut into two segments of unequal length."""
    encoder = load_codec(folder.parent / "MiMo-Audio-Tokenizer", LOAD, levels=4).encoder
    clips = [noise_clip(length, seed=9) for length in (0.01, 0.53, 1.0, 61.013)]
    together = Ears(encoder, group_size=4).codes(clips)
    for clip, codes in zip(clips, together, strict=True):
        (alone,) = Ears(encoder, group_size=4).codes([clip])
        assert torch.equal(codes, alone)
        assert len(codes) % 4 == 0


def test_any_rate_is_heard(model: AudioModel) -> None:
    """A clip is resampled to the model's own rate."""
    samples = np.sin(np.arange(44_100) * 0.06).astype(np.float32)
    assert np.isfinite(model.score([[Clip(samples=samples, rate_hz=44_100), QUESTION]], ["yes"])).all()


def test_examples_in_the_prompt_become_turns() -> None:
    """For Instruct an example is a turn, for Base a question with its answer."""
    prompt: Prompt = ["A?", Reply(text="b"), "C?"]
    chat = "".join(map(str, segments(prompt, style="chat", thinking=False)))
    assert chat == (
        "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\nb<|im_end|>\n"
        "<|im_start|>user\nC?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n"
    )
    base = "".join(map(str, segments(prompt, style="base", thinking=False)))
    assert base == "[Int]:Question: A?Answer: b\n\nQuestion: C?\nAnswer:"


def test_what_does_not_fit_is_refused_before_any_work(model: AudioModel) -> None:
    """The prompt's positions and the model's room are named."""
    with pytest.raises(PromptError, match="positions"):
        model.ask([noise_clip(100.0), QUESTION], AskOptions())


def test_text_output_never_loads_the_speech_parts(folder: Path) -> None:
    """Neither patch decoder nor vocoder is there."""
    assert load_network(folder, LOAD).patch_decoder is None
    assert load_codec(folder.parent / "MiMo-Audio-Tokenizer", LOAD, levels=4).decoder is None


@pytest.mark.parametrize(
    "load",
    [
        LoadOptions(dtype="bfloat16"),
        LoadOptions(dtype="bfloat16", speech=True),
        LoadOptions(dtype="bfloat16", weights="int8"),
        LoadOptions(dtype="float32", weights="int4"),
    ],
    ids=["text", "speech", "int8", "int4"],
)
def test_the_plan_is_what_loading_takes(folder: Path, load: LoadOptions) -> None:
    """Byte for byte, by arithmetic on the configuration alone."""
    parts = (
        *language_parts(LanguageConfig.read(LANGUAGE)),
        *codec_parts(CodecConfig.read(CODEC), levels=4),
    )
    network = load_network(folder, load)
    codec = load_codec(folder.parent / "MiMo-Audio-Tokenizer", load, levels=4)
    language = (network.words, network.backbone, network.patch_encoder, network.patch_decoder)
    modules = (*language, codec.encoder, codec.decoder)
    held = sum(
        tensor.numel() * tensor.element_size()
        for module in modules
        if module is not None
        for tensor in module.state_dict().values()
    )
    assert total_bytes(parts, load) == held


@pytest.mark.parametrize(("weights", "close"), [("int8", 0.15), ("int4", 1.0)])
def test_fewer_bits_give_nearly_the_same_scores(
    folder: Path, model: AudioModel, weights: Literal["int8", "int4"], close: float
) -> None:
    """Held against float32, per token of a choice; weights this random magnify every rounding."""
    prompts: list[Prompt] = [[noise_clip(1.0, seed=seed), QUESTION] for seed in range(3)]
    choices = ["dog", "a car that goes by"]
    packed = open_model(folder, LoadOptions(dtype="float32", weights=weights))
    apart = np.abs(packed.score(prompts, choices) - model.score(prompts, choices))
    assert (apart / np.array([4, 19])).mean() < close


@pytest.mark.parametrize(
    ("config", "parameters"), [(LanguageConfig(), 8_018), (CodecConfig(), 1_288)], ids=["7B", "tokenizer"]
)
def test_published_sizes_are_those_of_the_specification(
    config: LanguageConfig | CodecConfig, parameters: int
) -> None:
    """Millions of parameters, speech parts included."""
    parts = language_parts(config) if isinstance(config, LanguageConfig) else codec_parts(config, levels=8)
    assert sum(part.parameters for part in parts) / 1e6 == pytest.approx(parameters, rel=0.005)


@torch.inference_mode()
def test_sound_made_in_chunks_is_as_long_as_the_whole(folder: Path) -> None:
    """What fits into one chunk is the whole to the sample; a longer answer comes in several pieces."""
    load = LoadOptions(dtype="float32", speech=True)
    codec = load_codec(folder.parent / "MiMo-Audio-Tokenizer", load, levels=4)
    assert codec.decoder is not None
    generator = torch.Generator().manual_seed(0)
    for frames in (16, 120):
        codes = torch.randint(0, 16, (frames, 4), generator=generator)
        whole = codec.decoder(codec.encoder.quantizer.decode(codes)[None])[0].numpy()
        voice = Voice(codec)
        pieces = [piece for group in torch.split(codes, 4) for piece in voice.push(group)]
        pieces += voice.finish()
        sound = np.concatenate([piece.samples for piece in pieces])
        assert sound.shape == whole.shape == (frames * 960,)
        if frames == 16:
            np.testing.assert_array_equal(sound, whole)
        else:
            assert len(pieces) > 2


def test_speech_comes_only_from_a_model_loaded_for_it(folder: Path, model: AudioModel) -> None:
    """The port says so beforehand; with its speech parts it speaks, reproducibly."""
    assert not model.capabilities.speech_output
    speaking = open_model(folder, LoadOptions(dtype="float32", speech=True))
    assert isinstance(speaking, SpeakingMimoAudio)
    assert speaking.capabilities.speech_output
    options = AskOptions(max_tokens=12, temperature=1.0, seed=4)
    runs = [list(speaking.speak([noise_clip(0.5)], options)) for _ in range(2)]
    assert [one if isinstance(one, str) else len(one.samples) for one in runs[0]] == [
        one if isinstance(one, str) else len(one.samples) for one in runs[1]
    ]


def test_a_missing_tensor_is_named(own_folder: Path) -> None:
    """Of a part that would not even be loaded."""
    index = own_folder / "model.safetensors.index.json"
    name = "local_transformer_lm_heads.2.weight"
    text = index.read_text()
    shard = own_folder / text.split(f'"{name}": "')[1].split('"')[0]
    rewrite(shard, without=name)
    with pytest.raises(ModelError, match=name):
        open_model(own_folder, LOAD)


def test_an_extra_tensor_is_named(own_folder: Path) -> None:
    """One that the model has no place for, in the tokenizer's file."""
    file = own_folder.parent / "MiMo-Audio-Tokenizer" / "model.safetensors"
    rewrite(file, extra={"encoder.surprise.weight": torch.zeros(2)})
    with pytest.raises(ModelError, match=r"encoder\.surprise\.weight is not part"):
        open_model(own_folder, LOAD)


def test_a_wrong_shape_is_named(own_folder: Path) -> None:
    """With the shape found and the one that its configuration says."""
    file = own_folder.parent / "MiMo-Audio-Tokenizer" / "model.safetensors"
    rewrite(file, extra={"encoder.conv1.bias": torch.zeros(5)})
    with pytest.raises(ModelError, match=r"encoder\.conv1\.bias has shape \[5\].*\[16\]"):
        open_model(own_folder, LOAD)


def test_a_truncated_file_is_refused_by_the_tensor_that_is_cut(own_folder: Path) -> None:
    """Half a shard names the first tensor that is not all there."""
    file = own_folder / SHARD
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"cut short inside \w+"):
        open_model(own_folder, LOAD)


def test_another_model_is_refused(own_folder: Path) -> None:
    """A plain Qwen2 has no groups of audio."""
    (own_folder / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}')
    with pytest.raises(ModelError, match="holds qwen2; heard knows MiMo-Audio"):
        open_model(own_folder, LOAD)


def test_a_missing_tokenizer_folder_says_where_it_belongs(own_folder: Path) -> None:
    """It is published apart, and must be fetched apart."""
    (own_folder.parent / "MiMo-Audio-Tokenizer").rename(own_folder.parent / "elsewhere")
    with pytest.raises(ModelError, match="published apart"):
        open_model(own_folder, LOAD)
    elsewhere = LoadOptions(
        dtype="float32", companions={"MiMo-Audio-Tokenizer": own_folder.parent / "elsewhere"}
    )
    assert open_model(own_folder, elsewhere).name == "MiMo-Audio-7B-Instruct"


def test_the_port_is_importable_without_torch() -> None:
    """Planning and the port itself are for the daemon too; see also tests/test_house.py."""
    import subprocess

    program = (
        "import sys, detectors.audio_models.opening, detectors.audio_models.mimo\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
