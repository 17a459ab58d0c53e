"""What rules would have made of what was heard, and what they made of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from daemon.deciding.journal import FILE_NAME, journal_begins, read_faint, read_record, read_verdicts
from daemon.evidence.clips import clip_path
from daemon.history_file import read_events
from daemon.zone import local_zone
from detectors.types import SoundEvent
from rules.engine import Engine
from rules.recorded import Told, replay, rules_digest
from rules.simulation import both_ends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.config import Config
    from daemon.deciding.faint_sounds import FaintSound
    from rules.model import ActionRequest, Rule
    from rules.recorded import Recorded
    from rules.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What would have happened."""

    verdicts: tuple[Verdict, ...]
    requests: tuple[ActionRequest, ...]


def dry_run(config: Config, rules: tuple[Rule, ...], *, since: float, until: float | None = None) -> DryRun:
    """Run rules over what the daemon was told from `since` to `until`, Unix seconds; nothing is sent."""
    verdicts: list[Verdict] = []
    engine = Engine(
        rules,
        lambda event: clip_path(config.evidence_folder, event).absolute().as_uri(),
        local_zone(),
        note=verdicts.append,
    )
    until = time.time() if until is None else until
    record = (moment for moment in _record(config, since) if moment.now <= until)
    requests = tuple(replay(engine, record, rules=rules_digest(rules), until=until))
    return DryRun(verdicts=tuple(verdicts), requests=requests)


def kept_verdicts(config: Config, rule: str, *, since: float, until: float | None = None) -> list[Verdict]:
    """Return what the daemon noted of a rule while it ran."""
    return read_verdicts(config.state_dir / FILE_NAME, rule, since=since, until=until)


def heard_about(config: Config, at: float, *, within_s: float) -> list[SoundEvent]:
    """Return the sounds that began near a moment."""
    near = read_events(config.state_dir / "history.sqlite", limit=-1, since=at - within_s)
    return [event for event in reversed(near) if event.onset_at <= at + within_s]


def nearly_heard(config: Config, at: float, *, within_s: float) -> list[FaintSound]:
    """Return what was nearly recognised near a moment."""
    return read_faint(config.state_dir / FILE_NAME, since=at - within_s, until=at + within_s)


def clip_of(config: Config, event: SoundEvent) -> Path | None:
    """Return the clip of an event, where one was kept."""
    path = clip_path(config.evidence_folder, event)
    return path if path.exists() else None


def _record(config: Config, since: float) -> Iterator[Recorded]:
    """Give what rules were told; sounds from before that was written down come from the history."""
    journal = config.state_dir / FILE_NAME
    begin = journal_begins(journal)
    earlier: list[Recorded] = []
    if begin is None or begin > since:
        sounds = read_events(config.state_dir / "history.sqlite", limit=-1, since=since)
        told = (Told(now=end.decided_at, fact=end) for end in both_ends(sounds))
        known = [moment for moment in told if begin is None or moment.now < begin]
        earlier = [Told(now=since, fact=None), *known]
    return chain(earlier, read_record(journal, since=since))
