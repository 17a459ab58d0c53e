"""What thousands of rules cost: to load, for one sound, and over a year in a dry run.

python -m benchmarks.rules --json
"""

from __future__ import annotations

import random
import tempfile
import time
import tracemalloc
from datetime import UTC
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.report import arguments, publish, tell
from detectors.types import Phase, SoundEvent
from rules.engine import Engine
from rules.loader import load_rules
from rules.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.model import Rule

RULES = 10_000
FILES = 20
NAMED = 50
"""Rules that name the profile of the one sound."""
YEAR_RULES = 100
YEAR_PROFILES = 20
YEAR_EVENTS = 1_000_000
YEAR_S = 365 * 86_400.0
REPEATS = 400
MEGABYTE = 1e6

RULE = """\
- id: rule_{n}
  alias: Rule number {n}
  triggers: [{{trigger: sound, profile: {profile}, above: 0.5}}]
  conditions: [{{condition: time, after: "06:00:00", before: "05:59:59"}}]
  cooldown: 30
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data:
        topic: home/alarm/{n}
        payload: {{stream: "{{{{ trigger.stream }}}}", clip: "{{{{ trigger.clip_url }}}}"}}
"""
YEAR_RULE = """\
- id: rule_{n}
  trigger: {{trigger: sound, profile: {profile}, above: 0.8}}
  condition: {{condition: time, after: "22:00", before: "06:00"}}
  cooldown: 60
  action: {{action: mqtt.publish, data: {{topic: home/{n}, payload: {{stream: "{{{{ trigger.stream }}}}"}}}}}}
"""


def sound(at: float, profile: str, score: float, *, end_at: float | None = None) -> SoundEvent:
    """Return one end of a sound."""
    return SoundEvent(
        id=f"{profile}-{at:.3f}",
        phase=Phase.STARTED if end_at is None else Phase.ENDED,
        profile=profile,
        profile_version="1",
        stream="kitchen",
        epoch_s=0.0,
        onset_s=at,
        decided_s=at if end_at is None else end_at,
        end_s=end_at,
        score=score,
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        speech=False,
    )


def written(folder: Path, count: int) -> Path:
    """Write so many rules, of which fifty name one profile."""
    rules = folder / "rules.d"
    rules.mkdir()
    for file in range(FILES):
        numbers = range(file, count, FILES)
        texts = (RULE.format(n=n, profile="glass_breaking" if n < NAMED else f"profile_{n}") for n in numbers)
        (rules / f"{file:02}.yaml").write_text("".join(texts))
    return rules


def loading(path: Path) -> tuple[dict[str, float], tuple[Rule, ...]]:
    """Load the rules, once for the time and once for the memory."""
    began_s = time.process_time()
    load_rules(path)
    cpu_s = time.process_time() - began_s
    tracemalloc.start()
    rules = load_rules(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"cpu_s": cpu_s, "kept_mb": kept / MEGABYTE, "peak_mb": peak / MEGABYTE}, rules


def one_sound(engine: Engine) -> dict[str, float]:
    """Return the median milliseconds of one sound that fifty rules name, by what they make of it."""
    state = engine.initial_state()
    fired: list[float] = []
    for number in range(REPEATS):
        event = sound(number * 100.0, "glass_breaking", 0.9)
        began_s = time.perf_counter()
        state, _ = engine.step(state, event, event.decided_at)
        fired.append(time.perf_counter() - began_s)
    cooling: list[float] = []
    faint: list[float] = []
    stranger: list[float] = []
    for number in range(REPEATS):
        at = state.fired_at["rule_0"] + 1.0 + number / REPEATS
        for times, event in (
            (cooling, sound(at, "glass_breaking", 0.9)),
            (faint, sound(at, "glass_breaking", 0.4)),
            (stranger, sound(at, "nobody_knows", 0.9)),
        ):
            began_s = time.perf_counter()
            engine.step(state, event, event.decided_at)
            times.append(time.perf_counter() - began_s)
    return {
        "all_fire_ms": median(fired) * 1000,
        "all_fire_best_ms": min(fired) * 1000,
        "cooldown_ms": median(cooling) * 1000,
        "score_ms": median(faint) * 1000,
        "no_rule_ms": median(stranger) * 1000,
    }


def year(folder: Path, events: int) -> dict[str, float]:
    """Return the seconds of a year in a dry run, with starts and ends as events of their own."""
    path = folder / "year.yaml"
    path.write_text(
        "".join(YEAR_RULE.format(n=n, profile=f"profile_{n % YEAR_PROFILES}") for n in range(YEAR_RULES))
    )
    engine = Engine(load_rules(path), lambda event: f"clips/{event.id}.flac", UTC)
    began_s = time.process_time()
    requests = sum(1 for _ in simulate(engine, _a_year(events)))
    return {"cpu_s": time.process_time() - began_s, "events": events, "requests": requests}


def _a_year(events: int) -> Iterator[SoundEvent]:
    chance = random.Random(1)  # noqa: S311 - the same year each time
    apart_s = YEAR_S / (events / 2)
    for number in range(events // 2):
        profile, score = f"profile_{chance.randrange(YEAR_PROFILES)}", chance.random()
        yield sound(number * apart_s, profile, score)
        yield sound(number * apart_s, profile, score, end_at=number * apart_s + min(2.0, apart_s / 2))


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure and publish."""
    parser = arguments("benchmarks.rules", __doc__ or "", data=False)
    parser.add_argument("--rules", type=int, default=RULES, help="rules to load (default: 10,000)")
    parser.add_argument("--events", type=int, default=YEAR_EVENTS, help="events of the year (default: 1 M)")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="heard-rules-") as name:
        tell("loading")
        load, rules = loading(written(Path(name), options.rules))
        tell("one sound")
        engine = Engine(rules, lambda event: f"clips/{event.id}.flac", UTC)
        event = one_sound(engine)
        tell("a year")
        simulated = year(Path(name), options.events)
    figures = {"rules": len(rules), "load": load, "event": event, "year": simulated}
    return publish("rules", options, figures, table(figures))


def table(figures: dict[str, Any]) -> Table:
    """Lay the figures out for people."""
    load, event, simulated = figures["load"], figures["event"], figures["year"]
    kept = f"{load['kept_mb']:.0f}; {load['peak_mb']:.0f} MB"
    many = f"{simulated['events']} events through {YEAR_RULES} rules, computing time"
    result = Table("", "", title=f"{figures['rules']} rules")
    result.add_row("load, computing time", f"{load['cpu_s']:.2f} s")
    result.add_row("memory that they keep; at most while loading", kept)
    result.add_row(f"a sound that {NAMED} name: all fire, two actions each", f"{event['all_fire_ms']:.2f} ms")
    result.add_row("  the fastest of these", f"{event['all_fire_best_ms']:.2f} ms")
    result.add_row("  all stopped by their cooldown", f"{event['cooldown_ms']:.2f} ms")
    result.add_row("  all stopped by the score", f"{event['score_ms']:.2f} ms")
    result.add_row("a sound that none names", f"{event['no_rule_ms']:.4f} ms")
    result.add_row(many, f"{simulated['cpu_s']:.1f} s")
    return result


if __name__ == "__main__":
    main()
