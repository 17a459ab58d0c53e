"""The footprint benchmark, small: a real daemon starts, hears and stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import footprint

if TYPE_CHECKING:
    from pathlib import Path


def test_a_daemon_is_started_and_measured(tiny_data: Path, tmp_path: Path) -> None:
    """Memory and time are there, and the audio that was heard is named."""
    arguments = ["--data", str(tiny_data), "--listen-s", "0", "--starts", "1", "--results", str(tmp_path)]
    result = footprint.main(arguments)
    assert result["resident_mb"] > result["own_mb"] > 0.0
    assert result["first_frame_s"]["max"] > 0.0
    assert result["audio"].endswith(".wav")
