"""The report tells the truth about what was heard, missed and imagined."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from daemon.demo.report import TOLERANCE_S, HeardSound, compare, render_report
from daemon.demo.scene import PlannedSound, Scene, Stretch


def _scene() -> Scene:
    return Scene(
        seed=0,
        examples=(),
        planned=(
            PlannedSound(profile="finger_snap", label="finger snap", start_s=4.0, end_s=4.1),
            PlannedSound(profile="finger_snap", label="finger snap", start_s=4.7, end_s=4.8),
            PlannedSound(profile="alarm_beep", label="smoke alarm", start_s=8.0, end_s=14.0),
        ),
        stretches=(Stretch(label="music", start_s=1.0, end_s=3.0),),
        audio=np.zeros(16 * 48_000, np.float32),
    )


def _heard(profile: str, onset_s: float, clip: Path | None = None) -> HeardSound:
    return HeardSound(profile=profile, onset_s=onset_s, score=0.9, clip=clip)


ALL = (_heard("finger_snap", 4.05), _heard("finger_snap", 4.72), _heard("alarm_beep", 8.1))


def test_everything_heard_and_nothing_else_passes() -> None:
    """Each event goes to the planned sound nearest to it."""
    report = compare(_scene(), ALL)
    assert report.passed
    assert [outcome.heard for outcome in report.outcomes] == list(ALL)


def test_a_missed_sound_fails() -> None:
    """One snap of two is not enough."""
    report = compare(_scene(), [ALL[0], ALL[2]])
    assert not report.passed
    assert [outcome.heard is None for outcome in report.outcomes] == [False, True, False]


def test_an_alarm_that_is_reported_again_while_it_goes_on_was_heard_once() -> None:
    """A pause of the pattern may end one event and the next tone begin another."""
    report = compare(_scene(), [*ALL, _heard("alarm_beep", 12.0)])
    assert report.passed
    assert report.outcomes[2].heard == ALL[2]


def test_an_event_of_another_profile_fails_and_says_what_sounded() -> None:
    """Household sound must not fire anything."""
    report = compare(_scene(), [*ALL, _heard("siren", 2.0)])
    assert not report.passed
    assert report.others == ((_heard("siren", 2.0), "music"),)


def test_the_right_profile_at_the_wrong_time_is_something_else() -> None:
    """The tolerance is stated, and holds on both sides."""
    early = _heard("alarm_beep", 8.0 - TOLERANCE_S - 0.01)
    late = _heard("alarm_beep", 14.0 + TOLERANCE_S + 0.01)
    report = compare(_scene(), [ALL[0], ALL[1], early, late])
    assert report.outcomes[2].heard is None
    assert [event for event, _ in report.others] == [early, late]
    assert report.others[1][1] == "silence"


def test_the_report_names_every_sound_and_the_clips() -> None:
    """A reader sees what was missed, what else was heard, and where to listen."""
    folder = Path("/demo/evidence")
    heard = [_heard("finger_snap", 4.05, folder / "day" / "clip.flac"), _heard("siren", 2.0)]
    console = Console(file=io.StringIO(), width=120)
    console.print(render_report(compare(_scene(), heard), folder))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the file is the StringIO from above
    for part in ("smoke alarm", "missed", "day/clip.flac", "siren", "music", "1 of 3", str(folder)):
        assert part in text
