"""The certificate that the API shows, where its configuration names one."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

from daemon.logs import Changes
from foundation.errors import OwnerError
from foundation.pem_files import show

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.api.settings import ApiTlsConfig

_log = logging.getLogger(__name__)


class Certificate:
    """Read at once, and again when its files are others: a renewed one needs no restart."""

    def __init__(self, tls: ApiTlsConfig) -> None:
        """Raises OwnerError, which names the file that is wrong."""
        self._tls = tls
        self._changes = Changes(_log)
        self._read_of = self._stamps()
        self.context = self._read()
        """What connections are opened with."""

    def renew(self) -> None:
        """Look whether the files are others; ones that are wrong change nothing, and the log says so."""
        stamps = self._stamps()
        if stamps == self._read_of:
            return
        self._read_of = stamps
        try:
            # Apart first: files that do not belong together would spoil the context that is in use.
            self._read()
            show(self.context, self._tls.certificate_file, self._tls.key_file)
        except OwnerError as error:
            self._changes.note("the API's certificate", f"not renewed: {error}")
        else:
            self._changes.note("the API's certificate", "renewed", level=logging.INFO)

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        show(context, self._tls.certificate_file, self._tls.key_file)
        return context

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        files = (self._tls.certificate_file, self._tls.key_file)
        return tuple(_stamp(file) for file in files if file is not None)


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError:
        return (0, 0, 0)
    return status.st_mtime_ns, status.st_ino, status.st_size
