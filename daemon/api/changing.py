"""Tells live listeners when profiles, rules or switches are others now, so that they ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daemon.api.house import House


class Changing:
    """To be asked to `look` whenever a switch, or the names that there are, may have changed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._seen = self._now()

    def look(self) -> None:
        """Tell of what is not as it was at the last look."""
        before, self._seen = self._seen, self._now()
        for what, value in self._seen.items():
            if value != before[what]:
                self._house.feed.changed(what)

    def _now(self) -> dict[str, Any]:
        house, switches = self._house, self._house.switches
        return {
            "profiles": [(profile.name, profile.version) for profile in house.profiles()],
            "rules": house.rules(),
            "switches": (
                [switches.listening(stream) for stream in switches.streams],
                [(rule_id, switches.rule_enabled(rule_id)) for rule_id in switches.rules],
                [(profile, switches.threshold(profile)) for profile in switches.profiles],
            ),
        }
