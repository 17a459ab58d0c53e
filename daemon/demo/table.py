"""The live table: level, gate, scores, and what came of them, drawn from values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from daemon.pipeline import StreamReading

BAR_WIDTH = 40
QUIETEST_DBFS = -80.0
"""The left end of the level bar; its right end is full scale."""

LINES = 6
"""How many of the newest lines each list shows where the terminal has room for them."""

OTHER_ROWS = 17
"""What the table takes besides the lines of its three lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that happened, at a time of the stream."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that the live table shows at one moment."""

    at_s: float
    total_s: float
    playing: str
    reading: StreamReading | None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    events: Sequence[Line] = ()
    actions: Sequence[Line] = ()
    messages: Sequence[Line] = ()
    lines: int = LINES
    """How many of the newest lines each list shows."""


def level_bar(level_dbfs: float, floor_dbfs: float) -> str:
    """Return a bar of BAR_WIDTH characters: `#` up to the level, `|` where the noise floor is."""
    level, floor = _place(level_dbfs), _place(floor_dbfs)
    bar = ["#" if index < level else "." for index in range(BAR_WIDTH)]
    bar[min(floor, BAR_WIDTH - 1)] = "|"
    return "".join(bar)


def render(view: View) -> RenderableType:
    """Return the table for a terminal that can redraw."""
    from rich.console import Group

    lists = (
        ("heard", view.events),
        ("actions of rules", view.actions),
        ("received over MQTT", view.messages),
    )
    return Group(_now(view), *(_list(title, lines, view.lines) for title, lines in lists))


def lines_for(height: int) -> int:
    """Return how many lines each list can show on a terminal with that many rows."""
    return min(LINES, max(1, (height - OTHER_ROWS) // 3))


def plain(kind: str, line: Line) -> str:
    """Return one line of what `render` would show, for terminals that cannot redraw and for files."""
    return f"{line.at_s:6.1f} s  {kind:<8} {line.text}"


def _now(view: View) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_header=False, expand=True)
    table.add_column(no_wrap=True, width=7)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_row("playing", f"{escape(view.playing)} ({view.at_s:.1f} of {view.total_s:.1f} s)")
    reading = view.reading
    if reading is None:
        table.add_row("level", "no audio yet")
        return table
    bar = escape(level_bar(reading.level_dbfs, reading.noise_floor_dbfs))
    table.add_row("level", f"{bar} {reading.level_dbfs:6.1f} dBFS")
    gate = "[green]open[/]" if reading.gate_open else "shut"
    table.add_row("gate", f"{gate}{', speech' if reading.speech else ''}")
    table.add_row("scores", "\n".join(_score(view, *entry) for entry in reading.top) or "\n")
    return table


def _score(view: View, profile: str, score: float) -> str:
    above = score >= view.thresholds.get(profile, 1.0)
    text = f"{score:5.2f} {profile}"
    return f"[bold green]{text}[/]" if above else text


def _list(title: str, lines: Sequence[Line], count: int) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, expand=True)
    table.add_column(no_wrap=True, width=7, justify="right")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for line in lines[-count:]:
        table.add_row(f"{line.at_s:.1f} s", escape(line.text))
    return table


def _place(dbfs: float) -> int:
    """Return how many characters of the bar lie below a level; minus infinity is none."""
    share = (max(dbfs, QUIETEST_DBFS) - QUIETEST_DBFS) / -QUIETEST_DBFS
    return round(min(share, 1.0) * BAR_WIDTH)
