"""Jinja2 in rules: expressions over a few known names, checked when the rule is read.

A template may compare, calculate, filter and call a few functions; loops are refused, and every step is
bounded, so that rendering takes a bounded time and the text a bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression

from rules.template_check import MAX_DEPTH, Check, TemplateFault
from rules.template_language import Bounding, make_language
from rules.template_limits import MAX_TEXT, begin, bounded
from rules.template_names import NAMES

__all__ = ["MAX_TEXT", "NAMES", "Template", "TemplateFault", "compile_template"]

MAX_SOURCE = 4_096

_Render = Callable[[Mapping[str, Any]], object]
_LOOKUP = re.compile(r"\{\{ *(trigger|rule|repeat)\.([a-z_]+) *\}\}")

_LANGUAGE = make_language()
_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What arithmetic and filters raise where values do not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Text of a rule, worked out anew each time. Equal when the source is equal."""

    source: str
    render: _Render = field(repr=False, compare=False)
    """The compiled source; may raise any of what `value` makes a fault of."""
    entities: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """What it asks Home Assistant about."""

    def text(self, names: Mapping[str, Any]) -> str:
        """Return the text that `names` give; raise TemplateFault where they do not fit."""
        value = self.value(names)
        return value if isinstance(value, str) else str(value)

    def value(self, names: Mapping[str, Any]) -> object:
        """Return a single expression's value, so that a number stays a number, else the text."""
        try:
            return self.render(names)
        except _FAULTS as failure:
            shown = self.source if len(self.source) <= 80 else self.source[:77] + "..."
            raise TemplateFault(f"the template {shown!r} failed: {failure}") from None


@lru_cache(maxsize=4_096)
def compile_template(source: str, variables: frozenset[str] = frozenset()) -> Template:
    """Check a template that may use `variables`; raise TemplateFault with what is wrong."""
    if len(source) > MAX_SOURCE:
        raise TemplateFault(f"a template may have at most {MAX_SOURCE} characters, found {len(source)}")
    if "{" not in source:
        return Template(source=source, render=lambda _: source)
    looked_up = _lookups(source)
    if looked_up is not None:
        return Template(source=source, render=looked_up)
    check = Check(_LANGUAGE, variables)
    try:
        check.take(_LANGUAGE.parse(source))
    except TemplateError as failure:
        raise TemplateFault(f"not a valid template: {failure.message}") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise TemplateFault(f"a template may be nested {MAX_DEPTH} deep") from None
    return Template(source=source, render=_Renderer(source), entities=frozenset(check.entities))


def _lookups(source: str) -> _Render | None:
    """Compile text with known names in it, the most frequent kind, in a hundredth of Jinja2's time."""
    parts = _LOOKUP.split(source)
    if any("{" in text or "\r" in text for text in parts[::3]):
        return None
    places = list(zip(parts[1::3], parts[2::3], strict=True))
    if any(key not in NAMES[owner] for owner, key in places):
        return None
    if len(places) == 1 and parts[0] == parts[3] == "":
        ((owner, key),) = places
        return lambda names: _plain(names[owner][key])
    texts = parts[::3]

    def render(names: Mapping[str, Any]) -> str:
        filled = [text + str(names[owner][key]) for text, (owner, key) in zip(texts, places, strict=False)]
        rendered = "".join(filled) + texts[-1]
        return _short(rendered)

    return render


class _Renderer:
    """Compiles its source when it is first needed: thousands of rules load in a fraction of the time."""

    __slots__ = ("_render", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._render: _Render | None = None

    def __call__(self, names: Mapping[str, Any]) -> object:
        if self._render is None:
            self._render = self._compiled()
        begin()
        return _plain(bounded(self._render(names)))

    def _compiled(self) -> _Render:
        tree = Bounding().visit(_LANGUAGE.parse(self._source))
        only = _only_expression(tree)
        if only is None:
            return _LANGUAGE.from_string(tree).render
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), only, lineno=1)]
        template = _LANGUAGE.from_string(nodes.Template(body, lineno=1))
        return TemplateExpression(template, undefined_to_none=False)


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    match tree.body:
        case [nodes.Output(nodes=[only])] if not isinstance(only, nodes.TemplateData):
            return only
    return None


def _plain(value: object) -> object:
    """Return what JSON can say: a moment leaves a template as text, a length of time as seconds."""
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, Undefined):
        raise TypeError("it has no value: for want of an else, or because a variable is not set yet")
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return value.total_seconds() if isinstance(value, timedelta) else value


def _short(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    return text
