"""From a full audio model's folder to the files of an `onnx` encoder: needs torch, once, on any machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import onnx
import torch
from torch import nn
from torch.jit._trace import TracerWarning

from detectors.audio_models import LoadOptions, kimi, mimo, mini_omni
from detectors.audio_models.companions import companion
from detectors.audio_models.kimi.loading import WHISPER
from detectors.audio_models.mimo.loading import CODEC_FOLDER, load_codec
from detectors.audio_models.mini_omni.loading import EARS
from detectors.audio_models.opening import Family, read_config
from detectors.audio_models.whisper_encoder import STATE_SAMPLES, WINDOW_SAMPLES, load_whisper
from detectors.audio_models.whisper_mel import RATE_HZ
from detectors.audio_models.window_ears import MimoWindow, WhisperWindow
from detectors.encoders.onnx_manifest import (
    MANIFEST_NAME,
    DataManifest,
    InputManifest,
    Manifest,
    manifest_text,
)
from detectors.encoders.onnx_session import open_session
from detectors.encoders.torch_threads import one_thread
from foundation.atomic_file import write_atomically
from foundation.errors import ModelError

TOLERANCE = 1e-4
MOST_INSIDE_BYTES = 1_500_000_000
"""More weights than this stand in a file beside: an ONNX file holds 2 GB at most."""

_RateHz = Literal[16_000, 24_000]
_INPUT, _STATES = "samples", "states"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarExport:
    """What to make of a model's audio encoder."""

    name: str
    """What the encoder is to be called."""
    window_ms: int
    hop_ms: int
    licence: str
    source: str


def export_ear(folder: Path, target: Path, wanted: EarExport) -> Path:
    """Write the audio encoder of the model in `folder` into `target`; return its manifest's path.

    Raises ModelError if `folder` is of no model with such an encoder, or if ONNX Runtime differs from torch.
    """
    with one_thread(), torch.inference_mode():
        network, rate_hz = _open_ear(folder, wanted.window_ms)
        target.mkdir(parents=True, exist_ok=True)
        samples = wanted.window_ms * rate_hz // 1_000
        weights, data = _write_onnx(network, samples, target, wanted.name)
        difference = _difference(network, samples, weights)
    if difference > TOLERANCE:
        weights.unlink()
        raise ModelError(f"{weights}: ONNX Runtime differs from torch by {difference:.1e}; it was not kept")
    manifest = Manifest(
        name=wanted.name,
        file=weights.name,
        sha256=_sha256(weights),
        data=None if data is None else DataManifest(file=data.name, sha256=_sha256(data)),
        licence=wanted.licence,
        source=wanted.source,
        rate_hz=rate_hz,
        window_ms=wanted.window_ms,
        hop_ms=wanted.hop_ms,
        input=InputManifest(name=_INPUT, layout="waveform"),
        output=_STATES,
    )
    path = target / MANIFEST_NAME
    write_atomically(path, manifest_text(manifest).encode())
    return path


def _open_ear(folder: Path, window_ms: int) -> tuple[nn.Module, _RateHz]:
    """Open the encoder that a folder holds, or that a model in it hears with; return it and its rate."""
    config = read_config(folder)
    # GLM-4-Voice's tokenizer calls itself Whisper as well.
    if config.get("model_type") == "whisper" and "quantize_vocab_size" not in config:
        return _whisper(folder, window_ms)
    if "encoder_skip_layer_id" in config:
        return _mimo(folder, window_ms)
    for family, name, opening in _COMPANIONS:
        if family.recognises(config):
            return opening(companion(folder, name, LoadOptions()), window_ms)
    raise ModelError(
        f"{folder}: has no encoder that could be exported; there is one in MiMo-Audio-Tokenizer, MiMo-Audio, "
        "Kimi-Audio, mini-omni and Whisper"
    )


def _whisper(folder: Path, window_ms: int) -> tuple[nn.Module, _RateHz]:
    samples = window_ms * RATE_HZ // 1_000
    if samples % STATE_SAMPLES or samples > WINDOW_SAMPLES:
        raise ModelError(f"Whisper takes windows of whole 20 ms up to 30 s, and {window_ms} ms is none")
    encoder = load_whisper(folder, dtype=torch.float32, device="cpu")
    # As published it picks an implementation of attention that cannot be traced.
    encoder.config._attn_implementation = "eager"  # noqa: SLF001 - transformers has no other door to it afterwards
    return WhisperWindow(encoder, samples=samples), 16_000


def _mimo(folder: Path, window_ms: int) -> tuple[nn.Module, _RateHz]:
    codec = load_codec(folder, LoadOptions(dtype="float32"), levels=1)
    if codec.config.sampling_rate != 24_000:
        raise ModelError(f"{folder}: it hears {codec.config.sampling_rate} Hz, and heard knows 24000")
    return MimoWindow(codec.encoder, samples=24 * window_ms), 24_000


_COMPANIONS: tuple[tuple[Family, str, Callable[[Path, int], tuple[nn.Module, _RateHz]]], ...] = (
    (mimo, CODEC_FOLDER, _mimo),
    (kimi, WHISPER, _whisper),
    (mini_omni, EARS, _whisper),
)
"""Models that hear with an encoder in a folder of its own."""


def _write_onnx(network: nn.Module, samples: int, target: Path, name: str) -> tuple[Path, Path | None]:
    """Trace the network for any number of windows; return its file, and that of its weights if apart."""
    weights, data = target / f"{name}.onnx", target / f"{name}.onnx.data"
    size = sum(one.nbytes for one in (*network.parameters(), *network.buffers()))
    with TemporaryDirectory(dir=target) as folder, warnings.catch_warnings():
        # torch would rather use its newer exporter, which needs another package; this one does all it takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        # It warns of all that it takes for fixed. Windows have one length, so that is what is wanted.
        warnings.simplefilter("ignore", TracerWarning)
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(2, samples),),
            str(path),
            input_names=[_INPUT],
            output_names=[_STATES],
            dynamic_axes={_INPUT: {0: "windows"}, _STATES: {0: "windows"}},
            opset_version=17,
            dynamo=False,
        )
        if size <= MOST_INSIDE_BYTES:
            write_atomically(weights, path.read_bytes())
            return weights, None
        data.unlink(missing_ok=True)
        onnx.save_model(onnx.load(str(path)), str(weights), save_as_external_data=True, location=data.name)
    return weights, data


def _difference(network: nn.Module, samples: int, weights: Path) -> float:
    """Ask both about noise, a tone and silence; return the largest difference to the largest number."""
    session = open_session(None, weights, threads=1)
    time = np.arange(samples) / samples
    windows = np.stack([
        np.random.default_rng(0).standard_normal(samples) * 0.1,
        0.3 * np.sin(2 * np.pi * 40 * time) * time,
        np.zeros(samples),
    ]).astype(np.float32)  # fmt: skip
    expected = network(torch.from_numpy(windows)).numpy()
    (answer,) = session.run([_STATES], {_INPUT: windows})
    return float(np.abs(answer - expected).max() / np.abs(expected).max())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
