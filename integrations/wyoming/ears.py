"""What a wake server needs of whoever does the listening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from integrations.wyoming.wire import PcmFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeWord:
    """A profile, as satellites see it."""

    name: str
    description: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """A profile's sound has begun."""

    name: str
    decided_s: float
    """The end of the audio that it was recognised in, from the first sample."""


class Ear(Protocol):
    """Listens to one satellite."""

    async def hear(self, audio: bytes) -> None:
        """Take the next audio; waits while the machine is behind."""

    async def close(self) -> None:
        """Return when all that was heard has been decided on."""


class Ears(Protocol):
    """Listens to satellites for the sounds that are wake words."""

    def words(self) -> Sequence[WakeWord]:
        """Return what is listened for."""

    def open(self, audio: PcmFormat, told: Callable[[Woken], None]) -> Ear:
        """Begin to listen to a satellite; `told` must not wait."""
