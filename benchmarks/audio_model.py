"""What a full audio model of published size costs, with random weights: only sizes and layout count for that.

    python -m benchmarks.audio_model --layers 36 --weights int4 --packed /var/tmp/random-int4 --threads 8
    python -m benchmarks.audio_model --layers 36 --packed /var/tmp/random-int4 --memory-gb 3
    python -m benchmarks.audio_model --layers 36 --device cuda

MiMo-Audio's language model with as many of its 36 layers as are asked for, and its tokenizer's encoder
likewise. A token of an answer cannot come faster than the weights it needs can be read: that floor is
measured on the same machine in the same minute, by the same threads. Where others use the machine as well,
the processor's time says what the clock cannot. With `--packed` the weights come from a packed folder, which
is written if it is not there.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import lru_cache
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
from detectors.audio_models.memory_plan import part_bytes, total_bytes
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.ears import Ears
from detectors.audio_models.mimo.loading import build_codec, build_network, codec_shapes, network_shapes
from detectors.audio_models.mimo.model import MimoAudio
from detectors.audio_models.mimo.packing import write_packed
from detectors.audio_models.mimo.sizes import codec_parts, language_parts
from detectors.audio_models.mimo.text import MimoText
from detectors.audio_models.opening import open_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.audio_models.checkpoint import Shape

QUESTION = "What is this?"
CLIP_S = 10.0
READ_BYTES = 512_000_000
TOKENS = 16


class RandomTensors:
    """A checkpoint of noise, which repeats itself."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.place = Path("random weights")
        self.shapes = shapes

    def read(self, name: str) -> Tensor:
        """Return a tensor; norms are near 1."""
        shape = self.shapes[name]
        noise, count = _noise(), int(np.prod(shape))
        noise = noise.repeat(-(-count // len(noise)))[:count].view(shape)
        return noise + 1.0 if "norm" in name and name.endswith("weight") else noise


@lru_cache(maxsize=1)
def _noise() -> Tensor:
    return torch.randn(16_777_259, dtype=torch.bfloat16) * 0.02


def build(language: LanguageConfig, codec: CodecConfig, load: LoadOptions) -> MimoAudio:
    """Return a model with random weights, whose words are bytes."""
    with tempfile.TemporaryDirectory() as folder:
        write_words(Path(folder))
        text = MimoText(Path(folder))
    network = build_network(language, RandomTensors(network_shapes(language)), load)
    hearing = build_codec(codec, RandomTensors(codec_shapes(codec)), load, levels=language.audio_channels)
    ears = Ears(hearing.encoder, group_size=language.group_size)
    return MimoAudio(name="random", style="chat", network=network, ears=ears, text=text)


def open_packed(folder: Path, language: LanguageConfig, codec: CodecConfig, load: LoadOptions) -> MimoAudio:
    """Return the same out of a packed folder, written first if it is not there."""
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_words(folder)
        published = asdict(language)
        for key in ("speech_vocab_size", "speech_zeroemb_idx", "delay_pattern"):
            published[key] = "-".join(map(str, published[key]))
        sources = RandomTensors(network_shapes(language)), RandomTensors(codec_shapes(codec))
        facts = {"name": "random", "codec": json.loads(json.dumps(asdict(codec)))}
        with torch.inference_mode():
            write_packed(folder, published, facts, sources, load, lambda _done, _total: None)
    model = open_model(folder, load)
    assert isinstance(model, MimoAudio)
    return model


def write_words(folder: Path) -> None:
    """Write a tokenizer whose tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    words.save(str(folder / "tokenizer.json"))


def resident_parts(folder: Path) -> dict[str, int]:
    """Return how much of each part's files is in this process's memory."""
    parts: Counter[str] = Counter()
    part = ""
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        head = line.split(maxsplit=5)
        if "-" in head[0]:
            file = Path(head[5]) if len(head) == 6 else Path()
            part = file.stem.split("-")[0] if file.parent == folder.resolve() else ""
        elif part and head[0] == "Rss:":
            parts[part] += int(head[1]) * 1_024
    return dict(parts)


def read_speed(load: LoadOptions) -> float:
    """Return the bytes a second at which memory is read: the best of several sums over what no cache has."""
    block = torch.ones(READ_BYTES // 4, dtype=torch.float32, device=load.device)
    return READ_BYTES / min(min(timed(lambda: float(block.sum()))) for _ in range(5))


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that some work took by the clock, and of a processor."""
    began_s, used_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began_s, time.process_time() - used_s


def clips(count: int, clip_s: float) -> list[Clip]:
    """Return clips of noise that the model has not heard before."""
    rng = np.random.default_rng(time.monotonic_ns())
    noise = rng.standard_normal((count, round(clip_s * 24_000)), dtype=np.float32) * 0.1
    return [Clip(samples=samples, rate_hz=24_000) for samples in noise]


@torch.inference_mode()
def answer_times(model: MimoAudio, tokens: int, clip_s: float) -> dict[str, float]:
    """Return the seconds to the first token for a clip never heard, and between tokens after that."""
    prompt: Prompt = [clips(1, clip_s)[0], QUESTION]
    hearing = timed(lambda: model.positions([prompt[0]]))  # type: ignore[list-item] # the clip
    answer = model.tokens(prompt, AskOptions(max_tokens=tokens, temperature=1.0))
    first = timed(lambda: next(answer))
    later = [timed(lambda: next(answer, None)) for _ in range(tokens - 1)]
    return {
        "hearing_s": hearing[0],
        "hearing_cpu_s": hearing[1],
        "first_token_s": hearing[0] + first[0],
        "first_token_cpu_s": hearing[1] + first[1],
        "token_s": float(np.median([wall for wall, _ in later])),
        "token_cpu_s": float(np.median([used for _, used in later])),
    }


def score_time(model: MimoAudio, count: int, clip_s: float) -> dict[str, float]:
    """Return the seconds in which as many clips are told apart in one batch."""
    prompts: list[Prompt] = [[clip, QUESTION] for clip in clips(count, clip_s)]
    wall_s, used_s = timed(lambda: model.score(prompts, ["Yes", "No"]))
    return {"s": wall_s, "cpu_s": used_s}


def token_bytes(language: LanguageConfig, load: LoadOptions) -> int:
    """Return the bytes of weights that each token of an answer needs: backbone and text head."""
    parts = [part for part in language_parts(language) if part.name in {"backbone", "text head"}]
    return total_bytes(parts, load)


def measure(
    language: LanguageConfig,
    codec: CodecConfig,
    load: LoadOptions,
    *,
    batches: Sequence[int],
    tokens: int,
    clip_s: float,
    packed: Path | None,
) -> dict[str, Any]:
    """Build the model and return its figures."""
    process = psutil.Process()
    before = process.memory_info().rss
    began_s = time.perf_counter()
    model = build(language, codec, load) if packed is None else open_packed(packed, language, codec, load)
    loaded_s = time.perf_counter() - began_s
    parts = (*language_parts(language), *codec_parts(codec, levels=language.audio_channels))
    floor_s = token_bytes(language, load) / read_speed(load)
    times = answer_times(model, tokens, clip_s)
    resident = process.memory_info().rss
    return {
        "loaded_s": loaded_s,
        **times,
        "tokens_per_s": 1.0 / times["token_s"],
        "read_gb_per_s": token_bytes(language, load) / floor_s / 1e9,
        "floor_over_measured": floor_s / times["token_s"],
        "floor_over_cpu": floor_s / times["token_cpu_s"],
        "scored": {str(count): score_time(model, count, clip_s) for count in batches},
        "planned_bytes": total_bytes(parts, load),
        "resident_bytes": resident - before,
        "most_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024,
        "planned_parts": {part.name: part_bytes(part, load) for part in parts},
        "resident_parts": {} if packed is None else resident_parts(packed),
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.audio_model", "A full audio model's speed and memory.", data=False)
    parser.add_argument("--layers", type=int, default=2, help="of the backbone's 36")
    parser.add_argument("--encoder-layers", type=int, default=32, help="of the audio encoder's 32")
    parser.add_argument("--weights", choices=("full", "int8", "int4"), default="full")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of an answer")
    parser.add_argument("--clip-s", type=float, default=CLIP_S, help="seconds that each clip lasts")
    parser.add_argument("--packed", type=Path, help="a packed folder, written if it is not there")
    parser.add_argument("--memory-gb", type=float, help="with --packed: what it may hold")
    parser.add_argument("--batch", type=int, action="append", help="clips in one batch; several times")
    parser.add_argument("--tiny", action="store_true", help="narrow layers, for trying the benchmark itself")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    load = LoadOptions(
        device=options.device,
        weights=options.weights,
        threads=options.threads,
        memory_bytes=None if options.memory_gb is None else round(options.memory_gb * 1e9),
    )
    language = LanguageConfig(num_hidden_layers=options.layers)
    codec = CodecConfig(encoder_layers=options.encoder_layers)
    if options.tiny:
        language = replace(
            language, vocab_size=512, hidden_size=128, intermediate_size=128, num_attention_heads=4,
            num_key_value_heads=2, head_dim=32, input_local_layers=1, input_local_dim=64, local_layers=1,
        )  # fmt: skip
        codec = replace(codec, d_model=64, encoder_ffn_dim=64, encoder_attention_heads=2)
    figures = measure(
        language,
        codec,
        load,
        batches=options.batch or [1],
        tokens=options.tokens,
        clip_s=options.clip_s,
        packed=options.packed,
    )
    table = Table(
        "figure", "", title=f"MiMo-Audio, {options.layers} layers, {options.weights}, {options.device}"
    )
    for name, value in figures.items():
        table.add_row(name, str(value) if isinstance(value, dict) else f"{value:.4g}")
    shape = {"layers": options.layers, "encoder_layers": options.encoder_layers, "weights": options.weights}
    shape |= {"clip_s": options.clip_s, "memory_gb": options.memory_gb}
    return publish("audio_model", options, {**figures, **shape, "device": options.device}, table)


if __name__ == "__main__":
    main()
