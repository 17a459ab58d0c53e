"""The names that templates may use."""

from __future__ import annotations

from collections.abc import Mapping

from rules.template_functions import FUNCTIONS

NAMES: Mapping[str, frozenset[str]] = {
    "trigger": frozenset(
        {
            "at",
            "caption",
            "clip_url",
            "decided_by",
            "ended",
            "entity_id",
            "event_id",
            "from_state",
            "id",
            "level_dbfs",
            "noise_floor_dbfs",
            "payload",
            "payload_json",
            "phase",
            "profile",
            "score",
            "started",
            "stream",
            "to_state",
            "topic",
            "transcript",
            "verified",
        }
    ),
    "rule": frozenset({"id"}),
    "repeat": frozenset({"index"}),
}
"""What stands behind each of them."""

OPEN = frozenset({"from_state", "payload_json", "to_state"})
"""What behind which there may be more."""

STATE_FUNCTIONS = frozenset({"is_state", "state_attr", "states"})
"""Functions whose first argument is an entity of Home Assistant, written out."""

CALLED = frozenset(FUNCTIONS)
"""Everything that may be called."""
