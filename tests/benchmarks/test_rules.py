"""The benchmark of rules, small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import rules

if TYPE_CHECKING:
    from pathlib import Path


def test_rules_are_loaded_and_measured(tmp_path: Path) -> None:
    """Every figure is there, and the rules do fire."""
    result = rules.main(["--rules", "60", "--events", "2000", "--results", str(tmp_path)])
    assert result["rules"] == 60
    assert result["load"]["cpu_s"] > 0.0
    assert 0.0 < result["event"]["score_ms"] < result["event"]["all_fire_ms"]
    assert result["year"]["requests"] > 0
