"""What all parts of the configuration share: strict models, and paths that mean what the file says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

STANDARD_INPUT = Path("-")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Settings(BaseModel):
    """Values that never change, under keys that are all known."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def in_folder_of_the_file(path: Path, info: ValidationInfo) -> Path:
    """Make a relative path start at the configuration file; `~` is the home of who runs heard."""
    folder = (info.context or {}).get("folder")
    path = path.expanduser()
    return path if folder is None else Path(folder) / path


def _unless_standard_input(path: Path, info: ValidationInfo) -> Path:
    return path if path == STANDARD_INPUT else in_folder_of_the_file(path, info)


def _must_exist(path: Path) -> Path:
    if not path.exists():
        raise ValueError(f"there is no {path}")
    return path


def must_be_file(path: Path) -> Path:
    """Raise ValueError, with the path, where there is no file."""
    if not _must_exist(path).is_file():
        raise ValueError(f"expected a file, and {path} is none")
    return path


def _must_be_folder(path: Path) -> Path:
    if not _must_exist(path).is_dir():
        raise ValueError(f"expected a folder, and {path} is none")
    return path


def _must_be_printable(name: str) -> str:
    if _CONTROL.search(name) or name != name.strip():
        raise ValueError("a name has no control characters, and no spaces around it")
    return name


NewPath = Annotated[Path, AfterValidator(in_folder_of_the_file)]
"""It may not be there yet."""

PipePath = Annotated[Path, AfterValidator(_unless_standard_input)]
ExistingPath = Annotated[NewPath, AfterValidator(_must_exist)]
ExistingFile = Annotated[NewPath, AfterValidator(must_be_file)]
ExistingFolder = Annotated[NewPath, AfterValidator(_must_be_folder)]

Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_must_be_printable)]

# Strict: YAML tells numbers, booleans and text apart, so `channels: true` or `port: "1883"` is a slip.
Flag = Annotated[bool, Field(strict=True)]
Integer = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
