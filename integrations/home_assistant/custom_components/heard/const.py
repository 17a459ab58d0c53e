"""Names that several parts of the component share."""

from __future__ import annotations

import logging
from typing import Final

DOMAIN: Final = "heard"
LOGGER = logging.getLogger(__package__)

CONF_ENTITIES: Final = "entities"
"""The option that says who brings the entities: one of the three below."""
ENTITIES_AUTO: Final = "auto"
ENTITIES_HERE: Final = "here"
ENTITIES_MQTT: Final = "mqtt"

MIN_VERSION: Final = (0, 1)
"""The oldest daemon whose interface is the one spoken here."""

TEACH_LAST_S: Final = 30.0
"""What the button teaches from."""
