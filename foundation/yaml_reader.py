"""From YAML's events to plain Python values, without recursion and within bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from foundation.model_faults import Loc

MAX_DEPTH = 64
MAX_NODES = 250_000
"""Aliases count as often as they are used."""

Resolver = Callable[[str, str], object]
"""Takes a tag and the text behind it; returns what they stand for, or raises TagFault."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE = frozenset(["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"])
_FALSE = frozenset(["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"])
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,300})|0x[0-9a-fA-F]{1,250}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]{1,3})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class TagFault(Exception):
    """What a tag stands for cannot be had; `str(fault)` says why."""


class Misread(Exception):
    """What is wrong, and where."""

    def __init__(self, mark: Any, message: str) -> None:
        super().__init__(message)
        self.line = mark.line + 1
        self.column = mark.column + 1


class _Twice(Exception):
    """A key stands twice."""


class Places:
    """Where everything in a document stands: line and column, from 1."""

    def __init__(self) -> None:
        self.values: dict[Loc, tuple[int, int]] = {}
        self.keys: dict[Loc, tuple[int, int]] = {}


def read_values(text: str, resolve: Resolver | None) -> Any:
    """Return the value of a document; raises Misread or yaml.YAMLError."""
    try:
        return _Reader(resolve, None).read(text)
    except _Twice:
        # Only a reading that notes places can say where the first one is.
        find_places(text)
        raise


def find_places(text: str) -> Places:
    """Return where everything in a document stands that `read_values` has read."""
    places = Places()
    _Reader(lambda _tag, _text: None, places).read(text)
    return places


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not been read."""

    value: Any
    is_mapping: bool
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
    """Holds the state of one reading. Places are noted only where somebody asked: they take as long."""

    def __init__(self, resolve: Resolver | None, places: Places | None) -> None:
        self._resolve = resolve
        self._places = places
        self._root: Any = None
        self._open: list[_Open] = []
        self._top: _Open | None = None
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._documents = 0

    def read(self, text: str) -> Any:
        """Return the value of the only document."""
        take: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._take_scalar,
            yaml.MappingStartEvent: self._begin,
            yaml.SequenceStartEvent: self._begin,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._take_alias,
            yaml.DocumentStartEvent: self._begin_document,
        }
        loader = _LOADER(text)
        next_event = loader.get_event
        try:
            while type(event := next_event()) is not yaml.StreamEndEvent:
                handler = take.get(type(event))
                if handler is not None:
                    handler(event)
        finally:
            loader.dispose()
        return self._root

    # --- mappings and lists ---------------------------------------------------------------------------------

    def _begin_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise Misread(event.start_mark, "expected one YAML document, found a second one")

    def _begin(self, event: Any) -> None:
        if event.tag is not None:
            _refuse_tag(event)
        if self._awaits_key():
            raise Misread(event.start_mark, "expected a key that is text, found a list or mapping")
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        is_mapping = type(event) is yaml.MappingStartEvent
        value: Any = {} if is_mapping else []
        nodes_before = self._nodes
        loc = self._place(event, value, 1, 1)
        self._top = _Open(value, is_mapping, loc, event.anchor, nodes_before)
        self._open.append(self._top)

    def _end(self, _event: Any) -> None:
        closed = self._open.pop()
        depth = closed.depth_below + 1
        self._top = None
        if self._open:
            self._top = top = self._open[-1]
            top.depth_below = max(top.depth_below, depth)
        if closed.anchor is not None:
            self._anchors[closed.anchor] = _Anchored(closed.value, self._nodes - closed.nodes_before, depth)

    def _awaits_key(self) -> bool:
        top = self._top
        return top is not None and top.is_mapping and top.key is None

    # --- what stands in them --------------------------------------------------------------------------------

    def _take_scalar(self, event: Any) -> None:
        top = self._top
        if top is not None and top.is_mapping and top.key is None:
            self._take_key(top, event)
            return
        tag, text = event.tag, event.value
        if tag is None:
            if not text.isascii():
                _check_text(event)
            value = plain_scalar(text) if event.implicit[0] else text
        else:
            value = self._tagged(event)
        self._place(event, value, 1, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, 1, 0)

    def _take_key(self, top: _Open, event: Any) -> None:
        key = event.value
        if event.tag is not None:
            _refuse_tag(event)
        if key == "<<" and event.implicit[0]:
            raise Misread(event.start_mark, "merge keys (<<) are not supported: write the keys out")
        if key in top.value:
            if self._places is None:
                raise _Twice
            first_line, _ = self._places.keys[(*top.loc, key)]
            raise Misread(event.start_mark, f"the key {key!r} stands twice, first on line {first_line}")
        if not key.isascii():
            _check_text(event)
        top.key = key
        if self._places is not None:
            self._places.keys[(*top.loc, key)] = _line_and_column(event)

    def _take_alias(self, event: Any) -> None:
        if self._awaits_key():
            raise Misread(event.start_mark, "expected a key that is text, found an alias")
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise Misread(event.start_mark, f"the alias *{event.anchor} names no complete anchor before it")
        self._place(event, anchored.value, anchored.nodes, anchored.depth)

    def _tagged(self, event: Any) -> object:
        """Return what a tag stands for; `!` alone makes text of anything."""
        _check_text(event)
        if event.tag == "!" or self._resolve is None:
            _refuse_tag(event)
            return event.value
        try:
            return self._resolve(event.tag, event.value)
        except TagFault as fault:
            raise Misread(event.start_mark, str(fault)) from None

    def _place(self, event: Any, value: object, nodes: int, depth: int) -> Loc:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise Misread(event.start_mark, f"more than {MAX_NODES} values, aliases counted at every use")
        if len(self._open) + depth > MAX_DEPTH:
            raise Misread(event.start_mark, f"nested more than {MAX_DEPTH} deep")
        loc: Loc = ()
        top = self._top
        if top is None:
            self._root = value
        else:
            top.depth_below = max(top.depth_below, depth)
            if self._places is not None:
                loc = (*top.loc, len(top.value) if top.key is None else top.key)
            if top.key is None:
                top.value.append(value)
            else:
                top.value[top.key] = value
                top.key = None
        if self._places is not None:
            self._places.values[loc] = _line_and_column(event)
        return loc


def _refuse_tag(event: Any) -> None:
    if event.tag is not None and event.tag != "!":
        raise Misread(event.start_mark, f"tags are not supported, found {event.tag}")


def _line_and_column(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _check_text(event: Any) -> None:
    if any("\ud800" <= character <= "\udfff" for character in event.value):
        raise Misread(event.start_mark, "half of a surrogate pair is not a character")


def plain_scalar(text: str) -> object:
    """Return what an unquoted word means; text where nothing else fits."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    value: object = text
    if text[0].isalpha():
        return value
    if _INTEGER.fullmatch(text):
        value = int(text.replace("_", ""), 0)
    elif _DECIMAL.fullmatch(text) and math.isfinite(number := float(text.replace("_", ""))):
        value = number
    elif _NOT_FINITE.fullmatch(text):
        value = float(text.replace(".", ""))
    return value
