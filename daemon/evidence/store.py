"""Puts clips into the evidence folder, whole or not at all, and takes old ones out. It blocks."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from daemon.evidence.clips import Clip, clip_name, json_bytes, render, sidecar_name
from daemon.evidence.ledger import Entry, FileDigest, Ledger, digest_of
from daemon.evidence.retention import Limits, to_retire
from foundation.atomic_file import write_atomically
from foundation.errors import EvidenceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from detectors.types import SoundEvent


class EvidenceStore:
    """Owns one evidence folder. Not safe for several threads at once."""

    def __init__(self, folder: Path, *, limits: Limits, heard_version: str) -> None:
        self.folder = folder
        self._limits = limits
        self._heard_version = heard_version
        self._opened: Ledger | None = None

    def store(self, clip: Clip) -> Path:
        """Store the clip with sidecar, picture and ledger line; return its path.

        A clip that is there already only gains the rules that it did not have. Raises EvidenceUnavailable,
        with nothing half-written, if the disk is full or the folder cannot be written.
        """
        name = clip_name(clip.event)
        with _unavailable_on_os_error(self.folder):
            ledger = self._ledger()
            with ledger.writing():
                known = ledger.stored.get(name)
                if known is not None and (self.folder / name).is_file():
                    self._change_sidecar(
                        ledger,
                        known,
                        lambda sidecar: {"rules": list(dict.fromkeys([*sidecar["rules"], *clip.rule_ids]))},
                    )
                else:
                    self._add(ledger, clip, render(clip, heard_version=self._heard_version))
        return self.folder / name

    def tell(self, event: SoundEvent) -> None:
        """Write what was said of the event into the sidecar of its clip, if there is one.

        Raises EvidenceUnavailable, with the sidecar as it was, if the folder cannot be written.
        """
        words = {"caption": event.caption, "transcript": event.transcript}
        said = {name: text for name, text in words.items() if text is not None}
        name = clip_name(event)
        with _unavailable_on_os_error(self.folder):
            ledger = self._ledger()
            with ledger.writing():
                known = ledger.stored.get(name)
                if known is not None and (self.folder / name).is_file():
                    self._change_sidecar(
                        ledger, known, lambda sidecar: {"event": {**sidecar["event"], **said}}
                    )

    def retire(self, *, now: float) -> list[Entry]:
        """Delete what exceeds the limits at `now` (Unix seconds), and say so in the ledger first.

        Raises EvidenceUnavailable if the folder cannot be written.
        """
        with _unavailable_on_os_error(self.folder):
            ledger = self._ledger()
            # Opening it for writing first shows a read-only folder before a clip is lost to it.
            retired = to_retire(ledger.stored.values(), self._limits, now=now)
            with ledger.writing():
                for entry, reason in retired:
                    ledger.append(_retired(entry, reason))
                    self._delete(entry.files)
        return [entry for entry, _ in retired]

    def _ledger(self) -> Ledger:
        if self._opened is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.rglob(".tmp-*"):
                leftover.unlink(missing_ok=True)
            self._opened = Ledger(self.folder)
        return self._opened

    def _add(self, ledger: Ledger, clip: Clip, files: Mapping[str, bytes]) -> None:
        name = clip_name(clip.event)
        entry = Entry(
            kind="stored",
            clip=name,
            profile=clip.event.profile,
            onset_at=clip.event.onset_at,
            files={file: digest_of(content) for file, content in files.items()},
        )
        (self.folder / name).parent.mkdir(exist_ok=True)
        try:
            for file, content in files.items():
                write_atomically(self.folder / file, content)
            ledger.append(entry)
        except OSError:
            self._delete(entry.files)
            raise

    def _change_sidecar(
        self, ledger: Ledger, known: Entry, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        name = sidecar_name(known.clip)
        before = (self.folder / name).read_bytes()
        try:
            sidecar = json.loads(before)
            changed = {**sidecar, **change(sidecar)}
        except (ValueError, KeyError, TypeError):
            # Somebody changed it; it stays as proof of that.
            return
        if changed == sidecar:
            return
        content = json_bytes(changed)
        write_atomically(self.folder / name, content)
        try:
            ledger.append(_with_file(known, name, digest_of(content)))
        except OSError:
            write_atomically(self.folder / name, before)
            raise

    def _delete(self, files: Mapping[str, FileDigest]) -> None:
        for name in files:
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            # Only the last clip of a day leaves an empty folder behind.
            (self.folder / next(iter(files))).parent.rmdir()


def _retired(entry: Entry, reason: str) -> Entry:
    return Entry(
        kind="retired",
        clip=entry.clip,
        profile=entry.profile,
        onset_at=entry.onset_at,
        files=entry.files,
        reason=reason,
    )


def _with_file(entry: Entry, name: str, digest: FileDigest) -> Entry:
    return Entry(
        kind="stored",
        clip=entry.clip,
        profile=entry.profile,
        onset_at=entry.onset_at,
        files={**entry.files, name: digest},
    )


@contextmanager
def _unavailable_on_os_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EvidenceUnavailable(f"cannot store evidence in {folder}: {error.strerror or error}") from error
