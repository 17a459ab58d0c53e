"""What the configuration says about the full audio model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from daemon.audio_model.child import ModelPlace
from daemon.settings import ExistingFolder, Integer, Name, Number, Settings
from detectors.audio_models import LoadOptions


class VerifyConfig(Settings):
    """A second opinion on one profile's sounds before anybody is told of them."""

    above: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """Scores below this are not asked about, 0 to 1; they pass as they are."""
    below: Annotated[Number, Field(ge=0, le=1)] = 1.0
    """Scores above this are sure enough, 0 to 1; they pass as they are."""
    question: Annotated[str, Field(min_length=1)] | None = None
    """Default: "Is this the sound of X?" with the profile's name and description."""
    yes_above: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    """The model's own certainty above which its answer counts as yes, between 0 and 1."""
    wait_s: Annotated[Number, Field(gt=0, le=60)] = 3.0
    """Seconds, up to 60: how long a sound is held back for an answer."""
    without_answer: Literal["pass", "drop"] = "pass"
    """What becomes of a sound when there is no answer in time."""


class AudioModelConfig(Settings):
    """A full audio model on this machine, in a process of its own."""

    folder: ExistingFolder
    """The model's folder, as its makers publish it."""
    companions: Mapping[str, ExistingFolder] = {}
    """Folders published apart, by published name. Default: beside `folder`."""
    device: str = "cpu"
    """As torch names it: `cpu`, `cuda`, `cuda:1`."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """What its weights are turned into; older CPUs are faster with `float32`."""
    weights: Literal["full", "int8", "int4"] = "full"
    """Weight-only quantisation; `heard models plan` says what each needs."""
    threads: Annotated[Integer, Field(ge=1, le=256)] = 1
    """Cores that it may use."""
    verify: Mapping[Name, VerifyConfig] = {}
    """By profile: whose sounds get a second opinion."""
    describe_s: Annotated[Number, Field(gt=0, le=600)] = 60.0
    """Seconds, up to 600: how long `heard.describe` waits for its words."""

    def place(self) -> ModelPlace:
        """Return what to load."""
        load = LoadOptions(
            device=self.device,
            dtype=self.dtype,
            weights=self.weights,
            threads=self.threads,
            companions=dict(self.companions),
        )
        return ModelPlace(folder=self.folder, load=load)
