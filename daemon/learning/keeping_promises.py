"""A profile that would break its promise in this home is fitted again, stricter, on what is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fewshot_profiles.calibration import logit
from fewshot_profiles.promise import FALSE_ALARMS_PER_HOUR, background_under
from fewshot_profiles.refitting import fit_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.learning.teacher import Teacher

_PATIENCE = 1.25
"""A rate is an estimate: it has to exceed the promise by so much."""


def broken_promises(
    teacher: Teacher, threshold_is_set: Callable[[str], bool] = lambda _profile: False
) -> list[str]:
    """Fit again what speaks up too often here; return a line about each.

    Only profiles that the owner has taught are touched, never made laxer, and never where the owner has set
    the threshold: in the profile, or while heard runs (`threshold_is_set`). It blocks.
    """
    surroundings = teacher.surroundings()
    lines = []
    for profile in surroundings.others:
        promise = profile.promise_per_hour or FALSE_ALARMS_PER_HOUR
        home = surroundings.home
        if (
            home is None
            or profile.embedded.variant is None
            or profile.threshold_override is not None
            or threshold_is_set(profile.name)
            or not (teacher.folder / profile.name).is_dir()
        ):
            continue
        ordinary = home.not_taken_for(profile.name)
        background = background_under(profile, surroundings.bank, ordinary)
        before = background.expected(logit(profile.threshold)).home_per_hour
        if before is None or before <= _PATIENCE * promise:
            continue
        fitted, fit = fit_again(profile, surroundings)
        after = fit.background.expected(logit(fitted.threshold)).per_hour
        change = f"fitted again on {home.hours:.0f} hours of this home"
        teacher.store(replace(fitted, revision=profile.revision + 1, change=change))
        lines.append(
            f"{profile.name} would have spoken up wrongly {24 * before:.1f} times a day here; {change} "
            f"it should {24 * after:.2f} times"
        )
    return lines
