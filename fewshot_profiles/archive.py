"""A profile as one file, to share or to move. What comes in is checked like any untrusted input."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewshot_profiles.arrays import bad_file, read_arrays
from fewshot_profiles.example_audio import read_example
from fewshot_profiles.folder import ARRAYS_NAME, AUDIO_FOLDER, YAML_NAME, audio_files
from foundation.atomic_file import write_atomically
from foundation.errors import ExampleError

SUFFIX = ".heard-profile"
FORMAT = "heard-profile"
VERSION = 1

MAX_BYTES = 200_000_000
"""Packed; twenty examples of two minutes in stereo are less."""
MAX_MEMBER_BYTES = {YAML_NAME: 1_000_000, ARRAYS_NAME: 64_000_000, "manifest.json": 100_000}
MAX_AUDIO_BYTES = 64_000_000
"""Of one example."""
MAX_UNPACKED_BYTES = 400_000_000
MAX_MEMBERS = 24

_AUDIO_NAME = re.compile(rf"{AUDIO_FOLDER}/\d\d\.flac")
_MANIFEST = "manifest.json"
_CHUNK = 1 << 16


def export_profile(folder: Path, to: Path, *, with_audio: bool = True) -> Path:
    """Write the profile in `folder` as one file, whole or not at all; return its path.

    Raises OSError as the file system does.
    """
    members = {name: (folder / name).read_bytes() for name in (YAML_NAME, ARRAYS_NAME)}
    if with_audio:
        members |= {f"{AUDIO_FOLDER}/{file.name}": file.read_bytes() for file in audio_files(folder)}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    manifest = {"format": FORMAT, "version": VERSION, "files": digests}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {_MANIFEST: json.dumps(manifest, indent=2).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)
    write_atomically(to, buffer.getvalue())
    return to


@contextmanager
def unpacked(file: Path, beside: Path) -> Iterator[Path]:
    """Give the checked content of an exported profile as a folder for as long as this lasts.

    The folder lies in `beside`. Raises ProfileError with what is wrong with the file; nothing is left then.
    """
    members = _read_members(file)
    beside.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".tmp-", dir=beside))
    try:
        for name, content in members.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        _check_content(folder, file)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _read_members(file: Path) -> dict[str, bytes]:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise bad_file(file, f"is larger than the {MAX_BYTES:_} bytes that a profile may have")
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            _check_names(infos, file)
            members: dict[str, bytes] = {}
            for info in infos:
                left = MAX_UNPACKED_BYTES - sum(map(len, members.values()))
                members[info.filename] = _read_member(archive, info, left, file)
    except FileNotFoundError:
        raise bad_file(file, "there is no such file") from None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise bad_file(file, f"is no profile that heard exported ({error})") from error
    _check_digests(members, file)
    return members


def _check_names(infos: list[zipfile.ZipInfo], file: Path) -> None:
    names = [info.filename for info in infos]
    if len(infos) > MAX_MEMBERS or len(set(names)) != len(names):
        raise bad_file(file, f"holds more than {MAX_MEMBERS} files, or one of them twice")
    for info in infos:
        mode = info.external_attr >> 16
        regular = not mode or stat.S_ISREG(mode) or not stat.S_IFMT(mode)
        if not regular or (
            info.filename not in MAX_MEMBER_BYTES and not _AUDIO_NAME.fullmatch(info.filename)
        ):
            raise bad_file(file, f"holds {info.filename!r}, which has no place in a profile")
    if missing := {YAML_NAME, ARRAYS_NAME, _MANIFEST} - set(names):
        raise bad_file(
            file, f"is no profile that heard exported: it has no {' and no '.join(sorted(missing))}"
        )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int, file: Path) -> bytes:
    """Read one member, believing nothing that its header says of its size."""
    allowed = min(MAX_MEMBER_BYTES.get(info.filename, MAX_AUDIO_BYTES), left)
    content = bytearray()
    with archive.open(info) as member:
        while chunk := member.read(_CHUNK):
            content += chunk
            if len(content) > allowed:
                raise bad_file(file, f"{info.filename} unpacks to more than the {allowed:_} bytes allowed")
    return bytes(content)


def _check_digests(members: dict[str, bytes], file: Path) -> None:
    try:
        manifest: Any = json.loads(members.pop(_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise bad_file(file, f"its manifest is not JSON ({error})") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise bad_file(file, "is no profile that heard exported")
    if manifest.get("version") != VERSION:
        raise bad_file(
            file, f"was exported by a newer heard (format {manifest.get('version')!r}); update heard"
        )
    found = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    if manifest.get("files") != found:
        raise bad_file(file, "is damaged: its content is not what its manifest says")


def _check_content(folder: Path, file: Path) -> None:
    """Read what the profile's own reader will not: every example must be audio that could teach."""
    read_arrays(folder / ARRAYS_NAME)
    for example in audio_files(folder):
        try:
            read_example(example)
        except ExampleError as error:
            fault = str(error).replace(str(example), f"its example {example.name}")
            raise bad_file(file, fault) from error
