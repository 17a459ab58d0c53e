"""Any embedding network in an ONNX file as an encoder, described by a small YAML manifest beside it.

name: mn04
file: mn04.onnx                  # beside the manifest
sha256: 3f5a…                    # of that file
licence: MIT
source: https://github.com/fschmid56/EfficientAT
rate_hz: 32000                   # 16000, 24000, 32000 or 48000
window_ms: 1000
hop_ms: 160                      # a multiple of 80: how often the network runs
input: {name: log_mel, layout: log_mel, mel: {mels: 128}}
output: embedding                # [batch, dim], or [batch, time, dim], whose mean over time is taken
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Literal, NoReturn, Self

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.encoders.mel_picture import MelSettings
from detectors.encoders.mel_window import MelWindow, PictureWindow, fits
from detectors.encoders.onnx_session import open_session
from detectors.encoders.windowed import SampleWindow, Window, WindowedEncoder, Windowing, windowed_id
from detectors.types import HOP_S
from foundation.errors import ManifestError, ModelError
from foundation.yaml_document import Loc, YamlDocument, read_yaml, validate

HOP_MS = round(1_000 * HOP_S)
MANIFEST_NAME = "manifest.yaml"
"""What heard calls the manifests that it writes."""

_Text = Annotated[str, Field(min_length=1)]
_Count = Annotated[int, Field(strict=True, ge=1)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Decimal = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_MEL = MelSettings()


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class MelManifest(_Part):
    """The picture that the network wants; see `MelSettings`."""

    mels: _Count = _MEL.mels
    fft_samples: _Count = _MEL.fft_samples
    window_samples: _Count = _MEL.window_samples
    hop_samples: _Count = _MEL.hop_samples
    low_hz: Annotated[_Decimal, Field(ge=0)] = _MEL.low_hz
    high_hz: Annotated[_Decimal, Field(gt=0)] = _MEL.high_hz
    preemphasis: Annotated[_Decimal, Field(ge=0, lt=1)] = _MEL.preemphasis
    floor: Annotated[_Decimal, Field(gt=0)] = _MEL.floor
    shift: _Decimal = _MEL.shift
    scale: Annotated[_Decimal, Field(gt=0)] = _MEL.scale

    @model_validator(mode="after")
    def _window_within_transform(self) -> Self:
        if self.window_samples > self.fft_samples:
            raise ValueError("'window_samples' is at most 'fft_samples'")
        if self.low_hz >= self.high_hz:
            raise ValueError("'low_hz' is below 'high_hz'")
        return self


class InputManifest(_Part):
    """What goes into the network."""

    name: _Text
    """the name of the network's input"""
    layout: Literal["waveform", "log_mel"]
    """`waveform`: [batch, samples]; `log_mel`: [batch, mels, frames], or [batch, 1, mels, frames]"""
    mel: MelManifest | None = None
    """Only for `log_mel`; without it, EfficientAT's."""

    @model_validator(mode="after")
    def _mel_belongs_to_log_mel(self) -> Self:
        if self.layout == "waveform" and self.mel is not None:
            raise ValueError("'mel' has no meaning with 'layout: waveform'")
        return self


class DataManifest(_Part):
    """A second file with the network's weights, where they are more than an ONNX file holds."""

    file: _Text
    """beside the manifest, under the name that the ONNX file has for it"""
    sha256: _Sha256
    """the sha256 of that file"""


class Manifest(_Part):
    """An embedding network, and how to listen with it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
    """what the encoder is called: a-z, 0-9, _ . and -"""
    file: _Text
    """the ONNX file, beside the manifest"""
    sha256: _Sha256
    """the sha256 of that file, 64 hexadecimal digits"""
    data: DataManifest | None = None
    """a file beside with the network's weights; most networks have them inside"""
    licence: _Text
    """the licence of the weights"""
    source: _Text
    """where the weights come from"""
    rate_hz: Literal[16_000, 24_000, 32_000, 48_000]
    """16000, 24000, 32000 or 48000"""
    window_ms: Annotated[_Count, Field(ge=HOP_MS, le=30_000)]
    """how much audio the network sees at once, in milliseconds"""
    hop_ms: Annotated[_Count, Field(multiple_of=HOP_MS)] = HOP_MS
    """how often it runs, in milliseconds: a multiple of 80"""
    input: InputManifest
    """name and layout of the network's input"""
    output: _Text
    """the name of the output that holds the embedding"""

    @property
    def windowing(self) -> Windowing:
        """The same values as `WindowedEncoder` knows them."""
        return Windowing(
            rate_hz=self.rate_hz,
            window_samples=self.window_ms * self.rate_hz // 1_000,
            every_hops=self.hop_ms // HOP_MS,
        )

    @property
    def mel(self) -> MelSettings | None:
        """How a window becomes a picture; None where the network takes waveforms."""
        if self.input.layout == "waveform":
            return None
        return MelSettings(rate_hz=self.rate_hz, **(self.input.mel or MelManifest()).model_dump())


def load_onnx_encoder(path: Path, *, every_hops: int | None = None, threads: int = 1) -> WindowedEncoder:
    """Read the manifest at `path` and the network it names; `every_hops` counts in place of its `hop_ms`.

    Raises ManifestError with file, line and column when the manifest is wrong, when the network differs from
    its sha256, or when it cannot do what the manifest says.
    """
    document = read_yaml(path, error=ManifestError)
    manifest = validate(document, Manifest, error=ManifestError)
    weights = _check_file(document, (), manifest)
    if manifest.data is not None:
        _check_file(document, ("data",), manifest.data)
    if manifest.mel is not None and 2 * manifest.mel.high_hz > manifest.rate_hz:
        _refuse(document, ("input", "mel", "high_hz"), f"at most half of 'rate_hz', {manifest.rate_hz / 2:g}")
    network = _OnnxNetwork(document, manifest, weights, threads)
    windowing = manifest.windowing
    if every_hops is not None:
        windowing = replace(windowing, every_hops=every_hops)
    window = _window(manifest, windowing)
    dim = network.embed_first(window.view(window.initial_state()[None]))
    files = (manifest.sha256,) if manifest.data is None else (manifest.sha256, manifest.data.sha256)
    identity = windowed_id(manifest.name, windowing, dim, *files, manifest.mel, manifest.output)
    return WindowedEncoder(network, windowing, identity, window)


def _check_file(document: YamlDocument, loc: Loc, part: Manifest | DataManifest) -> Path:
    """Return a file beside the manifest, which has the sha256 that the manifest says."""
    path = document.path.parent / part.file
    try:
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
    except OSError as error:
        _refuse(document, (*loc, "file"), f"{path} cannot be read: {error.strerror}", error)
    if digest != part.sha256:
        message = f"{path} has sha256 {digest}: it is damaged or another file; fetch it again"
        _refuse(document, (*loc, "sha256"), message)
    return path


def _window(manifest: Manifest, windowing: Windowing) -> Window:
    """Return what of a stream the network is given: samples, or a picture of them."""
    if manifest.mel is None:
        return SampleWindow(windowing.window_samples)
    if fits(manifest.mel, hop_samples=windowing.hop_samples, window_samples=windowing.window_samples):
        return MelWindow(
            manifest.mel, hop_samples=windowing.hop_samples, window_samples=windowing.window_samples
        )
    return PictureWindow(manifest.mel, windowing.window_samples)


class _OnnxNetwork:
    """Windows to what the network says of them."""

    def __init__(self, document: YamlDocument, manifest: Manifest, weights: Path, threads: int) -> None:
        self._document, self._manifest = document, manifest
        try:
            self._session = open_session(None, weights, threads=threads)
        except ModelError as error:
            _refuse(document, ("file",), str(error), error)
        inputs = {each.name: each for each in self._session.get_inputs()}
        outputs = [each.name for each in self._session.get_outputs()]
        if manifest.input.name not in inputs or len(inputs) != 1:
            message = f"the network's inputs are {_names(inputs)}, and heard gives it one"
            _refuse(document, ("input", "name"), message)
        if manifest.output not in outputs:
            _refuse(document, ("output",), f"the network's outputs are {_names(outputs)}")
        shape = inputs[manifest.input.name].shape
        self._one_by_one = shape[:1] == [1]
        self._channels = manifest.mel is not None and len(shape) == 4

    def embed_first(self, silence: NDArray[np.float32]) -> int:
        """Try the network on one window. Return how many numbers it answers with, or refuse the manifest."""
        from onnxruntime.capi import onnxruntime_pybind11_state as failures

        try:
            answer = self(silence)
        except (failures.InvalidArgument, failures.Fail, failures.RuntimeException) as error:
            reason = " ".join(str(error).split())
            message = f"the network does not take what the manifest says: {reason}"
            _refuse(self._document, ("input",), message, error)
        if answer.ndim != 2 or not math.prod(answer.shape):
            message = f"expected an output [batch, dim], found the shape {list(answer.shape)}"
            _refuse(self._document, ("output",), message)
        return int(answer.shape[1])

    def __call__(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one vector for each window of samples, or picture of one."""
        given = windows[:, None] if self._channels else windows
        if not self._one_by_one:
            return self._run(given)
        return np.concatenate([self._run(given[row : row + 1]) for row in range(len(given))])

    def _run(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = self._session.run(
            [self._manifest.output], {self._manifest.input.name: given}
        )[0]
        return answers.mean(axis=1) if answers.ndim == 3 else answers


def manifest_text(manifest: Manifest) -> str:
    """Return the YAML that reads back as `manifest`."""
    values = manifest.model_dump(exclude_none=True)
    text: str = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    return text


def _names(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _refuse(document: YamlDocument, loc: Loc, message: str, cause: BaseException | None = None) -> NoReturn:
    raise ManifestError([document.problem(loc, message)]) from cause
