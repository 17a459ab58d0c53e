"""Values that are sent or remembered: text in which there may be expressions, and what JSON can say."""

from __future__ import annotations

import math
from typing import Any

from foundation.wording import describe
from rules.outside_grammar import MAX_TOPIC_BYTES
from rules.reading import Node
from rules.scope import Scope, check_variable, read_template
from rules.template import Template


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


def read_text_template(node: Node, scope: Scope) -> Template | None:
    """Read text in which there may be expressions."""
    text = node.text()
    return None if text is None else read_template(node, text, scope)


def read_number_template(node: Node, scope: Scope) -> Template | None:
    """Read a number, or text in which there may be expressions."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return read_template(node, str(node.value), scope)
    return read_text_template(node, scope)


def read_publish_topic(node: Node, scope: Scope) -> Template | None:
    """Read a topic to publish to."""
    text = node.text()
    template = None if text is None else read_template(node, text, scope)
    if text is None or template is None or "{" in text:
        return template
    if "+" in text or "#" in text:
        node.refuse("a topic to publish to has no wildcards (+ or #)")
    elif "\0" in text or len(text.encode()) > MAX_TOPIC_BYTES:
        node.refuse(f"a topic has no NUL character and at most {MAX_TOPIC_BYTES} bytes")
    return template


def read_headers(node: Node, scope: Scope) -> dict[str, Template]:
    """Read the headers of a request."""
    if not isinstance(node.value, dict):
        node.refuse(f"expected a mapping of names and values, found {describe(node.value)}")
        return {}
    headers = {}
    for name, value in node.value.items():
        item = node.child(name, value)
        template = read_number_template(item, scope)
        if not name.isascii() or not name.replace("-", "").isalnum():
            item.refuse(f"expected the name of a header such as X-Room, found {describe(name)}", key=True)
        elif template is not None:
            headers[name] = template
    return headers


def read_payload(node: Node, scope: Scope) -> Any:
    """Read what is sent: text, or what JSON holds."""
    match node.value:
        case bool():
            node.text()
            return None
        case None:
            return ""
        case int() | float():
            return read_template(node, str(node.value), scope)
    return read_json(node, scope)
