"""Events of the protocol as they may come from anybody: bounded, and checked before they are believed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from wyoming.event import Event, async_read_event, async_write_event

from foundation.errors import HeardError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 1 << 20
"""Of one event's data or audio: half a minute at 16 kHz, which satellites send in hundredths of seconds."""

MAX_LINE_BYTES = 1 << 16
"""The line that an event begins with."""

_RATES_HZ = range(4_000, 384_001)
_WIDTHS = range(1, 5)
_CHANNELS = range(1, 65)


class NotWyoming(HeardError):
    """What came is no event of the protocol, or one that nobody can use; the text says what was wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PcmFormat:
    """How the samples of a stream are written: interleaved, little-endian."""

    rate_hz: int
    width_bytes: int
    """1 is unsigned, as in WAV files; the wider ones are signed."""
    channels: int

    def __str__(self) -> str:
        return f"{self.rate_hz} Hz, {8 * self.width_bytes} bits, {self.channels} channels"


class _Bounded:
    """A stream of bytes that refuses to wait for more than MAX_BYTES at once."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.fault = ""

    async def readline(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError:
            self.fault = f"a line longer than {MAX_LINE_BYTES} bytes"
            raise

    async def readexactly(self, count: int) -> bytes:
        if count > MAX_BYTES:
            self.fault = f"an event of {count} bytes, more than {MAX_BYTES}"
            raise ValueError(self.fault)
        return await self._reader.readexactly(count)


async def read_event(reader: asyncio.StreamReader) -> Event | None:
    """Return the next event; None when the other side has closed the connection. Raises NotWyoming."""
    bounded = _Bounded(reader)
    try:
        event = await async_read_event(cast("asyncio.StreamReader", bounded))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (AttributeError, KeyError, TypeError):
        raise NotWyoming("a line that is no event") from None
    if event is None:
        if bounded.fault or not reader.at_eof():
            raise NotWyoming(bounded.fault or "a line that is no event")
        return None
    if not isinstance(event.type, str) or not isinstance(event.data, dict):
        raise NotWyoming("an event whose type or data are none")
    return event


async def write_event(writer: asyncio.StreamWriter, event: Event, *, within_s: float) -> None:
    """Send an event. Raises TimeoutError if the other side takes nothing, ConnectionError if it has gone."""
    async with asyncio.timeout(within_s):
        await async_write_event(event, writer)


def audio_format(event: Event) -> PcmFormat:
    """Return how the audio that an event announces or carries is written. Raises NotWyoming."""
    return PcmFormat(
        rate_hz=_number(event.data, "rate", _RATES_HZ),
        width_bytes=_number(event.data, "width", _WIDTHS),
        channels=_number(event.data, "channels", _CHANNELS),
    )


def timestamp_ms(event: Event) -> int | None:
    """Return what the sender's clock said, if it did."""
    value = event.data.get("timestamp")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(data: Mapping[str, Any], name: str, allowed: range) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise NotWyoming(f"audio of {name} {value!r}; expected {allowed[0]} to {allowed[-1]}")
    return value
