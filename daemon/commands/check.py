"""`heard check`: would the daemon start, and could it do what it is told?"""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.config import Config
    from daemon.parts import Parts


def check(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the configuration with everything it names: encoder, profiles, rules.

    Exit code 0: all is well; 1: the daemon would start, but not everything would work; 2: it would not start.
    """
    from daemon.config import find_config, load_config
    from daemon.parts import load_parts

    settings = load_config(config)
    parts = load_parts(settings)
    warnings = [
        *_broker(settings),
        *_api(settings),
        *_never(settings, parts),
        *_useless_actions(settings, parts),
        *_deaf(parts),
        *_unknown_devices(settings),
        *_audio_model(settings, parts),
        *_wake_words(settings, parts),
    ]
    path = config or find_config()
    if as_json:
        print_json(
            {
                "config": None if path is None else str(path),
                "node": settings.node,
                "streams": list(settings.streams),
                "encoder": str(parts.encoder.id),
                "profiles": [profile.name for profile in parts.profiles],
                "rules": [rule.id for rule in parts.rules],
                "warnings": warnings,
            }
        )
    else:
        typer.echo(f"configuration  {path or 'none: the defaults'}")
        typer.echo(f"streams        {', '.join(settings.streams)}")
        typer.echo(f"encoder        {parts.encoder.id}")
        typer.echo(f"profiles       {len(parts.profiles)}")
        typer.echo(f"rules          {len(parts.rules)}")
        for warning in warnings:
            typer.echo(f"warning: {warning}", err=True)
    if warnings:
        raise typer.Exit(1)


def _broker(config: Config) -> Iterator[str]:
    """Read what the connection to the broker needs. Raises OwnerError where there will be none."""
    if config.mqtt is not None:
        config.mqtt.broker().check()
        if config.mqtt.tls is not None and config.mqtt.tls.insecure:
            yield "mqtt.tls: anybody may be the broker: its certificate is not checked ('insecure: true')"


def _api(config: Config) -> Iterator[str]:
    """Look who could reach the API. Raises OwnerError where it would not open."""
    if config.api is None:
        return
    from daemon.api.door import ApiDoor

    ApiDoor(config).check()
    if config.api.public_url is not None and not config.api.require_token:
        yield (
            "api.public_url: a proxy that does not say for whom it asks lets everybody in; "
            "'require_token: true' asks everybody for a token"
        )


def _never(config: Config, parts: Parts) -> Iterator[str]:
    """Give what rules say that can never be, as `heard rules check` does."""
    from daemon.parts import read_rule_set

    for warning in read_rule_set(config, parts.profiles).warnings:
        yield str(replace(warning, source_line=""))


def _useless_actions(config: Config, parts: Parts) -> Iterator[str]:
    from rules.model import CallAction, MqttTrigger, PublishMqtt, RunCommand, SaveClip
    from rules.needs import entities_named, topics_kept
    from rules.program import every_action

    no_mqtt = "and the configuration has no 'mqtt'"
    no_home = "and the configuration has no 'home_assistant'"
    for rule in parts.rules:
        actions = list(every_action(rule.actions))
        if config.mqtt is None and any(isinstance(action, PublishMqtt) for action in actions):
            yield f"rule {rule.id!r} publishes over MQTT, {no_mqtt}"
        hears = any(isinstance(trigger, MqttTrigger) for trigger in rule.triggers)
        if config.mqtt is None and (hears or any(topics_kept(rule))):
            yield f"rule {rule.id!r} listens to MQTT, {no_mqtt}"
        if config.evidence.save == "none" and any(isinstance(action, SaveClip) for action in actions):
            yield f"rule {rule.id!r} saves clips, and the configuration says 'evidence: {{save: none}}'"
        called = sorted({action.name for action in actions if isinstance(action, CallAction)})
        if config.home_assistant is None and called:
            yield f"rule {rule.id!r} calls {', '.join(called)}, {no_home}"
        if config.home_assistant is None and any(entities_named(rule)):
            yield f"rule {rule.id!r} asks for states of Home Assistant, {no_home}"
        programs = {action.command[0].source for action in actions if isinstance(action, RunCommand)}
        if refused := sorted(programs - set(config.commands)):
            yield f"rule {rule.id!r} runs {', '.join(refused)}, and the configuration's 'commands' do not"


def _deaf(parts: Parts) -> Iterator[str]:
    if not parts.profiles:
        yield "there is no profile, so nothing will be heard"


def _unknown_devices(config: Config) -> Iterator[str]:
    from daemon.sources.devices import capture_devices, choose_device
    from daemon.sources.settings import MicrophoneSettings
    from foundation.errors import AudioDeviceError

    for stream, settings in config.streams.items():
        if isinstance(settings, MicrophoneSettings):
            try:
                choose_device(settings.device, capture_devices())
            except AudioDeviceError as error:
                yield f"stream {stream!r}: {error}"


def _audio_model(config: Config, parts: Parts) -> Iterator[str]:
    """Whether the full audio model is one, fits, and is asked about sounds that there are."""
    from daemon.audio_model.plan import must_fit
    from daemon.parts import names_heard
    from detectors.audio_models.libraries import require
    from foundation.errors import ModelError
    from foundation.wording import did_you_mean
    from rules.model import Describe
    from rules.program import every_action

    asking = [
        rule.id for rule in parts.rules if any(isinstance(a, Describe) for a in every_action(rule.actions))
    ]
    if config.audio_model is None:
        for rule in asking:
            yield f"rule {rule!r} has a sound described, and the configuration has no 'audio_model'"
        return
    known = names_heard(config, parts.profiles)
    listened_for = config.audio_model.listen.profiles or ()
    for name in (*config.audio_model.verify, *config.audio_model.transcribe, *listened_for):
        if name not in known:
            yield f"audio_model: there is no profile {name!r}{did_you_mean(name, known)}"
    if config.audio_model.folder is None:
        return
    place = config.audio_model.place()
    try:
        require("torch", "transformers")
        must_fit(place.folder, place.load)
    except ModelError as error:
        yield str(error)


def _wake_words(config: Config, parts: Parts) -> Iterator[str]:
    """Whether satellites are offered profiles that there are."""
    from foundation.wording import did_you_mean

    known = [profile.name for profile in parts.profiles]
    for name in () if config.wyoming is None else config.wyoming.wake.profiles:
        if name not in known:
            yield f"wyoming.wake: there is no profile {name!r}{did_you_mean(name, known)}"
