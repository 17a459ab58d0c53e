"""What teaching, reports and marks say to people, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def taught_lines(answer: dict[str, Any]) -> Iterator[str]:
    """Give what came of teaching."""
    for sound in answer.get("sounds", ()):
        when = f"{sound['seconds_ago']} s ago, {sound['seconds']} s, {sound['peak_dbfs']} dBFS"
        said = f"{sound['number']}: {when}"
        if sound["fault"]:
            yield f"{said}; cannot teach: {sound['fault']}"
        else:
            yield f"{said}; {'taught' if sound['taught'] else 'left out (--pick takes it)'}"
    yield from report_lines(answer["report"])
    yield f"{answer['profile']} is listened for, revision {answer['revision']}."


def report_lines(report: dict[str, Any]) -> Iterator[str]:
    """Give a report."""
    for verdict in report["verdicts"]:
        yield _verdict(verdict)
    recall = report["recall"]
    if recall is not None:
        yield (
            f"Of new ones like these {recall['value']:.0%} would be heard "
            f"({recall['low']:.0%} to {recall['high']:.0%})."
        )
    expected = report["expected"]
    yield f"False alarms to expect: {_often(expected['per_hour'])}, judged on {_rests_on(expected)}."
    if report["occurrences"] >= 1:
        yield f"About {report['occurrences']:.0f} moments of the past here sounded like it: probably were it."
    if report["confused_with"]:
        yield f"It may be taken for: {_names(report['confused_with'])}."
    if report["also_heard_by"]:
        yield f"Also heard by: {_names(report['also_heard_by'])}; both will speak."
    if report["right"] + report["wrong"] + report["missed"]:
        yield f"Marked: {report['right']} right, {report['wrong']} wrong, {report['missed']} missed."
    for line in report["advice"]:
        yield f"To do: {line}"


def effect_lines(effect: dict[str, Any]) -> Iterator[str]:
    """Give what a mark does, or would do."""
    yield effect["message"]
    before, after = effect["examples_heard_before"], effect["examples_heard_after"]
    yield f"Of its {effect['examples']} examples it hears {after} (before: {before})."
    yield (
        f"False alarms to expect: {effect['false_alarms_per_day_after']:.2f} a day "
        f"(before: {effect['false_alarms_per_day_before']:.2f})."
    )
    if effect["judged"]:
        yield f"Of {effect['judged']} past events {len(effect['turned'])} would have come out otherwise:"
    for turned in effect["turned"]:
        would = "would be heard" if turned["heard_after"] else "would not be heard"
        yield (
            f"  {turned['at']}  {turned['stream']}  {turned['profile']}  {turned['event']}  {would} "
            f"({turned['score_before']:.2f} to {turned['score_after']:.2f})"
        )


def _verdict(verdict: dict[str, Any]) -> str:
    text = verdict["path"]
    if verdict["seconds"]:
        sounds = "1 sound" if verdict["sounds"] == 1 else f"{verdict['sounds']} sounds"
        text += f": {sounds}, {verdict['seconds']:.2f} s"
    if verdict["score"] is not None:
        text += f"; the others {'hear' if verdict['found'] else 'miss'} it (score {verdict['score']:.2f})"
    return f"{text}; {verdict['remark']}" if verdict["remark"] else text


def _often(per_hour: float) -> str:
    per_week = 168.0 * per_hour
    if per_week < 1.5:
        return f"{per_week:.1f} a week"
    return f"{per_week:.0f} a week" if per_week < 14 else f"{per_week / 7:.1f} a day"


def _rests_on(expected: dict[str, Any]) -> str:
    bank = f"{expected['bank_hours']:.1f} hours recorded elsewhere"
    if expected["home_per_hour"] is None:
        return bank
    return f"{expected['home_hours']:.0f} hours of this home and {bank}"


def _names(profiles: list[str] | tuple[str, ...]) -> str:
    return ", ".join(profiles)
