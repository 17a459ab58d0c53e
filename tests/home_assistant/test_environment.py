"""Home Assistant is the release that the recipe promises, and starts."""

from __future__ import annotations

from homeassistant.const import __version__
from homeassistant.core import HomeAssistant


async def test_it_is_the_home_assistant_that_runs_on_our_python(hass: HomeAssistant) -> None:
    assert __version__ == "2024.3.3"
    assert hass.is_running
