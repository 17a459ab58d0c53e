"""The comparison: what it runs again, what it keeps, and the table it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cells, compare
from benchmarks.cells import PLANS, Cell, plan_cells
from benchmarks.compare import BEGIN, END, put_between_marks
from benchmarks.comparison import ROWS, markdown
from benchmarks.encoders import load_encoder
from tests.requirements import required_program

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def planned(data: Path, *names: str) -> list[Cell]:
    plans = [plan for plan in PLANS if plan.name in {"few_shot", "encoder_cost", "gate"}]
    return plan_cells(plans, {name: load_encoder(name).id for name in names}, data, quick=True)


def test_runs_are_made_for_each_encoder_for_all_or_for_none(tiny_data: Path) -> None:
    """Costs are measured in one process, the gate has no encoder."""
    assert [str(cell) for cell in planned(tiny_data, "builtin", "log_mel")] == [
        "few_shot · builtin",
        "few_shot · log_mel",
        "encoder_cost",
        "gate",
    ]


def test_a_run_is_known_by_encoder_data_and_command(tiny_data: Path) -> None:
    """Another encoder beside it changes nothing; another manifest changes everything."""
    keys = {str(cell): cell.key for cell in planned(tiny_data, "builtin", "log_mel")}
    alone = {str(cell): cell.key for cell in planned(tiny_data, "log_mel")}
    assert alone["few_shot · log_mel"] == keys["few_shot · log_mel"]
    assert alone["encoder_cost"] != keys["encoder_cost"]
    with (tiny_data / "manifest.csv").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert not set(keys.values()) & {cell.key for cell in planned(tiny_data, "builtin", "log_mel")}


def test_what_was_run_is_kept_and_comes_back(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second comparison starts no process, says the same, and fills the document's table."""
    monkeypatch.setattr(cells, "CELLS", tmp_path / "cells")
    document = tmp_path / "benchmarks.md"
    document.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    options = ["--data", str(shared / "audio"), "--encoder", "builtin", "--only", "recall", "--quick"]
    first = compare.main([*options, "--write", str(document)])
    monkeypatch.setattr("benchmarks.cells.subprocess.run", None)
    assert compare.main(options) == first
    assert first.keys() == {"recall · builtin"}
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| what | command | builtin |" in text
    assert "`python -m benchmarks.recall --where split=valid" in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_benchmark_fills_its_rows(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them, small, for the encoder that ships: none fails, and every row has a figure."""
    required_program("mosquitto", debian_package="mosquitto")
    monkeypatch.setattr(cells, "CELLS", tmp_path / "cells")
    found = compare.main(["--data", str(shared / "audio"), "--encoder", "builtin", "--quick"])
    assert len(found) == len(PLANS)
    table = capsys.readouterr().out
    # A windowed encoder only has a cost of running at each hop.
    missing = [row.label for row in ROWS if f"| {row.label} |" not in table]
    assert missing == ["the same, running at each hop"]


def test_a_document_without_marks_is_left_alone() -> None:
    """Nobody knows where the table would belong."""
    with pytest.raises(ValueError, match="begin"):
        put_between_marks("# Benchmarks\n", "table")


def test_the_documentation_has_a_place_for_the_table() -> None:
    """The marks that the command looks for."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


def test_every_row_belongs_to_a_plan() -> None:
    """A figure that no run gives would stay empty for ever."""
    assert {row.plan for row in ROWS} == {plan.name for plan in PLANS} - {"gate"}
    assert markdown({}, ["builtin"], quick=False).startswith("| what |")
