"""The stand-in process, ready to be started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.audio_model.child import ModelPlace
from detectors.audio_models import LoadOptions

ODD_PROCESS = Path(__file__).with_name("odd_process.py")


@pytest.fixture
def odd_place() -> Callable[..., ModelPlace]:
    """Return where a model is that does what it is asked to, hanging and dying included."""

    def place(folder: str = "odd") -> ModelPlace:
        command = (sys.executable, str(ODD_PROCESS))
        return ModelPlace(folder=Path(folder), load=LoadOptions(), command=command)

    return place
