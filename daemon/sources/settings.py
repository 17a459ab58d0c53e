"""What a configuration says about a stream's source."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from daemon.settings import ExistingFile, Flag, Integer, Number, PipePath, Settings
from daemon.sources.pcm import SampleFormat

Rate = Annotated[Integer, Field(ge=4_000, le=384_000)]
Channels = Annotated[Integer, Field(ge=1, le=64)]
Text = Annotated[str, Field(min_length=1)]


def _tcp_address(uri: str) -> str:
    try:
        split = urlsplit(uri)
        right = split.scheme == "tcp" and split.hostname and split.port and not (split.path or split.query)
    except ValueError:
        right = False
    if not right or "@" in uri:
        raise ValueError("expected tcp://host:port, such as tcp://satellite.local:10600")
    return uri


class CabinSettings(Settings):
    """The microphone is in a car: a voice in the cabin is told from one outside."""

    full_scale_db_spl: Annotated[Number, Field(ge=60, le=160)] = 120.0
    """The sound pressure level in decibels at which the microphone reaches full scale, 60 to 160."""
    microphone_distance_m: Annotated[Number, Field(ge=0.02, le=0.3)] = 0.1
    """Metres between the first two channels' microphones, 0.02 to 0.3; of one microphone it means nothing."""


class MicrophoneSettings(Settings):
    """A capture device of this machine."""

    source: Literal["microphone"] = "microphone"
    device: Text | None = None
    """Its name as `heard devices` lists it, a part of that, or `CARD=<id>`. Default: the system's default."""
    channels: Channels = 1
    """1 to 64. Detection hears their mean; evidence keeps them apart."""
    rate_hz: Rate | None = None
    """Hertz. Default: the device's own rate, which is best for evidence."""
    cabin: CabinSettings | None = None
    """Where it is in a car: `{}`, or what is known of its microphones. Default: it is not."""


class FileSettings(Settings):
    """An audio file, played as a stream."""

    source: Literal["file"]
    path: ExistingFile
    """WAV, FLAC, Ogg Vorbis or Opus, MP3, AIFF and whatever else libsndfile reads."""
    loop: Flag = False
    """Begin again at the end, without a gap and without end."""
    realtime: Flag = True
    """One second of audio a second; false: as fast as the machine goes."""
    cabin: CabinSettings | None = None
    """Where it is in a car: `{}`, or what is known of its microphones. Default: it is not."""


class PipeSettings(Settings):
    """Raw PCM from a command, a FIFO or standard input."""

    source: Literal["pipe"]
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """A program and its arguments as a list, without a shell; it writes samples to its standard output."""
    path: PipePath | None = None
    """A FIFO or a file of samples; `-` is standard input."""
    rate_hz: Rate
    """Hertz, as the program writes them."""
    channels: Channels = 1
    """1 to 64, interleaved."""
    sample_format: SampleFormat = SampleFormat.S16LE
    """u8, s16le, s24le (packed in 3 bytes), s32le or f32le."""
    cabin: CabinSettings | None = None
    """Where it is in a car: `{}`, or what is known of its microphones. Default: it is not."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.command is None) == (self.path is None):
            raise ValueError("a pipe needs either 'command' or 'path'")
        return self


class WyomingSettings(Settings):
    """A `mic` service of another machine or program, as voice satellites have."""

    source: Literal["wyoming"]
    uri: Annotated[str, AfterValidator(_tcp_address)]
    """tcp://host:port"""
    cabin: CabinSettings | None = None
    """Where it is in a car: `{}`, or what is known of its microphones. Default: it is not."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        split = urlsplit(self.uri)
        assert split.hostname is not None
        assert split.port is not None
        return split.hostname, split.port


SourceSettings = Annotated[
    MicrophoneSettings | FileSettings | PipeSettings | WyomingSettings, Field(discriminator="source")
]
