"""The encoder changed: what the owner taught is heard anew by the one in use, as far as it can be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from daemon.models.choice import load_bank
from fewshot_profiles.enrollment import Surroundings
from fewshot_profiles.folder import ARRAYS_NAME, YAML_NAME, audio_files, encoders_of
from fewshot_profiles.reembedding import hear_folder_anew
from fewshot_profiles.store import STOCK_FOLDER, ProfileStore
from fewshot_profiles.versions import remove

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config import Config
    from detectors.encoders import Encoder

_log = logging.getLogger(__name__)


def renew_taught(config: Config, encoder: Encoder) -> None:
    """Hear the taught profiles anew that were fitted for other encoders only.

    A stock profile that the owner has marked gives way to the one that ships. Raises ProfileError where the
    examples were not kept as audio.
    """
    strangers = [folder for folder in _taught(config) if str(encoder.id) not in encoders_of(folder)]
    for folder in strangers:
        if not audio_files(folder) and (STOCK_FOLDER / folder.name).is_dir():
            remove(folder)
            _log.warning(
                "what was marked of %s was for another encoder: the shipped one is used", folder.name
            )
            continue
        surroundings = Surroundings(
            encoder=encoder,
            bank=load_bank(config, encoder.id),
            others=ProfileStore([STOCK_FOLDER]).load(encoder.id) if config.stock_profiles else (),
        )
        hear_folder_anew(folder, surroundings)
        _log.warning("profile %s was heard anew by the encoder %s", folder.name, encoder.id)


def _taught(config: Config) -> list[Path]:
    root = config.taught_folder
    if not root.is_dir():
        return []
    return [
        folder
        for folder in sorted(root.iterdir())
        if not folder.name.startswith(".")
        and (folder / YAML_NAME).is_file()
        and (folder / ARRAYS_NAME).is_file()
    ]
