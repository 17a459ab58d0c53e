"""A profile's report as one page of HTML with the pictures of its examples inside."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

from daemon.evidence.spectrogram import spectrogram_png
from detectors.types import DETECTION_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot_profiles.example_audio import ExampleAudio
    from fewshot_profiles.report import ExampleVerdict, Report

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c1c24; background: #fcfcfa; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; }
dt { color: #555; } dd { margin: 0; }
figure { margin: 1.2rem 0; } img { width: 100%; image-rendering: auto; border-radius: 4px; }
figcaption { font-size: .95rem; } .odd { color: #a3271d; font-weight: 600; }
@media (prefers-color-scheme: dark) { body { color: #e6e6ea; background: #16161c; } dt { color: #aaa; }
  .odd { color: #ff8a7a; } }
"""


def report_page(report: Report, recordings: Sequence[ExampleAudio]) -> str:
    """Return the page. Without recordings, kept as audio, it has no pictures."""
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in _facts(report))
    advice = "".join(f"<li>{escape(line)}</li>" for line in report.advice)
    examples = "".join(
        _figure(number, verdict, recordings[number - 1] if recordings else None)
        for number, verdict in enumerate(report.verdicts, start=1)
    )
    title = escape(report.profile.replace("_", " "))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>version {escape(report.version)}, revision {report.revision}</p><dl>{facts}</dl>"
        f"{f'<h2>What to do next</h2><ul>{advice}</ul>' if advice else ''}"
        f"{f'<h2>Examples</h2>{examples}' if examples else ''}</body></html>\n"
    )


def _facts(report: Report) -> list[tuple[str, str]]:
    expected = report.expected
    facts = [("kind", report.kind), ("heard from a score of", f"{report.threshold:.3f}")]
    if report.recall is not None:
        recall = report.recall
        facts.append(
            (
                "new ones heard",
                f"{recall.value:.0%} ({recall.low:.0%} to {recall.high:.0%}), by leave-one-out",
            )
        )
    facts.append(("false alarms to expect", f"{24 * expected.per_hour:.2f} a day"))
    bank = f"{24 * expected.bank_per_hour:.2f} a day on {expected.bank_hours:.1f} hours recorded elsewhere"
    home = "this home has not been listened to for long enough"
    if expected.home_per_hour is not None:
        home = f"{24 * expected.home_per_hour:.2f} a day on {expected.home_hours:.0f} hours of this home"
    facts += [("they rest on", f"{bank}; {home}")]
    promise = report.promise_per_hour
    aim = "one a week, once this home is known" if promise is None else f"{24 * promise:.2f} a day"
    facts.append(("promised", aim))
    facts.append(("may be taken for", ", ".join(report.confused_with) or "nothing that is known"))
    if report.also_heard_by:
        facts.append(("also heard by", ", ".join(report.also_heard_by)))
    facts.append(("marked", f"{report.right} right, {report.wrong} wrong, {report.missed} missed"))
    return facts


def _figure(number: int, verdict: ExampleVerdict, recording: ExampleAudio | None) -> str:
    picture = ""
    if recording is not None:
        onset_s = recording.regions[0].start / DETECTION_RATE_HZ
        png = b64encode(spectrogram_png(recording.samples, recording.rate_hz, onset_s=onset_s)).decode()
        picture = f'<img alt="spectrogram of example {number}" src="data:image/png;base64,{png}">'
    odd = ' class="odd"' if verdict.unlike else ""
    return f"<figure>{picture}<figcaption{odd}>{number}. {escape(str(verdict))}</figcaption></figure>"
