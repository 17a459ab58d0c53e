"""`heard check`: would the daemon start, and could it do what it is told?"""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

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
    warnings = [*_useless_actions(settings, parts), *_deaf(parts), *_unknown_devices(settings)]
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


def _useless_actions(config: Config, parts: Parts) -> Iterator[str]:
    from rules.model import PublishMqtt, SaveClip
    from rules.program import every_action

    for rule in parts.rules:
        if config.mqtt is None and any(
            isinstance(action, PublishMqtt) for action in every_action(rule.actions)
        ):
            yield f"rule {rule.id!r} publishes over MQTT, and the configuration has no 'mqtt'"
        if config.evidence.save == "none" and any(
            isinstance(action, SaveClip) for action in every_action(rule.actions)
        ):
            yield f"rule {rule.id!r} saves clips, and the configuration says 'evidence: {{save: none}}'"


def _deaf(parts: Parts) -> Iterator[str]:
    if not parts.profiles:
        yield "there is no profile, so nothing will be heard"


def _unknown_devices(config: Config) -> Iterator[str]:
    from daemon.devices import capture_devices, choose_device
    from daemon.sources.settings import MicrophoneSettings
    from foundation.errors import AudioDeviceError

    for stream, settings in config.streams.items():
        if isinstance(settings, MicrophoneSettings):
            try:
                choose_device(settings.device, capture_devices())
            except AudioDeviceError as error:
                yield f"stream {stream!r}: {error}"
