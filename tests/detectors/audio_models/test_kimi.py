"""Kimi-Audio on a tiny checkpoint that the tests make: what must hold whatever the weights are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.audio_models import AskOptions, Clip, LoadOptions, Prompt, Reply
from detectors.audio_models.kimi import memory_parts
from detectors.audio_models.kimi.loading import load_kimi
from detectors.audio_models.kimi.model import KimiAudio
from detectors.audio_models.kimi.prompts import lay_out
from detectors.audio_models.kimi.text import KimiText
from detectors.audio_models.kimi.voice import Voice, seeded_noise
from detectors.audio_models.memory_plan import part_bytes
from detectors.audio_models.opening import open_model
from detectors.audio_models.qwen_context import begin
from foundation.errors import ModelError, PromptError
from tests.detectors.audio_models.tiny_kimi import (
    CONFIG,
    TOKENS,
    weights,
    write_kimi,
    write_shards,
    write_voice,
)
from tests.detectors.audio_models.tiny_parts import noise_clip

TEXT = LoadOptions(dtype="float32")
TWELVE = AskOptions(max_tokens=12)
SHORT = Clip(samples=noise_clip(0.5).samples, rate_hz=16_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kimi(tmp_path_factory.mktemp("models") / "Kimi-Audio-7B-Instruct")


@pytest.fixture(scope="module")
def model(folder: Path) -> KimiAudio:
    return load_kimi(folder, TEXT, tokens=TOKENS)


def test_what_is_remembered_gives_what_is_shown_again(model: KimiAudio) -> None:
    """Greedy tokens out of the cache are those of a pass over everything at every step."""
    (embedded,) = model.embedded([["What is it?", SHORT]])
    tokens = list(model.text_tokens(embedded, TWELVE))
    again: list[int] = []
    with torch.inference_mode():
        for _ in tokens:
            hidden, _ = begin(model._network.backbone, [embedded])
            again.append(int(model._network.text_head(hidden[0]).argmax()))
            embedded = torch.cat((embedded, model._words(torch.tensor([[again[-1]]]))[0]))
    assert tokens == again


def test_a_batch_scores_as_each_prompt_alone(model: KimiAudio) -> None:
    """Clips of unequal length, one over a minute, examples and a text go through together unchanged."""
    prompts: list[Prompt] = [
        ["What is it?", noise_clip(0.31, seed=1)],
        ["What is it?", noise_clip(61.7, seed=2)],
        [noise_clip(0.2, seed=3), Reply(text="rain"), noise_clip(0.6, seed=4)],
        ["No clip."],
    ]
    choices = ["yes", "no", "a car horn", ""]
    together = model.score(prompts, choices)
    alone = np.concatenate([model.score([prompt], choices) for prompt in prompts])
    np.testing.assert_allclose(together, alone, rtol=1e-4)


def test_a_clip_is_heard_alike_in_any_company(model: KimiAudio) -> None:
    """Codes equal and states close, alone or beside a longer clip; one position for each 80 ms begun."""
    clips = [noise_clip(1.003, seed=1), noise_clip(33.0, seed=2)]
    with torch.inference_mode():
        together = model._ears.hear(clips)
        alone = [model._ears.hear([clip])[0] for clip in clips]
    for (codes, states), (codes_alone, states_alone), count in zip(together, alone, (13, 413), strict=True):
        assert codes == codes_alone
        assert len(codes) == len(states) == count
        torch.testing.assert_close(states, states_alone, rtol=1e-4, atol=1e-5)


def test_a_score_is_the_probability_of_the_whole_answer(model: KimiAudio) -> None:
    prompt: Prompt = ["What is it?", SHORT]
    (embedded,) = model.embedded([prompt])
    expected = 0.0
    with torch.inference_mode():
        for token in [*b"horn", TOKENS.text_end]:
            hidden, _ = begin(model._network.backbone, [embedded])
            expected += float(model._network.text_head(hidden[0]).log_softmax(-1)[token])
            embedded = torch.cat((embedded, model._words(torch.tensor([[token]]))[0]))
    assert model.score([prompt], ["horn"])[0, 0] == pytest.approx(expected, rel=1e-5)


def test_the_whole_answer_is_its_pieces(model: KimiAudio) -> None:
    prompt: Prompt = ["What is it?", SHORT]
    assert "".join(model.stream(prompt, TWELVE)) == model.ask(prompt, TWELVE)


def test_closing_the_answer_ends_the_work(model: KimiAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    forward = model._network.backbone.forward

    def counted(**inputs: object) -> object:
        calls.append(1)
        return forward(**inputs)

    monkeypatch.setattr(model._network.backbone, "forward", counted)
    (embedded,) = model.embedded([[SHORT]])
    answer = model.text_tokens(embedded, TWELVE)
    next(answer)
    answer.close()  # type: ignore[attr-defined] # the port promises an iterator, and every one here is a generator
    assert len(calls) == 1


def test_the_clip_comes_last_in_its_turn(model: KimiAudio) -> None:
    """Only then does the prompt say what kind of answer is wanted."""
    asked: list[Prompt] = [["What is it?", SHORT], [SHORT, "What is it?"]]
    first, second = model.embedded(asked)
    torch.testing.assert_close(first, second)


def test_the_base_model_reads_questions_and_answers() -> None:
    """One running text, in which all questions but the last begin on a new line, and no turns."""
    text = _Letters()
    streams = lay_out(
        ["What is it?", SHORT, Reply(text="rain"), "What is it?", SHORT],
        [[1, 2], [3]],
        style="base",
        spoken=False,
        tokens=TOKENS,
        text=text,
        audio_offset=272,
    )
    shown = "".join("~" if token == TOKENS.blank else chr(token) for token in streams.text)
    assert shown == "\nQuestion: What is it? \n\n~~~~Answer: rain \n\nQuestion: What is it? \n\n~~~Answer: "
    heard = [streams.audio[position] for position in streams.heard]
    assert heard == [273, 274, 275]
    assert set(streams.audio) == {TOKENS.blank, TOKENS.media_begin, TOKENS.media_end, *heard}


def test_the_base_models_answer_ends_with_its_paragraph(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would go on with a question of its own."""
    base = folder.with_name("Kimi-Audio-7B")
    base.symlink_to(folder)
    model = load_kimi(base, TEXT, tokens=TOKENS)
    said = [*b"rain", *b" \n\n", *b"\nQuestion: "]
    monkeypatch.setattr(model, "text_tokens", lambda *_: iter(said))
    assert model.ask(["What is it?", SHORT], TWELVE).strip() == "rain"


class _Letters:
    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(chr(token) for token in tokens)


def test_words_come_back_from_their_tokens(folder: Path) -> None:
    """What looks like a special token in a prompt is words as well; ids beyond the words have no text."""
    text = KimiText(folder / "tiktoken.model")
    for words in ("It's 12 o'clock,\n\n  Grüße 你好 <|im_msg_end|>", ""):
        assert text.decode([*text.encode(words), TOKENS.blank]) == words


def test_half_precision_stays_close(folder: Path, model: KimiAudio) -> None:
    half = load_kimi(folder, LoadOptions(dtype="bfloat16"), tokens=TOKENS)
    prompts: list[Prompt] = [["What is it?", SHORT]]
    near = model.score(prompts, ["yes", "no"])
    np.testing.assert_allclose(half.score(prompts, ["yes", "no"]), near, rtol=0.05)


def test_fewer_bits_stay_close_and_take_what_the_plan_says(folder: Path, model: KimiAudio) -> None:
    load = LoadOptions(dtype="float32", weights="int8")
    packed = load_kimi(folder, load, tokens=TOKENS)
    prompts: list[Prompt] = [["What is it?", SHORT]]
    near = model.score(prompts, ["yes", "no"])
    np.testing.assert_allclose(packed.score(prompts, ["yes", "no"]), near, rtol=0.05)
    parts = {part.name: part for part in memory_parts(CONFIG)}
    for name, module in (("backbone", packed._network.backbone), ("text head", packed._network.text_head)):
        held = sum(value.nbytes for value in module.state_dict().values())
        assert held == part_bytes(parts[name], load), name


def test_words_need_no_audio_branch(model: KimiAudio) -> None:
    """Neither it nor its head is loaded, and the answer does not change."""
    assert model._network.branch is None
    assert model._network.audio_head is None
    assert not model.capabilities.speech_output


@pytest.fixture(scope="module")
def speaking(folder: Path) -> KimiAudio:
    write_voice(folder)
    return load_kimi(folder, LoadOptions(dtype="float32", speech=True), tokens=TOKENS)


def test_the_words_of_speech_are_the_words_of_text(model: KimiAudio, speaking: KimiAudio) -> None:
    """Until the audio branch speaks, it changes nothing: the first steps' words are those without it."""
    (embedded,) = model.embedded([["What is it?", SHORT]])
    steps = list(speaking.spoken_tokens(embedded, TWELVE))
    assert [word for word, _ in steps[:7]] == list(model.text_tokens(embedded, TWELVE))[:7]
    assert {sound for _, sound in steps[:6]} == {TOKENS.blank}


def test_speech_comes_in_pieces_as_it_is_made(speaking: KimiAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    """70 codes: three pieces, 4 frames of 6 samples for each code, and the same for the same seed."""
    steps = [(65, 272 + index % 32) for index in range(70)]
    monkeypatch.setattr(speaking, "spoken_tokens", lambda *_: iter(steps))
    said = list(speaking.speak([SHORT], TWELVE))
    clips = [piece for piece in said if isinstance(piece, Clip)]
    assert "".join(piece for piece in said if isinstance(piece, str)) == "A" * 70
    assert len(clips) == 3
    whole = np.concatenate([clip.samples for clip in clips])
    assert len(whole) == 70 * 4 * 6
    assert np.abs(whole).max() <= 1.0
    again = [piece.samples for piece in speaking.speak([SHORT], TWELVE) if isinstance(piece, Clip)]
    np.testing.assert_array_equal(whole, np.concatenate(again))
    other = [
        piece.samples for piece in speaking.speak([SHORT], AskOptions(seed=1)) if isinstance(piece, Clip)
    ]
    assert not np.array_equal(whole, np.concatenate(other))


def test_long_speech_forgets_its_beginning(speaking: KimiAudio) -> None:
    """What is in view stays bounded, and so do positions."""
    assert speaking._speaking is not None
    voice = Voice(speaking._speaking, seeded_noise(0))
    seen, pieces = [], []
    with torch.inference_mode():
        for index in range(400):
            pieces.append(voice.push(index % 32))
            remembered = voice._flow._remembered
            seen.append(remembered[0][0].shape[2] if remembered else 0)
        pieces.append(voice.finish())
    assert sum(len(piece.samples) for piece in pieces if piece is not None) == 400 * 4 * 6
    assert max(seen) == 900
    assert voice._flow._start + 240 <= 1_400


def test_a_voice_of_other_sizes_is_refused_by_tensor(tmp_path: Path) -> None:
    folder = write_kimi(tmp_path / "Kimi-Audio-7B-Instruct")
    write_voice(folder)
    file = folder / "vocoder/config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_mels": 5}))
    with pytest.raises(ModelError, match=r"conv_pre\.weight has shape \[8, 4, 7\]"):
        load_kimi(folder, LoadOptions(dtype="float32", speech=True), tokens=TOKENS)


def test_without_its_voice_it_says_so(model: KimiAudio) -> None:
    with pytest.raises(PromptError, match="load the -Instruct model with speech"):
        next(iter(model.speak([SHORT], TWELVE)))


def test_too_long_a_prompt_is_refused(model: KimiAudio) -> None:
    with pytest.raises(PromptError, match=r"takes 1[0-9]{3} positions, and Kimi-Audio-7B-Instruct has 1024"):
        model.ask(["What is it?", noise_clip(85.0)], TWELVE)
    with pytest.raises(PromptError, match="a clip without any sample"):
        model.ask([noise_clip(0.0)], TWELVE)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("model.mimo_layers.1.mlp.up_proj.weight", None, r"mimo_layers\.1\.mlp\.up_proj\.weight is missing"),
        ("model.layers.3.mlp.up_proj.weight", (48, 32), r"layers\.3\.mlp\.up_proj\.weight is not part of"),
        ("lm_head.weight", (300, 32), r"lm_head\.weight has shape \[300, 32\]"),
    ],
)
def test_another_models_tensors_are_refused_by_name(
    folder: Path, tmp_path: Path, name: str, shape: tuple[int, ...] | None, message: str
) -> None:
    """Those of parts that would not be loaded as well."""
    changed = weights()
    if shape is None:
        del changed[name]
    else:
        changed[name] = torch.zeros(shape)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    write_shards(tmp_path, changed)
    with pytest.raises(ModelError, match=message):
        open_model(tmp_path, TEXT)


def test_a_shard_cut_short_is_refused_by_tensor(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    write_shards(tmp_path, weights())
    shard = tmp_path / "model-2-of-2.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model-2-of-2\.safetensors: cut short inside model\."):
        open_model(tmp_path, TEXT)


def test_another_voice_tokenizer_is_refused_by_key(tmp_path: Path) -> None:
    folder = write_kimi(tmp_path / "Kimi-Audio-7B-Instruct")
    file = tmp_path / "glm-4-voice-tokenizer/config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pooling_type": "max"}))
    with pytest.raises(ModelError, match="pooling_type is max, expected avg"):
        open_model(folder, TEXT)


def test_ranks_cut_short_are_refused(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiktoken.model"
    file.write_text("\n".join((folder / "tiktoken.model").read_text().splitlines()[:100]))
    with pytest.raises(ModelError, match="its ranks are not complete"):
        KimiText(file)


def test_the_plan_counts_what_is_loaded(folder: Path) -> None:
    """Parameters of the network itself, part by part, are those that the plan names."""
    network = load_kimi(folder, LoadOptions(dtype="float32"), tokens=TOKENS)._network
    parts = {part.name: part.parameters for part in memory_parts(CONFIG)}
    for name, module in (
        ("backbone", network.backbone),
        ("embedding", network.shown.embed_tokens),
        ("adaptor", network.shown.vq_adaptor),
        ("text head", network.text_head),
    ):
        assert sum(weight.numel() for weight in module.parameters()) == parts[name], name


def test_the_plan_knows_the_published_sizes() -> None:
    """Without any folder: the language model's 19.5 GB, and what leaving out the audio branch saves."""
    parts = {part.name: part for part in memory_parts({})}
    own = ("backbone", "embedding", "text head", "adaptor", "audio branch", "audio head")
    load = LoadOptions(speech=True)
    assert sum(part_bytes(parts[name], load) for name in own) == 19_532_668_928
    assert sum(parts[name].parameters for name in own[-2:]) / 1e6 == pytest.approx(2_002, abs=1)
