"""The doorbell is taught as `heard profiles enroll` would do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from daemon.demo.scene import DOORBELL
from detectors.encoders.builtin import BuiltinEncoder
from fewshot_profiles.enrollment import EnrollmentResult, Teaching, enroll
from fewshot_profiles.store import STOCK_FOLDER, ProfileStore, stock_bank


def teach_doorbell(recordings: Sequence[Path]) -> EnrollmentResult:
    """Enrol the recordings beside the stock profiles, which it must be told from."""
    encoder = BuiltinEncoder(threads=1)
    return enroll(
        Teaching(name=DOORBELL, description="The doorbell of the demonstration."),
        recordings,
        encoder=encoder,
        bank=stock_bank(encoder.id),
        others=ProfileStore([STOCK_FOLDER]).load(encoder.id),
    )


def told(result: EnrollmentResult) -> Iterator[str]:
    """Give what the enrolment makes of the examples, line by line."""
    for verdict in result.verdicts:
        yield str(verdict)
    if result.leave_one_out_recall is not None:
        yield f"heard by a profile of the other examples: {result.leave_one_out_recall:.0%} of them"
    yield f"expected false alarms: {result.false_alarms_per_hour:.3f} an hour"
    if result.confused_with:
        yield f"easily confused with: {', '.join(result.confused_with)}"
