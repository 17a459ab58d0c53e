"""YAML whose every value knows its place, so that a fault in it can be shown to the owner.

The dialect is YAML 1.1's with its traps taken out: keys are always text as written, `22:00:00`, `010` and
`2024-01-31` are text, and an unquoted `on`, `off`, `yes` or `no` as a value is a boolean (quote it to mean
the word). Merge keys are refused, and so are tags, unless the caller knows what they mean; aliases are read,
within bounds. What PyYAML's `safe_dump` writes of text, numbers and lists reads back as it was.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from foundation.errors import FileError, Problem
from foundation.model_faults import Loc, model_faults
from foundation.wording import describe, suggest

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
MAX_DEPTH = 64
MAX_NODES = 250_000
"""Aliases count as often as they are used."""

_Model = TypeVar("_Model", bound=BaseModel)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE = frozenset(["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"])
_FALSE = frozenset(["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"])
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,300})|0x[0-9a-fA-F]{1,250}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]{1,3})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
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
    marks: Mapping[Loc, tuple[int, int]] = field(repr=False)
    """Line and column, from 1, where a value begins."""
    key_marks: Mapping[Loc, tuple[int, int]] = field(repr=False)
    """Line and column, from 1, where the key of a value begins."""

    def position(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Return line and column of the value at `loc` (or of its key), else of its nearest known parent."""
        if key and loc in self.key_marks:
            return self.key_marks[loc]
        while loc and loc not in self.marks:
            loc = loc[:-1]
        return self.marks.get(loc, (1, 1))

    def problem(self, loc: Loc, message: str, *, key: bool = False) -> Problem:
        """Describe a fault at `loc`, with the line it stands on. What looks like a secret is masked."""
        line, column = self.position(loc, key=key)
        return _problem(self.path, self.text, line, column, message)


class TagFault(Exception):
    """What a tag stands for cannot be had; `str(fault)` says why."""


class Secret(str):
    """Text that no message shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "a secret"


Resolver = Callable[[str, str], object]
"""Takes a tag and the text behind it; returns what they stand for, or raises TagFault."""


def read_yaml(path: Path, *, error: type[FileError], resolve: Resolver | None = None) -> YamlDocument:
    """Read one YAML document; raise `error` with file, line and column of whatever is wrong with it.

    `resolve` says what tags stand for. What it returns is placed as it is: an included YamlDocument too.
    """
    text = _read_text(path, error)
    reader = _Reader(resolve)
    try:
        for event in yaml.parse(text, Loader=_Loader):
            reader.take(event)
    except _Fault as fault:
        raise error([_problem(path, text, fault.line, fault.column, str(fault))]) from None
    except yaml.reader.ReaderError as fault:
        raise error([_unreadable(path, text, fault)]) from None
    except yaml.MarkedYAMLError as fault:
        raise error([_invalid(path, text, fault)]) from None
    return YamlDocument(
        path=path, text=text, data=reader.root, marks=reader.marks, key_marks=reader.key_marks
    )


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


class _Fault(Exception):
    """What is wrong, and where; becomes the caller's error class in `read_yaml`."""

    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.line = mark.line + 1
        self.column = mark.column + 1


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read."""

    value: Any
    loc: Loc
    anchor: str | None
    nodes_before: int
    depth_below: int = 0
    key: str | None = None
    """The key whose value comes next."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    value: Any
    nodes: int
    depth: int


class _Reader:
    """Builds Python values from parser events without recursion. Holds the state of one file's reading."""

    def __init__(self, resolve: Resolver | None) -> None:
        self.root: Any = None
        self._resolve = resolve
        self.marks: dict[Loc, tuple[int, int]] = {}
        self.key_marks: dict[Loc, tuple[int, int]] = {}
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        """Accept the next event of the parser."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise _Fault(event.start_mark, "expected one YAML document, found a second one")
            case yaml.ScalarEvent():
                if self._awaits_key():
                    self._refuse_tag(event)
                    self._take_key(event)
                else:
                    value = self._value(event)
                    self._place(event, value, nodes=1, depth=0)
                    self._remember(event.anchor, _Anchored(value, 1, 0))
            case yaml.AliasEvent():
                self._take_alias(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()

    def _value(self, event: Any) -> object:
        if event.tag in {None, "!"} or self._resolve is None:
            self._refuse_tag(event)
            return _scalar(event)
        try:
            return self._resolve(event.tag, _text(event))
        except TagFault as fault:
            raise _Fault(event.start_mark, str(fault)) from None

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._open[-1].key is None

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            raise _Fault(event.start_mark, f"tags are not supported, found {event.tag}")

    def _take_key(self, event: Any) -> None:
        top, key = self._open[-1], event.value
        if key == "<<" and event.implicit[0]:
            raise _Fault(event.start_mark, "merge keys (<<) are not supported: write the keys out")
        if key in top.value:
            first_line, _ = self.key_marks[(*top.loc, key)]
            raise _Fault(event.start_mark, f"the key {key!r} stands twice, first on line {first_line}")
        _text(event)
        top.key = key
        self.key_marks[(*top.loc, key)] = (event.start_mark.line + 1, event.start_mark.column + 1)

    def _take_alias(self, event: Any) -> None:
        if self._awaits_key():
            raise _Fault(event.start_mark, "expected a key that is text, found an alias")
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise _Fault(event.start_mark, f"the alias *{event.anchor} names no complete anchor before it")
        self._place(event, anchored.value, nodes=anchored.nodes, depth=anchored.depth)

    def _begin(self, event: Any) -> None:
        self._refuse_tag(event)
        if self._awaits_key():
            raise _Fault(event.start_mark, "expected a key that is text, found a list or mapping")
        self._anchors.pop(event.anchor, None)
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        nodes_before = self._nodes
        loc = self._place(event, value, nodes=1, depth=1)
        self._open.append(_Open(value, loc, event.anchor, nodes_before))

    def _end(self) -> None:
        closed = self._open.pop()
        depth = closed.depth_below + 1
        if self._open:
            self._open[-1].depth_below = max(self._open[-1].depth_below, depth)
        self._remember(closed.anchor, _Anchored(closed.value, self._nodes - closed.nodes_before, depth))

    def _remember(self, anchor: str | None, anchored: _Anchored) -> None:
        if anchor is not None:
            self._anchors[anchor] = anchored

    def _place(self, event: Any, value: object, *, nodes: int, depth: int) -> Loc:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Fault(event.start_mark, f"more than {MAX_NODES} values, aliases counted at every use")
        if len(self._open) + depth > MAX_DEPTH:
            raise _Fault(event.start_mark, f"nested more than {MAX_DEPTH} deep")
        loc: Loc = ()
        if self._open:
            top = self._open[-1]
            top.depth_below = max(top.depth_below, depth)
            loc = (*top.loc, len(top.value) if top.key is None else top.key)
            if top.key is None:
                top.value.append(value)
            else:
                top.value[top.key] = value
                top.key = None
        else:
            self.root = value
        self.marks[loc] = (event.start_mark.line + 1, event.start_mark.column + 1)
        return loc


def _text(event: Any) -> str:
    text: str = event.value
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _Fault(event.start_mark, "half of a surrogate pair is not a character")
    return text


def _scalar(event: Any) -> object:
    text = _text(event)
    return plain_scalar(text) if event.implicit[0] and event.tag is None else text


def plain_scalar(text: str) -> object:
    """Return what an unquoted word means; text where nothing else fits."""
    value: object = text
    if text in _NULL:
        value = None
    elif text in _TRUE or text in _FALSE:
        value = text in _TRUE
    elif _INTEGER.fullmatch(text):
        value = int(text.replace("_", ""), 0)
    elif _DECIMAL.fullmatch(text) and math.isfinite(number := float(text.replace("_", ""))):
        value = number
    elif _NOT_FINITE.fullmatch(text):
        value = float(text.replace(".", ""))
    return value


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
