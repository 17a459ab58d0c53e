"""The names that a rule may use: profiles and their tags, streams, its own triggers and variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from foundation.wording import describe, did_you_mean
from rules.template import NAMES, Template, TemplateFault, compile_template

if TYPE_CHECKING:
    from collections.abc import Collection

    from rules.reading import Node

MAX_NAME = 100
TAG = "tag:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What there is to listen for, where, and what a template may name."""

    profiles: Collection[str] | None = None
    """None: not to be checked. A mapping gives the tags of each as well."""
    streams: Collection[str] | None = None
    """None: not to be checked."""
    variables: frozenset[str] = frozenset()
    trigger_ids: tuple[str, ...] = ()

    def tagged(self, tag: str) -> tuple[str, ...]:
        """Return the profiles with a tag, in order of name."""
        if not isinstance(self.profiles, Mapping):
            return ()
        return tuple(sorted(name for name, tags in self.profiles.items() if tag in tags))


def read_name(node: Node) -> str | None:
    """Read what a rule or a trigger is called."""
    name = node.text()
    if name is not None and (len(name) > MAX_NAME or not name.isprintable()):
        node.refuse(f"expected a name of at most {MAX_NAME} printable characters, found {describe(name)}")
        return None
    return name


def read_profiles(node: Node, scope: Scope) -> tuple[str, ...] | None:
    """Read a profile's name, or `tag:` and a word for every profile that has it."""
    name = node.text()
    if name is None:
        return None
    if name.startswith(TAG) and scope.profiles is not None:
        found = scope.tagged(name.removeprefix(TAG))
        if not found:
            tags = (
                {tag for of in scope.profiles.values() for tag in of}
                if isinstance(scope.profiles, Mapping)
                else ()
            )
            meant = did_you_mean(name.removeprefix(TAG), tags)
            node.refuse(f"there is no profile with the tag {name.removeprefix(TAG)!r}{meant}")
        return found or None
    return None if _known(node, "profile", name, scope.profiles) is None else (name,)


def read_stream(node: Node, scope: Scope) -> str | None:
    """Read a stream's name."""
    name = node.text()
    return None if name is None else _known(node, "stream", name, scope.streams)


def read_template(node: Node, text: str, scope: Scope) -> Template | None:
    """Read text in which there may be expressions."""
    try:
        return compile_template(text, scope.variables)
    except TemplateFault as fault:
        node.refuse(str(fault))
        return None


def check_variable(node: Node, name: str) -> None:
    """Refuse what cannot be the name of a variable."""
    if (
        not name.isidentifier()
        or not name.isascii()
        or name in {*NAMES, "now", "and", "or", "not", "in", "is", "if", "else", "true", "false", "none"}
    ):
        node.refuse(
            f"expected a name of letters, digits and _ that means nothing else, found {name!r}", key=True
        )


def _known(node: Node, kind: str, name: str, known: Collection[str] | None) -> str | None:
    if known is not None and name not in known:
        node.refuse(f"there is no {kind} {name!r}{did_you_mean(name, known)}")
        return None
    return name
