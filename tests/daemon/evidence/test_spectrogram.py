"""What the picture of a clip shows."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from daemon.evidence.spectrogram import BOTTOM, HEIGHT, LEFT, LOWEST_HZ, WIDTH, spectrogram_png

RATE_HZ = 16_000


def decoded(png: bytes) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Read back what an independent reading of the PNG standard says is in the file, [rows, columns, RGB]."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", png, at + 8 + length)
        assert checksum == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + length
    assert list(chunks) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour, rest) == (8, 3, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    picture: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]] = palette[rows[:, 1:]]
    return picture


def brightness(
    picture: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the sum of the colours inside the axes."""
    inside: np.ndarray[tuple[int, int], np.dtype[np.float64]] = picture[:HEIGHT, LEFT:].sum(
        axis=2, dtype=float
    )
    return inside


def tone(
    hertz: float, seconds: float = 2.0, rate_hz: int = RATE_HZ
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * hertz * time_s)).astype(np.float32)[None]


@pytest.mark.parametrize("hertz", [300.0, 1_000.0, 4_000.0])
def test_a_tone_is_a_bright_line_at_its_frequency(hertz: float) -> None:
    """The brightest row is the one of the tone's frequency on the logarithmic scale."""
    picture = brightness(decoded(spectrogram_png(tone(hertz), RATE_HZ, onset_s=0.0)))
    row = int(np.argmax(picture[:, 300:500].mean(axis=1)))
    expected = (HEIGHT - 1) * (1 - np.log(hertz / LOWEST_HZ) / np.log(RATE_HZ / 2 / LOWEST_HZ))
    assert abs(row - expected) < 5


def test_a_click_stands_where_and_when_it_was() -> None:
    """Time runs to the right, and the dashed white line marks the onset."""
    samples = np.zeros((1, 2 * RATE_HZ), np.float32)
    samples[0, RATE_HZ] = 1.0
    picture = brightness(decoded(spectrogram_png(samples, RATE_HZ, onset_s=0.5)))
    assert abs(int(np.argmax(picture[:, 300:].mean(axis=0))) + 300 - WIDTH / 2) <= 6
    assert (picture[:, WIDTH // 4] == 3 * 255).mean() > 0.5


def test_the_axes_carry_numbers() -> None:
    """There is writing to the left and below."""
    picture = decoded(spectrogram_png(tone(1_000.0), RATE_HZ, onset_s=1.0))
    assert picture.shape == (HEIGHT + BOTTOM, LEFT + WIDTH, 3)
    assert (picture[:, :LEFT] == 255).all(axis=2).sum() > 100
    assert (picture[HEIGHT:] == 255).all(axis=2).sum() > 30


def test_sounds_out_of_phase_do_not_vanish() -> None:
    """Two microphones that hear the same wave upside down still make a picture of it."""
    both = np.concatenate([tone(1_000.0), -tone(1_000.0)])
    assert brightness(decoded(spectrogram_png(both, RATE_HZ, onset_s=0.0))).max() > 600


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("count", [0, 1, 100, 30_000])
def test_any_audio_makes_a_picture(rate_hz: int, count: int) -> None:
    """Empty, tiny and silent clips do not fail, at any rate."""
    picture = decoded(spectrogram_png(np.zeros((2, count), np.float32), rate_hz, onset_s=0.0))
    assert picture.shape[1] == LEFT + WIDTH


@pytest.mark.parametrize("onset_s", [-1.0, 0.0, 1.999, 2.0, 99.0])
def test_an_onset_outside_the_clip_has_no_mark(onset_s: float) -> None:
    """A picture of what was left of a sound is still a picture."""
    picture = brightness(decoded(spectrogram_png(tone(1_000.0), RATE_HZ, onset_s=onset_s)))
    assert ((picture == 3 * 255).mean(axis=0).max() > 0.5) == (0.0 <= onset_s < 2.0)
