"""One file over HTTP, as slowly as it must be: broken transfers go on where they broke."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import aiohttp

from foundation.errors import DownloadInterrupted, ModelError

Progress = Callable[[int, int | None], None]
"""Bytes that are here, and bytes in all where the server says."""

ATTEMPTS = 5
"""In a row without a byte; any progress begins the count anew."""
FIRST_PAUSE_S = 1.0
CHUNK_BYTES = 256 * 1_024
SILENCE_S = 60.0

_PARTIAL = 206
_RANGE_NOT_SATISFIABLE = 416


async def download(url: str, into: Path, progress: Progress, *, first_pause_s: float = FIRST_PAUSE_S) -> Path:
    """Fetch `url` into the folder `into`; return the path of the whole file, not yet verified.

    What arrives is kept as `….part` with the server's name for that version of it, so that the next try, also
    in another process, asks for the rest and gets it only if it is the same version's. Raises ModelError
    where the server refuses, DownloadInterrupted when it stays out of reach, OSError as the file system does.
    """
    part = _Part(into / f"{url.rpartition('/')[2]}.part")
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)
    failures = 0
    # Bytes as they are stored: a transfer encoding would shift every range.
    headers = {"Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session:
        while True:
            before = part.size
            try:
                await _fetch(session, url, part, progress)
            except (aiohttp.ClientError, TimeoutError) as error:
                failures = 1 if part.size > before else failures + 1
                if failures >= ATTEMPTS:
                    reason = str(error) or type(error).__name__
                    raise DownloadInterrupted(
                        f"{url} cannot be fetched ({reason}); {part.size} bytes are here: the same command "
                        "goes on with the rest, and --from FILE takes a file that you have"
                    ) from error
                await asyncio.sleep(random.uniform(0, first_pause_s * 2**failures))  # noqa: S311 - jitter, no secret
            else:
                return part.finish()


async def _fetch(session: aiohttp.ClientSession, url: str, part: _Part, progress: Progress) -> None:
    """Ask for what is missing, and write what comes."""
    async with session.get(url, headers=part.request_headers()) as response:
        extent = response.headers.get("Content-Range", "")
        if response.status == _RANGE_NOT_SATISFIABLE:
            if extent == f"bytes */{part.size}":
                return
            part.discard()
            raise aiohttp.ClientPayloadError("the server has fewer bytes than are here")
        if response.status >= 500:
            raise aiohttp.ClientPayloadError(f"the server answers {response.status} {response.reason}")
        if response.status >= 400:
            raise ModelError(
                f"{url}: the server answers {response.status} {response.reason}; if its place has changed, "
                "fetch the file yourself and name it with --from FILE"
            )
        if response.status != _PARTIAL:
            part.begin(response.headers.get("ETag"))
        elif not extent.startswith(f"bytes {part.size}-"):
            part.discard()
            raise aiohttp.ClientPayloadError(f"the server sent {extent or 'a part'}, which was not asked for")
        total = None if response.content_length is None else part.size + response.content_length
        progress(part.size, total)
        with part.path.open("ab") as file:
            done = file.tell()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                progress(done, total)


class _Part:
    """What has arrived, and beside it the version that it is of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version = path.with_name(f"{path.name}.etag")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def request_headers(self) -> dict[str, str]:
        """Ask for the rest of the same version, else for the whole."""
        if not self.size or not self._version.exists():
            return {}
        version = self._version.read_text(encoding="utf-8")
        return {"Range": f"bytes={self.size}-", "If-Range": version}

    def begin(self, version: str | None) -> None:
        """Forget what came before. A weak version does not vouch for bytes, so none is kept."""
        self.discard()
        if version is not None and not version.startswith("W/"):
            self._version.write_text(version, encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    def finish(self) -> Path:
        """Give the whole file its name."""
        whole = self.path.with_suffix("")
        self.path.replace(whole)
        self._version.unlink(missing_ok=True)
        return whole
