"""The encoders that heard knows by name, and where their makers publish them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_EFFICIENTAT = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1"
_TASK_LIBRARY = "https://storage.googleapis.com/download.tensorflow.org/models/tflite/task_library"

BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialModel:
    """One encoder as its makers publish it."""

    name: str
    kind: Literal["yamnet", "mn"]
    url: str
    megabytes: float
    licence: str
    about: str
    sha256: str | None = None
    """None: whatever comes first is pinned, see `Pins`"""

    @property
    def file_name(self) -> str:
        """What the makers call the file."""
        return self.url.rpartition("/")[2]


def _mn(name: str, mean_average_precision: int, megabytes: float, sha256: str | None = None) -> OfficialModel:
    full = name if "_as" in name else f"{name}_as"
    return OfficialModel(
        name=name,
        kind="mn",
        url=f"{_EFFICIENTAT}/{full}_mAP_{mean_average_precision}.pt",
        megabytes=megabytes,
        licence="MIT",
        about=f"EfficientAT, AudioSet mAP {mean_average_precision / 1_000:.3f}; 32 kHz",
        sha256=sha256,
    )


_KNOWN = (
    OfficialModel(
        name="yamnet",
        kind="yamnet",
        url=f"{_TASK_LIBRARY}/audio_classification/android/lite-model_yamnet_classification_tflite_1.tflite",
        megabytes=4.1,
        licence="Apache-2.0",
        about="Google's, AudioSet mAP 0.306; needs LiteRT",
        sha256="10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de",
    ),
    _mn("mn04", 432, 4.1, "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"),
    _mn("mn05", 443, 5.9),
    _mn("mn10", 471, 19.7),
    _mn("mn20", 478, 71.9),
    _mn("mn30", 482, 156.7),
    _mn("mn40", 484, 274.1),
    _mn("mn40_as_ext", 487, 274.1),
    _mn("mn40_as_no_im_pre", 483, 274.1),
    _mn("mn10_as_hop_5", 475, 19.7),
    _mn("mn10_as_hop_15", 463, 19.7),
    _mn("mn10_as_hop_20", 456, 19.7),
    _mn("mn10_as_hop_25", 447, 19.7),
    _mn("mn10_as_mels_40", 453, 19.7),
    _mn("mn10_as_mels_64", 461, 19.7),
    _mn("mn10_as_mels_256", 474, 19.7),
)

MODELS = {model.name: model for model in _KNOWN}
"""By name, in the order in which they are listed. `builtin` is not among them: it is always there."""
