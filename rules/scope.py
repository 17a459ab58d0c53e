"""The names that a rule may use: profiles and their tags, streams, its own triggers and variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.wording import describe, did_you_mean
from rules.template import Template, TemplateFault, compile_template
from rules.template_names import CALLED, NAMES

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
    derived: set[str] = field(default_factory=set)
    """Sounds that rules make of others; grows."""
    unknown: list[tuple[Node, str]] = field(default_factory=list)
    """Where a name stands that no profile has; grows."""
    variables_possible: bool = True
    """Whether the word `variables` stands anywhere in the file: to look for it in each rule takes long."""
    variables: frozenset[str] = frozenset()
    trigger_ids: tuple[str, ...] = ()

    def tagged(self, tag: str) -> tuple[str, ...]:
        """Return the profiles with a tag, in order of name."""
        if not isinstance(self.profiles, Mapping):
            return ()
        return tuple(sorted(name for name, tags in self.profiles.items() if tag in tags))

    def warn_of_unknown(self) -> None:
        """Warn of every name that is neither a profile's nor that of a sound which rules make."""
        for node, name in self.unknown:
            if name not in self.derived:
                known = {*(self.profiles or ()), *self.derived}
                node.warn(f"never: there is no profile {name!r}{did_you_mean(name, known)}")


def read_name(node: Node) -> str | None:
    """Read what a rule or a trigger is called."""
    name = node.text()
    if name is not None and (len(name) > MAX_NAME or not name.isprintable()):
        node.refuse(f"expected a name of at most {MAX_NAME} printable characters, found {describe(name)}")
        return None
    return name


def read_profiles(node: Node, scope: Scope) -> tuple[str, ...] | None:
    """Read a profile's name, or `tag:` and a word for every profile that has it.

    A name that there is not is warned of: the rule waits for it, and works once the profile is there.
    """
    name = node.text()
    if name is None:
        return None
    if scope.profiles is None:
        return (name,)
    if name.startswith(TAG):
        tag = name.removeprefix(TAG)
        found = scope.tagged(tag)
        if not found:
            tags = (
                {tag for of in scope.profiles.values() for tag in of}
                if isinstance(scope.profiles, Mapping)
                else ()
            )
            node.warn(f"never: there is no profile with the tag {tag!r}{did_you_mean(tag, tags)}")
        return found or (name,)
    if name not in scope.profiles:
        scope.unknown.append((node, name))
    return (name,)


def read_stream(node: Node, scope: Scope) -> str | None:
    """Read a stream's name; one that there is not is warned of."""
    name = node.text()
    if name is not None and scope.streams is not None and name not in scope.streams:
        node.warn(f"never: there is no stream {name!r}{did_you_mean(name, scope.streams)}")
    return name


def read_template(
    node: Node, text: str, scope: Scope, *, also: frozenset[str] = frozenset()
) -> Template | None:
    """Read text in which there may be expressions; `also` names what it may use here besides."""
    try:
        return compile_template(text, scope.variables | also if also else scope.variables)
    except TemplateFault as fault:
        node.refuse(str(fault))
        return None


def check_variable(node: Node, name: str) -> None:
    """Refuse what cannot be the name of a variable."""
    if (
        not name.isidentifier()
        or not name.isascii()
        or name in {*NAMES, *CALLED, "and", "or", "not", "in", "is", "if", "else", "true", "false", "none"}
    ):
        node.refuse(
            f"expected a name of letters, digits and _ that means nothing else, found {name!r}", key=True
        )
