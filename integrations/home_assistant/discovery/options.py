"""What several entities say in the same words."""

from __future__ import annotations

import json
import re
from typing import Any

from integrations.topics import topic_id

QOS = 1


def switch(command_topic: str, state_topic: str) -> dict[str, Any]:
    """Return what a switch says that is ON or OFF."""
    return {"command_topic": command_topic, "state_topic": state_topic, "qos": QOS}


def button(command_topic: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return what a button says that sends `request`."""
    pressed = json.dumps(request, ensure_ascii=False)
    return {"command_topic": command_topic, "payload_press": pressed, "qos": QOS}


def on_if(condition: str) -> str:
    """Return a template that gives ON or OFF."""
    return f"{{{{ 'ON' if {condition} else 'OFF' }}}}"


def in_words(name: str) -> str:
    """Return the name of a profile for people."""
    return name.replace("_", " ").capitalize()


def slug(*words: str) -> str:
    """Return what an entity id may be made of: small letters, digits, and single underscores inside."""
    plain = "_".join(topic_id(word) for word in words).lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
