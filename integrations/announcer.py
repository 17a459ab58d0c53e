"""What heard tells the world over MQTT: each fact to its topic, retained or not as it must be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from detectors.types import Phase, SoundEvent
from integrations.topics import Topics, caption_payload, event_payload, level_payload

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from integrations.mqtt import MqttLink

LEVEL_PERIOD_S = 1.0
"""A meter that moves once a second is enough for a dashboard and little for a recorder."""

STATS_PERIOD_S = 60.0

NEWS_S = 86_400.0
"""What was heard is no news after a day. A broker that speaks MQTT 5 forgets it then."""

METER_S = 10.0
"""A level that is older misleads."""

Health = Literal["ok", "silent", "clipping", "dropping", "disabled"]


class Announcer:
    """Speaks for one node. Every sound state is OFF from the start, and OFF again after a clean stop."""

    def __init__(
        self,
        link: MqttLink,
        topics: Topics,
        *,
        streams: Iterable[str],
        profiles: Iterable[str],
        level_period_s: float = LEVEL_PERIOD_S,
    ) -> None:
        self._link = link
        self._topics = topics
        self._level_period_s = level_period_s
        self._level_said_s: dict[str, float] = {}
        self._sounding: dict[str, set[str]] = {}
        self._streams = tuple(streams)
        self._profiles: frozenset[str] = frozenset()
        self._gone: frozenset[str] = frozenset()
        for stream in self._streams:
            self.status(stream, online=False)
        self.listens_for(profiles)

    def listens_for(self, profiles: Iterable[str]) -> None:
        """Give every profile its states, and take away those of profiles that are gone."""
        known, self._profiles = self._profiles, frozenset(profiles)
        self._gone = (self._gone | known) - self._profiles
        for stream in self._streams:
            for profile in sorted(self._profiles - known):
                self._link.set_state(self._topics.state(stream, profile), "OFF", at_rest="OFF")
            for profile in sorted(known - self._profiles):
                # An empty payload takes a retained message away.
                self._link.set_state(self._topics.state(stream, profile), "", at_rest="")

    def event(self, event: SoundEvent, *, clip_url: str | None = None) -> None:
        """Tell what was heard, and whether the sound goes on."""
        payload = json.dumps(event_payload(event, clip_url=clip_url), ensure_ascii=False)
        self._link.publish(self._topics.event(event.stream), payload, qos=1, expires_s=NEWS_S)
        if event.profile in self._gone:
            # A sound that went on when its profile was taken away ends after its state has gone.
            return
        topic = self._topics.state(event.stream, event.profile)
        sounding = self._sounding.setdefault(topic, set())
        if event.phase is Phase.STARTED:
            sounding.add(event.id)
        else:
            sounding.discard(event.id)
        self._link.set_state(topic, "ON" if sounding else "OFF", at_rest="OFF")

    def caption(self, event: SoundEvent, *, caption: str, question: str, rule: str) -> None:
        """Tell what the full audio model said of a sound."""
        payload = caption_payload(event, caption=caption, question=question, rule=rule)
        text = json.dumps(payload, ensure_ascii=False)
        self._link.publish(self._topics.caption(event.stream), text, qos=1, expires_s=NEWS_S)

    def status(self, stream: str, *, online: bool) -> None:
        """Tell whether audio comes from `stream`."""
        self._link.set_state(
            self._topics.status(stream), "online" if online else "offline", at_rest="offline"
        )

    def health(self, stream: str, health: Health) -> None:
        """Tell how well `stream` hears."""
        self._link.set_state(self._topics.health(stream), health)

    def level(self, stream: str, *, level_dbfs: float, noise_floor_dbfs: float, now_s: float) -> None:
        """Tell the level of `stream`, at most once in a period; `now_s` is any clock that moves forward."""
        said_s = self._level_said_s.get(stream)
        if said_s is not None and 0 <= now_s - said_s < self._level_period_s:
            return
        self._level_said_s[stream] = now_s
        payload = level_payload(level_dbfs=level_dbfs, noise_floor_dbfs=noise_floor_dbfs)
        text = json.dumps(payload)
        self._link.publish(self._topics.level(stream), text, qos=0, fleeting=True, expires_s=METER_S)

    def stats(self, counters: Mapping[str, Any]) -> None:
        """Tell the node's counters; to be called every STATS_PERIOD_S. They go when the node does."""
        self._link.set_state(self._topics.stats, json.dumps(counters, ensure_ascii=False), at_rest="")
