"""Who may ask: tokens by name and scope. Only their hashes are kept, in the state folder."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from fcntl import LOCK_EX, flock
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foundation.atomic_file import write_atomically
from foundation.errors import OwnerError, StateFolderError
from foundation.ownership import give_file
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME = "api_tokens.json"
PREFIX = "heard_"
"""So that scanners for leaked secrets, and people, see what it is."""
SECRET_BYTES = 32
MOST_TOKENS = 100
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Scope(IntEnum):
    """What a token may do; each includes those before it."""

    READ = 1
    """See and hear what heard knows, clips too."""
    ACT = 2
    """Switch, teach, and say what was right or wrong."""
    ADMIN = 3
    """Remove and import profiles."""

    @property
    def word(self) -> str:
        """Return the scope as it is written."""
        return self.name.lower()


SCOPES = {scope.word: scope for scope in Scope}


class Token(BaseModel):
    """One line of the file. The secret has 256 bits of chance, so one round of SHA-256 is enough."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    scope: Annotated[str, Field(pattern="^(read|act|admin)$")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    made: str
    """When, ISO 8601 in UTC."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tokens: tuple[Token, ...] = ()


class TokenFile:
    """The tokens of one state folder. What another process changes is seen with the next question."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE_NAME
        self._seen: tuple[int, int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """Return all of them. Raises StateFolderError where the file cannot be used."""
        try:
            known = self._path.stat()
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        except OSError as error:
            raise StateFolderError(f"{self._path} cannot be read: {error.strerror}") from error
        look = (known.st_ino, known.st_size, known.st_mtime_ns)
        if look != self._seen:
            self._tokens = self._read()
            self._seen = look
        return self._tokens

    def scope_of(self, secret: str) -> tuple[str, Scope] | None:
        """Return the name and the scope of the token with this secret; None where there is none."""
        given = _digest(secret)
        found: tuple[str, Scope] | None = None
        # All of them are compared, whichever it is, so that time tells nothing.
        for token in self.tokens():
            if hmac.compare_digest(token.sha256, given):
                found = (token.name, SCOPES[token.scope])
        return found

    def add(self, name: str, scope: Scope) -> str:
        """Make a token and return its secret, which is kept nowhere. Raises OwnerError."""
        if not NAME.fullmatch(name):
            raise OwnerError(f"{name!r} is no name for a token: use letters, digits, '-', '_' and '.'")
        with self._changing() as tokens:
            if name in tokens:
                raise OwnerError(f"there is a token {name!r} already: remove it first, or take another name")
            if len(tokens) >= MOST_TOKENS:
                raise OwnerError(f"there are {MOST_TOKENS} tokens already: remove one that nobody needs")
            secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
            made = datetime.now(UTC).isoformat(timespec="seconds")
            tokens[name] = Token(name=name, scope=scope.word, sha256=_digest(secret), made=made)
        return secret

    def remove(self, name: str) -> None:
        """Let a token be worth nothing from now on. Raises OwnerError where there is none of this name."""
        with self._changing() as tokens:
            if name not in tokens:
                raise OwnerError(f"there is no token {name!r}{did_you_mean(name, tokens)}")
            del tokens[name]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        """Give the tokens by name to be changed, while no other process changes them."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                give_file(lock, self._path.parent)
                flock(lock, LOCK_EX)
                tokens = {token.name: token for token in self.tokens()}
                yield tokens
                content = _File(tokens=tuple(tokens.values())).model_dump_json(indent=1)
                write_atomically(self._path, content.encode())
            finally:
                os.close(lock)
        except OSError as error:
            raise StateFolderError(f"{self._path} cannot be written: {error.strerror}") from error

    def _read(self) -> tuple[Token, ...]:
        try:
            return _File.model_validate_json(self._path.read_bytes()).tokens
        except OSError as error:
            raise StateFolderError(f"{self._path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            what = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise StateFolderError(
                f"{self._path} is damaged ({what}): remove it, and make the tokens anew"
            ) from error


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
