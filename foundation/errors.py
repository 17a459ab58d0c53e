"""Every error that heard raises on purpose.

Two halves, split by who must act. The owner's half ends a command with exit code 2 and a text that says
what to do; the other half is retried inside the daemon and shows in `heard status`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class HeardError(Exception):
    """The root of all errors that heard raises on purpose."""


# --- The owner must act -----------------------------------------------------------------------------------


class OwnerError(HeardError):
    """Something only the owner can mend; `str(error)` says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file, with its place. Lines and columns count from 1; 0 means not known."""

    file: Path
    line: int
    column: int
    message: str
    source_line: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else f"{self.file}"
        text = f"{place}: {self.message}"
        if self.source_line:
            text += f"\n    {self.source_line.rstrip()}\n    {' ' * (self.column - 1)}^"
        return text


class FileError(OwnerError):
    """A file of the owner's is wrong. `problems` holds every fault found, in order of place."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class ConfigError(FileError):
    """The configuration file cannot be used."""


class RuleError(FileError):
    """A rule file cannot be used. `warnings` holds what could be, and never does anything."""

    def __init__(self, problems: list[Problem], warnings: tuple[Problem, ...] = ()) -> None:
        super().__init__(problems)
        self.warnings = warnings


class ProfileError(FileError):
    """A profile's files cannot be used."""


class NameTaken(OwnerError):
    """There is something of this name already."""


class ExampleError(OwnerError):
    """An example sound cannot teach a profile. The text says why, and what to record instead."""


class ModelError(OwnerError):
    """A model file is missing, damaged or of another kind than was expected."""


class ManifestError(FileError, ModelError):
    """The manifest of a model cannot be used, or the model is not what it says."""


class PromptError(OwnerError):
    """A full audio model cannot be asked this: too long, or a part that it has no place for."""


class AudioDeviceError(OwnerError):
    """A capture device or the library that reaches it is missing; the text names package or devices."""


class AudioFileError(OwnerError):
    """A file could not be read as audio."""


class StateFolderError(OwnerError):
    """The state folder cannot be used, or another daemon holds it."""


class AddressError(OwnerError):
    """heard cannot serve at an address that the configuration names: taken, or not this machine's."""


class ActionError(OwnerError):
    """A rule asks for something that cannot be done. The text names what, and what would be accepted."""


# --- Try again: retried with full jitter inside the daemon --------------------------------------------------


class RetryableError(HeardError):
    """Something that may work later without anybody's help."""


class SourceStalled(RetryableError):
    """A stream delivers no audio."""


class BrokerUnavailable(RetryableError):
    """The MQTT broker does not answer."""


class EndpointUnavailable(RetryableError):
    """Another system, such as Home Assistant or a webhook, does not answer."""

    def __init__(self, message: str, *, again_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.again_after_s = again_after_s
        """How long it asks to be left alone."""


class ActionExpired(RetryableError):
    """An action was not delivered while it was worth it, or others needed its place: it is given up."""


class AudioModelUnavailable(RetryableError):
    """The full audio model gave no answer in time: it is loading, busy, hung, or its process has ended."""


class DownloadInterrupted(RetryableError):
    """A file has not arrived whole; what has arrived is kept for the next try."""


class EvidenceUnavailable(RetryableError):
    """A clip could not be stored: the disk is full or the folder cannot be written."""
