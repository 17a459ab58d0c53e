"""Ears for the tests of rule files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.types import SoundEvent
    from rules.trial import GivenAudio


def deaf(given: GivenAudio, at: float) -> Sequence[SoundEvent]:
    """Hear nothing in any recording; the daemon's own tests hear."""
    raise AssertionError(f"{given.file} at {at} is not to be played here")
