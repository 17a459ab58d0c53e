"""What the daemon heard, held against what was played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.demo.scene import PlannedSound, Scene, Stretch

if TYPE_CHECKING:
    from rich.console import RenderableType

TOLERANCE_S = 0.5
"""An event belongs to a planned sound if it begins no earlier before it, and no later after its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardSound:
    """A sound that the daemon reported."""

    profile: str
    onset_s: float
    score: float
    clip: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A planned sound and the first event that reported it."""

    planned: PlannedSound
    heard: HeardSound | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the demonstration went."""

    outcomes: tuple[Outcome, ...]
    others: tuple[tuple[HeardSound, str], ...]
    """What was reported besides, and what sounded at that time."""

    @property
    def passed(self) -> bool:
        """Whether every planned sound was heard and nothing else was."""
        return not self.others and all(outcome.heard is not None for outcome in self.outcomes)


def compare(scene: Scene, heard: Sequence[HeardSound]) -> Report:
    """Give each event to the planned sound that it reports.

    A sound that is reported again while it goes on, such as an alarm after its pause, was heard once.
    """
    found: dict[int, HeardSound] = {}
    others = []
    for event in sorted(heard, key=lambda event: event.onset_s):
        fitting = [index for index, sound in enumerate(scene.planned) if _fits(event, sound)]
        waiting = [index for index in fitting if index not in found]
        if waiting:
            nearest = min(waiting, key=lambda index: abs(scene.planned[index].start_s - event.onset_s))
            found[nearest] = event
        elif not fitting:
            others.append((event, sounding_at(scene, event.onset_s)))
    return Report(
        outcomes=tuple(
            Outcome(planned=sound, heard=found.get(index)) for index, sound in enumerate(scene.planned)
        ),
        others=tuple(others),
    )


def sounding_at(scene: Scene, at_s: float) -> str:
    """Say what the scene plays at that time."""
    sounds: tuple[PlannedSound | Stretch, ...] = (*scene.planned, *scene.stretches)
    for sound in sounds:
        if sound.start_s - TOLERANCE_S / 2 <= at_s <= sound.end_s:
            return sound.label
    return "silence"


def _fits(event: HeardSound, sound: PlannedSound) -> bool:
    return (
        event.profile == sound.profile
        and sound.start_s - TOLERANCE_S <= event.onset_s <= sound.end_s + TOLERANCE_S
    )


def render_report(report: Report, evidence: Path) -> RenderableType:
    """Return the report for the terminal; `evidence` is the folder of the clips."""
    from rich.console import Group
    from rich.table import Table

    table = Table(title="What was played, and what was heard", title_justify="left")
    for heading in ("played", "at", "profile", "heard at", "score"):
        table.add_column(heading, no_wrap=True)
    for outcome in report.outcomes:
        table.add_row(outcome.planned.label, f"{outcome.planned.start_s:.1f} s", *_heard_cells(outcome))
    lines = [
        f"[red]Also heard: {event.profile} at {event.onset_s:.1f} s "
        f"(score {event.score:.2f}), while there was {during}.[/]"
        for event, during in report.others
    ]
    number = sum(outcome.heard is not None for outcome in report.outcomes)
    verdict = f"{number} of {len(report.outcomes)} planned sounds were heard"
    extra = f"{len(report.others)} other events." if report.others else "nothing else was."
    colour = "green" if report.passed else "red"
    clips = [
        f"  {outcome.planned.label}: {_relative(outcome.heard.clip, evidence)}"
        for outcome in report.outcomes
        if outcome.heard is not None and outcome.heard.clip is not None
    ]
    return Group(
        table, *lines, f"[{colour}]{verdict}; {extra}[/]", f"Clips, pictures and ledger: {evidence}", *clips
    )


def _heard_cells(outcome: Outcome) -> tuple[str, str, str]:
    heard = outcome.heard
    if heard is None:
        return f"[red]{outcome.planned.profile}[/]", "[red]missed[/]", ""
    return f"[green]{heard.profile}[/]", f"{heard.onset_s:.1f} s", f"{heard.score:.2f}"


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
