"""The names and payloads that heard puts on MQTT, as pure functions: one topic per microphone and meaning."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from foundation.errors import ActionError

if TYPE_CHECKING:
    from detectors.types import SoundEvent

ID_LENGTH = 47
"""Longer names are cut and get the hash: two of them still fit into one file name."""

MAX_TOPIC_BYTES = 65_535
"""The length field of MQTT has sixteen bits."""

RESERVED_IDS = frozenset({"listen", "rules", "profiles"})
"""Words that stand for something else in the places where streams and profiles are named."""

_PLAIN = re.compile(r"[a-zA-Z0-9_-]+")
_HASHED = re.compile(r".*-[0-9a-f]{12}")


def topic_id(name: str) -> str:
    """Return `name` with nothing but [a-zA-Z0-9_-]; different names stay different.

    A name that is plain already stays as it is. Every other one keeps what can be kept, and a short hash of
    the whole name tells it from its neighbours; a plain name that looks as if it had a hash gets one.
    """
    plain = _PLAIN.fullmatch(name) and len(name) <= ID_LENGTH
    if plain and not _HASHED.fullmatch(name) and name not in RESERVED_IDS:
        return name
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^a-zA-Z0-9_-]+", "_", letters).strip("_")[:ID_LENGTH]
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{kept}-{digest}"


def check_topic(topic: str) -> None:
    """Raise ActionError unless a message can be published to `topic`."""
    if not topic:
        raise ActionError("an MQTT topic must not be empty")
    wildcards = sorted({"+", "#"} & set(topic))
    if wildcards:
        raise ActionError(
            f"MQTT topic {topic!r} contains {' and '.join(wildcards)}, which only subscribers may use"
        )
    if "\0" in topic:
        raise ActionError(f"MQTT topic {topic!r} contains a NUL character")
    try:
        length = len(topic.encode())
    except UnicodeEncodeError as error:
        raise ActionError(f"MQTT topic {topic!r} is not valid Unicode") from error
    if length > MAX_TOPIC_BYTES:
        raise ActionError(f"an MQTT topic holds at most {MAX_TOPIC_BYTES} bytes, this one has {length}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Every topic of one node. `prefix` may have several levels; names are made plain here."""

    prefix: str
    node: str

    @property
    def root(self) -> str:
        """The level under which everything of this node lies."""
        return f"{self.prefix}/{topic_id(self.node)}"

    @property
    def available(self) -> str:
        """`online`, `stopped` or, as the last will, `offline`; retained."""
        return f"{self.root}/available"

    @property
    def stats(self) -> str:
        """Counters of the node, JSON; retained while it runs."""
        return f"{self.root}/stats"

    @property
    def feedback(self) -> str:
        """Where others say that an event was right or wrong, JSON; the answer goes to `…/result`."""
        return f"{self.root}/feedback"

    @property
    def teach(self) -> str:
        """Where others ask to teach from the last seconds, JSON; the answer goes to `…/result`."""
        return f"{self.root}/teach"

    def status(self, stream: str) -> str:
        """`online` or `offline`; retained."""
        return f"{self.root}/{topic_id(stream)}/status"

    def health(self, stream: str) -> str:
        """`ok`, `silent`, `clipping`, `dropping` or `disabled`; retained."""
        return f"{self.root}/{topic_id(stream)}/health"

    def event(self, stream: str) -> str:
        """What was heard, JSON; never retained."""
        return f"{self.root}/{topic_id(stream)}/event"

    def caption(self, stream: str) -> str:
        """What the full audio model said of a sound, JSON; never retained."""
        return f"{self.root}/{topic_id(stream)}/caption"

    def spectrogram(self, stream: str) -> str:
        """The picture of the newest clip, PNG in base64; retained."""
        return f"{self.root}/{topic_id(stream)}/spectrogram"

    def level(self, stream: str) -> str:
        """Level and noise floor, JSON; not retained."""
        return f"{self.root}/{topic_id(stream)}/level"

    def state(self, stream: str, profile: str) -> str:
        """`ON` while the sound goes on, else `OFF`; retained."""
        return f"{self.root}/{topic_id(stream)}/{topic_id(profile)}/state"

    def listen_set(self, stream: str) -> str:
        """Where others say whether `stream` listens, `ON` or `OFF`."""
        return f"{self.root}/{topic_id(stream)}/listen/set"

    def listen_state(self, stream: str) -> str:
        """Whether `stream` listens, `ON` or `OFF`; retained."""
        return f"{self.root}/{topic_id(stream)}/listen/state"

    def rule_set(self, rule_id: str) -> str:
        """Where others say whether a rule may fire, `ON` or `OFF`."""
        return f"{self.root}/rules/{topic_id(rule_id)}/enabled/set"

    def rule_state(self, rule_id: str) -> str:
        """Whether a rule may fire, `ON` or `OFF`; retained."""
        return f"{self.root}/rules/{topic_id(rule_id)}/enabled/state"

    def threshold_set(self, profile: str) -> str:
        """Where others give a profile another threshold: a number between 0 and 1, or `default`."""
        return f"{self.root}/profiles/{topic_id(profile)}/threshold/set"

    def threshold_state(self, profile: str) -> str:
        """The threshold of a profile in force; retained."""
        return f"{self.root}/profiles/{topic_id(profile)}/threshold/state"

    @property
    def all_set(self) -> tuple[str, ...]:
        """Filters for everything that others may set."""
        return (
            f"{self.root}/+/listen/set",
            f"{self.root}/rules/+/enabled/set",
            f"{self.root}/profiles/+/threshold/set",
        )


def event_payload(event: SoundEvent, *, clip_url: str | None) -> dict[str, Any]:
    """Return what the event topic carries about `event`; times are ISO 8601 in UTC."""
    return {
        "event_type": event.profile,
        "id": event.id,
        "phase": event.phase.value,
        "stream": event.stream,
        "score": round(event.score, 4),
        "started": utc_text(event.onset_at),
        "ended": None if event.ended_at is None else utc_text(event.ended_at),
        "level_dbfs": _finite(event.level_dbfs),
        "noise_floor_dbfs": _finite(event.noise_floor_dbfs),
        "speech": event.speech,
        "verified": event.verified,
        "caption": event.caption,
        "transcript": event.transcript,
        "decided_by": event.decided_by.value,
        "clip": clip_url,
        "profile_version": event.profile_version,
    }


def caption_payload(event: SoundEvent, *, caption: str, question: str, rule: str) -> dict[str, Any]:
    """Return what the caption topic carries about `event`."""
    return {
        "event_type": event.profile,
        "id": event.id,
        "stream": event.stream,
        "started": utc_text(event.onset_at),
        "rule": rule,
        "question": question,
        "caption": caption,
    }


def level_payload(*, level_dbfs: float, noise_floor_dbfs: float) -> dict[str, Any]:
    """Return what the level topic carries."""
    return {"dbfs": _finite(level_dbfs), "floor": _finite(noise_floor_dbfs)}


def payload_text(payload: Any) -> str:
    """Return how a rule's payload is written: text as it is, None as nothing, the rest as JSON."""
    if payload is None:
        return ""
    if isinstance(payload, str):
        return payload
    try:
        return json.dumps(payload, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ActionError(f"an MQTT payload must be text or what JSON can hold: {error}") from error


def utc_text(unix_s: float) -> str:
    """Return a moment as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds")


def _finite(decibels: float) -> float | None:
    # Digital silence is minus infinity, which JSON cannot say.
    return round(float(decibels), 2) if math.isfinite(decibels) else None
