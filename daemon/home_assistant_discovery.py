"""Home Assistant is told what this node has: streams, profiles, rules, and every change of them."""

from __future__ import annotations

import base64
import logging
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from daemon.logs import Changes
from daemon.observer import Observer
from daemon.streams.cabin import cabin_profiles
from integrations.home_assistant.birth import HomeAssistantBirth
from integrations.home_assistant.discovery.devices import devices_of
from integrations.home_assistant.discovery.dialects import told_by_topic
from integrations.home_assistant.discovery.house import Ear, House, RuleName, Sound, retained_states
from integrations.home_assistant.discovery.memory import Memory
from integrations.home_assistant.discovery.publisher import DiscoveryPublisher
from integrations.topics import Topics
from rules.model import Emit
from rules.program import every_action

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from daemon.config import Config
    from daemon.mqtt_settings import DiscoveryConfig
    from daemon.switches import Switches
    from detectors.types import SoundEvent
    from fewshot_profiles.profile import Profile
    from integrations.mqtt import MqttLink
    from rules.model import Rule

FILE_NAME = "home_assistant_discovery.json"

_log = logging.getLogger(__name__)


class HomeAssistantDiscovery:
    """Keeps what was told true. `profiles` and `rules` give what is in force."""

    def __init__(
        self,
        link: MqttLink,
        config: Config,
        *,
        installation: str,
        switches: Switches,
        profiles: Callable[[], Sequence[Profile]],
        rules: Callable[[], Sequence[Rule]],
    ) -> None:
        assert config.mqtt is not None
        self._wanted: DiscoveryConfig = config.mqtt.discovery
        self._publisher = DiscoveryPublisher(link, Memory(config.state_dir / FILE_NAME))
        self._house = partial(house_of, config, installation, cabin_profiles(config))
        self._profiles = profiles
        self._rules = rules
        self._birth: HomeAssistantBirth | None = None
        if self._wanted.dialect != "off":
            birth_topic = self._wanted.birth_topic
            self._birth = HomeAssistantBirth(link, self._publisher.introduce, topic=birth_topic)
        switches.on_change(self._show)
        self._show()

    def tasks(self) -> Mapping[str, Coroutine[None, None, None]]:
        """Return what has to run beside the daemon's other work."""
        tasks = {"discovery": self._publisher.run()}
        if self._birth is not None:
            tasks["home assistant's birth"] = self._birth.run()
        return tasks

    def _show(self) -> None:
        house = self._house(self._profiles(), self._rules())
        dialect = self._wanted.spoken
        told = (
            {}
            if dialect is None
            else told_by_topic(
                devices_of(house),
                dialect=dialect,
                prefix=self._wanted.prefix,
                sw_version=house.sw_version,
            )
        )
        self._publisher.show(told, states=retained_states(house))


def newest_pictures(link: MqttLink, config: Config) -> tuple[Observer, ...]:
    """Return who shows spectrograms to Home Assistant; nobody where it is told of nothing."""
    if config.mqtt is None or config.mqtt.discovery.spoken is None:
        return ()
    return (NewestPictures(link, Topics(prefix=config.mqtt.prefix, node=config.node)),)


class NewestPictures(Observer):
    """Puts the spectrogram of each stream's newest clip where Home Assistant looks for it."""

    def __init__(self, link: MqttLink, topics: Topics) -> None:
        self._link = link
        self._topics = topics
        self._changes = Changes(_log)

    def clip(self, event: SoundEvent, path: Path) -> None:
        """Show the picture that lies beside the clip."""
        try:
            picture = path.with_suffix(".png").read_bytes()
        except OSError as error:
            self._changes.note("the newest spectrogram", f"not shown: {error.strerror or error}")
            return
        self._changes.note("the newest spectrogram", "shown", level=logging.DEBUG)
        self._link.set_state(self._topics.spectrogram(event.stream), base64.b64encode(picture).decode())


def house_of(
    config: Config,
    installation: str,
    of_cabins: Sequence[Profile],
    profiles: Sequence[Profile],
    rules: Sequence[Rule],
) -> House:
    """Return what there is to tell of; `of_cabins` are heard in cars only."""
    assert config.mqtt is not None
    everywhere = _sounds(profiles)
    in_cabins = _sounds(of_cabins)
    actions = [action for rule in rules for action in every_action(rule.actions)]
    emitted = tuple(sorted({action.event for action in actions if isinstance(action, Emit)}))
    return House(
        installation=installation,
        topics=Topics(prefix=config.mqtt.prefix, node=config.node),
        sw_version=version("heard"),
        configuration_url=None if config.api is None else config.api.public_url,
        ears=tuple(
            Ear(
                stream=stream,
                sounds=everywhere if settings.cabin is None else (*everywhere, *in_cabins),
                emitted=emitted,
            )
            for stream, settings in config.streams.items()
        ),
        thresholds=tuple(profile.name for profile in profiles),
        rules=tuple(RuleName(id=rule.id, alias=rule.alias) for rule in rules),
    )


def _sounds(profiles: Sequence[Profile]) -> tuple[Sound, ...]:
    return tuple(Sound(name=each.name, sustained=each.kind == "sustained") for each in profiles)
