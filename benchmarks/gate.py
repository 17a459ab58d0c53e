r"""How much of the time the gate lets the encoder rest, and what sounds that costs.

    python -m benchmarks.gate --data DIR --where split=valid --where split=novel --json

On rare events in half minutes of places (`benchmarks.mixtures`), no encoder takes part: a sound is lost when
the gate stays shut from its onset until it ends, or for half a second where it is shorter, so that no encoder
could have heard it. It is heard late when the gate opens within that time, but after the hops that it keeps
for the encoder have passed. Beside it stands how often WebRTC's detector says "speech" to speech and to other
sounds: a label in heard, and no part of the gate.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.estimates import Interval, wilson
from benchmarks.mixtures import CannotMix, Recipe, events_of, mixtures, mono, places_for
from benchmarks.rare_events import PROFILES
from benchmarks.report import arguments, progress, publish
from benchmarks.scoring import SECONDS_PER_HOUR
from daemon.streams.listening import PREROLL_HOPS
from detectors import gate
from detectors.levels import rms_dbfs
from detectors.types import HOP_S, HOP_SAMPLES, Hop
from detectors.voice import VoiceDetector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.dataset import Recording
    from benchmarks.mixtures import Mixture
    from detectors.types import Samples

SHORTEST_S = 0.5
QUIET_DBFS = -60.0
VOICED = frozenset({"speech", "laughing", "baby_crying", "cough", "sneeze", "breathing", "snoring"})
"""Sounds of people: no fair trial of what is no speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAtRatio:
    """What became of the events of one event-to-background ratio."""

    events: int
    lost: Interval
    late: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """How much of some recordings the encoder hears."""

    hours: float
    share: float


def hops_of(samples: Samples) -> Iterator[Hop]:
    """Cut mono audio at the detection rate into whole hops."""
    for index, hop in enumerate(
        samples[: len(samples) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    ):
        yield Hop(index=index, samples=hop)


def open_hops(samples: Samples) -> NDArray[np.bool_]:
    """Return at which hops the gate is open, for a stream that begins with this audio."""
    settings, state, is_open = gate.GateSettings(), gate.GateState(), []
    for hop in hops_of(samples):
        state, reading = gate.step(state, hop, settings)
        is_open.append(reading.open)
    return np.array(is_open, dtype=np.bool_)


def encoded_hops(is_open: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which hops the encoder hears: those with the gate open, and the ones kept before an opening."""
    heard = is_open.copy()
    for back in range(1, PREROLL_HOPS + 1):
        heard[:-back] |= is_open[back:]
    return heard


def fate(mixture: Mixture, is_open: NDArray[np.bool_]) -> str:
    """Return what becomes of a mixture's event: "heard", "late" or "lost"."""
    assert mixture.onset_s is not None
    assert mixture.end_s is not None
    first = int(mixture.onset_s / HOP_S)
    last = min(int(max(mixture.end_s, mixture.onset_s + SHORTEST_S) / HOP_S), len(is_open) - 1)
    opens = np.flatnonzero(is_open[first : last + 1])
    if not len(opens):
        return "lost"
    return "heard" if opens[0] <= PREROLL_HOPS else "late"


def judge_events(
    rows: Sequence[Recording], names: Sequence[str], *, count: int, seed: int
) -> tuple[dict[str, EventsAtRatio], Duty]:
    """Mix events of every sound and see which of them the gate lets through."""
    fates: dict[float, list[str]] = defaultdict(list)
    open_hops_in_all, hops = 0, 0
    for number, name in enumerate(names):
        made = mixtures(
            events_of(rows, name), places_for(rows, name), count=count, seed=seed + number, recipe=Recipe()
        )
        for mixture in progress(list(made), f"Gating {name}"):
            is_open = open_hops(mixture.samples)
            open_hops_in_all += int(encoded_hops(is_open).sum())
            hops += len(is_open)
            if mixture.event is not None:
                fates[mixture.ebr_db].append(fate(mixture, is_open))
    by_ebr = {
        f"{ebr_db:+g}": EventsAtRatio(
            events=len(found),
            lost=wilson(found.count("lost"), len(found)),
            late=wilson(found.count("late"), len(found)),
        )
        for ebr_db, found in sorted(fates.items())
    }
    return by_ebr, Duty(hours=hops * HOP_S / SECONDS_PER_HOUR, share=open_hops_in_all / max(1, hops))


def duties(rows: Sequence[Recording]) -> dict[str, Duty]:
    """Return how much of the long recordings the encoder hears, by collection and in all."""
    heard: dict[str, list[int]] = defaultdict(list)
    hops: dict[str, int] = defaultdict(int)
    for row in progress([row for row in rows if row.may_contain], "Gating places"):
        encoded = encoded_hops(open_hops(mono(row)))
        for name in (row.source, "all"):
            heard[name].append(int(encoded.sum()))
            hops[name] += len(encoded)
    return {
        name: Duty(hours=hops[name] * HOP_S / SECONDS_PER_HOUR, share=sum(heard[name]) / max(1, hops[name]))
        for name in sorted(heard)
    }


def voice_shares(rows: Sequence[Recording]) -> dict[str, Any]:
    """Return how often the voice detector says "speech", to speech and to the rest, of hops not quiet."""
    flags: dict[str, list[bool]] = {"speech": [], "other": []}
    for row in progress([row for row in rows if row.profile == "speech" or _not_a_voice(row)], "Voices"):
        voice = VoiceDetector()
        side = flags["speech" if row.profile == "speech" else "other"]
        for hop in hops_of(mono(row)):
            flagged = voice.step(hop)
            if rms_dbfs(hop.samples) > QUIET_DBFS:
                side.append(flagged)
    if not all(flags.values()):
        return {}
    said, wrongly = (float(np.mean(flags[side])) for side in ("speech", "other"))
    # One operating point: the area under the two straight lines through it.
    return {"speech": said, "other": wrongly, "auc": (1.0 + said - wrongly) / 2.0}


def _not_a_voice(row: Recording) -> bool:
    return not row.ambience and not row.may_contain and row.profile not in VOICED


def _shares(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f}–{interval.high:.3f})"


def tables(
    by_ebr: dict[str, EventsAtRatio], everywhere: dict[str, Duty], voice: dict[str, Any]
) -> list[Table]:
    """Lay the figures out for people."""
    events = Table("EBR", "events", "lost (95 %)", "late (95 %)", title="Sounds that the gate costs")
    for ebr, found in by_ebr.items():
        events.add_row(f"{ebr} dB", str(found.events), _shares(found.lost), _shares(found.late))
    duty = Table("recordings", "hours", "encoder runs", title="Duty cycle")
    for name, each in everywhere.items():
        duty.add_row(name, f"{each.hours:.2f}", f"{each.share:.0%}")
    said = Table("said to be speech", "share of hops that are not quiet", title="WebRTC's voice detector")
    for name in ("speech", "other"):
        if voice:
            said.add_row(name, f"{voice[name]:.0%}")
    return [events, duty, *([said] if voice else [])]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.gate", "Duty cycle of the gate, and the sounds that it loses.")
    parser.add_argument(
        "--profile", action="append", help=f"sound to mix in, several times (default: {' '.join(PROFILES)})"
    )
    parser.add_argument("--mixtures", type=int, default=500, help="of 30 s for each sound")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    try:
        by_ebr, mixed = judge_events(
            rows, options.profile or PROFILES, count=options.mixtures, seed=options.seed
        )
    except CannotMix as error:
        raise SystemExit(str(error)) from error
    everywhere = duties(rows) | {"mixtures": mixed}
    voice = voice_shares(rows)
    return publish(
        "gate",
        options,
        {
            "by_ebr": by_ebr,
            "duty": everywhere,
            "voice": voice,
            "settings": gate.GateSettings(),
            "seed": options.seed,
        },
        *tables(by_ebr, everywhere, voice),
    )


if __name__ == "__main__":
    main()
