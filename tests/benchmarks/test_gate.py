"""What the gate benchmark calls lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import gate
from benchmarks.mixtures import Mixture
from daemon.streams.listening import PREROLL_HOPS
from detectors.types import HOP_S

if TYPE_CHECKING:
    from pathlib import Path


def mixture(onset_hop: int, hops: int) -> Mixture:
    return Mixture(
        name="x",
        samples=np.zeros(0, np.float32),
        ebr_db=0.0,
        place="room.wav",
        event="beep.wav",
        onset_s=onset_hop * HOP_S + 0.01,
        end_s=(onset_hop + hops) * HOP_S,
    )


@pytest.mark.parametrize(
    ("opens_at", "becomes"),
    [(10, "heard"), (10 + PREROLL_HOPS, "heard"), (11 + PREROLL_HOPS, "late"), (31, "lost")],
)
def test_an_event_is_heard_from_its_onset_late_or_not_at_all(opens_at: int, becomes: str) -> None:
    """The hops kept before an opening reach back to the onset, or do not."""
    is_open = np.arange(60) >= opens_at
    assert gate.fate(mixture(10, 20), is_open) == becomes


def test_the_encoder_hears_what_was_kept_before_an_opening() -> None:
    """Which counts towards the duty cycle."""
    is_open = np.arange(60) == 40
    assert np.flatnonzero(gate.encoded_hops(is_open)).tolist() == list(range(40 - PREROLL_HOPS, 41))


def test_steady_rooms_let_the_encoder_rest_and_lose_no_loud_beep(household: Path, tmp_path: Path) -> None:
    """In noise that never changes a beep over it opens the gate, and little else does."""
    options = ["--profile", "beep", "--mixtures", "24", "--results", str(tmp_path)]
    result = gate.main(["--data", str(household), *options])
    assert result["by_ebr"]["+6"]["lost"]["value"] == 0.0
    assert 0.0 < result["duty"]["mixtures"]["share"] < 0.9
    assert result["duty"]["all"]["hours"] == pytest.approx(4 * 31 / 3600, rel=0.01)
    assert result["voice"] == {}
