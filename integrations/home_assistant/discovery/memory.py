"""What the broker keeps of ours, on disk: what vanished while nobody ran has to be taken away, too."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundation.atomic_file import write_atomically

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Retained topics of ours."""

    told: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The topics of discovery; of those that tell of a device, the platform of each entity by its key."""
    states: frozenset[str] = frozenset()

    @property
    def topics(self) -> frozenset[str]:
        """All of them."""
        return self.states | self.told.keys()

    def and_also(self, other: Kept) -> Kept:
        """Return what is kept of either."""
        told = {
            topic: {**self.told.get(topic, {}), **other.told.get(topic, {})}
            for topic in (*self.told, *other.told)
        }
        return Kept(told=told, states=self.states | other.states)


class Memory:
    """Remembers in a file. One that cannot be read or written stops nothing; that is logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _read(path)

    @property
    def kept(self) -> Kept:
        """What the broker may keep."""
        return self._kept

    def keep(self, kept: Kept) -> None:
        """Remember this in place of what was remembered."""
        if kept == self._kept:
            return
        self._kept = kept
        content = {
            "told": {topic: dict(kept.told[topic]) for topic in sorted(kept.told)},
            "states": sorted(kept.states),
        }
        try:
            write_atomically(self._path, json.dumps(content, indent=1).encode())
        except OSError as error:
            _log.warning("%s could not be written: %s", self._path, error.strerror or error)


def _read(path: Path) -> Kept:
    try:
        content: Any = json.loads(path.read_bytes())
        told = {
            str(topic): {str(key): str(platform) for key, platform in components.items()}
            for topic, components in content["told"].items()
        }
        return Kept(told=told, states=frozenset(map(str, content["states"])))
    except FileNotFoundError:
        return Kept()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning(
            "%s cannot be read (%s): what went while heard was off may stay in Home Assistant", path, error
        )
        return Kept()
