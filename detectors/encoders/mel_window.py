"""The last moments of a stream as a log-mel picture, in which every frame is computed once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.encoders.mel_picture import MelSettings, emphasise, frame_count, mel_frames, mel_picture
from detectors.encoders.windowed import SampleWindow
from detectors.types import Samples


class MelWindow:
    """Implements `Window`.

    The picture is the one that `mel_picture` makes of the window, but that its first frames know what came
    before. Its last frames reach past the newest sample: until that is there they are made anew each time,
    from audio reflected at its end as `mel_picture` does it. A stream's state holds the audio that the next
    frames begin with, then the finished frames.
    """

    def __init__(self, settings: MelSettings, *, hop_samples: int, window_samples: int) -> None:
        if not fits(settings, hop_samples=hop_samples, window_samples=window_samples):
            raise ValueError(f"frames of {settings.hop_samples} samples do not fit hops of {hop_samples}")
        self._settings = settings
        lost, half = int(settings.preemphasis > 0), settings.window_samples // 2
        # Counted back from the newest sample, in frames: where the picture ends, and the newest finished one.
        newest, finished = lost, -(-(half + lost) // settings.hop_samples)
        self._frames_a_hop = hop_samples // settings.hop_samples
        self._unfinished = finished - newest
        self._tail = (finished - 1) * settings.hop_samples + half
        self._kept = frame_count(window_samples, settings) - self._unfinished

    @property
    def size(self) -> int:
        """How many numbers a stream's state has."""
        return self._tail + self._kept * self._settings.mels

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a stream in which nothing has sounded yet."""
        silence = (np.log(self._settings.floor) + self._settings.shift) / self._settings.scale
        frames = np.full(self._kept * self._settings.mels, silence, np.float32)
        return np.concatenate([np.zeros(self._tail, np.float32), frames])

    def advance(self, states: NDArray[np.float32], heard: Samples) -> NDArray[np.float32]:
        """Take the next hop of each stream into account: states [streams, size], heard [streams, samples]."""
        audio = np.concatenate((states[:, : self._tail], heard), axis=1)
        fresh = mel_frames(emphasise(audio, self._settings), self._frames_a_hop, self._settings)
        gone = self._tail + self._frames_a_hop * self._settings.mels
        return np.concatenate(
            (audio[:, -self._tail :], states[:, gone:], fresh.reshape(len(states), -1)), axis=1
        )

    def view(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the pictures [streams, mels, frames]."""
        frames = states[:, self._tail :].reshape(len(states), self._kept, self._settings.mels)
        if self._unfinished:
            audio = emphasise(states[:, : self._tail], self._settings)
            needed = (self._unfinished - 1) * self._settings.hop_samples + self._settings.window_samples
            padded = np.pad(audio, ((0, 0), (0, max(0, needed - audio.shape[1]))), mode="reflect")
            frames = np.concatenate((frames, mel_frames(padded, self._unfinished, self._settings)), axis=1)
        return np.ascontiguousarray(frames.swapaxes(1, 2))


class PictureWindow(SampleWindow):
    """Implements `Window` where frames fall elsewhere in every hop: the whole picture is made anew."""

    def __init__(self, settings: MelSettings, samples: int) -> None:
        super().__init__(samples)
        self._settings = settings

    def view(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the pictures [streams, mels, frames]."""
        return mel_picture(states, self._settings)


def fits(settings: MelSettings, *, hop_samples: int, window_samples: int) -> bool:
    """Whether frames fall at the same places in every hop, and a window holds those of one at least."""
    return (
        hop_samples % settings.hop_samples == 0
        and settings.window_samples % 2 == 0
        and window_samples >= hop_samples + settings.window_samples
    )
