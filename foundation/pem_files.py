"""Certificates and keys in PEM files, for whoever speaks TLS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from foundation.errors import OwnerError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path


def trust(context: ssl.SSLContext, ca_file: Path) -> None:
    """Trust whom the certificate of a CA signed. Raises OwnerError, which names the file."""
    with _reading(ca_file, "the certificate of a CA"):
        context.load_verify_locations(ca_file)


def show(context: ssl.SSLContext, certificate_file: Path, key_file: Path | None) -> None:
    """Show this certificate; without `key_file` its key is in the same file. Raises OwnerError."""
    key = "the same file" if key_file is None else key_file
    with _reading(certificate_file, f"a certificate, and in {key} its key, not encrypted"):
        # Without a password an encrypted key would ask for one at the terminal, and wait.
        context.load_cert_chain(certificate_file, key_file, password="")


@contextmanager
def _reading(file: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise OwnerError(f"{file}: expected {what}, in PEM: {reason}") from error
