"""Arrays in one npz file: written the same to the bit each time, read as untrusted input."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foundation.atomic_file import write_atomically
from foundation.errors import Problem, ProfileError

MAX_UNPACKED_BYTES = 256_000_000
"""No profile or bank of ours is larger; a small file that unpacks to gigabytes is an attack."""

Arrays = dict[str, NDArray[np.generic]]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays, whole or not at all. Raises OSError as the file system does."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(arrays[name], order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED)
    write_atomically(path, buffer.getvalue())
    # The daemon runs as another user than the one who enrols.
    path.chmod(0o644)


def read_arrays(path: Path) -> Arrays:
    """Read every array of an npz file. Raises ProfileError when it is missing, damaged or not plain."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise bad_file(
                path, f"unpacks to {unpacked:_} bytes, more than the {MAX_UNPACKED_BYTES:_} allowed"
            )
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise bad_file(path, "the file is missing") from None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise bad_file(path, f"is no readable npz file of plain arrays ({error})") from error


def bad_file(path: Path, message: str) -> ProfileError:
    """Return the error for a fault that has no line: the whole file is meant."""
    return ProfileError([Problem(file=path, line=0, column=0, message=message)])


def floats(arrays: Arrays, name: str, shape: tuple[int | None, ...], path: Path) -> NDArray[np.float32]:
    """Return an array of the expected shape (None is any length) as float32, or raise ProfileError."""
    array = arrays.get(name)
    if array is None:
        raise bad_file(path, f"has no array {name!r}")
    fits = array.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "fiu":
        wanted = " × ".join("any" if size is None else str(size) for size in shape) or "one number"
        raise bad_file(path, f"{name!r} should be numbers {wanted}, is {array.dtype} {array.shape}")
    values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise bad_file(path, f"{name!r} holds values that are not finite")
    return values
