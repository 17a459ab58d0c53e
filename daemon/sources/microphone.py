"""A microphone of this machine, through PortAudio."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Self

from daemon.sources import BLOCK_S, STALL_S
from daemon.sources.callback_queue import CallbackQueue
from daemon.sources.devices import (
    CaptureDevice,
    choose_device,
    list_devices,
    portaudio,
    stream_closed,
    stream_opened,
)
from foundation.errors import AudioDeviceError, SourceStalled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from detectors.types import AudioBlock

QUEUE_S = 2.0
"""How far the daemon may fall behind before the oldest audio is dropped."""

_INVALID_RATE = -9997
_INVALID_CHANNELS = -9998
"""PortAudio's error codes for what the device cannot do, which no later attempt will change."""


class MicrophoneSource:
    """Records from one capture device, in blocks of `BLOCK_S`.

    `device` is a name as `choose_device` reads it, None for the default device; `rate_hz` None
    means the device's own rate. The end of the device, or `stall_s` without audio, raises SourceStalled.
    """

    def __init__(
        self,
        device: str | None = None,
        *,
        channels: int = 1,
        rate_hz: int | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self.channels = channels
        self.rate_hz = rate_hz or 0
        self.ended = False
        self.device: CaptureDevice | None = None
        self._wanted = device
        self._stall_s = stall_s
        self._queue: CallbackQueue | None = None
        self._stream: Any = None

    @property
    def epoch_s(self) -> float:
        """Unix seconds of the first sample; `nan` until the first block."""
        return math.nan if self._queue is None else self._queue.epoch_s

    @property
    def dropped_samples(self) -> int:
        """What nobody took in time, and at least what the device itself lost."""
        return 0 if self._queue is None else self._queue.dropped_samples

    @property
    def overflows(self) -> int:
        """How often the device reported that it had lost audio."""
        return 0 if self._queue is None else self._queue.overflows

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, self._open, loop)
        try:
            # Shielded: what opens after we were cancelled must be waited for, and closed.
            await asyncio.shield(opening)
        except BaseException:
            await asyncio.wait([opening])
            await asyncio.to_thread(self._close)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._close)

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Yield what the microphone hears, without end."""
        assert self._queue is not None
        assert self.device is not None
        while True:
            try:
                async with asyncio.timeout(self._stall_s):
                    block = await self._queue.take()
            except TimeoutError:
                message = f"{self.device.name}: no audio for {self._stall_s:g} s"
                raise SourceStalled(message) from None
            if block is None:
                raise SourceStalled(f"{self.device.name}: the device stopped; was it unplugged?")
            yield block

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the device, which may take a second and so is done in a thread."""
        with portaudio() as library:
            self.device = device = choose_device(self._wanted, list_devices(library))
            if self.channels > device.channels:
                raise AudioDeviceError(
                    f"{device.full_name}: {self.channels} channels were asked for, it has {device.channels}"
                )
            self.rate_hz = self.rate_hz or device.rate_hz
            max_blocks = round(QUEUE_S / BLOCK_S)
            self._queue = CallbackQueue(loop, rate_hz=self.rate_hz, max_blocks=max_blocks)
            try:
                self._stream = library.InputStream(
                    device=device.index,
                    channels=self.channels,
                    samplerate=self.rate_hz,
                    blocksize=round(BLOCK_S * self.rate_hz),
                    dtype="float32",
                    callback=self._on_audio,
                    finished_callback=self._queue.finish,
                )
                stream_opened(self)
                self._stream.start()
            except library.PortAudioError as error:
                raise _opening_failed(error, device, self.rate_hz, self.channels) from error

    def _close(self) -> None:
        """Close the device, in a thread as well: it waits for the callback to end."""
        if self._stream is not None:
            # ignore_errors is the library's default: a device that was unplugged has nothing left to close.
            self._stream.close()
            self._stream = None
        stream_closed(self)

    def _on_audio(self, frames: Any, _count: int, _time: object, status: Any) -> None:
        """Take the audio in PortAudio's thread, without waiting for anybody."""
        assert self._queue is not None
        self._queue.accept(frames, overflow=bool(status.input_overflow))


def _opening_failed(error: Exception, device: CaptureDevice, rate_hz: int, channels: int) -> Exception:
    """Tell what the owner asked for and the device cannot do from what may pass, such as a busy device."""
    code = error.args[1] if len(error.args) > 1 else 0
    if code == _INVALID_RATE:
        return AudioDeviceError(
            f"{device.full_name} does not record at {rate_hz} Hz; without rate_hz it uses {device.rate_hz} Hz"
        )
    if code == _INVALID_CHANNELS:
        return AudioDeviceError(f"{device.full_name} does not record {channels} channels")
    return SourceStalled(f"{device.full_name}: cannot be opened: {error.args[0] if error.args else error}")
