"""What templates can do: Jinja2's immutable sandbox with the filters and functions that rules may use.

Every operation is bounded in what it takes and gives, and looks at the clock, so that no template takes
long, allocates much, or reaches anything but the values it is given.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_TEXT = 16_384
"""Characters that one template may give, or one step on the way there."""
MAX_BITS = 1_024
"""Of a whole number."""
MAX_SECONDS = 0.05
"""Computing time of one template."""

ZONE = " zone"
"""Where filters find the owner's time zone among the names: what no template can name."""
JOIN = " join"

MOMENT_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second"})
"""What may stand behind a moment."""
METHODS = frozenset({"isoformat", "isoweekday", "strftime", "timestamp", "total_seconds", "weekday"})
"""What may be called on a moment or a length of time."""

_MISSING: Any = object()
_Filter = Callable[..., Any]


class _Watch(threading.local):
    """The clock of the template that this thread works out."""

    until = math.inf


_WATCH = _Watch()


def begin() -> None:
    """Give the template that comes next its time."""
    _WATCH.until = time.thread_time() + MAX_SECONDS


def bounded(value: Any) -> Any:
    """Return what is not too large; raises ValueError for what is, or where the time is up."""
    if time.thread_time() > _WATCH.until:
        raise ValueError(f"it takes longer than {MAX_SECONDS * 1000:.0f} ms")
    if isinstance(value, str | list | tuple) and len(value) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError(f"a number has more than {MAX_BITS} bits")
    return value


class Language(ImmutableSandboxedEnvironment):
    """Looks into mappings and lists only, and bounds whatever grows."""

    intercepted_binops = frozenset({"+", "*", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Take numbers; `+` takes text, lists, moments and lengths of time as well."""
        if operator != "+" and not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError(f"{operator} takes numbers")
        return bounded(super().call_binop(context, operator, bounded(left), bounded(right)))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up a key, or a part of a moment; Python's own attributes are not there."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, datetime) and attribute in MOMENT_PARTS | METHODS - {"total_seconds"}:
            return getattr(obj, attribute)
        if isinstance(obj, timedelta) and attribute == "total_seconds":
            return obj.total_seconds
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up a key, a place in a list, or a piece of text."""
        if isinstance(obj, str | list | tuple | Mapping):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(obj=obj, name=argument)
        return self.undefined(obj=obj, name=str(argument))

    def call(self, context: Context, func: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call one of the functions that the check let through."""
        del context
        if isinstance(func, Undefined):
            raise TypeError("nothing can be called there")
        return bounded(func(*args, **kwargs))


class Bounding(NodeTransformer):
    """Lets `~` go through a filter, where it can be bounded."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - named by Jinja2
        """Replace one chain of `~`."""
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes), JOIN, [], [], None, None, lineno=node.lineno)


# --- filters ----------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if isinstance(value, Undefined):
        raise TypeError("it has no value: for want of an else, or because a variable is not set yet")
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return str(bounded(value))


def finalize(value: Any) -> str:
    """Return what an expression among text is written as."""
    text: str = bounded(_text(value))
    return text


def _joined(values: Any, separator: object = "") -> str:
    parts = [_text(value) for value in bounded(list(values))]
    between = _text(separator)
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    return between.join(parts)


def _replace(text: object, old: object, new: object) -> str:
    text, old, new = _text(text), _text(old), _text(new)
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    return text.replace(old, new)


def _float(value: Any, default: Any = _MISSING) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return _or_else(default, f"{value!r} is no number")


def _int(value: Any, default: Any = _MISSING) -> Any:
    try:
        return int(value) if isinstance(value, str | int) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        number = _float(value, None)
        if number is not None and math.isfinite(number):
            return int(number)
        return _or_else(default, f"{value!r} is no whole number")


def _or_else(default: Any, fault: str) -> Any:
    if default is _MISSING:
        raise ValueError(f"{fault[:80]}, and no default is given")
    return default


def _round(value: Any, precision: int = 0, method: str = "common", default: Any = _MISSING) -> Any:
    number = _float(value, None)
    if number is None or not math.isfinite(number):
        return _or_else(default, f"{value!r} is no number")
    if not -15 <= precision <= 15:
        raise ValueError("a number is rounded to at most 15 digits")
    scale = 10.0**precision
    match method:
        case "floor":
            rounded = math.floor(number * scale) / scale
        case "ceil":
            rounded = math.ceil(number * scale) / scale
        case "half":
            rounded = round(number * 2) / 2
        case "common":
            rounded = round(number, precision)
        case _:
            raise ValueError("a number is rounded common, floor, ceil or half")
    return int(rounded) if precision == 0 and method != "half" else rounded


def _iif(value: Any, if_true: Any = True, if_false: Any = False, if_none: Any = _MISSING) -> Any:  # noqa: FBT002 - Home Assistant's own signature
    if value is None and if_none is not _MISSING:
        return if_none
    return if_true if value else if_false


def _to_json(value: object) -> str:
    return json.dumps(bounded(value), ensure_ascii=False, allow_nan=False)


def _from_json(text: object, default: Any = _MISSING) -> Any:
    try:
        return json.loads(bounded(_text(text)), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _or_else(default, "the text is no JSON")


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that JSON has")


def as_datetime(value: Any) -> datetime:
    """Return the moment that a text (ISO 8601) or a number (Unix seconds) names."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    moment = datetime.fromisoformat(_text(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_timestamp(value: Any, default: Any = _MISSING) -> Any:
    """Return a moment as Unix seconds."""
    try:
        return as_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError):
        return _or_else(default, f"{value!r} is no moment")


def _shown(value: Any, pattern: str, zone: tzinfo, default: Any) -> Any:
    try:
        return datetime.fromtimestamp(float(value), zone).strftime(pattern)
    except (TypeError, ValueError, OverflowError, OSError):
        return _or_else(default, f"{value!r} is no Unix time")


def _zone(context: Context) -> tzinfo:
    zone = context.resolve(ZONE)
    return zone if isinstance(zone, tzinfo) else UTC


@pass_context
def _timestamp_custom(
    context: Context,
    value: Any,
    format_string: str = "%Y-%m-%d %H:%M:%S",
    local: Any = True,  # noqa: FBT002 - Home Assistant's own signature
    default: Any = _MISSING,
) -> Any:
    return _shown(value, format_string, _zone(context) if local else UTC, default)


@pass_context
def _timestamp_local(context: Context, value: Any, default: Any = _MISSING) -> Any:
    return _shown(value, "%Y-%m-%dT%H:%M:%S%z", _zone(context), default)


def _timestamp_utc(value: Any, default: Any = _MISSING) -> Any:
    return _shown(value, "%Y-%m-%dT%H:%M:%S+00:00", UTC, default)


def _guarded(function: _Filter) -> _Filter:
    """Bound what a filter is given and what it gives."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            bounded(arg)
        return bounded(function(*args, **kwargs))

    return guarded


_STOCK = ("abs", "capitalize", "default", "first", "last", "length", "lower", "max", "min", "sum", "title",
          "trim", "truncate", "upper")  # fmt: skip
_OURS: Mapping[str, _Filter] = {
    "as_datetime": as_datetime,
    "as_timestamp": as_timestamp,
    "float": _float,
    "from_json": _from_json,
    "iif": _iif,
    "int": _int,
    "join": _joined,
    "replace": _replace,
    "round": _round,
    "timestamp_custom": _timestamp_custom,
    "timestamp_local": _timestamp_local,
    "timestamp_utc": _timestamp_utc,
    "to_json": _to_json,
    "tojson": _to_json,
}
FUNCTIONS: Mapping[str, _Filter] = {
    "as_datetime": as_datetime,
    "as_timestamp": as_timestamp,
    "float": _float,
    "iif": _iif,
    "int": _int,
    "max": max,
    "min": min,
    "timedelta": timedelta,
}
"""What templates may call besides what depends on the moment (`rules.template_names`)."""


def make_language() -> Language:
    """Return the one language of all templates."""
    language = Language(undefined=StrictUndefined, keep_trailing_newline=True, finalize=finalize)
    stock = {name: language.filters[name] for name in _STOCK}
    language.filters = {name: _guarded(each) for name, each in {**stock, **_OURS, JOIN: _joined}.items()}
    language.tests = {name: language.tests[name] for name in ("none", "number", "string", "in", "defined")}
    language.globals = dict(FUNCTIONS)
    return language
