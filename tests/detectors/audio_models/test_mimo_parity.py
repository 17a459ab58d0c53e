"""MiMo-Audio against what its makers' own code computed from a tiny checkpoint, in float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from detectors.audio_models import AskOptions, Clip, LoadOptions, Reply
from detectors.audio_models.mimo.ears import Ears
from detectors.audio_models.mimo.loading import Codec, Network, load_codec, load_network
from detectors.audio_models.mimo.mel import log_mel
from detectors.audio_models.mimo.model import MimoAudio
from detectors.audio_models.mimo.prompts import Style, segments, spoken_segments
from detectors.audio_models.mimo.speaking import SpeakingMimoAudio
from detectors.audio_models.mimo.text import MimoText
from detectors.audio_models.qwen_context import begin
from detectors.audio_models.sampling import Sampler

RATE_HZ = 24_000
CLOSE = 1e-4
QUESTION = "What sound is this?"
CHOICES = f"{QUESTION}\n\nChoice: \ndog\nrain\n\nMake a choice from the given 2 choices."

Golden = Callable[[str], Tensor]


@pytest.fixture(scope="module")
def checkpoints(shared: Path) -> Path:
    return shared / "golden" / "mimo" / "checkpoint"


@pytest.fixture(scope="module")
def golden(shared: Path) -> Golden:
    file = shared / "golden" / "mimo" / "outputs" / "reference_fp32.safetensors"

    def read(name: str) -> Tensor:
        with safe_open(file, framework="pt") as opened:
            tensor: Tensor = opened.get_tensor(name)
        return tensor

    return read


@pytest.fixture(scope="module")
def codec(checkpoints: Path) -> Codec:
    return load_codec(
        checkpoints / "MiMo-Audio-Tokenizer", LoadOptions(dtype="float32", speech=True), levels=20
    )


@pytest.fixture(scope="module")
def network(checkpoints: Path) -> Network:
    return load_network(checkpoints / "MiMo-Audio-7B-tiny", LoadOptions(dtype="float32", speech=True))


@pytest.fixture(scope="module")
def speaking_to(checkpoints: Path, network: Network) -> Callable[[Style], MimoAudio]:
    codec = load_codec(checkpoints / "MiMo-Audio-Tokenizer", LoadOptions(dtype="float32"), levels=8)

    def build(style: Style) -> MimoAudio:
        return MimoAudio(
            name="tiny",
            style=style,
            network=network,
            ears=Ears(codec.encoder, group_size=4),
            text=MimoText(checkpoints / "MiMo-Audio-7B-tiny"),
        )

    return build


def clip(golden: Golden, name: str) -> Clip:
    return Clip(samples=golden(name).numpy(), rate_hz=RATE_HZ)


def apart(found: Tensor, wanted: Tensor) -> float:
    """Return the largest difference, relative to the largest number where that is above 1."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize(("wav", "mel"), [("wav", "mel"), ("wav_b", "mel_b")])
def test_the_front_end_gives_the_reference_picture(golden: Golden, codec: Codec, wav: str, mel: str) -> None:
    """Log-mel frames of both clips."""
    assert apart(log_mel(golden(wav), codec.config).T, golden(mel)) <= CLOSE


@torch.inference_mode()
def test_the_encoder_gives_the_reference_features_and_codes(golden: Golden, codec: Codec) -> None:
    """Features before quantisation, and the codes; on the finest levels near-ties may flip."""
    mel = golden("mel").T.contiguous()
    (features,) = codec.encoder.features([mel], [len(mel)])
    assert apart(features, golden("enc.features")) <= CLOSE
    codes = codec.encoder.quantizer.encode(features)
    assert torch.equal(codes[:, :12].T, golden("enc.codes")[:12])
    summed = codec.encoder.quantizer.decode(golden("enc.codes").T)
    assert apart(summed, golden("enc.dequantised")) <= CLOSE


@torch.inference_mode()
def test_segments_of_one_clip_are_encoded_as_the_reference_packs_them(golden: Golden, codec: Codec) -> None:
    """Four segments of 61, 80, 37 and 50 frames, odd ones and shorter ones among them."""
    lengths = golden("seg.input_lens").tolist()
    parts = list(torch.split(golden("seg.mel"), lengths))
    features = codec.encoder.features(parts, [max(lengths)] * len(parts))
    assert [len(one) for one in features] == golden("seg.out_len").tolist()
    assert apart(torch.cat(features), golden("seg.features")) <= CLOSE
    codes = torch.cat(codec.encoder.codes(parts, [max(lengths)] * len(parts)))
    assert torch.equal(codes[:, :8].T, golden("seg.codes")[:8])


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "style"),
    [("understand", "chat"), ("understand_think", "chat"), ("text", "chat"), ("base_fewshot_qa", "base")],
)
def test_a_prompt_is_laid_out_embedded_and_understood_as_by_the_reference(
    golden: Golden, speaking_to: Callable[[Style], MimoAudio], name: str, style: Style
) -> None:
    """Ids equal; embeddings, hidden states and text logits close, at the last position."""
    model, thinking = speaking_to(style), name.endswith("think")
    prompt = prompts(golden)[name]
    shown = model.positions(segments(prompt, style=style, thinking=thinking))
    assert torch.equal(as_matrix(shown.tokens, shown.codes), golden(f"prompt.{name}.ids"))
    (embedded,) = model.embed([shown])
    assert apart(embedded[None], golden(f"prompt.{name}.inputs_embeds")) <= CLOSE
    hidden, _ = begin(model._network.backbone, [embedded])
    assert apart(hidden, golden(f"prompt.{name}.hidden")[:, -1]) <= CLOSE
    logits = model._network.words.lm_head(hidden)
    assert apart(logits[None], golden(f"prompt.{name}.text_logits_last")) <= CLOSE


@torch.inference_mode()
def test_all_positions_of_several_prompts_in_one_batch_keep_the_reference_logits(
    golden: Golden, speaking_to: Callable[[Style], MimoAudio]
) -> None:
    """Prompts of 37 to 229 positions together: each last state is as it was alone."""
    names = ["understand", "understand_think", "text"]
    model = speaking_to("chat")
    shown = [
        model.positions(segments(prompts(golden)[name], style="chat", thinking=name.endswith("think")))
        for name in names
    ]
    hidden, _ = begin(model._network.backbone, model.embed(shown))
    wanted = torch.cat([golden(f"prompt.{name}.hidden")[:, -1] for name in names])
    assert apart(hidden, wanted) <= CLOSE


@pytest.mark.parametrize(
    ("name", "style"), [("understand", "chat"), ("understand_think", "chat"), ("base_fewshot_qa", "base")]
)
def test_the_likeliest_answer_is_the_reference_answer(
    golden: Golden, speaking_to: Callable[[Style], MimoAudio], name: str, style: Style
) -> None:
    """Twelve greedy steps through the cache give the same tokens."""
    options = AskOptions(max_tokens=12, thinking=name.endswith("think"))
    with torch.inference_mode():
        found = list(speaking_to(style).tokens(prompts(golden)[name], options))
    assert found == golden(f"gen.{name}.ids")[0, ::4].tolist()


@torch.inference_mode()
def test_the_patch_encoder_sees_both_ways(golden: Golden, network: Network) -> None:
    """A causal mask would be off by more than 3."""
    frames = golden("patch.in")[0]
    assert apart(network.patch_encoder.see(frames), golden("patch.out")[0]) <= CLOSE


@torch.inference_mode()
def test_the_decoder_gives_the_reference_sound(golden: Golden, codec: Codec) -> None:
    """The coarse picture, and the waveforms from 20 and from 8 levels."""
    assert codec.decoder is not None
    features = golden("enc.dequantised")[None]
    assert apart(codec.decoder.mel(features), golden("dec.coarse_mel")) <= CLOSE
    assert apart(codec.decoder(features)[:, None], golden("dec.wav20")) <= CLOSE
    coarse = codec.encoder.quantizer.decode(golden("enc.codes")[:8].T)[None]
    assert apart(codec.decoder(coarse)[:, None], golden("dec.wav8")) <= CLOSE


def prompts(golden: Golden) -> dict[str, list[str | Clip | Reply]]:
    """The inputs of the recorded prompts."""
    a, b = clip(golden, "wav"), clip(golden, "wav_b")
    return {
        "understand": [a, QUESTION],
        "understand_think": [a, QUESTION],
        "text": [QUESTION],
        "base_fewshot_qa": [b, CHOICES, Reply(text="rain"), a, CHOICES, Reply(text="dog"), b, CHOICES],
    }


def as_matrix(tokens: Tensor, codes: Tensor) -> Tensor:
    """Return the reference's form of a prompt: one text row, eight code rows, four columns a position."""
    silent = torch.tensor([1_024, 1_024, *[128] * 6])
    rows = torch.full((9, 4 * len(tokens)), -100)
    rows[0, ::4] = tokens
    rows[1:] = silent[:, None]
    frames = iter(codes)
    for position, token in enumerate(tokens.tolist()):
        if token == 305:
            rows[1:, 4 * position : 4 * position + 4] = next(frames).T
    return rows


@torch.inference_mode()
def test_the_patch_decoder_says_the_reference_codes(golden: Golden, network: Network) -> None:
    """Logits of each frame of each channel, and the likeliest codes."""
    decoder = network.patch_decoder
    assert decoder is not None
    config, heard = network.config, []

    def pick(logits: Tensor) -> int:
        heard.append(logits)
        return int(logits.argmax())

    first = golden("prompt.understand.local_hidden")[0, 0]
    codes = decoder.say(first, network.patch_encoder.speech_embeddings, pick)
    assert torch.equal(codes, golden("local.tokens")[0])
    said = iter(heard)
    for step in range(config.group_size + max(config.delay_pattern)):
        for channel, delay in enumerate(config.delay_pattern):
            if delay <= step < delay + config.group_size:
                found = next(said)[: config.speech_zeroemb_idx[channel]]
                wanted = golden(f"local.scores.g{step - delay}.c{channel}")[0]
                assert apart(found, wanted[: config.speech_zeroemb_idx[channel]]) <= CLOSE


@torch.inference_mode()
def test_a_spoken_answer_has_the_reference_logits_codes_and_sound(
    golden: Golden, checkpoints: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text channel forced to the recorded plan: words, then four groups of sound."""
    folder = checkpoints / "MiMo-Audio-7B-tiny"
    codec = load_codec(
        checkpoints / "MiMo-Audio-Tokenizer", LoadOptions(dtype="float32", speech=True), levels=8
    )
    model = SpeakingMimoAudio(name="tiny", network=network, codec=codec, text=MimoText(folder))
    shown = model.positions(spoken_segments([clip(golden, "wav")]))
    assert torch.equal(as_matrix(shown.tokens, shown.codes), golden("gen.speech.prompt_ids"))

    plan, logits = golden("gen.speech.plan").tolist(), []

    def pick(_self: Sampler, row: Tensor, **_: object) -> int:
        if len(row) != network.config.vocab_size:
            return int(row.argmax())
        logits.append(row)
        return int(plan[len(logits) - 1])

    monkeypatch.setattr(Sampler, "pick", pick)
    said = list(model.speak([clip(golden, "wav")], AskOptions(max_tokens=8)))
    sound = np.concatenate([one.samples for one in said if isinstance(one, Clip)])
    assert "".join(one for one in said if isinstance(one, str)) == "IJ"
    assert apart(torch.stack(logits), golden("gen.speech.text_logits")) <= CLOSE
    assert apart(torch.from_numpy(sound), golden("gen.speech.wav")[0, 0]) <= CLOSE
