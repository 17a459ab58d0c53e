"""What networks that look at a window of audio share behind the `Encoder` port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import EncoderId
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples

WindowNetwork = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Views of a `Window` [streams, …] to embeddings [streams, dim], which need not be unit vectors."""


class Window(Protocol):
    """What of a stream's last moments a network looks at, and the state that it takes to keep that."""

    @property
    def size(self) -> int:
        """How many numbers a stream's state has."""

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a stream in which nothing has sounded yet."""

    def advance(self, states: NDArray[np.float32], heard: Samples) -> NDArray[np.float32]:
        """Take the next hop of each stream into account: states [streams, size], heard [streams, samples]."""

    def view(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network is given of each stream."""


class SampleWindow:
    """Implements `Window`: the samples as they are."""

    def __init__(self, samples: int) -> None:
        self._samples = samples

    @property
    def size(self) -> int:
        """How many numbers a stream's state has."""
        return self._samples

    def initial_state(self) -> NDArray[np.float32]:
        """Return silence."""
        return np.zeros(self._samples, np.float32)

    def advance(self, states: NDArray[np.float32], heard: Samples) -> NDArray[np.float32]:
        """Drop the oldest samples for the newest."""
        return np.concatenate((states[:, heard.shape[1] :], heard), axis=1)

    def view(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the samples [streams, samples]."""
        return states


_TAPS = 64
"""Of the interpolating filter for each new sample; it delays by half of them, 2 ms."""
_CUTOFF_HZ = 7_500.0
_KAISER_BETA = 8.0
_FFT_SAMPLES = 1_344  # at least _TAPS - 1 + HOP_SAMPLES, and a product of small primes


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowing:
    """How a network looks at a stream."""

    rate_hz: int
    """DETECTION_RATE_HZ, half as much again, or a multiple: interpolated, and empty above 8 kHz."""
    window_samples: int
    """At `rate_hz`"""
    every_hops: int = 1
    """1: a new embedding each hop. k: each k-th hop, and the hops between repeat the last one."""

    def __post_init__(self) -> None:
        if 2 * self.rate_hz % DETECTION_RATE_HZ or self.rate_hz < DETECTION_RATE_HZ:
            raise ValueError(f"{self.rate_hz} Hz is neither a multiple of {DETECTION_RATE_HZ} Hz nor midway")
        if self.window_samples < self.hop_samples or self.every_hops < 1:
            raise ValueError("a window holds at least one hop, and the network runs at least each hop")

    @property
    def stride(self) -> int:
        """2 where the rate is midway between two multiples: every other interpolated sample counts."""
        return 1 if self.rate_hz % DETECTION_RATE_HZ == 0 else 2

    @property
    def factor(self) -> int:
        """How many interpolated samples stand for one at DETECTION_RATE_HZ."""
        return self.stride * self.rate_hz // DETECTION_RATE_HZ

    @property
    def hop_samples(self) -> int:
        """One hop at `rate_hz`."""
        return self.factor * HOP_SAMPLES // self.stride


@lru_cache(maxsize=4)
def _filter_spectra(factor: int) -> NDArray[np.complex64]:
    """Return the spectrum of each phase of the interpolating filter: [factor, bins]."""
    length = factor * _TAPS
    at = np.arange(length) - (length - 1) / 2
    cutoff = 2 * _CUTOFF_HZ / (factor * DETECTION_RATE_HZ)
    impulse = factor * cutoff * np.sinc(cutoff * at) * np.kaiser(length, _KAISER_BETA)
    phases = impulse.reshape(_TAPS, factor).T
    spectra: NDArray[np.complex64] = np.fft.rfft(phases, _FFT_SAMPLES).astype(np.complex64)
    return spectra


def upsample(tails: Samples, hops: Samples, factor: int) -> tuple[Samples, Samples]:
    """Interpolate the next hop of each stream: [streams, HOP_SAMPLES] to [streams, factor * HOP_SAMPLES].

    `tails` are the _TAPS - 1 samples before it (`tail_samples(factor)`); the tails of the hop after it are
    returned first. Hop by hop gives what the whole gives.
    """
    if factor == 1:
        return tails, hops
    audio = np.concatenate((tails, hops), axis=1)
    spectrum = np.fft.rfft(audio, _FFT_SAMPLES)[:, None, :] * _filter_spectra(factor)
    phases = np.fft.irfft(spectrum, _FFT_SAMPLES)[:, :, _TAPS - 1 : _TAPS - 1 + HOP_SAMPLES]
    interpolated = np.ascontiguousarray(phases.swapaxes(1, 2), dtype=np.float32)
    return audio[:, HOP_SAMPLES:], interpolated.reshape(len(hops), factor * HOP_SAMPLES)


def tail_samples(factor: int) -> int:
    """How many samples `upsample` needs of what came before."""
    return _TAPS - 1 if factor > 1 else 0


def windowed_id(name: str, windowing: Windowing, dim: int, *ingredients: object) -> EncoderId:
    """Name an encoder by all that its numbers depend on: the network's file, the windowing, and the rest."""
    recipe = repr((windowing, ingredients)).encode()
    return EncoderId(name=name, sha256=sha256(recipe).hexdigest(), dim=dim)


class WindowedEncoder:
    """Implements `Encoder` by a network that looks at the last moments of each stream.

    A stream's state is the end of the audio before (for interpolation), the window's own, the last embedding
    and how many hops are left until the network runs again. It runs at a stream's first hop, on a window that
    is silent up to there, and from then on each `every_hops` hops: the ear is that much later, and cheaper.
    """

    def __init__(
        self,
        network: WindowNetwork,
        windowing: Windowing,
        id: EncoderId,  # noqa: A002 - the port's word
        window: Window | None = None,
    ) -> None:
        self._network = network
        self._windowing = windowing
        self._id = id
        self._window = window or SampleWindow(windowing.window_samples)
        self._tail = tail_samples(windowing.factor)

    @property
    def id(self) -> EncoderId:
        """The identity that profiles store with their numbers."""
        return self._id

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a stream that has heard nothing yet."""
        rest = np.zeros(self._id.dim + 1, np.float32)
        return np.concatenate((np.zeros(self._tail, np.float32), self._window.initial_state(), rest))

    def step(
        self, states: NDArray[np.float32], hops: Samples
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advance each stream by one hop; see `Encoder.step`."""
        tails, windows, embeddings, waits = np.split(
            states, np.cumsum([self._tail, self._window.size, self._id.dim]), axis=1
        )
        tails, heard = upsample(tails, hops, self._windowing.factor)
        windows = self._window.advance(windows, heard[:, :: self._windowing.stride])
        due = waits[:, 0] == 0
        if due.any():
            embeddings = embeddings.copy()
            embeddings[due] = _unit(self._network(self._window.view(windows[due])))
        waits = np.where(due[:, None], np.float32(self._windowing.every_hops), waits) - np.float32(1)
        return np.concatenate((tails, windows, embeddings, waits), axis=1), embeddings


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale to unit length; zeros, which a network may give for silence, come to point nowhere special."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    anywhere = np.float32(1.0 / np.sqrt(vectors.shape[1]))
    units: NDArray[np.float32] = np.where(norms > 0, vectors / np.maximum(norms, 1e-30), anywhere)
    return units.astype(np.float32)
