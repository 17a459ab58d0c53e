"""How well a voice in a car is told from one outside, in the simulation that `training/cabin` states.

python -m benchmarks.cabin --data DIR --json

Cars, talkers (`split=valid`), street recordings and music are of the test side: none of them was there when
the profiles were made. Rendering is slow the first time; scenes are kept in `training/work/cabin`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.estimates import wilson
from benchmarks.report import arguments, progress, publish
from daemon.sources.settings import CabinSettings
from daemon.streams.cabin import Cabin
from daemon.streams.wall_clock import Timeline
from detectors.cabin_cues import BANDS
from detectors.gate import GateSettings
from detectors.types import DETECTION_RATE_HZ, AudioBlock, Phase, SoundEvent
from fewshot_profiles.cabin import CABIN_FOLDER, INSIDE, OUTSIDE, cabin_matchers, read_cabin
from fewshot_profiles.cabin_adaptation import Voice, adapt
from fewshot_profiles.profile import Profile
from training.cabin.cue_rows import CueRows
from training.cabin.hearing import hear_cars
from training.cabin.paths import WINDOWS
from training.cabin.scenes import FULL_SCALE_DB, Scene
from training.cabin.sides import CARS, WORK

EXAMPLES = 3
"""Of each kind, from the owner's own car."""
WINDOWS_SHARE = {"closed": 0.5, "ajar": 0.25, "open": 0.25}
"""How often the windows are down while somebody outside speaks; beside it stands the figure for thirds."""
WRONG_GAIN_DB = -8.0
"""A microphone so much less sensitive than the configuration says."""
LEVEL_CUES = BANDS + 5
"""The cues that a gain moves come first, and it moves all of them alike."""
LATEST_S = 1.0
"""After the utterance: what comes later is not its event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarHeard:
    """One car's scenes with their cues."""

    scenes: tuple[Scene, ...]
    rows: CueRows

    def with_gain(self, gain_db: float) -> CarHeard:
        """Return the same, heard by a microphone of another sensitivity."""
        moved = self.rows.cues.copy()
        moved[:, :LEVEL_CUES] += gain_db
        return replace(self, rows=replace(self.rows, cues=moved))

    def decided(self, profiles: Sequence[Profile], microphones: int) -> NDArray[np.float32]:
        """Return, for each scene, how much likelier inside is than outside, at the end of the utterance."""
        cues = self.rows.of(microphones)[self.rows.last]
        inside, outside = (profile.detector.head.logits(cues) for profile in profiles)
        return inside - outside


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.cabin", "Speech in a car against speech outside, simulated.", data=False)
    parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
    parser.add_argument("--cars", type=int, default=CARS["test"], help="cars of the test side")
    parser.add_argument("--work", type=Path, default=WORK, help="folder that keeps rendered scenes")
    parser.add_argument("--profiles", type=Path, default=CABIN_FOLDER, help="folder of the two profiles")
    options = parser.parse_args(argv)
    cars = [
        CarHeard(scenes=scenes, rows=heard.rows)
        for scenes, heard in hear_cars(options.data, "test", options.cars, options.work, _say)
    ]
    profiles = {microphones: read_cabin([options.profiles], microphones) for microphones in (1, 2)}
    utterances = {
        (condition, microphones): _utterances(cars, profiles[microphones], microphones, music=music)
        for condition, music in (("0 to 20 dB", False), ("music at 0 dB", True))
        for microphones in (1, 2)
    }
    events = {microphones: _events(cars, options.profiles, microphones) for microphones in (1, 2)}
    own_car = {
        f"{microphones} microphone{'s' * (microphones > 1)}, {gain_db:+.0f} dB": _own_car(
            [car.with_gain(gain_db) for car in cars], profiles[microphones], microphones
        )
        for microphones in (1, 2)
        for gain_db in (0.0, WRONG_GAIN_DB)
    }
    scenes = [scene for car in cars for scene in car.scenes]
    return publish(
        "cabin",
        options,
        {
            "utterances": {
                f"{condition}, {microphones} microphone{'s' * (microphones > 1)}": found
                for (condition, microphones), found in utterances.items()
            },
            "events": events,
            "own_car": own_car,
            "cars": len(cars),
            "bodies": sorted({scene.body for scene in scenes}),
            "talkers": len({scene.talker for scene in scenes}),
            "scenes": len(scenes),
        },
        _utterance_table(utterances),
        _event_table(events),
        _own_car_table(own_car),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _utterances(
    cars: Sequence[CarHeard], profiles: Sequence[Profile], microphones: int, *, music: bool
) -> dict[str, Any]:
    """Decide every utterance of a condition, at its end."""
    said = [
        (scene, bool(score > 0.0))
        for car in cars
        for scene, score in zip(car.scenes, car.decided(profiles, microphones), strict=True)
        if scene.speech and (scene.music_snr_db is not None) == music
    ]
    inside = [decided for scene, decided in said if scene.inside]
    outside = [not decided for scene, decided in said if not scene.inside]
    by_windows = {
        windows: float(np.mean([not d for s, d in said if not s.inside and s.windows == windows]))
        for windows in WINDOWS
    }
    shares = wilson(sum(inside), len(inside)), wilson(sum(outside), len(outside))
    usual = sum(WINDOWS_SHARE[windows] * share for windows, share in by_windows.items())
    return {
        "balanced_accuracy": (shares[0].value + usual) / 2,
        "balanced_accuracy_windows_alike": (shares[0].value + float(np.mean([*by_windows.values()]))) / 2,
        "inside_right": shares[0],
        "outside_right": shares[1],
        "outside_right_by_windows": by_windows,
        "inside_utterances": len(inside),
        "outside_utterances": len(outside),
    }


def _events(cars: Sequence[CarHeard], folder: Path, microphones: int) -> dict[str, Any]:
    """Let the daemon's own ear hear every scene, and count what it says."""
    matchers = cabin_matchers([folder])
    counts = {"right": 0, "wrong": 0, "both": 0, "missed": 0, "false": 0}
    delays: list[float] = []
    quiet_s = 0.0
    scenes = [scene for car in cars for scene in car.scenes]
    for scene in progress(scenes, "Listening"):
        cabin = Cabin(
            settings=CabinSettings(
                full_scale_db_spl=FULL_SCALE_DB, microphone_distance_m=scene.microphone_distance_m
            ),
            gate=GateSettings(),
            matchers=matchers,
        )
        started = _heard(cabin, scene, microphones)
        if not scene.speech:
            counts["false"] += len(started)
            quiet_s += scene.samples.shape[1] / DETECTION_RATE_HZ
            continue
        names = {event.profile for event in started if event.decided_s < scene.end_s + LATEST_S}
        right = INSIDE if scene.inside else OUTSIDE
        outcome = (
            "both" if len(names) > 1 else "missed" if not names else "right" if right in names else "wrong"
        )
        counts[outcome] += 1
        delays += [event.decided_s - scene.start_s for event in started if event.profile == right][:1]
    return {**counts, "quiet_minutes": quiet_s / 60.0, "median_delay_s": float(np.median(delays))}


def _outcome(names: set[str], right: str) -> str:
    if len(names) > 1:
        return "both"
    return "missed" if not names else "right" if right in names else "wrong"


def _heard(cabin: Cabin, scene: Scene, microphones: int) -> list[SoundEvent]:
    ear = cabin.ear("car", rate_hz=DETECTION_RATE_HZ, channels=microphones, timeline=Timeline(0.0))
    block = AudioBlock(samples=scene.samples[:microphones], rate_hz=DETECTION_RATE_HZ, start=0)
    events = ear.accept(block) + ear.close()
    return [event for event in events if event.phase is Phase.STARTED]


def _own_car(cars: Sequence[CarHeard], profiles: Sequence[Profile], microphones: int) -> dict[str, Any]:
    """Give each car its first examples of each kind; judge the rest of its utterances before and after."""
    before: list[tuple[bool, bool]] = []
    after: list[tuple[bool, bool]] = []
    for car in cars:
        taught = [
            number
            for inside in (True, False)
            for number in [
                at
                for at, scene in enumerate(car.scenes)
                if scene.speech and scene.music_snr_db is None and scene.inside == inside
            ][:EXAMPLES]
        ]
        adapted = adapt(profiles, [_voice(car, number, microphones) for number in taught])
        for found, decided in ((before, profiles), (after, adapted)):
            scores = car.decided(decided, microphones)
            found += [
                (scene.inside, bool(scores[number] > 0.0))
                for number, scene in enumerate(car.scenes)
                if scene.speech and number not in taught
            ]
    return {
        "examples_of_each": EXAMPLES,
        "utterances": len(before),
        "balanced_accuracy_before": _balanced(before),
        "balanced_accuracy_after": _balanced(after),
    }


def _voice(car: CarHeard, number: int, microphones: int) -> Voice:
    mine = car.rows.scene == number
    return Voice(
        file=Path(f"{number}.wav"), inside=car.scenes[number].inside, cues=car.rows.of(microphones)[mine]
    )


def _balanced(said: Sequence[tuple[bool, bool]]) -> float:
    return float(np.mean([np.mean([d == i for i, d in said if i == inside]) for inside in (True, False)]))


def _utterance_table(utterances: Mapping[tuple[str, int], Mapping[str, Any]]) -> Table:
    table = Table(
        *("noise", "microphones", "balanced accuracy", "windows alike", "inside", *WINDOWS, "utterances"),
        title="Decided at the end of an utterance",
    )
    for (condition, microphones), found in utterances.items():
        windows = [f"{share:.2f}" for share in found["outside_right_by_windows"].values()]
        table.add_row(
            condition,
            str(microphones),
            f"{found['balanced_accuracy']:.3f}",
            f"{found['balanced_accuracy_windows_alike']:.3f}",
            str(found["inside_right"]),
            *windows,
            f"{found['inside_utterances']} + {found['outside_utterances']}",
        )
    return table


def _event_table(events: Mapping[int, Mapping[str, Any]]) -> Table:
    columns = ("right", "wrong", "both", "missed", "median delay", "false without speech")
    table = Table("microphones", *columns, title="Events of the daemon, all utterances")
    for microphones, found in events.items():
        table.add_row(
            str(microphones),
            *(str(found[name]) for name in ("right", "wrong", "both", "missed")),
            f"{found['median_delay_s']:.2f} s",
            f"{found['false']} in {found['quiet_minutes']:.0f} min",
        )
    return table


def _own_car_table(own_car: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table("gain", "as shipped", "adapted", "utterances", title="Three examples of each kind")
    for name, found in own_car.items():
        table.add_row(
            name,
            f"{found['balanced_accuracy_before']:.3f}",
            f"{found['balanced_accuracy_after']:.3f}",
            str(found["utterances"]),
        )
    return table


if __name__ == "__main__":
    main()
