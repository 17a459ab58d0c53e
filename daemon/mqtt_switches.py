"""The switches over MQTT: each has a topic that sets it and one that says, retained, how it stands."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from foundation.errors import OwnerError
from integrations.mqtt_listening import only_new

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.switches import Switches
    from integrations.mqtt import MqttLink
    from integrations.mqtt_listening import Said
    from integrations.topics import Topics

DEFAULT = "default"
"""What sets a threshold back to the profile's own."""

_SHOWN = 40
"""Characters of a payload that the log shows."""

_log = logging.getLogger(__name__)


class MqttSwitches:
    """Obeys `…/set` and keeps `…/state` true. What cannot be obeyed is logged, and the state said again."""

    def __init__(self, link: MqttLink, topics: Topics, switches: Switches) -> None:
        self._link = link
        self._topics = topics
        self._switches = switches
        self._set: dict[str, tuple[str, Callable[[str], None]]] = {}
        self._states: dict[str, str] = {}
        switches.on_change(self._say)
        self._say()
        for topic_filter in topics.all_set:
            link.listen(topic_filter, only_new(self._on_command))

    def _say(self) -> None:
        """Say how everything stands now, and take away the states of what is gone."""
        switches, topics = self._switches, self._topics
        states: dict[str, str] = {}
        self._set = {}
        for stream in switches.streams:
            states[topics.listen_state(stream)] = _on_off(switches.listening(stream))
            self._set[topics.listen_set(stream)] = topics.listen_state(stream), partial(self._listen, stream)
        for rule_id in switches.rules:
            states[topics.rule_state(rule_id)] = _on_off(switches.rule_enabled(rule_id))
            self._set[topics.rule_set(rule_id)] = topics.rule_state(rule_id), partial(self._enable, rule_id)
        for name in switches.profiles:
            states[topics.threshold_state(name)] = f"{switches.threshold(name):.6g}"
            self._set[topics.threshold_set(name)] = topics.threshold_state(name), partial(self._limit, name)
        for gone in self._states.keys() - states:
            self._link.set_state(gone, "", at_rest="")
        for topic, payload in states.items():
            self._link.set_state(topic, payload)
        self._states = states

    def _on_command(self, said: Said) -> None:
        text = said.payload.decode(errors="replace").strip()
        state, obey = self._set.get(said.topic, ("", _nothing_there))
        try:
            obey(text)
        except OwnerError as error:
            _log.warning("%r on %s was refused: %s", text[:_SHOWN], said.topic, error)
        if state:
            # Whoever asked may show what it asked for; what holds is said whether or not it is news.
            self._link.resay_states([state])

    def _listen(self, stream: str, text: str) -> None:
        self._switches.set_listening(stream, on=_is_on(text))

    def _enable(self, rule_id: str, text: str) -> None:
        self._switches.set_rule_enabled(rule_id, on=_is_on(text))

    def _limit(self, profile: str, text: str) -> None:
        if text == DEFAULT:
            self._switches.set_threshold(profile, None)
            return
        try:
            value = float(text)
        except ValueError:
            raise OwnerError(f"expected a number between 0 and 1, or {DEFAULT!r}") from None
        self._switches.set_threshold(profile, value)


def _nothing_there(_: str) -> None:
    raise OwnerError("there is nothing of this name to be set")


def _is_on(text: str) -> bool:
    if text not in {"ON", "OFF"}:
        raise OwnerError("expected ON or OFF")
    return text == "ON"


def _on_off(on: bool) -> str:  # noqa: FBT001 - a switch is on or off
    return "ON" if on else "OFF"
