"""Certificates for tests, made by openssl: a CA, a server's and a client's."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.requirements import required_program

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """A CA of its own in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._openssl = required_program("openssl", debian_package="openssl")
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        self._run(
            "req", "-x509", *_NEW_KEY, "-keyout", self._key, "-out", self.certificate,
            "-days", "2", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, name: str, *, subject: str = "") -> tuple[Path, Path]:
        """Return the files of a certificate and its key; `subject` is such as IP:127.0.0.1 or DNS:hub."""
        certificate, key, request = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject}\n" if subject else "basicConstraints=CA:FALSE\n")
        self._run("req", "-new", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        self._run(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key,
            "-CAcreateserial", "-days", "2", "-out", certificate, "-extfile", extensions,
        )  # fmt: skip
        return certificate, key

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run([self._openssl, *map(str, arguments)], check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
