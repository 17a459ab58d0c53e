"""`!include`, `!secret` and `!env` in rule files: none of them leaves the configuration folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from foundation.errors import RuleError
from foundation.wording import describe, did_you_mean
from foundation.yaml_document import Secret, TagFault, YamlDocument, plain_scalar, read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRETS = "secrets.yaml"
MAX_DEPTH = 8
MAX_INCLUDES = 1_000


class Package:
    """Reads the rule files of one folder and what they include. `files` is everything that was looked at."""

    def __init__(self, roots: tuple[Path, ...], environment: Mapping[str, str] = os.environ) -> None:
        self.files: set[Path] = set()
        self._roots = tuple(root.resolve() for root in roots)
        self._included = 0
        self._environment = environment

    def read(self, path: Path, *, above: tuple[Path, ...] = ()) -> YamlDocument:
        """Return a file with all that it includes; raises RuleError with the place of what is wrong."""
        self.files.add(path)
        here = (*above, path.resolve())

        def resolve(tag: str, text: str) -> object:
            match tag:
                case "!include":
                    return self._include(path, text, here)
                case "!secret":
                    return self._secret(path, text)
                case "!env":
                    return _variable(text, self._environment)
            raise TagFault(f"tags other than !include, !secret and !env are not supported, found {tag}")

        return read_yaml(path, error=RuleError, resolve=resolve)

    def _include(self, path: Path, text: str, above: tuple[Path, ...]) -> YamlDocument:
        self._included += 1
        if not text.strip():
            raise TagFault("expected the name of a file behind !include")
        if len(above) > MAX_DEPTH or self._included > MAX_INCLUDES:
            raise TagFault(f"files are included {MAX_DEPTH} deep and {MAX_INCLUDES} in all at most")
        target = self._confined(path.parent / text, text)
        if target.resolve() in above:
            raise TagFault(f"{text!r} includes itself")
        return self.read(target, above=above)

    def _secret(self, path: Path, name: str) -> Secret:
        known: dict[str, object] | None = None
        for folder in path.absolute().parents:
            if not self._inside(folder):
                break
            file = folder / SECRETS
            self.files.add(file)
            if file.is_file():
                data = read_yaml(self._confined(file, SECRETS), error=RuleError).data
                known = data if isinstance(data, dict) else {}
                break
        if known is None:
            raise TagFault(f"there is no {SECRETS} in the configuration folder to take {name!r} from")
        if name not in known:
            raise TagFault(f"{SECRETS} has no {name!r}{did_you_mean(name, known)}")
        if not isinstance(known[name], str):
            kind = "nothing" if known[name] is None else type(known[name]).__name__
            raise TagFault(f"expected text for {name!r} in {SECRETS} (put it in quotes), found {kind}")
        return Secret(known[name])

    def _inside(self, path: Path) -> bool:
        return any(path.resolve().is_relative_to(root) for root in self._roots)

    def _confined(self, path: Path, text: str) -> Path:
        try:
            inside = self._inside(path)
        except (OSError, ValueError, RuntimeError) as failure:
            raise TagFault(f"{describe(text)} cannot be read: {failure}") from None
        if not inside:
            raise TagFault(f"{describe(text)} lies outside of the configuration folder")
        return path


def _variable(text: str, environment: Mapping[str, str]) -> object:
    """Return a variable as if its value stood in the file; behind its name may stand a default."""
    name, _, default = text.strip().partition(" ")
    if not name:
        raise TagFault("expected the name of a variable behind !env")
    value = environment.get(name, default.strip() or None)
    if value is None:
        raise TagFault(f"the environment has no variable {name!r}, and no default stands behind it")
    return plain_scalar(value)
