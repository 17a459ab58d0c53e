"""What a template may hold, looked at when the rule is read: the earliest that a fault can be known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from jinja2 import nodes

from foundation.wording import did_you_mean
from rules.template_functions import JOIN
from rules.template_language import METHODS, MOMENT_PARTS, Language
from rules.template_names import CALLED, NAMES, OPEN, STATE_FUNCTIONS

MAX_DEPTH = 40
MAX_PARTS = 500
"""Names, numbers, operations: what a template is compiled from takes time too."""

ENTITY = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
"""`domain.name`"""

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.CondExpr, nodes.Const, nodes.List,
    nodes.Tuple, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Concat,
    nodes.Getitem, nodes.Slice, nodes.Keyword,
)  # fmt: skip
_REFUSED = {
    nodes.AssignBlock: "{% set %} blocks",
    nodes.For: "loops",
    nodes.Pow: "powers",
    nodes.Import: "imports",
    nodes.FromImport: "imports",
    nodes.Include: "imports",
}


class TemplateFault(Exception):
    """A template cannot be used; `str(fault)` says why."""


class Check:
    """Goes through one template. `entities` is what it asks Home Assistant about."""

    def __init__(self, language: Language, variables: Iterable[str]) -> None:
        self.entities: set[str] = set()
        self._language = language
        self._variables = set(variables)
        self._parts = 0

    def take(self, node: nodes.Node, depth: int = 0) -> None:
        """Raise TemplateFault at the first thing that a template may not hold."""
        if depth > MAX_DEPTH:
            raise TemplateFault(f"a template may be nested {MAX_DEPTH} deep")
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TemplateFault(f"a template may have at most {MAX_PARTS} names, values and operations")
        special = _SPECIAL.get(type(node))
        if special is not None:
            special(self, node, depth)
            return
        if not isinstance(node, _ALLOWED):
            kind = _REFUSED.get(type(node), f"constructs of the kind {type(node).__name__}")
            raise TemplateFault(f"{kind} are not supported in templates")
        if isinstance(node, nodes.Filter | nodes.Test):
            self._named(node)
        self._inside(node, depth)

    def _inside(self, node: nodes.Node, depth: int) -> None:
        for child in node.iter_child_nodes():
            self.take(child, depth + 1)

    def _named(self, node: nodes.Filter | nodes.Test) -> None:
        kind, known = (
            ("filter", self._language.filters.keys() - {JOIN})
            if isinstance(node, nodes.Filter)
            else ("test", self._language.tests.keys())
        )
        if node.name not in known:
            raise TemplateFault(f"no {kind} is called {node.name!r}{did_you_mean(node.name, known)}")

    def _name(self, node: nodes.Name, _depth: int) -> None:
        if node.name in self._variables:
            return
        if node.name in NAMES:
            example = "index" if node.name == "repeat" else "id"
            raise TemplateFault(f"{node.name!r} alone is no value: write for example {node.name}.{example}")
        if node.name in CALLED:
            raise TemplateFault(f"{node.name} is a function: write {node.name}(…)")
        raise TemplateFault(
            f"unknown variable {node.name!r}{did_you_mean(node.name, {*NAMES, *self._variables})}"
        )

    def _assign(self, node: nodes.Assign, depth: int) -> None:
        if not isinstance(node.target, nodes.Name):
            raise TemplateFault("{% set %} takes one name")
        if node.target.name in NAMES or node.target.name in CALLED:
            raise TemplateFault(f"{node.target.name!r} means something else, and cannot be set")
        self.take(node.node, depth + 1)
        self._variables.add(node.target.name)

    def _attribute(self, node: nodes.Getattr, depth: int) -> None:
        owner = node.node
        if isinstance(owner, nodes.Name) and owner.name in NAMES and owner.name not in self._variables:
            if node.attr not in NAMES[owner.name]:
                meant = did_you_mean(node.attr, NAMES[owner.name])
                raise TemplateFault(f"unknown variable '{owner.name}.{node.attr}'{meant}")
            return
        if node.attr.startswith("_") or _is_plain(owner):
            raise TemplateFault(f"nothing stands behind this dot, found .{node.attr}")
        if _is_call(owner, "now", "utcnow", "today_at") and node.attr not in MOMENT_PARTS:
            raise TemplateFault(
                f"unknown part of a moment: {node.attr!r}{did_you_mean(node.attr, MOMENT_PARTS)}"
            )
        self.take(owner, depth + 1)

    def _call(self, node: nodes.Call, depth: int) -> None:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise TemplateFault("* and ** are not supported in templates")
        match node.node:
            case nodes.Name(name=name) if name in CALLED:
                if name in STATE_FUNCTIONS:
                    self._entity(name, node.args)
                if name in {"now", "utcnow"} and (node.args or node.kwargs):
                    raise TemplateFault(f"{name}() takes nothing")
            case nodes.Name(name=name):
                raise TemplateFault(f"unknown function {name!r}{did_you_mean(name, CALLED)}")
            case nodes.Getattr(attr=attr, node=owner) if attr in METHODS:
                self.take(owner, depth + 1)
            case nodes.Getattr(attr=attr):
                raise TemplateFault(f"no method is called {attr!r}{did_you_mean(attr, METHODS)}")
            case _:
                raise TemplateFault("what is called here is no function")
        for child in (*node.args, *node.kwargs):
            self.take(child, depth + 1)

    def _entity(self, function: str, args: list[nodes.Expr]) -> None:
        match args:
            case [nodes.Const(value=str() as entity_id), *_] if ENTITY.fullmatch(entity_id):
                self.entities.add(entity_id)
            case _:
                raise TemplateFault(f"{function}() takes the id of an entity, such as 'light.desk'")


def _is_call(node: nodes.Node, *names: str) -> bool:
    return isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in names


def _is_plain(node: nodes.Node) -> bool:
    """Tell whether a value is known to be text or a number, behind which there is nothing."""
    match node:
        case nodes.Getattr(node=nodes.Name(name=owner), attr=attr) if owner in NAMES:
            return attr not in OPEN
        case nodes.Const() | nodes.TemplateData() | nodes.Concat():
            return True
    return False


_SPECIAL: dict[type[nodes.Node], Callable[[Check, nodes.Node, int], None]] = {
    nodes.Name: Check._name,  # type: ignore[dict-item] # each takes the kind of node it stands for  # noqa: SLF001 - of this very file
    nodes.Assign: Check._assign,  # type: ignore[dict-item] # same  # noqa: SLF001 - same
    nodes.Getattr: Check._attribute,  # type: ignore[dict-item] # same  # noqa: SLF001 - same
    nodes.Call: Check._call,  # type: ignore[dict-item] # same  # noqa: SLF001 - same
}
