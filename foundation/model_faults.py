"""What pydantic found wrong, in the owner's words, and at which place of the YAML.

Pydantic's location puts union tags and type labels between the keys; walking the model's annotations beside
it tells those apart from the file's own keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from foundation.wording import describe, did_you_mean, expected_text, suggest

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Loc = tuple[str | int, ...]
"""The way to a value: keys and list indices from the top."""


class Fault(NamedTuple):
    """One thing wrong in a document."""

    loc: Loc
    """Where in the document."""
    message: str
    on_key: bool
    """True where the key itself is wrong, not its value."""


_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a number that is finite",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "dict": "a mapping",
    "mapping": "a mapping",
    "model": "a mapping",
    "path": "a path",
}
"""By the first words of pydantic's error types."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """An annotation, and the discriminator that a field or `Annotated` gave it."""

    annotation: Any
    discriminator: Any = None


@dataclass(frozen=True, slots=True)
class _Raw:
    """One pydantic error, located in the document."""

    loc: Loc
    spot: _Spot
    parent: _Spot
    on_key: bool
    union_at: Loc | None
    """Where a union without a discriminator was tried, branch after branch."""
    error: Mapping[str, Any]


def model_faults(model: type[BaseModel], failure: ValidationError, data: object) -> list[Fault]:
    """Translate a failed validation of `data`, the document's plain Python."""
    raws = [_locate(model, error, data) for error in failure.errors(include_url=False)]
    faults: list[Fault] = []
    unions: dict[Loc, list[_Raw]] = {}
    for raw in raws:
        if raw.union_at is None:
            faults.append(_fault(raw))
        else:
            unions.setdefault(raw.union_at, []).append(raw)
    for tried in unions.values():
        faults.extend(_union_faults(tried))
    return faults


def _union_faults(tried: list[_Raw]) -> Iterator[Fault]:
    """Report the branch that went deepest; where all stopped at once, everything that would have done."""
    deepest = max(len(raw.loc) for raw in tried)
    here = [raw for raw in tried if len(raw.loc) == deepest]
    wanted = {_expected(raw.error): None for raw in here}
    if len({raw.loc for raw in here}) > 1 or len(wanted) == 1 or None in wanted:
        yield from (_fault(raw) for raw in here)
        return
    expected = " or ".join(str(words) for words in wanted)
    yield Fault(here[0].loc, f"expected {expected}, found {describe(here[0].error['input'])}", on_key=False)


def _locate(model: type[BaseModel], error: Mapping[str, Any], data: object) -> _Raw:
    spot = parent = _Spot(model)
    loc: Loc = ()
    on_key = False
    union_at: Loc | None = None
    for part in error["loc"]:
        if part == "[key]":
            on_key = True
            continue
        spot = _plain(spot)
        if _members(spot):
            if spot.discriminator is None:
                union_at = loc if union_at is None else union_at
            spot = _member(spot, part)
            continue
        child = _child(spot, part, _at(data, loc))
        if child is not None:
            parent, spot, loc = spot, child, (*loc, part)
    return _Raw(loc, _plain(spot), parent, on_key, union_at, error)


def _fault(raw: _Raw) -> Fault:
    error, loc = raw.error, raw.loc
    kind = error["type"]
    if kind == "missing":
        return Fault(loc[:-1], _missing(raw), on_key=False)
    if kind == "extra_forbidden":
        return Fault(loc, f"unknown key {loc[-1]!r}{did_you_mean(loc[-1], _keys(raw.parent))}", on_key=True)
    if kind == "union_tag_not_found":
        known = ", ".join(repr(tag) for tag in _tags(raw.spot))
        return Fault(loc, f"{_tag_key(error)!r} is missing: one of {known}", on_key=False)
    if kind == "union_tag_invalid":
        tag = error["ctx"]["tag"]
        message = f"unknown {_tag_key(error)} {tag!r}{did_you_mean(tag, _tags(raw.spot))}"
        return Fault((*loc, _tag_key(error)), message, on_key=False)
    return Fault(loc, _wrong_value(error), raw.on_key)


def _missing(raw: _Raw) -> str:
    last = raw.loc[-1]
    if isinstance(last, int):
        return f"item {last + 1} of the list is missing"
    info = _model_fields(raw.parent).get(last)
    purpose = f": {info.description}" if info is not None and info.description else ""
    return f"{last!r} is missing{purpose}"


def _wrong_value(error: Mapping[str, Any]) -> str:
    kind, value = error["type"], error["input"]
    if kind in {"value_error", "assertion_error"}:
        return str(error["ctx"]["error"])
    if kind == "string_type":
        return expected_text(value)
    expected = _expected(error)
    if expected is None:
        return str(error["msg"])
    message = f"expected {expected}, found {describe(value)}"
    if kind in {"literal_error", "enum"} and isinstance(value, str):
        meant = suggest(value, re.findall(r"'([^']*)'", expected))
        return message if meant is None else f"{message}; did you mean {meant!r}?"
    return message


def _expected(error: Mapping[str, Any]) -> str | None:
    """Return what would have done, or None where pydantic's message does not say it so."""
    kind = str(error["type"])
    if kind == "string_type":
        return "text"
    for suffix in ("_attributes_type", "_parsing_size", "_from_float", "_parsing", "_type", ""):
        if kind.endswith(suffix) and kind.removesuffix(suffix) in _EXPECTED:
            return _EXPECTED[kind.removesuffix(suffix)]
    match = re.fullmatch(r"(?:\w+) should (be|have|match) (.*)", str(error["msg"]), re.DOTALL)
    if match is None or kind in {"value_error", "assertion_error"}:
        return None
    verb, rest = match.groups()
    if rest.startswith(("greater than", "less than")):
        return f"a number {rest}"
    return {"be": "", "have": "something with ", "match": "text that matches "}[verb] + rest


def _tag_key(error: Mapping[str, Any]) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _tags(spot: _Spot) -> list[str]:
    """Return the tags that a union with a discriminating field knows."""
    tags: list[str] = []
    for member in _members(spot):
        info = _model_fields(_Spot(member)).get(str(spot.discriminator))
        if info is not None and get_origin(info.annotation) is Literal:
            tags.extend(str(tag) for tag in get_args(info.annotation))
    return tags


def _keys(spot: _Spot) -> list[str]:
    return list(_model_fields(spot))


def _model_fields(spot: _Spot) -> dict[str, FieldInfo]:
    """Return a model's fields by the key they have in the file."""
    model = _plain(spot).annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {
        info.validation_alias if isinstance(info.validation_alias, str) else name: info
        for name, info in model.model_fields.items()
    }


def _plain(spot: _Spot) -> _Spot:
    """Take `Annotated` and `| None` off an annotation, keeping a discriminator."""
    annotation, discriminator = spot.annotation, spot.discriminator
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extras = get_args(annotation)
            for extra in extras:
                named = getattr(extra, "discriminator", None)
                discriminator = discriminator if named is None else named
        elif get_origin(annotation) in {Union, UnionType} and NoneType in get_args(annotation):
            annotation = Union[tuple(arg for arg in get_args(annotation) if arg is not NoneType)]  # noqa: UP007 - built at run time
        else:
            return _Spot(annotation, discriminator)


def _members(spot: _Spot) -> tuple[Any, ...]:
    return get_args(spot.annotation) if get_origin(spot.annotation) in {Union, UnionType} else ()


def _member(spot: _Spot, label: str | int) -> _Spot:
    """Return the union's member that pydantic's tag or type label means."""
    name = spot.discriminator
    for member in _members(spot):
        extras = get_args(member)[1:] if get_origin(member) is Annotated else ()
        if any(isinstance(extra, Tag) and extra.tag == label for extra in extras):
            return _Spot(member)
        plain = _plain(_Spot(member)).annotation
        if isinstance(name, str):
            info = _model_fields(_Spot(plain)).get(name)
            if (
                info is not None
                and get_origin(info.annotation) is Literal
                and label in get_args(info.annotation)
            ):
                return _Spot(member)
        elif label in {getattr(plain, "__name__", None), str(plain)} or str(label).startswith(
            f"{getattr(get_origin(plain), '__name__', None)}["
        ):
            return _Spot(member)
    return _Spot(Any)


def _child(spot: _Spot, part: str | int, value: object) -> _Spot | None:
    """Step from a value to the one at `part`; None where `part` is a label of pydantic's and not a step."""
    fields = _model_fields(spot)
    if fields:
        info = fields.get(str(part))
        if info is None:
            return _Spot(Any)
        name = info.discriminator
        return _Spot(info.annotation, getattr(name, "discriminator", name))
    origin, arguments = get_origin(spot.annotation), get_args(spot.annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return _Spot(arguments[1])
    if isinstance(origin, type) and issubclass(origin, Sequence | AbstractSet) and isinstance(part, int):
        if origin is tuple and Ellipsis not in arguments:
            return _Spot(arguments[part] if part < len(arguments) else Any)
        return _Spot(arguments[0])
    return _Spot(Any) if _has(value, part) else None


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _at(data: Any, loc: Loc) -> object:
    for part in loc:
        if not _has(data, part):
            return None
        data = data[part]
    return data
