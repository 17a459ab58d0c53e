"""The table of a comparison: a row for each figure, a column for each encoder, and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cells import Cell

Result = Mapping[str, Any]
Results = Mapping[Cell, Result]

NOTHING = "–"

SEEN = {
    "builtin": (
        "learnt from teachers that were trained on AudioSet, so its classes are not new to it. Of these "
        "recordings it met rows of `split=train` only ([its card](../detectors/encoders/builtin.md)), none "
        "of `valid` or `novel`."
    ),
    "mn04": (
        "trained by its authors on AudioSet (two million clips of YouTube videos, 527 classes), after "
        "ImageNet. It has met all classes here; these clips are Freesound's and other collections', hardly "
        "YouTube's. It was made for 32 kHz, and heard gives it nothing above 8 kHz."
    ),
    "yamnet": (
        "trained by its makers on AudioSet's 521 classes. It has met all classes here; of the clips the same "
        "holds as for mn04."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of the table."""

    plan: str
    label: str
    show: Callable[[Result, str], str]
    """From a result and the name of an encoder to what the table says"""


def _row(plan: str, label: str, show: Callable[[Result], str]) -> Row:
    return Row(plan=plan, label=label, show=lambda result, _encoder: show(result))


def _five_way(shots: int, part: str = "", sampling: str = "five_way") -> Callable[[Result], str]:
    def show(result: Result) -> str:
        figure = (result[part] if part else result)[sampling][str(shots)]
        return f"{figure['mean']:.3f} ± {figure['ci95']:.3f}"

    return show


def _open_set(result: Result) -> str:
    figure = result["open_set_auroc"]["5"]
    return NOTHING if figure is None else f"{figure['mean']:.3f}"


def _interval(figure: Mapping[str, float], decimals: int = 2) -> str:
    value, low, high = (f"{figure[part]:.{decimals}f}" for part in ("value", "low", "high"))
    return f"{value} ({low}–{high})"


def _probe(decision: str) -> Callable[[Result], str]:
    return lambda result: _interval(result["decisions"][decision]["accuracy"], 3)


def _fooled(result: Result) -> str:
    share = result["clips_that_fooled"]
    return NOTHING if share is None else _interval(share)


def _ratios(result: Result) -> str:
    return " / ".join(f"{each['f1']:.2f}" for each in result["by_ebr"].values())


def _curve(axis: str) -> Callable[[Result], str]:
    return lambda result: " / ".join(f"{point[axis]['value']:.2f}" for point in result["curve"])


def _latency(result: Result) -> str:
    times = result["latency_ms"]
    return f"{times['p50']:.0f} / {times['p95']:.0f} ms ({result['heard']} of {result['played']} heard)"


def _decision(result: Result) -> str:
    times = result["decision_ms"]
    return f"{times['p50']:.0f} / {times['p95']:.0f} ms"


def _cost(suffix: str) -> Callable[[Result, str], str]:
    def show(result: Result, encoder: str) -> str:
        cost = result["costs"].get(f"{encoder}{suffix}")
        return NOTHING if cost is None else f"{cost['best_ms']:.2f} ms (× {cost['against_first']:.1f})"

    return show


def _shares(result: Result) -> str:
    open_share, shut_share = (result["core_share"][gate] for gate in ("gate_open", "gate_shut"))
    return f"{open_share:.1%} / {shut_share:.1%}"


ROWS = (
    _row("few_shot", "5-way 1-shot, loudest second", _five_way(1, "loudest_second")),
    _row("few_shot", "5-way 5-shot, loudest second", _five_way(5, "loudest_second")),
    _row("few_shot, centred", "the same, centred, 1-shot", _five_way(1, "loudest_second")),
    _row("few_shot, centred", "the same, centred, 5-shot", _five_way(5, "loudest_second")),
    _row("few_shot", "5-way 1-shot, whole clip", _five_way(1)),
    _row("few_shot", "5-way 5-shot, whole clip", _five_way(5)),
    _row("few_shot, centred", "the same, centred, 1-shot", _five_way(1)),
    _row("few_shot, centred", "the same, centred, 5-shot", _five_way(5)),
    _row("few_shot", "5-shot, whole clip, other origin", _five_way(5, sampling="five_way_source_disjoint")),
    _row("few_shot", "open set, AUROC, 5-shot, whole clip", _open_set),
    _row("few_shot, centred", "the same, centred", _open_set),
    _row("linear_probe", "linear probe, fold 4, whole clip", _probe("whole clip")),
    _row("linear_probe", "linear probe, fold 4, loudest second", _probe("loudest second")),
    _row(
        "recall",
        "stock profiles: clips heard at an onset",
        lambda result: _interval(result["recall"]["heard"]),
    ),
    _row(
        "false_alarms",
        "stock profiles: false alarms an hour, all together",
        lambda r: _interval(r["per_hour"]),
    ),
    _row("false_alarms", "clips of other sounds that fool any of them", _fooled),
    _row("rare_events", "rare events, F1", lambda result: f"{result['f1']:.3f}"),
    _row("rare_events", "F1 at −6 / 0 / 6 dB", _ratios),
    _row("rare_events", "error rate", lambda result: f"{result['error_rate']:.2f}"),
    _row("rare_events", "insertions an hour", lambda result: f"{result['insertions_per_hour']:.2f}"),
    _row("operating_curve", "missed at 0.04 / 0.1 / 0.5 / 1 asked", _curve("missed")),
    _row("operating_curve", "false alarms an hour kept", _curve("kept_per_hour")),
    _row("latency", "onset to message, p50 / p95", _latency),
    _row("latency", "of it, until it was decided", _decision),
    Row(plan="encoder_cost", label="encoder alone, a second of sound, as used", show=_cost("")),
    Row(plan="encoder_cost", label="the same, running at each hop", show=_cost(", each hop")),
    _row("throughput", "streams on one core, gate open", lambda result: str(result["streams"])),
    _row("throughput", "streams on one core, gated", lambda result: str(result["streams_gated"])),
    _row("footprint", "resident memory", lambda result: f"{result['resident_mb']:.0f} MB"),
    _row("footprint", "of one core, gate open / shut", _shares),
    _row("footprint", "start to first frame", lambda result: f"{result['first_frame_s']['median']:.2f} s"),
)


def markdown(results: Results, encoders: Sequence[str], *, quick: bool) -> str:
    """Lay everything out as the documentation has it."""
    lines = [
        "These are quick runs, for their shape: their figures mean nothing.\n" if quick else "",
        f"| what | command | {' | '.join(encoders)} |",
        f"|{'---|' * (2 + len(encoders))}",
    ]
    told = ""
    for row in ROWS:
        shown = [_cell(results, row, encoder) for encoder in encoders]
        if all(text == NOTHING for text in shown):
            continue
        lines.append(f"| {row.label} | {'' if row.plan == told else f'`{row.plan}`'} | {' | '.join(shown)} |")
        told = row.plan
    lines += ["", *_gate(results), *_conditions(results), "", "What each may have met in training:", ""]
    lines += [f"- {encoder}: {SEEN.get(encoder, 'not known to this comparison.')}" for encoder in encoders]
    return "\n".join(lines).strip() + "\n"


def _cell(results: Results, row: Row, encoder: str) -> str:
    for cell, result in results.items():
        if cell.plan.name == row.plan and cell.encoder in ("", encoder):
            return row.show(result, encoder)
    return NOTHING


def _gate(results: Results) -> list[str]:
    found = next((result for cell, result in results.items() if cell.plan.name == "gate"), None)
    if found is None:
        return []
    lost = " / ".join(f"{each['lost']['value']:.1%}" for each in found["by_ebr"].values())
    late = " / ".join(f"{each['late']['value']:.1%}" for each in found["by_ebr"].values())
    events = " / ".join(str(each["events"]) for each in found["by_ebr"].values())
    duty = ", ".join(
        f"{name} {each['share']:.0%} of {each['hours']:.2f} h" for name, each in found["duty"].items()
    )
    said = (
        f"The gate (`gate`), whichever encoder listens: of {events} events at −6 / 0 / 6 dB it loses {lost} "
        f"and opens late for {late}; the encoder runs for {duty}."
    )
    if voice := found["voice"]:
        said += (
            f" WebRTC's voice detector says “speech” to {voice['speech']:.0%} of speech and to "
            f"{voice['other']:.0%} of other sounds (area under its one-point curve {voice['auc']:.2f})."
        )
    return [said, ""]


def _conditions(results: Results) -> list[str]:
    made = [result["environment"] for result in results.values()]
    if not made:
        return []
    machines, commits, data = (
        ", ".join(sorted({str(text) for text in texts}))
        for texts in (
            [f"{each['cpu']}, {each['cores']} cores" for each in made],
            [each["commit"] for each in made],
            [f"`{each['data']}`" for each in made],
        )
    )
    dates = sorted(each["date"][:10] for each in made)
    busy = sorted(each["cores_of_others"] for each in made)
    load = (
        f"other work kept {busy[0]:.1f} to {busy[-1]:.1f} cores busy meanwhile, in the median "
        f"{busy[len(busy) // 2]:.1f}"
    )
    when = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    return [
        f"Machine: {machines}; {load}. Commit {commits}; {when}. Data: {data}.",
        "",
        "The commands, each with `--data DIR`:",
        "",
        *(f"- `python -m {command}`" for command in _commands(results)),
    ]


def _commands(results: Results) -> list[str]:
    """Return each command once, for any encoder."""
    found: dict[str, None] = {}
    for cell in results:
        words = list(cell.command)
        if cell.encoder:
            words[-1] = "NAME"
        found[" ".join(words)] = None
    return list(found)
