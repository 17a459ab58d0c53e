"""Examples that came from elsewhere as files, under names that whoever sent them chose."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fewshot_profiles.enrollment import all_of
from fewshot_profiles.example_audio import read_example
from foundation.errors import ExampleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fewshot_profiles.example_audio import ExampleAudio

LONGEST_NAME = 80

_ODD = re.compile(r"[^\w .()+-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file that was sent."""

    path: Path
    name: str
    """What its sender calls it."""


def sender_name(given: str | None, number: int) -> str:
    """Return a name that can be shown, for what a sender called a file."""
    # Some clients escape what is not plain ASCII, others send it as it is.
    name = PurePath(unquote(given or "").replace("\\", "/")).name
    return _ODD.sub("_", name)[-LONGEST_NAME:].strip() or f"example {number}"


def read_uploads(uploads: Sequence[Upload]) -> list[ExampleAudio]:
    """Read every file; raise ExampleError naming each that cannot be used, as its sender calls it."""
    return all_of(uploads, _read)


def _read(upload: Upload) -> ExampleAudio:
    try:
        return replace(read_example(upload.path), name=upload.name)
    except ExampleError as error:
        raise ExampleError(str(error).replace(str(upload.path), upload.name)) from error
