"""Which doors a configuration opens for what the rules ask."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.acting.actions import mqtt_publish_door, save_clip_door
from daemon.acting.errands import Errand
from daemon.acting.programs import Programs
from daemon.parts import names_heard
from integrations.announcer import Announcer
from integrations.mqtt import Broker, MqttLink
from integrations.topics import Topics
from integrations.webhook import Webhooks, WebhookSettings
from rules.model import COMMAND, EMIT, LOG, MQTT_PUBLISH, SAVE_CLIP, WEBHOOK
from rules.request_grammar import MAX_COMMAND_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from daemon.acting.actions import Door
    from daemon.config import Config, MqttConfig
    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.parts import Parts
    from integrations.home_assistant.rest import HomeAssistant
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
    return Announcer(link, topics, streams=config.streams, profiles=names_heard(config, parts.profiles))


LIGHT_S = 30.0
"""How long a call into Home Assistant is tried: what comes later surprises."""
WEBHOOK_S = 600.0


def doors(
    config: Config,
    recorder: EvidenceRecorder,
    link: MqttLink | None,
    home: HomeAssistant | None,
    webhooks: Webhooks,
) -> Mapping[str, Door | Errand]:
    """Return the doors by the name of the action that goes through them; empty: any of Home Assistant's."""
    open_doors: dict[str, Door | Errand] = {
        LOG: _log_request,
        EMIT: lambda _: None,  # whoever let the rules decide has told of the sound
        WEBHOOK: Errand(
            do=webhooks.post,
            target=lambda request: str(request.data["url"]).partition("?")[0],
            expires_s=WEBHOOK_S,
        ),
    }
    if config.evidence.save != "none":
        open_doors[SAVE_CLIP] = save_clip_door(recorder)
    if link is not None:
        open_doors[MQTT_PUBLISH] = mqtt_publish_door(link)
    if home is not None:
        open_doors[""] = Errand(
            do=home.call, target=lambda request: request.action.partition(".")[0], expires_s=LIGHT_S
        )
    if config.commands:
        programs = Programs(config.commands)
        open_doors[COMMAND] = Errand(
            do=programs.run, target=lambda request: request.rule_id, expires_s=MAX_COMMAND_S
        )
    return open_doors


async def enter_home_assistant(config: Config, stack: AsyncExitStack) -> HomeAssistant | None:
    """Return the door to Home Assistant, open; None where the configuration names none."""
    if config.home_assistant is None:
        return None
    # What it needs takes half a second to import.
    from integrations.home_assistant.rest import HomeAssistant

    return await stack.enter_async_context(
        HomeAssistant(config.home_assistant.url, config.home_assistant.secret())
    )


async def enter_webhooks(config: Config, stack: AsyncExitStack) -> Webhooks:
    """Return who sends webhooks, ready to."""
    settings = WebhookSettings(secret=config.webhooks.secret(), allow_private=config.webhooks.allow_private)
    return await stack.enter_async_context(Webhooks(settings))


def _log_request(request: ActionRequest) -> None:
    level = logging.getLevelNamesMapping().get(str(request.data.get("level", "")).upper(), logging.WARNING)
    _log.log(level, "rule %r: %s", request.rule_id, request.data.get("message", ""))
