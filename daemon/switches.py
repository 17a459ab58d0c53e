"""What the owner turned on, off, or to another value while the daemon ran; it outlives a restart."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.logs import Changes
from foundation.atomic_file import write_atomically
from foundation.errors import OwnerError, StateFolderError
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from fewshot_profiles.profile import Profile
    from rules.model import Rule

FILE_NAME = "switches.json"

_log = logging.getLogger(__name__)


class _Kept(BaseModel):
    """What the file holds: only what differs from what the configuration and its files say."""

    model_config = ConfigDict(strict=True, extra="forbid")

    listening: dict[str, bool] = {}
    rules: dict[str, bool] = {}
    thresholds: dict[str, Annotated[float, Field(gt=0.0, lt=1.0)]] = {}


class Switches:
    """Whether each stream listens, which rules may fire, and the threshold of each profile.

    Names are known once `rules_are` and `profiles_are` were told them. What was set for a name that is gone
    is kept, and is in force again when the name returns. A file that cannot be written stops nothing.
    """

    def __init__(self, path: Path, *, streams: Iterable[str]) -> None:
        """Go on from what was kept. Raises StateFolderError where that cannot be read."""
        self._path = path
        self.streams = tuple(streams)
        self._rules: Mapping[str, bool] = {}
        self._thresholds: Mapping[str, float] = {}
        self._told: list[Callable[[], None]] = []
        self._changes = Changes(_log)
        self._kept = _read(path)

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules there are."""
        return tuple(self._rules)

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of the profiles whose threshold can be set."""
        return tuple(self._thresholds)

    def listening(self, stream: str) -> bool:
        """Tell whether `stream` listens. Raises OwnerError where there is none of this name."""
        _must_be_one_of(self.streams, stream, "stream")
        return self._kept.listening.get(stream, True)

    def set_listening(self, stream: str, on: bool) -> None:  # noqa: FBT001 - a switch is on or off
        """Let `stream` listen, or close its source. Raises OwnerError."""
        _must_be_one_of(self.streams, stream, "stream")
        self._set(self._kept.listening, stream, on, own=True)

    def rule_enabled(self, rule_id: str) -> bool:
        """Tell whether a rule may fire. Raises OwnerError where there is none of this id."""
        _must_be_one_of(self._rules, rule_id, "rule")
        return self._kept.rules.get(rule_id, self._rules[rule_id])

    def set_rule_enabled(self, rule_id: str, on: bool) -> None:  # noqa: FBT001 - a switch is on or off
        """Let a rule fire, or keep it from firing, whatever its file says. Raises OwnerError."""
        _must_be_one_of(self._rules, rule_id, "rule")
        self._set(self._kept.rules, rule_id, on, own=self._rules[rule_id])

    def threshold(self, profile: str) -> float:
        """Return the threshold in force. Raises OwnerError where there is no profile of this name."""
        _must_be_one_of(self._thresholds, profile, "profile with a threshold")
        return self._kept.thresholds.get(profile, self._thresholds[profile])

    def set_threshold(self, profile: str, value: float | None) -> None:
        """Give a profile another threshold; None: its own again. Raises OwnerError."""
        _must_be_one_of(self._thresholds, profile, "profile with a threshold")
        if value is not None and not (math.isfinite(value) and 0.0 < value < 1.0):
            raise OwnerError(f"the threshold of {profile!r} lies between 0 and 1, not at {value:g}")
        self._set(self._kept.thresholds, profile, value, own=None)

    def threshold_is_set(self, profile: str) -> bool:
        """Tell whether the owner gave a profile another threshold than its own."""
        return profile in self._kept.thresholds

    def lift_threshold(self, profile: str) -> float | None:
        """Give a profile its own threshold back; return the one that had been set, if any was."""
        lifted = self._kept.thresholds.get(profile)
        self._set(self._kept.thresholds, profile, None, own=None)
        return lifted

    def rules_are(self, rules: Iterable[Rule]) -> None:
        """Take note of the rules that there are now."""
        self._rules = {rule.id: rule.enabled for rule in rules}
        self._tell()

    def profiles_are(self, profiles: Iterable[Profile]) -> None:
        """Take note of the profiles that there are now."""
        self._thresholds = {profile.name: profile.threshold for profile in profiles}
        self._tell()

    def disabled(self, rules: Iterable[Rule]) -> frozenset[str]:
        """Return the ids of those rules that may not fire."""
        return frozenset(rule.id for rule in rules if not self._kept.rules.get(rule.id, rule.enabled))

    def as_set(self, profiles: Iterable[Profile]) -> tuple[Profile, ...]:
        """Return profiles with the thresholds that the owner gave them."""
        given = self._kept.thresholds
        return tuple(
            replace(profile, threshold_override=given.get(profile.name, profile.threshold_override))
            for profile in profiles
        )

    def on_change(self, told: Callable[[], None]) -> None:
        """Call `told`, on the event loop, after every change of a switch or of the names there are."""
        self._told.append(told)

    def _set(self, kept: dict[str, Any], name: str, value: object, *, own: bool | None) -> None:
        """Keep a value, or nothing where it is what the name has of its own."""
        before = kept.get(name, own)
        if value == before:
            return
        if value == own:
            del kept[name]
        else:
            kept[name] = value
        self._save()
        self._tell()

    def _tell(self) -> None:
        for told in self._told:
            told()

    def _save(self) -> None:
        try:
            write_atomically(self._path, self._kept.model_dump_json(indent=1).encode())
        except OSError as error:
            self._changes.note(str(self._path), f"not written: {error.strerror or error}")
        else:
            self._changes.note(str(self._path), "written", level=logging.DEBUG)


def _read(path: Path) -> _Kept:
    try:
        return _Kept.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return _Kept()
    except (OSError, ValueError) as error:
        what = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
        # To begin afresh would let a stream listen again that its owner has switched off.
        raise StateFolderError(
            f"{path} says which streams must not listen, and cannot be read ({what}): mend it, or remove it "
            "to switch everything on."
        ) from error


def _must_be_one_of(known: Iterable[str], name: str, kind: str) -> None:
    if name not in known:
        raise OwnerError(f"there is no {kind} {name!r}{did_you_mean(name, known)}")
