"""What a full audio model of published size costs, with random weights: only sizes and layout count for that.

    python -m benchmarks.audio_model --layers 36 --weights int8 --threads 8
    python -m benchmarks.audio_model --layers 36 --device cuda

MiMo-Audio's language model with as many of its 36 layers as are asked for, and its tokenizer's encoder
likewise. A token of an answer cannot come faster than the weights it needs can be read: that floor is
measured on the same machine in the same minute, by the same threads.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import torch
from rich.table import Table
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

from benchmarks.report import arguments, publish
from detectors.audio_models import AskOptions, Clip, LoadOptions, Prompt
from detectors.audio_models.memory_plan import total_bytes
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.ears import Ears
from detectors.audio_models.mimo.loading import build_codec, build_network, codec_shapes, network_shapes
from detectors.audio_models.mimo.model import MimoAudio
from detectors.audio_models.mimo.sizes import codec_parts, language_parts
from detectors.audio_models.mimo.text import MimoText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.audio_models.checkpoint import Shape

QUESTION = "What is this?"
CLIP_S = 10.0
READ_BYTES = 512_000_000
TOKENS = 16


class RandomTensors:
    """A checkpoint of noise."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.place = Path("random weights")
        self.shapes = shapes

    def read(self, name: str) -> Tensor:
        """Return a tensor; norms are near 1."""
        noise = torch.randn(self.shapes[name], dtype=torch.bfloat16) * 0.02
        return noise + 1.0 if "norm" in name and name.endswith("weight") else noise


def build(language: LanguageConfig, codec: CodecConfig, load: LoadOptions) -> MimoAudio:
    """Return a model with random weights, whose words are bytes."""
    with tempfile.TemporaryDirectory() as folder:
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        words = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
        words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        words.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        words.save(f"{folder}/tokenizer.json")
        text = MimoText(Path(folder))
    network = build_network(language, RandomTensors(network_shapes(language)), load)
    hearing = build_codec(codec, RandomTensors(codec_shapes(codec)), load, levels=language.audio_channels)
    ears = Ears(hearing.encoder, group_size=language.group_size)
    return MimoAudio(name="random", style="chat", network=network, ears=ears, text=text)


def read_speed(load: LoadOptions) -> float:
    """Return the bytes a second at which memory is read: the best of several sums over what no cache has."""
    block = torch.ones(READ_BYTES // 4, dtype=torch.float32, device=load.device)
    return READ_BYTES / min(timed(lambda: float(block.sum())) for _ in range(5))


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that some work took."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def clips(count: int) -> list[Clip]:
    """Return clips of noise that the model has not heard before."""
    rng = np.random.default_rng(time.monotonic_ns())
    noise = rng.standard_normal((count, round(CLIP_S * 24_000)), dtype=np.float32) * 0.1
    return [Clip(samples=samples, rate_hz=24_000) for samples in noise]


@torch.inference_mode()
def answer_times(model: MimoAudio) -> tuple[float, float]:
    """Return the seconds to the first token for a clip never heard, and between tokens after that."""
    began_s = time.perf_counter()
    times = [
        time.perf_counter() - began_s
        for _ in model.tokens([clips(1)[0], QUESTION], AskOptions(max_tokens=TOKENS, temperature=1.0))
    ]
    gaps = np.diff(times)
    return times[0], float(np.median(gaps)) if len(gaps) else float("nan")


def score_time(model: MimoAudio, count: int) -> float:
    """Return the seconds in which as many clips are told apart in one batch."""
    prompts: list[Prompt] = [[clip, QUESTION] for clip in clips(count)]
    return timed(lambda: model.score(prompts, ["Yes", "No"]))


def token_bytes(language: LanguageConfig, load: LoadOptions) -> int:
    """Return the bytes of weights that each token of an answer needs: backbone and text head."""
    parts = [part for part in language_parts(language) if part.name in {"backbone", "text head"}]
    return total_bytes(parts, load)


def measure(
    language: LanguageConfig, codec: CodecConfig, load: LoadOptions, batches: Sequence[int]
) -> dict[str, Any]:
    """Build the model and return its figures."""
    process = psutil.Process()
    before = process.memory_info().rss
    model = build(language, codec, load)
    planned = total_bytes(
        (*language_parts(language), *codec_parts(codec, levels=language.audio_channels)), load
    )
    answer_times(model)
    first_s, token_s = answer_times(model)
    floor_s = token_bytes(language, load) / read_speed(load)
    scored = {str(count): score_time(model, count) for count in batches}
    return {
        "first_token_s": first_s,
        "token_s": token_s,
        "tokens_per_s": 1.0 / token_s,
        "read_gb_per_s": token_bytes(language, load) / floor_s / 1e9,
        "floor_over_measured": floor_s / token_s,
        "scored_s": scored,
        "planned_bytes": planned,
        "resident_bytes": process.memory_info().rss - before,
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.audio_model", "A full audio model's speed and memory.", data=False)
    parser.add_argument("--layers", type=int, default=2, help="of the backbone's 36")
    parser.add_argument("--encoder-layers", type=int, default=32, help="of the audio encoder's 32")
    parser.add_argument("--weights", choices=("full", "int8", "int4"), default="full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, action="append", help="clips in one batch; several times")
    parser.add_argument("--tiny", action="store_true", help="narrow layers, for trying the benchmark itself")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    load = LoadOptions(device=options.device, weights=options.weights, threads=options.threads)
    language = LanguageConfig(num_hidden_layers=options.layers)
    codec = CodecConfig(encoder_layers=options.encoder_layers)
    if options.tiny:
        language = replace(
            language, vocab_size=512, hidden_size=128, intermediate_size=128, num_attention_heads=4,
            num_key_value_heads=2, head_dim=32, input_local_layers=1, input_local_dim=64, local_layers=1,
        )  # fmt: skip
        codec = replace(codec, d_model=64, encoder_ffn_dim=64, encoder_attention_heads=2)
    figures = measure(language, codec, load, options.batch or [1])
    table = Table(
        "figure", "", title=f"MiMo-Audio, {options.layers} layers, {options.weights}, {options.device}"
    )
    for name, value in figures.items():
        table.add_row(name, str(value) if isinstance(value, dict) else f"{value:.4g}")
    shape = {"layers": options.layers, "encoder_layers": options.encoder_layers, "weights": options.weights}
    return publish("audio_model", options, {**figures, **shape, "device": options.device}, table)


if __name__ == "__main__":
    main()
