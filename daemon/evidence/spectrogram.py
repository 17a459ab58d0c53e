"""Draws audio as a picture: time to the right, frequency upwards (logarithmic), decibels as colour."""

from __future__ import annotations

import math
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.types import Samples

WIDTH = 800
HEIGHT = 256
LOWEST_HZ = 50.0
WINDOW_S = 0.032
RANGE_DB = 70.0
"""What lies further than this below the loudest point is black."""

LEFT = 34
BOTTOM = 12
"""Margins for the numbers beside the axes, in pixels."""

_LEVELS = 250
_BLACK, _WHITE, _GREY = _LEVELS, _LEVELS + 1, _LEVELS + 2

# Dark to bright in even steps of lightness, so that it reads in grey as well.
_ANCHORS = np.array(
    [
        (2, 2, 16),
        (50, 16, 94),
        (124, 30, 110),
        (199, 52, 84),
        (244, 114, 44),
        (252, 190, 60),
        (252, 252, 200),
    ],
    np.float64,
)

_TICKS_HZ = (100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)

# Rows of three pixels, top to bottom: all the letters that the axes need.
_GLYPHS = {
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 2, 2, 2),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
    "-": (0, 0, 7, 0, 0),
    "k": (4, 5, 6, 5, 5),
    "s": (3, 4, 2, 1, 6),
    "H": (5, 5, 7, 5, 5),
    "z": (0, 7, 2, 4, 7),
}


def spectrogram_png(samples: Samples, rate_hz: int, *, onset_s: float) -> bytes:
    """Return a PNG of `samples`, float32 [channels, n]; a white line and second 0 mark the onset."""
    seconds = samples.shape[1] / rate_hz
    image = np.full((HEIGHT + BOTTOM, LEFT + WIDTH), _BLACK, np.uint8)
    image[:HEIGHT, LEFT:] = _levels(_log_frequency_db(samples, rate_hz))
    _draw_frequencies(image, rate_hz)
    if seconds > 0:
        _draw_times(image, seconds, onset_s)
    return _png(image, _palette())


def _log_frequency_db(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Return the power in dB as [HEIGHT, WIDTH], the lowest frequency in the last row."""
    window = max(16, round(WINDOW_S * rate_hz))
    # One channel, the loudest: in a mix of several, sounds that arrive out of phase can vanish.
    loudest = samples[np.argmax(np.sum(np.square(samples), axis=1))]
    padded = np.pad(loudest, (window // 2, window))
    starts = np.linspace(0, samples.shape[1], WIDTH, endpoint=False).astype(int)
    frames = padded[starts[:, None] + np.arange(window)] * np.hanning(window).astype(np.float32)
    power = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float64) ** 2
    bins = np.geomspace(LOWEST_HZ, rate_hz / 2, HEIGHT) * window / rate_hz
    below = np.minimum(bins.astype(int), power.shape[1] - 2)
    share = (bins - below)[None, :]
    rows = power[:, below] * (1 - share) + power[:, below + 1] * share
    decibels: NDArray[np.float64] = 10 * np.log10(np.maximum(rows, 1e-12))
    return decibels.T[::-1]


def _levels(decibels: NDArray[np.float64]) -> NDArray[np.uint8]:
    loudest = decibels.max()
    scaled = (decibels - loudest + RANGE_DB) / RANGE_DB if loudest > -100 else np.zeros_like(decibels)
    return (np.clip(scaled, 0, 1) * (_LEVELS - 1)).astype(np.uint8)


def _draw_frequencies(image: NDArray[np.uint8], rate_hz: int) -> None:
    octaves = np.log(rate_hz / 2 / LOWEST_HZ)
    for hertz in _TICKS_HZ:
        if hertz < rate_hz / 2:
            row = round((HEIGHT - 1) * (1 - np.log(hertz / LOWEST_HZ) / octaves))
            image[row, LEFT - 4 : LEFT] = _WHITE
            image[row, LEFT::8] = _GREY
            _write(
                image, f"{hertz // 1000}kHz" if hertz >= 1000 else f"{hertz}Hz", row=row - 2, right=LEFT - 6
            )


def _draw_times(image: NDArray[np.uint8], seconds: float, onset_s: float) -> None:
    step_s = max(1, round(seconds / 20))
    for second in range(-int(onset_s // step_s) * step_s, int(seconds - onset_s) + 1, step_s):
        column = LEFT + round((onset_s + second) / seconds * WIDTH)
        if LEFT <= column < LEFT + WIDTH:
            image[HEIGHT : HEIGHT + 3, column] = _WHITE
            text = f"{second}s"
            _write(image, text, row=HEIGHT + 5, right=min(column + 2 * len(text), LEFT + WIDTH))
    onset = LEFT + math.floor(onset_s / seconds * WIDTH)
    if LEFT <= onset < LEFT + WIDTH:
        rows = np.arange(HEIGHT)
        image[rows[rows % 6 < 4], onset] = _WHITE


def _write(image: NDArray[np.uint8], text: str, *, row: int, right: int) -> None:
    """Write `text` so that it ends at the column `right`."""
    for place, letter in enumerate(text):
        left = right - 4 * (len(text) - place)
        for down, bits in enumerate(_GLYPHS[letter]):
            for across in range(3):
                inside = 0 <= row + down < image.shape[0] and 0 <= left + across < image.shape[1]
                if inside and bits & (4 >> across):
                    image[row + down, left + across] = _WHITE


def _palette() -> bytes:
    places = np.linspace(0, len(_ANCHORS) - 1, _LEVELS)
    colours = np.stack([np.interp(places, range(len(_ANCHORS)), _ANCHORS[:, c]) for c in range(3)], axis=1)
    marks = np.array([(0, 0, 0), (255, 255, 255), (110, 110, 120)])
    return np.concatenate([colours, marks]).astype(np.uint8).tobytes()


def _png(image: NDArray[np.uint8], palette: bytes) -> bytes:
    height, width = image.shape
    # Each row begins with the number of its filter, 0: none.
    rows = np.pad(image, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
