"""YAML whose every value knows its place, so that a fault in it can be shown to the owner.

The dialect is YAML 1.1's with its traps taken out: keys are always text as written, `22:00:00`, `010` and
`2024-01-31` are text, and an unquoted `on`, `off`, `yes` or `no` as a value is a boolean (quote it to mean
the word). Merge keys are refused, and so are tags, unless the caller knows what they mean; aliases are read,
within bounds. What PyYAML's `safe_dump` writes of text, numbers and lists reads back as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from foundation.errors import FileError, Problem
from foundation.model_faults import Loc, model_faults
from foundation.wording import describe, suggest
from foundation.yaml_reader import (
    Misread,
    Places,
    Resolver,
    TagFault,
    find_places,
    plain_scalar,
    read_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = [
    "Loc",
    "Secret",
    "TagFault",
    "YamlDocument",
    "describe",
    "in_order",
    "plain_scalar",
    "read_yaml",
    "suggest",
    "validate",
]

MAX_BYTES = 1_000_000

_Model = TypeVar("_Model", bound=BaseModel)
_SHOWN_COLUMNS = 160
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML counts as the end of a line."""
_SECRET = re.compile(r"((?:password|passwd|token|secret)[\"']?\s*:\s*)\S.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """One YAML file as plain Python, and where each value stands in it."""

    path: Path
    text: str
    data: Any

    def position(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Return line and column of the value at `loc` (or of its key), else of its nearest known parent."""
        places = _places(self.text)
        if key and loc in places.keys:
            return places.keys[loc]
        while loc and loc not in places.values:
            loc = loc[:-1]
        return places.values.get(loc, (1, 1))

    def problem(self, loc: Loc, message: str, *, key: bool = False) -> Problem:
        """Describe a fault at `loc`, with the line it stands on. What looks like a secret is masked."""
        line, column = self.position(loc, key=key)
        return _problem(self.path, self.text, line, column, message)


class Secret(str):
    """Text that no message shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "a secret"


def read_yaml(path: Path, *, error: type[FileError], resolve: Resolver | None = None) -> YamlDocument:
    """Read one YAML document; raise `error` with file, line and column of whatever is wrong with it.

    `resolve` says what tags stand for. What it returns is placed as it is: an included YamlDocument too.
    """
    text = _read_text(path, error)
    try:
        data = read_values(text, resolve)
    except Misread as fault:
        raise error([_problem(path, text, fault.line, fault.column, str(fault))]) from None
    except yaml.reader.ReaderError as fault:
        raise error([_unreadable(path, text, fault)]) from None
    except yaml.MarkedYAMLError as fault:
        raise error([_invalid(path, text, fault)]) from None
    return YamlDocument(path=path, text=text, data=data)


def validate(
    document: YamlDocument,
    model: type[_Model],
    *,
    error: type[FileError],
    context: Mapping[str, Any] | None = None,
) -> _Model:
    """Make a pydantic model of the document, or raise `error` with every fault, each at its place.

    An empty document is an empty mapping: a model whose fields all have defaults accepts it. `context` is
    what the model's own validators may know beside the values.
    """
    try:
        return model.model_validate({} if document.data is None else document.data, context=context)
    except ValidationError as failure:
        faults = model_faults(model, failure, document.data)
    problems = [document.problem(loc, message, key=key) for loc, message, key in faults]
    raise error(in_order(problems))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort faults by file and place, each once."""
    unique = {(str(p.file), p.line, p.column, p.message): p for p in problems}
    return [unique[key] for key in sorted(unique)]


def _read_text(path: Path, error: type[FileError]) -> str:
    def refuse(message: str) -> FileError:
        return error([Problem(file=path, line=0, column=0, message=message)])

    try:
        if path.is_dir():
            raise refuse("expected a file, found a folder")
        if path.exists() and not path.is_file():
            raise refuse("expected a regular file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse("there is no such file") from None
    except (OSError, ValueError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise refuse(f"cannot be read: {reason}") from None
    if len(raw) > MAX_BYTES:
        raise refuse(f"larger than {MAX_BYTES // 1000} kB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        before = raw[: failure.start].decode("utf-8-sig")
        line, column = _line_and_column(before, len(before))
        message = f"expected text in UTF-8, found the byte 0x{raw[failure.start]:02x}"
        raise error([Problem(file=path, line=line, column=column, message=message)]) from None


def _invalid(path: Path, text: str, fault: yaml.MarkedYAMLError) -> Problem:
    begin, mark = fault.context_mark, fault.problem_mark or fault.context_mark
    why = ", ".join(part for part in (fault.problem, fault.context) if part)
    if begin is not None and mark is not None and begin.line < mark.line:
        why += f" that begins on line {begin.line + 1}"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    last_line, last_column = _line_and_column(text.rstrip(), len(text.rstrip()))
    if line > last_line:
        line, column = last_line, last_column
    return _problem(path, text, line, column, f"this is not valid YAML: {why}")


def _unreadable(path: Path, text: str, fault: yaml.reader.ReaderError) -> Problem:
    code = fault.character if isinstance(fault.character, int) else ord(fault.character)
    line, column = _line_and_column(text, max(text.find(chr(code)), 0))
    return _problem(path, text, line, column, f"the character U+{code:04X} is not allowed in YAML")


@lru_cache(maxsize=2)
def _places(text: str) -> Places:
    # Found only where something is wrong: to note them takes as long as to read.
    return find_places(text)


@lru_cache(maxsize=2)
def _lines(text: str) -> list[str]:
    # Thousands of faults in one file would split it thousands of times.
    return _LINE_BREAK.split(text)


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    lines = _LINE_BREAK.split(text[:offset])
    return len(lines), len(lines[-1]) + 1


def _problem(path: Path, text: str, line: int, column: int, message: str) -> Problem:
    lines = _lines(text)
    source = lines[line - 1] if 0 < line <= len(lines) and column <= _SHOWN_COLUMNS else ""
    shown = "".join(c if c.isprintable() else " " for c in _SECRET.sub(r"\1…", source)[:_SHOWN_COLUMNS])
    return Problem(file=path, line=line, column=column, message=message, source_line=shown)
