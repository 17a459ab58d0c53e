"""Every benchmark on a handful of real recordings: its shape, not its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import false_alarms, few_shot, latency, recall, throughput
from fewshot_profiles.store import STOCK_FOLDER
from tests.requirements import required_program

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.timeout(180)


def options(shared: Path, results: Path, *more: str) -> list[str]:
    return ["--data", str(shared / "audio"), "--results", str(results), *more]


def test_few_shot_with_the_encoder_that_ships(shared: Path, tmp_path: Path) -> None:
    """The documentation's command on five classes, two of four folds, a few episodes: no class is unknown."""
    labels = ("cow", "crickets", "crow", "fireworks", "helicopter")
    rows = ["--where", "fold=1", "--where", "fold=2"] + [f"--where=label={label}" for label in labels]
    result = few_shot.main(options(shared, tmp_path, *rows, "--episodes", "20"))
    assert result["five_way"].keys() == {"1", "5"}
    assert result["encoder"]["name"] == "builtin"
    assert result["clips"] == 80
    assert result["open_set_auroc"] == {"1": None, "5": None}


def test_recall_names_what_was_missed(shared: Path, tmp_path: Path) -> None:
    """Two classes of eight clips each; what was not heard is listed by file."""
    rows = ["--where", "split=valid", "--where", "label=dog", "--where", "label=glass_breaking"]
    result = recall.main(options(shared, tmp_path, *rows))
    assert result["profiles"].keys() == {"dog_bark", "glass_breaking"}
    assert result["recall"]["clips"] == 16
    assert len(result["missed"]) == round(16 * (1 - result["recall"]["heard"]["value"]))


def test_false_alarms_say_hours_and_every_profile(shared: Path, tmp_path: Path) -> None:
    """Half a minute of a keyboard and of paper; profiles without an alarm have their upper bound."""
    rows = ["--where", "source=moodist", "--where", "label=keyboard", "--where", "label=paper"]
    result = false_alarms.main(options(shared, tmp_path, *rows))
    assert result["profiles"].keys() == {path.parent.name for path in STOCK_FOLDER.glob("*/profile.yaml")}
    assert result["hours"] == pytest.approx(29.4 / 3600, rel=0.02)
    assert result["events"] == len(result["alarms"])
    assert result["per_hour"]["high"] > result["per_hour"]["value"]
    assert result["clips_that_fooled"] is None


def test_false_alarms_list_what_clips_of_other_sounds_fooled(shared: Path, tmp_path: Path) -> None:
    """Eight clips of a hen beside the keyboard: only other profiles than its own can be fooled by them."""
    rows = ["--where", "split=valid", "--where", "label=keyboard", "--where", "label=hen"]
    result = false_alarms.main(options(shared, tmp_path, *rows))
    assert "hen" not in result["rejections"]
    assert all(sounds.keys() == {"hen"} for sounds in result["rejections"].values())
    assert 0.0 <= result["clips_that_fooled"]["value"] <= 1.0


def test_throughput_finds_a_number_of_streams(shared: Path, tmp_path: Path) -> None:
    """Eight streams for half a second, pinned to one core; which core it was is said."""
    rows = ["--where", "split=valid", "--where", "source=sonicpi"]
    result = throughput.main(options(shared, tmp_path, *rows, "--seconds", "0.5", "--most", "8"))
    assert 0 <= result["streams"] <= 8
    assert result["trials"]
    assert result["ms_per_stream_second"] > 0


@pytest.mark.slow
def test_latency_through_a_real_daemon_and_a_real_broker(shared: Path, tmp_path: Path) -> None:
    """Six dogs and glasses in real time; those heard have a latency between nothing and two seconds."""
    required_program("mosquitto", debian_package="mosquitto")
    rows = ["--where", "split=valid", "--where", "label=dog", "--where", "label=glass_breaking"]
    result = latency.main(options(shared, tmp_path, *rows, "--onsets", "6"))
    assert result["played"] == 6
    assert 1 <= result["heard"] <= 6
    assert 0 < result["latency_ms"]["p50"] <= result["latency_ms"]["max"] < 2_000
