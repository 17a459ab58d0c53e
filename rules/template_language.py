"""What templates can do: Jinja2's immutable sandbox with the filters and functions that rules may use.

Every operation is bounded in what it takes and gives, and all of them together, so that no template takes
long, allocates much, or reaches anything but the values it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from rules.template_functions import FILTERS, FUNCTIONS, JOIN, STOCK, finalize, guarded
from rules.template_limits import bounded

MOMENT_PARTS = frozenset({"year", "month", "day", "hour", "minute", "second"})
"""What may stand behind a moment."""
METHODS = frozenset({"isoformat", "isoweekday", "strftime", "timestamp", "total_seconds", "weekday"})
"""What may be called on a moment or a length of time."""


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
        if isinstance(func, Undefined):
            raise TypeError("nothing can be called there")
        return bounded(super().call(context, func, *args, **kwargs))


class Bounding(NodeTransformer):
    """Lets `~` go through a filter, where it can be bounded."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - named by Jinja2
        """Replace one chain of `~`."""
        self.generic_visit(node)
        return nodes.Filter(nodes.List(node.nodes), JOIN, [], [], None, None, lineno=node.lineno)


def make_language() -> Language:
    """Return the one language of all templates."""
    language = Language(undefined=StrictUndefined, keep_trailing_newline=True, finalize=finalize)
    stock = {name: language.filters[name] for name in STOCK}
    language.filters = {name: guarded(each) for name, each in {**stock, **FILTERS}.items()}
    language.tests = {name: language.tests[name] for name in ("none", "number", "string", "in", "defined")}
    language.globals = dict(FUNCTIONS)
    return language
