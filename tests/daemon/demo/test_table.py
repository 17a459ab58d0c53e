"""The live table is drawn from values alone, on any terminal."""

from __future__ import annotations

import io
import math

from rich.console import Console

from daemon.demo.table import BAR_WIDTH, LINES, Line, View, level_bar, lines_for, plain, render
from daemon.pipeline import StreamReading


def _reading(*, gate_open: bool = True) -> StreamReading:
    return StreamReading(
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        gate_open=gate_open,
        speech=False,
        top=(("siren", 0.91), ("alarm_beep", 0.07)) if gate_open else (),
        hops=12,
        encoder_hops=5,
    )


def _drawn(view: View) -> str:
    file = io.StringIO()
    Console(file=file, width=100).print(render(view))
    return file.getvalue()


def test_the_table_shows_level_gate_scores_events_actions_and_messages() -> None:
    """One look tells what the daemon makes of the sound."""
    drawn = _drawn(
        View(
            at_s=12.0,
            total_s=60.0,
            playing="siren",
            reading=_reading(),
            thresholds={"siren": 0.5},
            events=[Line(at_s=11.0, text="siren [0.91]")],
            actions=[Line(at_s=11.1, text="danger: mqtt.publish")],
            messages=[Line(at_s=11.2, text="home/alarm/danger siren")],
        )
    )
    for part in (
        "12.0 of 60.0",
        "-20.0 dBFS",
        "open",
        "0.91 siren",
        "siren [0.91]",
        "mqtt.publish",
        "home/alarm",
    ):
        assert part in drawn


def test_the_table_can_be_drawn_before_any_audio_and_behind_a_shut_gate() -> None:
    """Nothing to show is shown as such."""
    assert "no audio yet" in _drawn(View(at_s=0.0, total_s=60.0, playing="silence", reading=None))
    assert "shut" in _drawn(View(at_s=1.0, total_s=60.0, playing="fan", reading=_reading(gate_open=False)))


def test_only_the_newest_lines_are_shown() -> None:
    """The table keeps its size for as long as the scene lasts."""
    lines = [Line(at_s=float(number), text=f"event {number:02}") for number in range(LINES + 3)]
    drawn = _drawn(View(at_s=1.0, total_s=60.0, playing="", reading=None, events=lines))
    assert "event 02" not in drawn
    assert f"event {LINES + 2:02}" in drawn


def test_the_bar_covers_silence_and_full_scale() -> None:
    """Its ends are -80 and 0 dBFS; beyond them it stays within its width."""
    assert level_bar(-math.inf, -math.inf) == "|" + "." * (BAR_WIDTH - 1)
    assert level_bar(0.0, -80.0) == "|" + "#" * (BAR_WIDTH - 1)
    assert len(level_bar(6.0, 6.0)) == BAR_WIDTH


def test_a_plain_line_says_when_and_what() -> None:
    """Terminals that cannot redraw get one line for each thing that happens."""
    assert plain("heard", Line(at_s=3.25, text="siren")) == "   3.2 s  heard    siren"


def test_a_low_terminal_gets_shorter_lists() -> None:
    """What does not fit would scroll the levels out of sight."""
    assert lines_for(24) == 2
    assert lines_for(32) == 5
    assert lines_for(100) == LINES
