r"""How the demonstration ends for other seeds: which planned sounds are heard, and what is heard besides.

    python -m benchmarks.demonstration --seeds 0-10 --json

The scenes of `heard demo` go through the daemon's own pipeline as fast as the machine goes, with the stock
profiles and the doorbell that each scene teaches. A scene passes when `heard demo --once` would end with 0.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile
from rich.table import Table

from benchmarks.report import arguments, progress, publish
from daemon.demo.report import HeardSound, Report, compare
from daemon.demo.scene import plan_scene
from daemon.demo.synthesis.signal import RATE_HZ
from daemon.demo.teaching import teach_doorbell
from daemon.pipeline import Pipeline
from detectors.encoders.builtin import BuiltinEncoder
from detectors.types import AudioBlock
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.store import STOCK_FOLDER, ProfileStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.demo.scene import Scene

STREAM = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneFigures:
    """One scene's end."""

    seed: int
    passed: bool
    missed: tuple[str, ...]
    others: tuple[str, ...]
    """What was heard that was not planned, and while what sounded."""


def hear(scene: Scene, folder: Path) -> Report:
    """Teach the scene's doorbell, play the scene, and hold the events against the plan."""
    files = [folder / f"example-{number}.flac" for number in range(len(scene.examples))]
    for file, example in zip(files, scene.examples, strict=True):
        soundfile.write(file, example, RATE_HZ)
    encoder = BuiltinEncoder(threads=1)
    profiles = (*ProfileStore([STOCK_FOLDER]).load(encoder.id), teach_doorbell(files).profile)
    pipeline = Pipeline(encoder, Matcher(profiles))
    pipeline.open(STREAM, rate_hz=RATE_HZ, channels=1, epoch_s=0.0)
    events = pipeline.accept({STREAM: AudioBlock(samples=scene.audio[None], rate_hz=RATE_HZ, start=0)})
    events += pipeline.close(STREAM)
    heard = {
        event.id: HeardSound(profile=event.profile, onset_s=event.onset_s, score=event.score)
        for event in events
    }
    return compare(scene, list(heard.values()))


def figures_of(seed: int) -> SceneFigures:
    """Render a scene and hear it."""
    with tempfile.TemporaryDirectory() as folder:
        report = hear(plan_scene(seed), Path(folder))
    return SceneFigures(
        seed=seed,
        passed=report.passed,
        missed=tuple(outcome.planned.label for outcome in report.outcomes if outcome.heard is None),
        others=tuple(
            f"{event.profile} at {event.onset_s:.1f} s ({event.score:.2f}, {during})"
            for event, during in report.others
        ),
    )


def seeds_of(text: str) -> list[int]:
    """Read "3" or "0-10"."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def table(scenes: Sequence[SceneFigures]) -> Table:
    """Return the scenes for the terminal."""
    missed = Counter(label for scene in scenes for label in scene.missed)
    caption = ", ".join(f"{label} missed {count} times" for label, count in missed.most_common())
    out = Table(
        title=f"{sum(scene.passed for scene in scenes)} of {len(scenes)} scenes passed", caption=caption
    )
    for heading in ("seed", "passed", "missed", "heard besides"):
        out.add_column(heading)
    for scene in scenes:
        row = (str(scene.seed), "yes" if scene.passed else "no", ", ".join(scene.missed))
        out.add_row(*row, "\n".join(scene.others))
    return out


def main(argv: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = arguments("benchmarks.demonstration", __doc__ or "", data=False)
    parser.add_argument(
        "--seeds", type=seeds_of, default=seeds_of("0-10"), help="one seed, or a range as 0-10"
    )
    options = parser.parse_args(argv)
    scenes = [figures_of(seed) for seed in progress(options.seeds, "Playing scenes")]
    figures = {"passed": sum(scene.passed for scene in scenes), "scenes": scenes}
    publish("demonstration", options, figures, table(scenes))


if __name__ == "__main__":
    main()
