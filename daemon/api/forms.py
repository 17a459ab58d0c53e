"""Files that are sent: to the disk as they come, within limits, and gone when they have been read."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from daemon.api.limits import BODY_WITHIN_S, CHUNK_BYTES, CHUNK_WITHIN_S, chunks, too_large
from daemon.api.problems import Refused
from daemon.learning.uploads import Upload, sender_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PREFIX = ".tmp-upload-"
MOST_FIELDS = 64
FIELD_BYTES = 10_000


def clean_up(beside: Path) -> None:
    """Remove what an end without warning has left of files that were sent."""
    for leftover in beside.glob(f"{PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


class Form:
    """What a form said: its fields as text, and its files."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.files: list[Upload] = []


@asynccontextmanager
async def sent_form(
    request: web.Request,
    *,
    beside: Path,
    most_bytes: int,
    most_files: int,
    files: str,
    taking: asyncio.Semaphore,
) -> AsyncIterator[Form]:
    """Give what a form says, whose files are called `files`, for as long as this lasts. Raises Refused."""
    if request.content_type != "multipart/form-data":
        raise Refused(415, "send multipart/form-data", headers={"Accept-Post": "multipart/form-data"})
    async with _folder(request, beside, most_bytes, taking) as folder:
        form = Form()
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                await _take(request, form, folder, most_bytes, most_files, files)
        except TimeoutError:
            raise Refused(408, "the request did not come to its end in time") from None
        except (ValueError, AssertionError, LookupError, RuntimeError, HttpProcessingError):
            raise Refused(400, "the body is no form of multipart/form-data") from None
        yield form


@asynccontextmanager
async def sent_file(
    request: web.Request, *, beside: Path, most_bytes: int, taking: asyncio.Semaphore
) -> AsyncIterator[Path]:
    """Give the body as a file for as long as this lasts. Raises Refused."""
    async with _folder(request, beside, most_bytes, taking) as folder:
        path = folder / "body"
        with path.open("wb") as file:
            async for chunk in chunks(request, most=most_bytes):
                await asyncio.to_thread(file.write, chunk)
        yield path


@asynccontextmanager
async def _folder(
    request: web.Request, beside: Path, most_bytes: int, taking: asyncio.Semaphore
) -> AsyncIterator[Path]:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "send the body as it is, without a Content-Encoding")
    if request.content_length is not None and request.content_length > most_bytes:
        raise too_large(most_bytes)
    if taking.locked():
        raise Refused(503, "other files are being taken; try again in a moment", headers={"Retry-After": "5"})
    async with taking:
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=beside) as name:
            yield Path(name)


async def _take(
    request: web.Request, form: Form, folder: Path, most_bytes: int, most_files: int, files: str
) -> None:
    left = most_bytes
    parts = await request.multipart()
    while (part := await asyncio.wait_for(parts.next(), CHUNK_WITHIN_S)) is not None:
        if not isinstance(part, BodyPartReader):
            raise Refused(422, "a part of the form is itself of several parts")
        if part.name == files:
            if len(form.files) >= most_files:
                raise Refused(422, f"{files}: {most_files} at most")
            path = folder / f"{len(form.files) + 1:02}"
            left -= await _write(part, path, left, most_bytes)
            form.files.append(Upload(path=path, name=sender_name(part.filename, len(form.files) + 1)))
            continue
        if part.name is None or part.name in form.fields or len(form.fields) >= MOST_FIELDS:
            raise Refused(422, f"{part.name or 'a field without a name'}: say it once, by its name")
        form.fields[part.name] = await _text(part)


async def _write(part: BodyPartReader, path: Path, left: int, most_bytes: int) -> int:
    """Write a file; return its length."""
    taken = 0
    with path.open("wb") as file:
        while chunk := await asyncio.wait_for(part.read_chunk(CHUNK_BYTES), CHUNK_WITHIN_S):
            taken += len(chunk)
            if taken > left:
                raise too_large(most_bytes)
            await asyncio.to_thread(file.write, chunk)
    return taken


async def _text(part: BodyPartReader) -> str:
    content = bytearray()
    while chunk := await asyncio.wait_for(part.read_chunk(CHUNK_BYTES), CHUNK_WITHIN_S):
        content += chunk
        if len(content) > FIELD_BYTES:
            raise Refused(413, f"{part.name}: larger than {FIELD_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused(422, f"{part.name}: expected text in UTF-8") from None
