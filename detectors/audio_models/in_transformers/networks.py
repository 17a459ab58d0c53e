"""The network that a configuration describes, without eyes where it can do without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModel, Gemma3nVisionConfig, PreTrainedModel

from detectors.audio_models.in_transformers.kinds import KINDS
from foundation.errors import ModelError


class _NoEyesConfig(Gemma3nVisionConfig):  # type: ignore[misc] # mypy does not follow transformers
    model_type = "heard_no_eyes"


class _NoEyes(PreTrainedModel):  # type: ignore[misc] # mypy does not follow transformers
    """Stands where Gemma 3n has its eyes, which need the package timm to be as much as built."""

    config_class = _NoEyesConfig

    def __init__(self, config: _NoEyesConfig) -> None:
        super().__init__(config)
        self.post_init()


AutoModel.register(_NoEyesConfig, _NoEyes)


def network_class(model_type: str) -> Any:
    """Return the class of a kind's network."""
    return getattr(transformers, KINDS[model_type].network)


def hearing_config(source: Mapping[str, Any]) -> Any:
    """Return the configuration of what is loaded, out of what a folder's `config.json` holds."""
    try:
        config = AutoConfig.for_model(**source)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"its configuration is not that of a {source['model_type']}: {error}") from error
    config = getattr(config, "thinker_config", config)
    if config.audio_config is None:
        raise ModelError("its configuration has no ears (`audio_config`): of this model, another size hears")
    if config.model_type == "gemma3n":
        # How wide the eyes are stays known: their table of tokens is part of every prompt.
        seeing = config.vision_config
        names = ("hidden_size", "vocab_size", "vocab_offset", "rms_norm_eps")
        config.vision_config = _NoEyesConfig(**{name: getattr(seeing, name) for name in names})
    if config.model_type == "gemma4":
        config.vision_config = None
    return config


def drop_eyes(network: Any) -> None:
    """Let go of the eyes of a network that cannot be built without."""
    if getattr(network.model, "visual", None) is not None:
        network.model.visual = None


def empty_network(source: Mapping[str, Any]) -> torch.nn.Module:
    """Return a network that has shapes and no weights."""
    config = hearing_config(source)
    with torch.device("meta"):
        network: Any = network_class(source["model_type"])(config)
    network.tie_weights()
    drop_eyes(network)
    built: torch.nn.Module = network
    return built
