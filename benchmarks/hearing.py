"""The stock profiles listening to recordings, through the very code of `heard replay`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.encoders import load_encoder
from benchmarks.report import progress
from daemon.pipeline import Pipeline
from daemon.replay import replay
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.store import STOCK_FOLDER, ProfileStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.dataset import Recording
    from daemon.replay import ReplayedFile
    from detectors.encoders import Encoder
    from fewshot_profiles.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An encoder and the profiles made for it, at their shipped thresholds."""

    encoder: Encoder
    profiles: tuple[Profile, ...]

    def pipeline(self) -> Pipeline:
        """Return the daemon's chain, with no stream open yet."""
        return Pipeline(self.encoder, Matcher(self.profiles))

    def hear(self, recordings: Sequence[Recording]) -> Iterator[tuple[Recording, ReplayedFile]]:
        """Yield what is heard in each recording. Raises AudioFileError for one that cannot be read."""
        replayed = replay(self.pipeline(), [recording.file for recording in recordings])
        for recording, heard in zip(progress(recordings, "Listening"), replayed, strict=True):
            if heard.error is not None:
                raise heard.error
            yield recording, heard


def stock_listener(encoder_name: str) -> Listener:
    """Return the stock profiles with this encoder."""
    encoder = load_encoder(encoder_name)
    return Listener(encoder=encoder, profiles=ProfileStore([STOCK_FOLDER]).load(encoder.id))
