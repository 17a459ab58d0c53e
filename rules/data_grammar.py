"""Values that are sent or remembered: text in which there may be expressions, and what JSON can say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from foundation.wording import describe
from rules.scope import check_variable, read_template

if TYPE_CHECKING:
    from rules.reading import Node
    from rules.scope import Scope


def read_json(node: Node, scope: Scope) -> Any:
    """Read a value of which every text is a template."""
    match node.value:
        case dict():
            return {key: read_json(node.child(key, value), scope) for key, value in node.value.items()}
        case list():
            return [read_json(item, scope) for item in node.items()]
        case str():
            return read_template(node, node.value, scope)
        case float() if not math.isfinite(node.value):
            node.refuse(f"JSON has no such number, found {describe(node.value)}")
    return node.value


def read_variables(node: Node, scope: Scope) -> dict[str, Any]:
    """Read names and their values."""
    if not isinstance(node.value, dict):
        node.refuse(f"expected a mapping of names and values, found {describe(node.value)}")
        return {}
    values = {}
    for name, value in node.value.items():
        item = node.child(name, value)
        check_variable(item, name)
        values[name] = read_json(item, scope)
    return values
