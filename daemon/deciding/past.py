"""What rules would have made of what was heard, and what they made of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from daemon.api.addresses import clip_url
from daemon.deciding.journal import FILE_NAME, journal_begins, read_faint, read_record, read_verdicts
from daemon.evidence.clips import clip_path
from daemon.history_file import read_events
from daemon.zone import local_zone
from detectors.types import SoundEvent
from rules.engine import Engine
from rules.recorded import Told, replay, rules_digest
from rules.simulation import both_ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daemon.config import Config
    from daemon.deciding.faint_sounds import FaintSound
    from rules.model import ActionRequest, Rule
    from rules.recorded import Recorded
    from rules.verdict import Verdict


AROUND_S = 60.0
"""What counts as the moment that was asked about."""
BEFORE_S = 86_400.0


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
        lambda event: clip_url(config, event),
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


def explained(
    config: Config, rules: tuple[Rule, ...], rule: str, *, since: float, until: float | None = None
) -> list[Verdict]:
    """Return what the daemon noted of a rule; where it noted nothing, what the rule would have made of it."""
    kept = kept_verdicts(config, rule, since=since, until=until)
    return kept or would_be(config, rules, rule, since=since, until=until)


def would_be(
    config: Config, rules: tuple[Rule, ...], rule: str, *, since: float, until: float | None = None
) -> list[Verdict]:
    """Return what a rule, as it is now, would make of what was heard."""
    # What began before may still have gone on.
    run = dry_run(config, rules, since=since - BEFORE_S, until=until)
    return [verdict for verdict in run.verdicts if verdict.rule_id == rule and verdict.at >= since]


def nearest_to(verdicts: Sequence[Verdict], moment: float) -> Verdict | None:
    """Return the verdict of the trigger that came nearest to firing at a moment."""
    return max(verdicts, key=lambda each: (each.nearness, -abs(each.at - moment)), default=None)


def verdict_json(verdict: Verdict, *, clip: str | None) -> dict[str, Any]:
    """Return a verdict for a program to read; `clip` is where the clip of its sound is."""
    event = verdict.event
    return {
        "rule": verdict.rule_id,
        "trigger": verdict.trigger,
        "at": verdict.at,
        "event": None if event is None else event.id,
        "profile": None if event is None else event.profile,
        "stream": None if event is None else event.stream,
        "score": None if event is None else event.score,
        "clip": clip,
        "told": dict(verdict.told) or None,
        "stopped_by": None if verdict.stopped is None else str(verdict.stopped),
    }


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
