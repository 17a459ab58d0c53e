"""What evidence is: which audio belongs to an event, what its files are called, what stands in them."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from daemon.evidence.ring import PCM_SCALE
from daemon.evidence.spectrogram import spectrogram_png
from foundation.errors import EvidenceUnavailable
from integrations.topics import event_payload, topic_id, utc_text

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from detectors.types import SoundEvent

MAX_FLAC_CHANNELS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The audio around one event, and who asked for it."""

    event: SoundEvent
    rule_ids: tuple[str, ...]
    pcm: NDArray[np.int16]
    """[channels, n]"""
    rate_hz: int
    start: int
    """Absolute index of the first sample in its stream."""
    encoder_id: str

    @property
    def onset_in_clip_s(self) -> float:
        """Where in the clip the sound begins."""
        return self.event.onset_s - self.start / self.rate_hz


def clip_name(event: SoundEvent) -> str:
    """Return the path of the event's clip in the evidence folder, the same for the same event; in UTC."""
    onset = datetime.fromtimestamp(event.onset_at, UTC)
    stem = f"{topic_id(event.stream)}_{topic_id(event.profile)}_{onset:%H%M%S}_{event.id}"
    return f"{onset:%Y-%m-%d}/{stem}.flac"


def clip_path(folder: Path, event: SoundEvent) -> Path:
    """Return where the event's clip is or will be."""
    return folder / clip_name(event)


def sidecar_name(clip: str) -> str:
    """Return the name of the JSON file beside a clip."""
    return str(PurePosixPath(clip).with_suffix(".json"))


def picture_name(clip: str) -> str:
    """Return the name of the spectrogram beside a clip."""
    return str(PurePosixPath(clip).with_suffix(".png"))


def clip_span(event: SoundEvent, *, before_s: float, after_s: float, rate_hz: int) -> tuple[int, int]:
    """Return the samples [start, end) that the event's clip should hold."""
    start = round((event.onset_s - before_s) * rate_hz)
    return max(0, start), round((event.onset_s + after_s) * rate_hz)


def render(clip: Clip, *, heard_version: str) -> dict[str, bytes]:
    """Return the content of the clip's files by name. Raises EvidenceUnavailable if FLAC cannot hold it."""
    name = clip_name(clip.event)
    flac = _flac(clip)
    picture = spectrogram_png(
        clip.pcm * np.float32(1 / PCM_SCALE), clip.rate_hz, onset_s=clip.onset_in_clip_s
    )
    sidecar = _sidecar(clip, sha256=hashlib.sha256(flac).hexdigest(), heard_version=heard_version)
    return {name: flac, picture_name(name): picture, sidecar_name(name): json_bytes(sidecar)}


def json_bytes(values: dict[str, Any]) -> bytes:
    """Return a JSON file's content."""
    return (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode()


def _flac(clip: Clip) -> bytes:
    channels = clip.pcm.shape[0]
    if channels > MAX_FLAC_CHANNELS:
        raise EvidenceUnavailable(
            f"stream {clip.event.stream!r} has {channels} channels; FLAC holds {MAX_FLAC_CHANNELS}"
        )
    file = io.BytesIO()
    try:
        soundfile.write(file, clip.pcm.T, clip.rate_hz, format="FLAC", subtype="PCM_16")
    except soundfile.SoundFileError as error:
        raise EvidenceUnavailable(f"stream {clip.event.stream!r} does not fit into FLAC: {error}") from error
    return file.getvalue()


def _sidecar(clip: Clip, *, sha256: str, heard_version: str) -> dict[str, Any]:
    start_s = clip.start / clip.rate_hz
    channels, samples = clip.pcm.shape
    return {
        "event": event_payload(clip.event, clip_url=None),
        "rules": list(clip.rule_ids),
        "stream": clip.event.stream,
        "onset": utc_text(clip.event.onset_at),
        "clip_start": utc_text(clip.event.epoch_s + start_s),
        "clip_end": utc_text(clip.event.epoch_s + start_s + samples / clip.rate_hz),
        "onset_in_clip_s": round(clip.onset_in_clip_s, 4),
        "rate_hz": clip.rate_hz,
        "channels": channels,
        "samples": samples,
        "encoder": clip.encoder_id,
        "profile_version": clip.event.profile_version,
        "sha256": sha256,
        "heard_version": heard_version,
    }
