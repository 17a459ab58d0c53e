"""The filters and functions of templates: those that Home Assistant's users expect, each bounded."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import wraps
from typing import Any, Protocol

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

from rules.facts import EntityState
from rules.reading import clock_time
from rules.template_limits import MAX_TEXT, bounded

HERE = " here"
"""Where functions find the moment among the names: what no template can name."""
JOIN = " join"
"""The filter that `~` goes through."""

_MISSING: Any = object()
_Filter = Callable[..., Any]


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


# --- what depends on where and when -----------------------------------------------------------------------


class Here(Protocol):
    """What templates see of the moment: `rules.context.Context`."""

    @property
    def zone(self) -> tzinfo:
        """The owner's time zone."""

    def now(self) -> datetime:
        """The moment, as the owner's clocks show it."""

    def entity(self, entity_id: str) -> EntityState | None:
        """How an entity stands, where that was confirmed lately."""


def _here(context: Context) -> Here:
    here: Here = context.resolve(HERE)
    return here


@pass_context
def _now(context: Context) -> datetime:
    return _here(context).now()


@pass_context
def _utcnow(context: Context) -> datetime:
    return _here(context).now().astimezone(UTC)


@pass_context
def _today_at(context: Context, clock: object = "00:00") -> datetime:
    time = clock_time(clock)
    if time is None:
        raise ValueError('today_at() takes a time of day such as "22:00"')
    here = _here(context)
    return datetime.combine(here.now().date(), time, here.zone)


@pass_context
def _states(context: Context, entity_id: str) -> str:
    told = _here(context).entity(entity_id)
    return "unknown" if told is None else told.state


@pass_context
def _is_state(context: Context, entity_id: str, state: object) -> bool:
    told = _here(context).entity(entity_id)
    return told is not None and told.state in (state if isinstance(state, list | tuple) else (state,))


@pass_context
def _state_attr(context: Context, entity_id: str, name: str) -> Any:
    told = _here(context).entity(entity_id)
    return None if told is None else told.attributes.get(name)


@pass_context
def _timestamp_custom(
    context: Context,
    value: Any,
    format_string: str = "%Y-%m-%d %H:%M:%S",
    local: Any = True,  # noqa: FBT002 - Home Assistant's own signature
    default: Any = _MISSING,
) -> Any:
    return _shown(value, format_string, _here(context).zone if local else UTC, default)


@pass_context
def _timestamp_local(context: Context, value: Any, default: Any = _MISSING) -> Any:
    return _shown(value, "%Y-%m-%dT%H:%M:%S%z", _here(context).zone, default)


def _timestamp_utc(value: Any, default: Any = _MISSING) -> Any:
    return _shown(value, "%Y-%m-%dT%H:%M:%S+00:00", UTC, default)


def guarded(function: _Filter) -> _Filter:
    """Bound what a filter is given and what it gives."""

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            bounded(arg)
        return bounded(function(*args, **kwargs))

    return guarded


STOCK = ("abs", "capitalize", "default", "first", "last", "length", "lower", "max", "min", "sum", "title",
          "trim", "truncate", "upper")  # fmt: skip
FILTERS: Mapping[str, _Filter] = {
    JOIN: _joined,
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
    "is_state": _is_state,
    "max": max,
    "min": min,
    "now": _now,
    "state_attr": _state_attr,
    "states": _states,
    "timedelta": timedelta,
    "today_at": _today_at,
    "utcnow": _utcnow,
}
"""What templates may call."""
