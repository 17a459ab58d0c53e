"""Jinja2 in action data: expressions over a few known names, checked when the rule is read.

A template may compare, calculate and filter; loops, assignments and all calls but now() are refused, so that
rendering takes a bounded time and the text a bounded size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.sandbox import ImmutableSandboxedEnvironment

from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2.runtime import Context

MAX_SOURCE = 4_096
MAX_TEXT = 16_384
"""Characters that one template may give, or one filter on the way there."""
MAX_DEPTH = 40

NAMES: Mapping[str, frozenset[str]] = {
    "trigger": frozenset(
        {
            "at",
            "clip_url",
            "ended",
            "event_id",
            "id",
            "level_dbfs",
            "noise_floor_dbfs",
            "phase",
            "profile",
            "score",
            "started",
            "stream",
        }
    ),
    "rule": frozenset({"id"}),
    "repeat": frozenset({"index"}),
}
"""What a template may name, besides variables and now()."""

MOMENT_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second"})
"""What may stand behind now()."""

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Const, nodes.List,
    nodes.Getattr, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat,
)  # fmt: skip
_REFUSED = {
    nodes.Assign: "assignments",
    nodes.AssignBlock: "assignments",
    nodes.Call: "calls",
    nodes.For: "loops",
    nodes.Getitem: "square brackets after a value",
    nodes.Pow: "powers",
}


class TemplateFault(Exception):
    """A template cannot be used; `str(fault)` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Text of a rule, worked out anew for each sound. Equal when the source is equal."""

    source: str
    render: Callable[[Mapping[str, Any]], object] = field(repr=False, compare=False)
    """The compiled source; may raise anything that arithmetic and filters raise."""

    def text(self, variables: Mapping[str, Any]) -> str:
        """Return the text that `variables` give; raise TemplateFault where they do not fit."""
        return str(self.value(variables))

    def value(self, variables: Mapping[str, Any]) -> object:
        """Return a single expression's value, so that a number stays a number, else the text."""
        try:
            return _bounded(_defined(self.render(variables)))
        except (
            TemplateError,
            ArithmeticError,
            AttributeError,
            LookupError,
            MemoryError,
            RecursionError,
            SyntaxError,
            TypeError,
            ValueError,
        ) as failure:
            shown = self.source if len(self.source) <= 80 else self.source[:77] + "..."
            raise TemplateFault(f"the template {shown!r} failed: {failure}") from None


@lru_cache(maxsize=4_096)
def compile_template(source: str, variables: frozenset[str] = frozenset()) -> Template:
    """Check a template that may use `variables`; raise TemplateFault with what is wrong."""
    if len(source) > MAX_SOURCE:
        raise TemplateFault(f"a template may have at most {MAX_SOURCE} characters, found {len(source)}")
    if "{" not in source:
        return Template(source=source, render=lambda _: source)
    try:
        _check(_ENVIRONMENT.parse(source), 0, variables)
    except TemplateError as failure:
        raise TemplateFault(f"not a valid template: {failure.message}") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise TemplateFault(f"a template may be nested {MAX_DEPTH} deep") from None
    return Template(source=source, render=_Renderer(source))


def _check(node: nodes.Node, depth: int, variables: frozenset[str]) -> None:
    """Raise TemplateFault at the first thing that a template may not hold."""
    if depth > MAX_DEPTH:
        raise TemplateFault(f"a template may be nested {MAX_DEPTH} deep")
    if isinstance(node, nodes.Name):
        if node.name not in variables:
            raise TemplateFault(_unknown_name(node.name, variables))
        return
    if isinstance(node, nodes.Getattr):
        _check_attribute(node, variables)
        return
    if _is_now(node):
        return
    if not isinstance(node, _ALLOWED):
        kind = _REFUSED.get(type(node), f"constructs of the kind {type(node).__name__}")
        raise TemplateFault(f"{kind} are not supported in templates")
    if isinstance(node, nodes.Filter) and node.name not in _ENVIRONMENT.filters:
        raise TemplateFault(
            f"no filter is called {node.name!r}{did_you_mean(node.name, _ENVIRONMENT.filters)}"
        )
    if isinstance(node, nodes.Test) and node.name not in _ENVIRONMENT.tests:
        raise TemplateFault(f"no test is called {node.name!r}{did_you_mean(node.name, _ENVIRONMENT.tests)}")
    for child in node.iter_child_nodes():
        _check(child, depth + 1, variables)


def _is_now(node: nodes.Node) -> bool:
    match node:
        case nodes.Call(node=nodes.Name(name="now"), args=[], kwargs=[], dyn_args=None, dyn_kwargs=None):
            return True
    return False


def _check_attribute(node: nodes.Getattr, variables: frozenset[str]) -> None:
    if _is_now(node.node):
        if node.attr not in MOMENT_PARTS:
            raise TemplateFault(
                f"unknown part of now(): {node.attr!r}{did_you_mean(node.attr, MOMENT_PARTS)}"
            )
        return
    if not isinstance(node.node, nodes.Name):
        raise TemplateFault(f"nothing stands behind a second dot, found .{node.attr}")
    owner = node.node.name
    if owner in variables:
        raise TemplateFault(f"nothing stands behind a variable of the rule, found .{node.attr}")
    if owner not in NAMES:
        raise TemplateFault(_unknown_name(owner, variables))
    if node.attr not in NAMES[owner]:
        meant = did_you_mean(node.attr, NAMES[owner])
        raise TemplateFault(f"unknown variable '{owner}.{node.attr}'{meant}")


def _unknown_name(name: str, variables: frozenset[str]) -> str:
    if name in NAMES:
        example = "index" if name == "repeat" else "id"
        return f"{name!r} alone is no value: write for example {name}.{example}"
    return f"unknown variable {name!r}{did_you_mean(name, {*NAMES, *variables})}"


class _Renderer:
    """Compiles its source when it is first needed: thousands of rules load in a fraction of the time."""

    __slots__ = ("_render", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        self._render: Callable[[Mapping[str, Any]], object] | None = None

    def __call__(self, variables: Mapping[str, Any]) -> object:
        if self._render is None:
            self._render = self._compiled()
        return self._render(variables)

    def _compiled(self) -> Callable[[Mapping[str, Any]], object]:
        only = _only_expression(_ENVIRONMENT.parse(self._source))
        if only is None:
            return _ENVIRONMENT.from_string(self._source).render
        body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), only, lineno=1)]
        template = _ENVIRONMENT.from_string(nodes.Template(body, lineno=1))
        return TemplateExpression(template, undefined_to_none=False)


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    match tree.body:
        case [nodes.Output(nodes=[only])] if not isinstance(only, nodes.TemplateData):
            return only
    return None


def _defined(value: object) -> object:
    if isinstance(value, Undefined):
        raise TypeError("it has no value: for want of an else, or because a variable is not set yet")
    # A moment leaves a template as text, which JSON can say.
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    return value


def _replace(text: object, old: object, new: object) -> str:
    text, old, new = str(text), str(old), str(new)
    if len(text) + text.count(old) * (len(new) - len(old)) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    return text.replace(old, new)


def _round(value: float, digits: int = 0) -> float:
    return round(value, digits) if digits else round(value)


def _to_json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    _bounded(text)
    return text


class _Environment(ImmutableSandboxedEnvironment):
    """Multiplies and divides numbers only: text times a number is how a template fills the memory."""

    intercepted_binops = frozenset({"*", "%"})

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Refuse anything but numbers."""
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TypeError(f"{operator} takes numbers")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Environment:
    environment = _Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    kept = ("abs", "capitalize", "default", "float", "int", "length", "lower", "title", "trim", "upper")
    environment.filters = {name: environment.filters[name] for name in kept}
    environment.filters |= {"replace": _replace, "round": _round, "tojson": _to_json}
    environment.tests = {name: environment.tests[name] for name in ("none", "number", "string", "in")}
    environment.globals = {}
    return environment


_ENVIRONMENT = _environment()
