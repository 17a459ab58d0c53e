"""The evidence ledger: JSON lines, each with the hash of the one before. It shows tampering, no more.

Whoever cuts off its end *and* removes the clips of those lines leaves no trace here; `Ledger.head`, told to
another machine now and then, closes that gap.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
from types import MappingProxyType

LEDGER_NAME = "ledger.jsonl"

NO_ENTRY_YET = "0" * 64
"""What the first line names as the hash of the one before."""

EVIDENCE_SUFFIXES = frozenset({".flac", ".json", ".png"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """What a file must look like."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. A clip's newest line counts."""

    kind: Literal["stored", "retired"]
    clip: str
    """The clip's path in the evidence folder, with `/`."""
    profile: str
    onset_at: float
    """Unix seconds."""
    files: Mapping[str, FileDigest]
    """By path in the evidence folder; for a retired clip what had been there."""
    reason: str = ""
    """Why a clip was retired."""

    @property
    def size_bytes(self) -> int:
        """What the clip takes with all that belongs to it."""
        return sum(file.size_bytes for file in self.files.values())


class Fault(StrEnum):
    """What can be wrong with stored evidence."""

    CHANGED = "changed"
    TRUNCATED = "truncated"
    MISSING = "missing"
    UNRECORDED = "unrecorded"
    LEDGER_DAMAGED = "ledger damaged"
    CHAIN_BROKEN = "chain broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it was stored."""

    fault: Fault
    path: Path
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}: {self.detail}"


class Ledger:
    """The ledger of one evidence folder, open for appending. One process at a time writes it."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; an unfinished last line (the power failed) is taken away. Raises OSError."""
        self._path = folder / LEDGER_NAME
        content = self._path.read_bytes() if self._path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self._path, len(whole))
        lines = whole.splitlines()
        self._head = _hash(lines[-1]) if lines else NO_ENTRY_YET
        entries = _newest(entry for line in lines if (entry := _parse(line)) is not None)
        # A home retires clips for years: only those that are there stay in memory.
        self._stored = {name: entry for name, entry in entries.items() if entry.kind == "stored"}

    @property
    def head(self) -> str:
        """The hash of the last line."""
        return self._head

    @property
    def stored(self) -> Mapping[str, Entry]:
        """The clips that should be there, by name."""
        return MappingProxyType(self._stored)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold `verify_ledger` off while files and their line are being written. Raises OSError."""
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def append(self, entry: Entry) -> None:
        """Add a line and flush it to disk. Raises OSError; the ledger is then as it was before."""
        line = _line(entry, previous=self._head)
        with self._path.open("ab") as file:
            before = file.tell()
            try:
                _write_through(file, line + b"\n")
            except OSError:
                os.truncate(self._path, before)
                raise
        self._head = _hash(line)
        if entry.kind == "stored":
            self._stored[entry.clip] = entry
        else:
            self._stored.pop(entry.clip, None)


def verify_ledger(folder: Path) -> list[Finding]:
    """Compare the evidence in `folder` with its ledger. An empty list means that all is as it was stored.

    May run while the daemon stores clips. Raises OSError if the folder cannot be read.
    """
    path = folder / LEDGER_NAME
    lines, present = _snapshot(folder, path)
    findings, entries = _check_chain(path, lines)
    known: set[str] = set()
    for entry in entries.values():
        known.update(entry.files)
        if entry.kind == "stored":
            checks = (_check_file(folder / name, digest) for name, digest in entry.files.items())
            findings += [finding for finding in checks if finding is not None]
    findings += [
        Finding(
            fault=Fault.UNRECORDED,
            path=folder / name,
            detail="the ledger does not know it: put there by hand, or the power failed while it was stored",
        )
        for name in sorted(present - known)
    ]
    return findings


def digest_of(content: bytes) -> FileDigest:
    """Return what a file with this content must look like."""
    return FileDigest(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _snapshot(folder: Path, path: Path) -> tuple[list[bytes], set[str]]:
    """Return the ledger's lines and the evidence files, at a moment when no clip is half stored."""
    present = _evidence_files(folder)
    if not path.exists():
        # The ledger is there before the first clip is, so whatever was listed came from elsewhere.
        return [], present
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return file.read().splitlines(), _evidence_files(folder)


def _evidence_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.glob("*/*")
        if path.suffix in EVIDENCE_SUFFIXES and not path.name.startswith(".tmp-")
    }


def _check_chain(path: Path, lines: list[bytes]) -> tuple[list[Finding], dict[str, Entry]]:
    findings: list[Finding] = []
    entries: list[Entry] = []
    previous = NO_ENTRY_YET
    for number, line in enumerate(lines, start=1):
        entry = _parse(line)
        if entry is None:
            detail = f"line {number} cannot be read"
            findings.append(Finding(fault=Fault.LEDGER_DAMAGED, path=path, detail=detail))
        else:
            entries.append(entry)
            if json.loads(line).get("previous") != previous:
                detail = f"a line before line {number} was changed, removed or inserted"
                findings.append(Finding(fault=Fault.CHAIN_BROKEN, path=path, detail=detail))
        previous = _hash(line)
    return findings, _newest(entries)


def _check_file(path: Path, expected: FileDigest) -> Finding | None:
    if not path.is_file():
        return Finding(fault=Fault.MISSING, path=path, detail="it was stored, and never retired")
    size_bytes = path.stat().st_size
    if size_bytes < expected.size_bytes:
        detail = f"{size_bytes} of {expected.size_bytes} bytes are left"
        return Finding(fault=Fault.TRUNCATED, path=path, detail=detail)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.sha256:
        detail = f"sha256 {found}, stored was {expected.sha256}"
        return Finding(fault=Fault.CHANGED, path=path, detail=detail)
    return None


def _newest(entries: Iterator[Entry] | list[Entry]) -> dict[str, Entry]:
    return {entry.clip: entry for entry in entries}


def _line(entry: Entry, *, previous: str) -> bytes:
    values: dict[str, Any] = {
        "kind": entry.kind,
        "clip": entry.clip,
        "profile": entry.profile,
        "onset_at": entry.onset_at,
        "files": {
            name: {"sha256": file.sha256, "size_bytes": file.size_bytes} for name, file in entry.files.items()
        },
        "reason": entry.reason,
        "previous": previous,
    }
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _parse(line: bytes) -> Entry | None:
    """Return the entry, or None if the line is not one: whoever damaged it also chose its shape."""
    try:
        values = json.loads(line)
        files = {str(name): FileDigest(**digest) for name, digest in values["files"].items()}
        if values["kind"] not in {"stored", "retired"}:
            return None
        return Entry(
            kind=values["kind"],
            clip=str(values["clip"]),
            profile=str(values["profile"]),
            onset_at=float(values["onset_at"]),
            files=files,
            reason=str(values["reason"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _write_through(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
