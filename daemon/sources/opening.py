"""Makes the source that settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.sources.settings import FileSettings, MicrophoneSettings, PipeSettings, WyomingSettings

if TYPE_CHECKING:
    from daemon.sources import AudioSource
    from daemon.sources.settings import SourceSettings


def open_source(settings: SourceSettings) -> AudioSource:
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
        case WyomingSettings():
            from daemon.sources.wyoming import WyomingSource

            return WyomingSource(*settings.address)
