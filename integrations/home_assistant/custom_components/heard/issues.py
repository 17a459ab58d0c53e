"""What is wrong with a daemon and only its owner can mend, as Home Assistant's repairs."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN
from .models import Daemon

TOKEN = "token_may_too_little"  # noqa: S105 - the name of an issue

_DOORS = {
    "rule_files": "rules_refused",
    "profile_files": "profiles_refused",
    "evidence": "evidence_fault",
    "mqtt": "broker_fault",
}
"""What `status` says of a door, and the issue that it means where the door has an error."""

_GONE = "stream_gone"


@callback
def show_issues(hass: HomeAssistant, entry: ConfigEntry, daemon: Daemon, gone: list[str]) -> None:
    """Show every issue that there is, and take away those that are mended. `gone`: streams without audio."""
    wrong = {f"{kind}_{entry.entry_id}": (kind, error) for kind, error in _wrong_doors(daemon).items()}
    for stream in gone:
        problem = daemon.streams.get(stream, {}).get("problem", "")
        wrong[f"{_GONE}_{entry.entry_id}_{stream}"] = (_GONE, f"{stream}: {problem}")
    for issue, (kind, error) in wrong.items():
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key=kind,
            translation_placeholders={"node": daemon.node, "error": error},
        )
    for issue in _shown(hass, entry) - wrong.keys():
        ir.async_delete_issue(hass, DOMAIN, issue)


@callback
def forget_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take every issue of an entry away."""
    for issue in [*_shown(hass, entry), f"{TOKEN}_{entry.entry_id}"]:
        ir.async_delete_issue(hass, DOMAIN, issue)


@callback
def token_may_too_little(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Ask for a token with a wider scope."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{TOKEN}_{entry.entry_id}",
        data={"entry_id": entry.entry_id},
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=TOKEN,
        translation_placeholders={"node": entry.title},
    )


def _wrong_doors(daemon: Daemon) -> dict[str, str]:
    doors = {kind: (daemon.status.get(door) or {}).get("error") for door, kind in _DOORS.items()}
    return {kind: error for kind, error in doors.items() if error}


def _shown(hass: HomeAssistant, entry: ConfigEntry) -> set[str]:
    """Return the issues of an entry that `show_issues` looks after."""
    begins = tuple(f"{kind}_{entry.entry_id}" for kind in (*_DOORS.values(), _GONE))
    issues = ir.async_get(hass).issues
    return {issue for domain, issue in issues if domain == DOMAIN and issue.startswith(begins)}
