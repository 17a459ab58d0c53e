"""Teaching and changing the owner's profiles, and reporting on them. It blocks: for a thread or a command."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.learning.ear import saved_ambience
from daemon.models.choice import load_bank
from daemon.parts import current_profiles
from fewshot_profiles.archive import export_profile, unpacked
from fewshot_profiles.calibration import logit, sigmoid
from fewshot_profiles.enrollment import (
    EnrollmentResult,
    Surroundings,
    Teaching,
    add_examples,
    enroll_recordings,
)
from fewshot_profiles.example_audio import read_example
from fewshot_profiles.folder import audio_files, encoders_of, read_outline, read_profile, write_profile
from fewshot_profiles.promise import background_under
from fewshot_profiles.reembedding import heard_anew
from fewshot_profiles.refitting import fit_again
from fewshot_profiles.report import Report, report_on
from fewshot_profiles.store import STOCK_FOLDER
from fewshot_profiles.versions import earlier_versions, remove, take_back
from foundation.errors import ExampleError, NameTaken, OwnerError
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from daemon.config import Config
    from detectors.encoders import Encoder
    from fewshot_profiles.ambience import Ambience
    from fewshot_profiles.example_audio import ExampleAudio
    from fewshot_profiles.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One state that a profile has been in."""

    revision: int
    change: str
    examples: int
    in_force: bool


class Teacher:
    """Works on the folders that a configuration names, whether or not a daemon runs on them.

    `ambience` gives what this home sounds like; by default, what a daemon has saved of it.
    """

    def __init__(
        self, config: Config, encoder: Encoder, *, ambience: Callable[[], Ambience] | None = None
    ) -> None:
        self.config = config
        self.encoder = encoder
        self.folder = config.taught_folder
        self._ambience = ambience or (lambda: saved_ambience(ambience_folder(config), encoder.id))

    def profiles(self) -> tuple[Profile, ...]:
        """Read the profiles that are listened for. Raises ProfileError."""
        return current_profiles(self.config, self.encoder)

    def profile(self, name: str) -> Profile:
        """Return the profile of this name. Raises OwnerError where there is none."""
        return named(self.profiles(), name)

    def surroundings(self, *, without: Sequence[tuple[float, float]] = ()) -> Surroundings:
        """Return what profiles are fitted in now; `without` the spans in which the sound itself was made."""
        return Surroundings(
            encoder=self.encoder,
            bank=load_bank(self.config, self.encoder.id),
            others=self.profiles(),
            home=self._ambience().without(without),
        )

    def enroll(
        self,
        teaching: Teaching,
        recordings: Sequence[ExampleAudio],
        *,
        add: bool = False,
        keep_audio: bool = True,
        without: Sequence[tuple[float, float]] = (),
    ) -> EnrollmentResult:
        """Teach a profile, or with `add` teach one more of its sound, and put it where it is listened for.

        Raises ExampleError for what cannot teach, with nothing written.
        """
        surroundings = self.surroundings(without=without)
        before = self.folder / teaching.name
        if add:
            profile = named(surroundings.others, teaching.name)
            result = add_examples(profile, teaching, recordings, surroundings)
        else:
            result = enroll_recordings(teaching, recordings, surroundings)
            revision = read_outline(before, self.encoder.id).revision + 1 if before.is_dir() else 1
            result = replace(result, profile=replace(result.profile, revision=revision))
        write_profile(
            result.profile,
            self.folder,
            result.recordings if keep_audio else (),
            audio_from=before if add and before.is_dir() else None,
            keep_version=True,
        )
        return result

    def store(self, profile: Profile, recordings: Sequence[ExampleAudio] = ()) -> Path:
        """Put a changed profile in force, with the audio that it had, and more."""
        before = self.folder / profile.name
        audio_from = before if before.is_dir() else None
        return write_profile(profile, self.folder, recordings, audio_from=audio_from, keep_version=True)

    def report(self, name: str) -> Report:
        """Return what is known of a profile now."""
        surroundings = self.surroundings()
        profile = named(surroundings.others, name)
        home = surroundings.home
        if profile.embedded.variant is None:
            ordinary = None if home is None else home.not_taken_for(name)
            background = background_under(profile, surroundings.bank, ordinary)
            return report_on(profile, background, others=surroundings.others)
        _, fit = fit_again(profile, surroundings)
        return report_on(
            profile,
            fit.background,
            fit=fit,
            recordings=self.recordings(profile),
            others=surroundings.others,
        )

    def recordings(self, profile: Profile) -> list[ExampleAudio]:
        """Return the examples that were kept as audio, if all of them were."""
        files = audio_files(self.folder / profile.name)
        taught = [example for example in profile.examples if example.source != CONFIRMED]
        if len(files) != len(taught):
            return []
        try:
            return [
                replace(read_example(file), name=example.path)
                for file, example in zip(files, taught, strict=True)
            ]
        except ExampleError:
            # Somebody changed a file; the numbers that were made of it still decide.
            return []

    def promise(self, name: str, false_alarms_per_hour: float) -> Profile:
        """Let a profile keep another rate of false alarms, or the same one on what is known now."""
        surroundings = self.surroundings()
        profile = named(surroundings.others, name)
        home = surroundings.home
        if profile.embedded.variant is None:
            ordinary = None if home is None else home.not_taken_for(name)
            background = background_under(profile, surroundings.bank, ordinary)
        else:
            background = fit_again(profile, surroundings)[1].background
        changed = at_promise(profile, background.logit_for(false_alarms_per_hour), false_alarms_per_hour)
        self.store(changed)
        return changed

    def versions(self, name: str) -> list[Version]:
        """Return the states that the owner's profile has been in, the newest last."""
        folder = self._own(name)
        places = [*earlier_versions(folder), *([folder] if folder.is_dir() else [])]
        outlines = [(place, read_outline(place, self.encoder.id)) for place in places]
        return [
            Version(
                revision=outline.revision,
                change=outline.change,
                examples=len(outline.examples),
                in_force=place == folder,
            )
            for place, outline in outlines
        ]

    def undo(self, name: str) -> str:
        """Take the last change of a profile back; say what is in force now. Raises OwnerError."""
        folder = self._own(name)
        if take_back(folder):
            outline = read_outline(folder, self.encoder.id)
            return f"{name} is again what it was in revision {outline.revision} ({outline.change})."
        if (STOCK_FOLDER / name).is_dir():
            shutil.rmtree(folder)
            return f"{name} is again the profile that ships with heard."
        raise OwnerError(
            f"{name} has no earlier version to go back to; `heard profiles remove {name}` takes it away."
        )

    def remove(self, name: str) -> None:
        """Take an owner's profile away; `undo` brings it back. Raises OwnerError."""
        remove(self._own(name))

    def export(self, name: str, to: Path, *, with_audio: bool = True) -> Path:
        """Write a profile as one file; return its path."""
        folder = self.folder / name
        if not folder.is_dir():
            folders = [parent / name for parent in (*self.config.profiles, STOCK_FOLDER)]
            folder = next((each for each in folders if each.is_dir()), folder)
        if not folder.is_dir():
            raise OwnerError(f"there is no profile {name!r}")
        return export_profile(folder, to, with_audio=with_audio)

    def import_(self, file: Path, *, name: str | None = None, replacing: bool = False) -> Profile:
        """Take in an exported profile, checked like anything from elsewhere; hear its audio anew if need be.

        Raises ProfileError with what is wrong with it, and OwnerError where one of its name is there already.
        """
        with unpacked(file, self.folder) as folder:
            surroundings = self.surroundings()
            if str(self.encoder.id) in encoders_of(folder):
                profile = read_profile(folder, self.encoder.id)
            else:
                profile = heard_anew(folder, surroundings)
            profile = replace(profile, name=name or profile.name)
            if (self.folder / profile.name).exists() and not replacing:
                raise NameTaken(
                    f"you have a profile {profile.name} already: import it under another name (--as), "
                    "or in its place (--replace)"
                )
            write_profile(profile, self.folder, audio_from=folder, encoders_from=folder, keep_version=True)
        return profile

    def _own(self, name: str) -> Path:
        folder = self.folder / name
        if folder.is_dir() or earlier_versions(folder):
            return folder
        known = [path.name for path in self.folder.glob("[!.]*")]
        raise OwnerError(f"you have taught no profile {name!r}{did_you_mean(name, known)}")


CONFIRMED = "event"
"""The source of an example that is an event which the owner called right; of its audio nothing is kept."""


def named(profiles: Sequence[Profile], name: str) -> Profile:
    """Return the profile of this name. Raises OwnerError where there is none."""
    by_name = {profile.name: profile for profile in profiles}
    if name not in by_name:
        raise OwnerError(f"there is no profile {name!r}{did_you_mean(name, list(by_name))}")
    return by_name[name]


def at_promise(profile: Profile, threshold_logit: float, per_hour: float) -> Profile:
    """Return the profile with the threshold that keeps a promise.

    One that came ready-made is made stricter, never laxer: its own threshold rests on more than the bank.
    """
    if profile.embedded.variant is None:
        threshold_logit = max(threshold_logit, logit(profile.detector.threshold))
    threshold = min(max(float(sigmoid(np.array(threshold_logit))), 1e-5), 1.0 - 1e-5)
    return replace(
        profile,
        detector=replace(profile.detector, threshold=threshold),
        threshold_override=None,
        promise_per_hour=per_hour,
        revision=profile.revision + 1,
        change=f"promised {24 * per_hour:.2g} false alarms a day",
    )


def ambience_folder(config: Config) -> Path:
    """Return where a daemon saves what the home sounds like."""
    return config.state_dir / "ambience"
