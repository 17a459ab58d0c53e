"""From Kimi-Audio's published folders to the model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import (
    Safetensors,
    Shape,
    TensorSource,
    check_inventory,
    fill,
    shapes_of,
)
from detectors.audio_models.companions import companion
from detectors.audio_models.kimi.config import STACKED_STATES, KimiConfig
from detectors.audio_models.kimi.ears import KimiEars
from detectors.audio_models.kimi.model import KimiAudio
from detectors.audio_models.kimi.network import Network
from detectors.audio_models.kimi.text import KimiText, SpecialTokens
from detectors.audio_models.kimi.voice import open_speaking
from detectors.audio_models.kimi.voice_tokens import open_voice_tokenizer
from detectors.audio_models.opening import read_config
from detectors.audio_models.packed_linear import pack, pack_all
from detectors.audio_models.text_tokenizer import TextTokenizer
from detectors.audio_models.whisper_encoder import open_whisper

WHISPER = "whisper-large-v3"
VOICE_TOKENIZER = "glm-4-voice-tokenizer"

_COMPUTED = (r"model\.(mimo_)?layers\.\d+\.self_attn\.rotary_emb\.inv_freq",)


def load_kimi(
    folder: Path,
    load: LoadOptions,
    *,
    text: TextTokenizer | None = None,
    tokens: SpecialTokens | None = None,
) -> KimiAudio:
    """Load the model; `text` and `tokens` stand in for the published ones."""
    torch.set_num_threads(load.threads)
    published = read_config(folder)
    config, special = KimiConfig.read(published), tokens or SpecialTokens()
    special.check(published)
    network = _load_network(folder, config, load)
    whisper = open_whisper(
        companion(folder, WHISPER, load),
        width=config.ear_width // STACKED_STATES,
        dtype=getattr(torch, load.dtype),
        device=load.device,
    )
    tokenizer = open_voice_tokenizer(companion(folder, VOICE_TOKENIZER, load), device=load.device)
    return KimiAudio(
        name=folder.name,
        # The two are told apart by nothing but their name.
        style="chat" if "instruct" in folder.name.lower() else "base",
        network=network,
        ears=KimiEars(whisper, tokenizer, device=load.device),
        text=text or KimiText(folder / "tiktoken.model"),
        tokens=special,
        speaking=(
            open_speaking(folder, dtype=getattr(torch, load.dtype), device=load.device)
            if load.speech
            else None
        ),
    )


def published_shapes(config: KimiConfig) -> dict[str, Shape]:
    """Return every tensor of the language model's shards."""
    network = Network(config, speech=True, device="cpu")
    assert network.branch is not None
    branch = {_branch_name(name): shape for name, shape in shapes_of(network.branch).items()}
    table = (config.vocabulary, config.width)
    return {
        **shapes_of(network.backbone, prefix="model."),
        **branch,
        **shapes_of(network.shown, prefix="model."),
        "lm_head.weight": table,
        "mimo_output.weight": table,
    }


def _load_network(folder: Path, config: KimiConfig, load: LoadOptions) -> Network:
    source, dtype = Safetensors(folder), getattr(torch, load.dtype)
    check_inventory(source, published_shapes(config), ignored=_COMPUTED)
    network = Network(config, speech=load.speech, device=load.device)
    fill(network.backbone, source, prefix="model.", dtype=dtype, device=load.device)
    fill(network.shown, source, prefix="model.", dtype=dtype, device=load.device)
    fill(network.text_head, source, prefix="lm_head.", dtype=dtype, device=load.device)
    pack_all(network.backbone, load.weights)
    if load.weights != "full" and isinstance(network.text_head, nn.Linear):
        network.text_head = pack(network.text_head, load.weights)
    if network.branch is not None and network.audio_head is not None:
        fill(network.branch, _Branch(source), dtype=dtype, device=load.device)
        pack_all(network.branch, load.weights)
        fill(network.audio_head, source, prefix="mimo_output.", dtype=dtype, device=load.device)
    return network


def _branch_name(name: str) -> str:
    return f"model.mimo_{name}"


class _Branch:
    """The branch's tensors under the names that a stack of layers has."""

    def __init__(self, source: TensorSource) -> None:
        self._source = source
        self.place = source.place
        self.shapes: Mapping[str, Shape] = source.shapes

    def read(self, name: str) -> Tensor:
        """Return one tensor of the branch."""
        return self._source.read(_branch_name(name))
