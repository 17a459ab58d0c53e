"""How long an action is worth delivering where its rule does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.model import ActionRequest

TOLD_S = 86_400.0
"""What tells somebody something is still news the next day: messages, notifications, webhooks."""
AT_ONCE_S = 10.0
"""What is seen or heard in the room surprises whoever is there when it comes late."""
SETTING_S = 60.0
"""Everything else that Home Assistant does, such as a thermostat: a restart of it may lie between."""

TELLING = frozenset({"notify", "persistent_notification"})
MOMENTARY = frozenset(
    {
        "button", "cover", "fan", "homeassistant", "input_button", "light", "lock", "media_player", "scene",
        "siren", "switch", "tts", "vacuum", "valve",
    }
)  # fmt: skip
"""Domains of Home Assistant."""


def home_assistant_s(request: ActionRequest) -> float:
    """Return the lifetime of a call into Home Assistant, by its domain."""
    domain = request.action.partition(".")[0]
    if domain in TELLING:
        return TOLD_S
    return AT_ONCE_S if domain in MOMENTARY else SETTING_S
