"""The encoder that a configuration names, and the background that it is calibrated against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daemon.models.catalogue import BUILTIN, MODELS
from foundation.errors import ModelError

if TYPE_CHECKING:
    from daemon.config import Config
    from detectors.encoders import Encoder, EncoderId
    from fewshot_profiles.bank import BackgroundBank


def load_encoder(config: Config) -> Encoder:
    """Load the encoder that `config` names. Raises ModelError where it is not here, or is damaged."""
    if config.encoder == BUILTIN:
        from detectors.encoders.builtin import BuiltinEncoder

        return BuiltinEncoder(threads=1)
    model = MODELS.get(config.encoder)
    if model is None:
        return _from_manifest(Path(config.encoder))
    from daemon.models.folder import model_folder

    folder = model_folder(config.state_dir)
    if not folder.ready(model):
        raise ModelError(
            f"the encoder {model.name} is not in {folder.root}; `heard models pull {model.name}` fetches it"
        )
    if model.kind == "mn":
        return _from_manifest(folder.entry(model))
    from detectors.encoders.yamnet import load_yamnet

    return load_yamnet(folder.entry(model))


def background_path(config: Config, encoder: EncoderId) -> Path:
    """Where the background bank of an encoder that did not ship lies."""
    from daemon.models.folder import model_folder

    return model_folder(config.state_dir).root / "background" / f"{encoder}.npz"


def load_bank(config: Config, encoder: EncoderId) -> BackgroundBank:
    """Load what profiles are calibrated against. Raises ModelError if the encoder has heard nothing yet."""
    from fewshot_profiles.bank import read_bank
    from fewshot_profiles.store import stock_bank

    if config.encoder == BUILTIN:
        return stock_bank(encoder)
    path = background_path(config, encoder)
    if not path.is_file():
        raise ModelError(
            f"the encoder {encoder} has heard no background yet, which profiles are calibrated against: "
            "`heard models background FILE…` takes recordings of ordinary hours"
        )
    return read_bank(path, encoder)


def _from_manifest(path: Path) -> Encoder:
    from detectors.encoders.onnx_manifest import load_onnx_encoder

    return load_onnx_encoder(path)
