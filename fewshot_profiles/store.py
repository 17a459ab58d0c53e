"""Where profiles are found: those that ship, and the owner's folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detectors.encoders import EncoderId
from fewshot_profiles.bank import BackgroundBank, read_bank
from fewshot_profiles.folder import YAML_NAME, read_profile
from fewshot_profiles.profile import Profile
from foundation.errors import Problem, ProfileError

STOCK_FOLDER = Path(__file__).with_name("stock")
BANK_NAME = "background.npz"


class ProfileStore:
    """Folders of profiles, each profile a folder in one of them.

    A later folder's profile replaces an earlier one's of the same name: the owner's `dog_bark` takes the
    place of the stock one.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def load(self, encoder: EncoderId) -> tuple[Profile, ...]:
        """Read every profile, ordered by name; raise ProfileError with all faults of all of them."""
        profiles: dict[str, Profile] = {}
        problems: list[Problem] = []
        for folder in self._folders:
            try:
                found = _read_folder(folder, encoder)
            except ProfileError as error:
                problems.extend(error.problems)
                continue
            profiles.update((profile.name, profile) for profile in found)
        if problems:
            raise ProfileError(problems)
        return tuple(profiles[name] for name in sorted(profiles))


def stock_bank(encoder: EncoderId) -> BackgroundBank:
    """Read the background bank that ships. Raises ProfileError when it is of another encoder."""
    return read_bank(STOCK_FOLDER / BANK_NAME, encoder)


def _read_folder(folder: Path, encoder: EncoderId) -> list[Profile]:
    if not folder.is_dir():
        message = "there is no such folder of profiles; create it, or take it out of the configuration"
        raise ProfileError([Problem(file=folder, line=0, column=0, message=message)])
    profiles: dict[str, Profile] = {}
    problems: list[Problem] = []
    for path in sorted(folder.iterdir()):
        # A dot folder is one being written.
        if path.name.startswith(".") or not (path / YAML_NAME).is_file():
            continue
        try:
            profile = read_profile(path, encoder)
        except ProfileError as error:
            problems.extend(error.problems)
            continue
        if profile.name in profiles:
            message = f"a second profile named {profile.name} in {folder}; rename one of them"
            problems.append(Problem(file=path / YAML_NAME, line=0, column=0, message=message))
        profiles[profile.name] = profile
    if problems:
        raise ProfileError(problems)
    return list(profiles.values())
