"""From mini-omni's published files to the model: its tensors have litgpt's names and layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import Pickled, Shape, TensorSource, check_inventory, fill
from detectors.audio_models.companions import companion
from detectors.audio_models.mini_omni.codec import open_codec
from detectors.audio_models.mini_omni.config import MiniOmniConfig
from detectors.audio_models.mini_omni.model import MiniOmni
from detectors.audio_models.mini_omni.network import empty_network
from detectors.audio_models.opening import read_config
from detectors.audio_models.text_tokenizer import JsonTokenizer, TextTokenizer
from detectors.audio_models.whisper_encoder import open_whisper

WEIGHTS = "lit_model.pth"
EARS = "whisper-small"
VOICE = "snac_24khz"


def load_mini_omni(folder: Path, load: LoadOptions, *, tokenizer: TextTokenizer | None = None) -> MiniOmni:
    """Load the model; `tokenizer` stands in for the folder's own."""
    torch.set_num_threads(load.threads)
    dtype = getattr(torch, load.dtype)
    config = MiniOmniConfig.read(read_config(folder))
    source = Pickled(folder / WEIGHTS)
    check_inventory(source, published_shapes(config))
    network = empty_network(config, speech=load.speech, device=load.device)
    fill(network, _Relaid(source, config), dtype=dtype, device=load.device)
    return MiniOmni(
        config=config,
        network=network,
        ears=open_whisper(
            companion(folder, EARS, load), width=config.ear_width, dtype=dtype, device=load.device
        ),
        tokenizer=tokenizer or JsonTokenizer(folder / "tokenizer.json"),
        codec=open_codec(companion(folder, VOICE, load), device=load.device) if load.speech else None,
        device=load.device,
    )


def published_shapes(config: MiniOmniConfig) -> dict[str, Shape]:
    """Return every tensor of `lit_model.pth`."""
    width, hidden = config.width, config.feed_forward
    shapes: dict[str, Shape] = {
        "whisper_adapter.fc_1.weight": (hidden, config.ear_width),
        "whisper_adapter.fc_2.weight": (hidden, config.ear_width),
        "whisper_adapter.proj.weight": (width, hidden),
        "transformer.wte.weight": (config.vocabulary, width),
        "transformer.ln_f.weight": (width,),
        "lm_head.weight": (config.vocabulary, width),
    }
    for layer in range(config.layers):
        shapes |= {
            f"transformer.h.{layer}.{name}": shape
            for name, shape in (
                ("norm_1.weight", (width,)),
                ("norm_2.weight", (width,)),
                ("attn.attn.weight", (config.attention_rows, width)),
                ("attn.attn.bias", (config.attention_rows,)),
                ("attn.proj.weight", (width, config.heads * config.head_size)),
                ("mlp.fc_1.weight", (hidden, width)),
                ("mlp.fc_2.weight", (hidden, width)),
                ("mlp.proj.weight", (width, hidden)),
            )
        }
    return shapes


_PLAIN = {
    "input_layernorm.weight": "norm_1.weight",
    "post_attention_layernorm.weight": "norm_2.weight",
    "self_attn.o_proj.weight": "attn.proj.weight",
    "mlp.gate_proj.weight": "mlp.fc_1.weight",
    "mlp.up_proj.weight": "mlp.fc_2.weight",
    "mlp.down_proj.weight": "mlp.proj.weight",
}
_TOP = {
    "embedding.weight": "transformer.wte.weight",
    "backbone.norm.weight": "transformer.ln_f.weight",
    "adapter.fc_1.weight": "whisper_adapter.fc_1.weight",
    "adapter.fc_2.weight": "whisper_adapter.fc_2.weight",
    "adapter.proj.weight": "whisper_adapter.proj.weight",
}


class _Relaid:
    """The same tensors by the network's names. litgpt keeps each group's queries, key and value together."""

    def __init__(self, source: TensorSource, config: MiniOmniConfig) -> None:
        self._source = source
        self._config = config
        self.place = source.place
        self.shapes: Mapping[str, Shape] = source.shapes

    def read(self, name: str) -> Tensor:
        """Return one tensor of the network."""
        if name in _TOP:
            return self._source.read(_TOP[name])
        head = self._source.read("lm_head.weight") if name.endswith("_head.weight") else None
        if head is not None:
            words = self._config.text_vocabulary
            return head[:words] if name.startswith("text") else head[words:]
        _, _, layer, rest = name.split(".", 3)
        prefix = f"transformer.h.{layer}."
        if rest in _PLAIN:
            return self._source.read(prefix + _PLAIN[rest])
        return self._attention(prefix, rest)

    def _attention(self, prefix: str, rest: str) -> Tensor:
        _, projection, kind = rest.split(".")
        together = self._source.read(f"{prefix}attn.attn.{kind}")
        config = self._config
        queries = config.heads // config.kv_heads
        groups = together.reshape(config.kv_heads, queries + 2, config.head_size, *together.shape[1:])
        rows = {"q_proj": slice(0, queries), "k_proj": slice(-2, -1), "v_proj": slice(-1, None)}[projection]
        part: Tensor = groups[:, rows].flatten(0, 2)
        return part
