"""Where audio comes from. One port; `daemon.sources.opening` makes the source that settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from detectors.types import AudioBlock

BLOCK_S = 0.02
"""The length of one live block: a quarter of a hop, so that waiting for a block to fill adds little delay."""

STALL_S = 5.0
"""A live source that delivers nothing for this long has stalled. A USB microphone needs about 1 s to wake."""


class AudioSource(Protocol):
    """One stream of audio, open between `async with` and its end.

    A source is used once: after an error, make a new one. Entering raises AudioDeviceError or AudioFileError
    where only the owner can help, and SourceStalled where a later attempt may succeed.
    """

    @property
    def rate_hz(self) -> int:
        """Known once entered."""

    @property
    def channels(self) -> int:
        """Known once entered."""

    @property
    def epoch_s(self) -> float:
        """Unix seconds of the first sample, read when it came; `nan` until the first block."""

    @property
    def dropped_samples(self) -> int:
        """Samples (of each channel) that nobody took in time; the `start` of later blocks counts them in."""

    @property
    def ended(self) -> bool:
        """True once the audio is complete. A live source never ends: it stalls."""

    async def __aenter__(self) -> Self:
        """Open the source."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it and everything that it started."""

    def blocks(self) -> AsyncIterator[AudioBlock]:
        """Yield what sounds, in order, until the audio ends.

        Raises SourceStalled when a live source stops delivering, and AudioFileError where a file breaks off.
        """
