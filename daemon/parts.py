"""What a configuration names, loaded and checked: the encoder, the profiles, the rules."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.learning.renewal import renew_taught
from daemon.models.choice import load_encoder
from daemon.pipeline import Pipeline
from daemon.streams.cabin import cabin_of, cabin_tags
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.store import STOCK_FOLDER, ProfileStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from daemon.config import Config
    from daemon.pipeline import Tap
    from detectors.encoders import Encoder, EncoderId
    from fewshot_profiles.profile import Profile
    from rules.loader import RuleSet
    from rules.model import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the daemon decides with."""

    encoder: Encoder
    profiles: tuple[Profile, ...]
    rules: tuple[Rule, ...]


def load_detection(config: Config, *, heard_as: str | None = None) -> Pipeline:
    """Return a pipeline with the configuration's profiles and gate. Raises ModelError or ProfileError.

    With `heard_as`, every stream is heard as that stream of the configuration would be.
    """
    encoder = load_encoder(config)
    return make_pipeline(config, encoder, load_profiles(config, encoder.id), heard_as=heard_as)


def make_pipeline(
    config: Config,
    encoder: Encoder,
    profiles: tuple[Profile, ...],
    *,
    tap: Tap | None = None,
    heard_as: str | None = None,
) -> Pipeline:
    """Return the one pipeline that live audio and recordings go through."""
    cabins = cabin_of(config)
    return Pipeline(
        encoder,
        Matcher(profiles),
        gate_settings=config.gate.settings(),
        tap=tap,
        cabin_of=lambda stream: cabins(heard_as or stream),
    )


def load_parts(config: Config) -> Parts:
    """Load what `config` names. Raises ModelError, ProfileError or RuleError."""
    encoder = load_encoder(config)
    profiles = current_profiles(config, encoder)
    return Parts(encoder=encoder, profiles=profiles, rules=load_rule_set(config, profiles))


def current_profiles(config: Config, encoder: Encoder) -> tuple[Profile, ...]:
    """Load the profiles that are wanted, after those that another encoder heard have been heard anew.

    Raises ProfileError, with the reason, where one cannot be.
    """
    renew_taught(config, encoder)
    return load_profiles(config, encoder.id)


def load_profiles(config: Config, encoder: EncoderId) -> tuple[Profile, ...]:
    """Load the stock profiles that are wanted, and the owner's, which replace stock ones of the same name."""
    wanted = config.stock_profiles
    stock = ProfileStore([STOCK_FOLDER] if wanted else []).load(encoder)
    taught = config.taught_folder
    own = ProfileStore([*config.profiles, *([taught] if taught.is_dir() else [])]).load(encoder)
    profiles = {
        profile.name: profile for profile in stock if isinstance(wanted, bool) or profile.name in wanted
    }
    profiles.update((profile.name, profile) for profile in own)
    return tuple(profiles[name] for name in sorted(profiles))


def load_rule_set(
    config: Config, profiles: tuple[Profile, ...], path: Path | None = None
) -> tuple[Rule, ...]:
    """Load the rules at `path`, else those that the configuration names."""
    return read_rule_set(config, profiles, path).rules


def read_rule_set(
    config: Config,
    profiles: tuple[Profile, ...],
    path: Path | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
) -> RuleSet:
    """Read the rules at `path`, else those that the configuration names, with their warnings."""
    from rules.loader import RuleSet, read_rules

    path = config.rules if path is None else path
    if path is None:
        return RuleSet(rules=())
    tags = {profile.name: profile.tags for profile in profiles} | cabin_tags(config)
    return read_rules(path, tags, list(config.streams), environment=environment)


def names_heard(config: Config, profiles: Iterable[Profile]) -> list[str]:
    """Return the names that events may have."""
    return [*(profile.name for profile in profiles), *cabin_tags(config)]
