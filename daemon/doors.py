"""Which doors a configuration opens for what the rules ask."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.actions import mqtt_publish_door, save_clip_door
from integrations.announcer import Announcer
from integrations.mqtt import Broker, MqttLink
from integrations.topics import Topics
from rules.model import LOG, MQTT_PUBLISH, SAVE_CLIP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.actions import Door
    from daemon.config import Config, MqttConfig
    from daemon.parts import Parts
    from daemon.recorder import EvidenceRecorder
    from rules.model import ActionRequest

_log = logging.getLogger(__name__)


def link_to(mqtt: MqttConfig, *, node: str) -> MqttLink:
    """Return the connection to the broker that the configuration names, not yet open."""
    broker = Broker(
        host=mqtt.host,
        port=mqtt.port,
        username=mqtt.username,
        password=mqtt.secret(),
        keepalive_s=mqtt.keepalive_s,
    )
    return MqttLink(broker, available=Topics(prefix=mqtt.prefix, node=node).available)


def announcer_on(link: MqttLink, config: Config, parts: Parts) -> Announcer:
    """Return who speaks for this node over `link`."""
    assert config.mqtt is not None
    topics = Topics(prefix=config.mqtt.prefix, node=config.node)
    profiles = [profile.name for profile in parts.profiles]
    return Announcer(link, topics, streams=config.streams, profiles=profiles)


def doors(config: Config, recorder: EvidenceRecorder, link: MqttLink | None) -> Mapping[str, Door]:
    """Return the doors by the name of the action that goes through them."""
    open_doors: dict[str, Door] = {LOG: _log_request}
    if config.evidence.save != "none":
        open_doors[SAVE_CLIP] = save_clip_door(recorder)
    if link is not None:
        open_doors[MQTT_PUBLISH] = mqtt_publish_door(link)
    return open_doors


def _log_request(request: ActionRequest) -> None:
    level = logging.getLevelNamesMapping().get(str(request.data.get("level", "")).upper(), logging.WARNING)
    _log.log(level, "rule %r: %s", request.rule_id, request.data.get("message", ""))
