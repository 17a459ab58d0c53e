"""The optional libraries: imported where they are needed, with one clear message where they are missing."""

from __future__ import annotations

import importlib.util

from foundation.errors import ModelError


def require(*names: str, extra: str = "audio-models") -> None:
    """Raise ModelError if one of the libraries, which `extra` brings, is not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"full audio models need {', '.join(missing)}: pip install 'heard[{extra}]'")
