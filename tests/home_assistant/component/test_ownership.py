"""Who brings the entities: never two of the same, whatever is chosen and in whatever order it comes."""

from __future__ import annotations

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.home_assistant.component.conftest import comes

SOUND = "event.heard_kitchen_sound"


@pytest.fixture
def broker(hass: HomeAssistant) -> MockConfigEntry:
    """Home Assistant's own MQTT, as far as the registries know it."""
    broker = MockConfigEntry(domain="mqtt", title="broker")
    broker.add_to_hass(hass)
    return broker


def ours(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    return len(er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id))


async def test_devices_from_mqtt_take_over_and_give_back(
    hass: HomeAssistant, entry: MockConfigEntry, broker: MockConfigEntry
) -> None:
    """The component's entities go when MQTT discovery brings the daemon, and come when it takes it away."""
    assert ours(hass, entry)
    devices = dr.async_get(hass)
    device = devices.async_get_or_create(
        config_entry_id=broker.entry_id, identifiers={("mqtt", f"{entry.unique_id}_kitchen")}
    )
    await comes(lambda: not ours(hass, entry), what="the component to give way")
    assert not dr.async_entries_for_config_entry(devices, entry.entry_id)
    await hass.async_block_till_done()
    devices.async_remove_device(device.id)
    await comes(lambda: hass.states.get(SOUND), what="the component to take over")
    await hass.async_block_till_done()


async def test_no_option_makes_two_of_the_same(
    hass: HomeAssistant, entry: MockConfigEntry, broker: MockConfigEntry
) -> None:
    """Even who asks for the component's entities gets none beside those of MQTT discovery."""
    dr.async_get(hass).async_get_or_create(
        config_entry_id=broker.entry_id, identifiers={("mqtt", entry.unique_id)}
    )
    await comes(lambda: not ours(hass, entry), what="the component to give way")
    for choice in ("here", "auto", "mqtt"):
        flow = await hass.config_entries.options.async_init(entry.entry_id)
        assert flow["type"] is FlowResultType.FORM
        await hass.config_entries.options.async_configure(flow["flow_id"], {"entities": choice})
        await hass.async_block_till_done()
        assert ours(hass, entry) == 0


async def test_who_wants_no_entities_here_gets_none(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Clips and actions stay."""
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {"entities": "mqtt"})
    await hass.async_block_till_done()
    assert ours(hass, entry) == 0
    assert hass.services.has_service("heard", "teach")
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {"entities": "auto"})
    await hass.async_block_till_done()
    assert ours(hass, entry)


async def test_devices_of_another_heard_change_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, broker: MockConfigEntry
) -> None:
    dr.async_get(hass).async_get_or_create(
        config_entry_id=broker.entry_id, identifiers={("mqtt", "0" * 32), ("mqtt", f"{entry.unique_id}0")}
    )
    await hass.async_block_till_done()
    assert ours(hass, entry)
