"""Which doors a configuration opens for what the rules ask."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.acting.actions import mqtt_publish_errand, save_clip_door
from daemon.acting.programs import Programs
from daemon.outbox.errand import Errand
from daemon.outbox.expiry import TOLD_S, home_assistant_s
from daemon.parts import names_heard
from integrations.announcer import Announcer
from integrations.mqtt import MqttLink
from integrations.topics import Topics
from integrations.webhook import Webhooks, WebhookSettings, webhook_target
from rules.model import COMMAND, EMIT, LOG, MQTT_PUBLISH, SAVE_CLIP, WEBHOOK
from rules.request_grammar import MAX_COMMAND_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from daemon.acting.actions import Door
    from daemon.config import Config
    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.mqtt_settings import MqttConfig
    from daemon.parts import Parts
    from integrations.home_assistant.rest import HomeAssistant
    from rules.model import ActionRequest

_log = logging.getLogger(__name__)


def link_to(mqtt: MqttConfig, *, node: str) -> MqttLink:
    """Return the connection to the broker that the configuration names, not yet open."""
    return MqttLink(mqtt.broker(), available=Topics(prefix=mqtt.prefix, node=node).available)


def announcer_on(link: MqttLink, config: Config, parts: Parts) -> Announcer:
    """Return who speaks for this node over `link`."""
    assert config.mqtt is not None
    topics = Topics(prefix=config.mqtt.prefix, node=config.node)
    return Announcer(link, topics, streams=config.streams, profiles=names_heard(config, parts.profiles))


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
            target=lambda request: webhook_target(str(request.data["url"])),
            expires_s=lambda _: TOLD_S,
        ),
    }
    if config.evidence.save != "none":
        open_doors[SAVE_CLIP] = save_clip_door(recorder)
    if link is not None:
        open_doors[MQTT_PUBLISH] = mqtt_publish_errand(link)
    if home is not None:
        open_doors[""] = Errand(do=home.call, target=home_assistant_target, expires_s=home_assistant_s)
    if config.commands:
        programs = Programs(config.commands)
        open_doors[COMMAND] = Errand(
            do=programs.run,
            target=lambda request: f"{COMMAND} of {request.rule_id}",
            expires_s=lambda _: MAX_COMMAND_S,
        )
    return open_doors


def home_assistant_target(request: ActionRequest) -> str:
    """Name what a call into Home Assistant is about: the order is kept for each light, say."""
    meant = request.data.get("target")
    if not meant:
        return request.action
    return " ".join(f"{_words(meant[key])}" for key in sorted(meant))


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


def _words(meant: object) -> str:
    return ", ".join(map(str, meant)) if isinstance(meant, list) else str(meant)


def _log_request(request: ActionRequest) -> None:
    level = logging.getLevelNamesMapping().get(str(request.data.get("level", "")).upper(), logging.WARNING)
    _log.log(level, "rule %r: %s", request.rule_id, request.data.get("message", ""))
