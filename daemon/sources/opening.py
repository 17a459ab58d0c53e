"""Makes the source that settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.sources.settings import FileSettings, MicrophoneSettings, PipeSettings

if TYPE_CHECKING:
    from daemon.sources import AudioSource


def open_source(settings: MicrophoneSettings | FileSettings | PipeSettings) -> AudioSource:
    """Return a new source, to be entered by the caller; libraries are loaded when first needed."""
    match settings:
        case MicrophoneSettings():
            from daemon.sources.microphone import MicrophoneSource

            return MicrophoneSource(settings.device, channels=settings.channels, rate_hz=settings.rate_hz)
        case FileSettings():
            from daemon.sources.file import FileSource

            return FileSource(settings.path, realtime=settings.realtime, loop=settings.loop)
        case PipeSettings():
            from daemon.sources.pipe import PipeSource

            origin = settings.path or settings.command
            assert origin is not None
            return PipeSource(
                origin,
                rate_hz=settings.rate_hz,
                channels=settings.channels,
                sample_format=settings.sample_format,
            )
