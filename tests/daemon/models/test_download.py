"""Downloads over a real connection that breaks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from daemon.models.download import download
from foundation.errors import DownloadInterrupted, ModelError
from tests.daemon.models.file_server import FileServer

CONTENT = random.Random(0).randbytes(1_000_000)


def _ignore(_done: int, _total: int | None) -> None:
    pass


async def _fetch(server: FileServer, into: Path) -> bytes:
    path = await download(server.url, into, _ignore, first_pause_s=0.0)
    assert path.name == server.name
    assert not path.with_name(f"{server.name}.part").exists()
    return path.read_bytes()


async def test_a_file_arrives_whole_and_progress_is_told(tmp_path: Path) -> None:
    """Up to the size that the server says."""
    told: list[tuple[int, int | None]] = []
    with FileServer("net.pt", CONTENT) as server:
        path = await download(server.url, tmp_path, lambda done, total: told.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))


async def test_a_broken_transfer_goes_on_where_it_broke(tmp_path: Path) -> None:
    """Twice broken, thrice asked, and no byte fetched again."""
    with FileServer("net.pt", CONTENT, break_after=[300_000, 200_000]) as server:
        assert await _fetch(server, tmp_path) == CONTENT
    assert server.ranges == [None, "bytes=300000-", "bytes=500000-"]


async def test_another_process_goes_on_too(tmp_path: Path) -> None:
    """What an earlier try left is taken up, and the first try says that it will be."""
    with FileServer("net.pt", CONTENT, break_after=[400_000, 0, 0, 0, 0, 0]) as server:
        with pytest.raises(DownloadInterrupted, match="400000 bytes are here: the same command goes on"):
            await _fetch(server, tmp_path)
        server.break_after, server.ranges = [], []
        assert await _fetch(server, tmp_path) == CONTENT
    assert server.ranges == ["bytes=400000-"]


async def test_a_file_that_was_whole_but_not_yet_named_is_not_fetched_again(tmp_path: Path) -> None:
    """Killed between the last byte and the renaming."""
    with FileServer("net.pt", CONTENT, break_after=[len(CONTENT) - 1, 0, 0, 0, 0, 0]) as server:
        with pytest.raises(DownloadInterrupted):
            await _fetch(server, tmp_path)
        with (tmp_path / "net.pt.part").open("ab") as part:
            part.write(CONTENT[-1:])
        server.break_after, server.ranges = [], []
        assert await _fetch(server, tmp_path) == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT)}-"]


@pytest.mark.parametrize("versioned", [True, False])
async def test_halves_of_different_files_are_never_joined(tmp_path: Path, *, versioned: bool) -> None:
    """A file that changed meanwhile begins anew; so does one whose server does not name its versions."""
    with FileServer("net.pt", CONTENT, [400_000, 0, 0, 0, 0, 0], versioned=versioned) as server:
        with pytest.raises(DownloadInterrupted):
            await _fetch(server, tmp_path)
        server.break_after = []
        server.content = CONTENT[::-1]
        assert await _fetch(server, tmp_path) == CONTENT[::-1]


async def test_a_server_that_stumbles_is_asked_again(tmp_path: Path) -> None:
    """5xx may pass."""
    with FileServer("net.pt", CONTENT, statuses=[503, 500]) as server:
        assert await _fetch(server, tmp_path) == CONTENT


async def test_a_file_that_has_moved_is_the_owners_to_find(tmp_path: Path) -> None:
    """404 does not pass by waiting: the message names the way without a network."""
    with (
        FileServer("net.pt", CONTENT, statuses=[404]) as server,
        pytest.raises(ModelError, match=r"404 Not Found.*--from FILE"),
    ):
        await _fetch(server, tmp_path)


async def test_a_server_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    """After a few tries."""
    with FileServer("net.pt", CONTENT) as server:
        url = server.url
    with pytest.raises(DownloadInterrupted, match=r"--from FILE takes a file"):
        await download(url, tmp_path, _ignore, first_pause_s=0.0)
