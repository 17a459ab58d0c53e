"""Full in-memory implementations of the ports: what they do is real, only the outside world is not there."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Self

from detectors.types import AudioBlock, Samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from foundation.errors import HeardError


class MemorySource:
    """An `AudioSource` that plays samples from memory, as fast as they are taken.

    Args:
        samples: float32 [channels, n].
        rate_hz: Their rate.
        block_samples: The length of every block but the last.
        epoch_s: What the wall clock said at the first sample.
        dropped: Half-open ranges of samples that never arrive, as after an overflow; they end on block edges.
        failure: Raised when the samples are used up, where the stream should not just end.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        rate_hz: int,
        block_samples: int = 320,
        epoch_s: float = 1_700_000_000.0,
        dropped: tuple[range, ...] = (),
        failure: HeardError | None = None,
    ) -> None:
        self.rate_hz = rate_hz
        self.channels = samples.shape[0]
        self.epoch_s = math.nan
        self.dropped_samples = 0
        self.ended = False
        self.entered = False
        self._samples = samples
        self._block_samples = block_samples
        self._epoch_s = epoch_s
        self._dropped = dropped
        self._failure = failure

    async def __aenter__(self) -> Self:
        self.entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.entered = False

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Yield the samples in blocks, without those that were dropped."""
        self.epoch_s = self._epoch_s
        for start in range(0, self._samples.shape[1], self._block_samples):
            piece = self._samples[:, start : start + self._block_samples]
            if any(start in gap for gap in self._dropped):
                self.dropped_samples += piece.shape[1]
                continue
            yield AudioBlock(samples=piece, rate_hz=self.rate_hz, start=start)
            await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure
        self.ended = True
