"""What the configuration says about voice satellites."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from daemon.settings import Integer, Name, Settings


class WakeConfig(Settings):
    """Profiles as wake words: a satellite sends what it hears here, and is told when one of them sounds."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Where to listen; the protocol knows no sign-in, so whoever reaches the port may use it."""
    port: Annotated[Integer, Field(ge=1, le=65_535)] = 10_400
    """1 to 65535; 10400 is the port that Home Assistant expects wake words at."""
    profiles: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The names of the profiles that are wake words."""
    max_clients: Annotated[Integer, Field(ge=1, le=64)] = 8
    """Satellites at a time, up to 64; each costs as much as a microphone."""


class WyomingConfig(Settings):
    """What is served over the voice assistants' protocol."""

    wake: WakeConfig
    """Sounds that wake satellites."""
