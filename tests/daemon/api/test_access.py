from __future__ import annotations

import json
import platform
import socket
from typing import TYPE_CHECKING

import pytest

from daemon.api.door import ApiCannotOpen
from daemon.api.limits import RateLimit
from daemon.api.tokens import FILE_NAME, Scope, TokenFile
from foundation.errors import OwnerError, StateFolderError
from tests.daemon.api.serving import Asked, serving

if TYPE_CHECKING:
    from pathlib import Path

STATUS = "/api/v1/status"

in_lobby = pytest.mark.asyncio(loop_scope="package")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def is_problem(status: int, body: bytes) -> bool:
    said: dict[str, object] = json.loads(body)
    return bool(said["status"] == status and said.keys() >= {"type", "title", "detail"})


@in_lobby
async def test_a_program_on_this_machine_needs_no_token(lobby: Asked) -> None:
    answer = await lobby.get(STATUS)

    assert answer.status == 200
    assert answer.json["node"] == "hub"
    assert answer.json["api"] == lobby.url


@in_lobby
async def test_whoever_speaks_for_somebody_else_needs_one(lobby: Asked) -> None:
    """A proxy on this machine lets strangers in; they are none of this machine's programs."""
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        assert (await lobby.get(STATUS, headers={header: "203.0.113.9"})).status == 401


async def test_scopes_include_those_below(tmp_path: Path) -> None:
    """Without a token 401, with one that may too little 403, each as problem details with what is needed."""
    tokens = TokenFile(tmp_path / "state")
    read, act = tokens.add("reader", Scope.READ), tokens.add("actor", Scope.ACT)
    async with serving(tmp_path, api={"require_token": True}) as heard:
        nobody = await heard.get(STATUS)
        assert nobody.status == 401
        assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
        assert is_problem(401, nobody.body)
        assert (await heard.get(STATUS, headers=bearer("heard_wrong"))).status == 401
        assert (await heard.get(STATUS, headers={"Authorization": f"Basic {read}"})).status == 401
        assert (await heard.get(STATUS, headers=bearer(read))).status == 200

        change = {"json": {"listening": True}}
        refused = await heard.ask("PATCH", "/api/v1/streams/yard", headers=bearer(read), **change)
        assert (refused.status, refused.json["scope"]) == (403, "act")
        done = await heard.ask("PATCH", "/api/v1/streams/yard", headers=bearer(act), **change)
        assert done.status == 200

        # A running daemon learns of tokens that come and go.
        late = tokens.add("late", Scope.READ)
        assert (await heard.get(STATUS, headers=bearer(late))).status == 200
        tokens.remove("late")
        assert (await heard.get(STATUS, headers=bearer(late))).status == 401


async def test_health_needs_no_token(tmp_path: Path) -> None:
    async with serving(tmp_path, api={"require_token": True}) as heard:
        await heard.until_heard(1)
        assert (await heard.get("/healthz")).json == {"status": "ok"}
        assert (await heard.get("/metrics")).status == 401


@in_lobby
@pytest.mark.parametrize("name", ["evil.example", "evil.example:80", "127.0.0.2", "localhost.evil.example"])
async def test_a_name_that_was_pointed_here_is_refused(lobby: Asked, name: str) -> None:
    answer = await lobby.get("/healthz", headers={"Host": name})

    assert answer.status == 421
    assert is_problem(421, answer.body)


async def test_names_that_the_owner_gave_are_let_in(tmp_path: Path) -> None:
    api = {"hosts": ["hub.local"], "public_url": "https://heard.example.org/x"}
    async with serving(tmp_path, api=api) as heard:
        for name in ("hub.local:8765", "HUB.local", "heard.example.org", "localhost", "[::1]:80"):
            assert (await heard.get("/healthz", headers={"Host": name})).status in {200, 503}, name
        from_there = {"Host": "heard.example.org", "Origin": "https://heard.example.org"}
        assert (await heard.get("/healthz", headers=from_there)).status in {200, 503}


async def test_a_machine_goes_by_its_own_name_in_its_network(tmp_path: Path) -> None:
    """The URLs that heard gives away lead to it."""
    TokenFile(tmp_path / "state").add("any", Scope.READ)
    async with serving(tmp_path, api={"host": "0.0.0.0", "announce": False}) as heard:
        given = (await heard.get(STATUS)).json["api"].removeprefix("http://")
        for name in (given, f"{platform.node().partition('.')[0]}.local"):
            assert (await heard.get(STATUS, headers={"Host": name})).status == 200, name


@in_lobby
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "", "http://"])
async def test_pages_of_other_origins_may_not_ask(lobby: Asked, origin: str) -> None:
    answer = await lobby.get(STATUS, headers={"Origin": origin})

    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert (await lobby.get(STATUS, headers={"Origin": lobby.url})).status == 200


@in_lobby
async def test_a_form_on_a_page_elsewhere_changes_nothing(lobby: Asked) -> None:
    """A link from there may be followed; what changes something may not be sent."""
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        assert (await lobby.get(STATUS, headers=headers)).status == 200
        refused = await lobby.ask("POST", "/api/v1/profiles/whistle/undo", headers=headers)
        assert refused.status == 403


async def test_other_addresses_than_loopback_need_a_token_first(tmp_path: Path) -> None:
    with pytest.raises(ApiCannotOpen, match="heard token add"):
        async with serving(tmp_path, api={"host": "0.0.0.0"}):
            pass
    TokenFile(tmp_path / "state").add("any", Scope.READ)
    async with serving(
        tmp_path, api={"host": "0.0.0.0", "public_url": "http://127.0.0.1", "announce": False}
    ):
        pass


async def test_a_port_that_was_named_must_be_free(tmp_path: Path) -> None:
    """Where the owner named none, hearing matters more: status then says why there is no API."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ApiCannotOpen, match="Set another 'port'"):
            async with serving(tmp_path, api={"port": other.getsockname()[1]}):
                pass


async def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    async with serving(tmp_path, api={"requests_per_s": 1}) as heard:
        answers = [await heard.get("/healthz") for _ in range(8)]

        assert {answer.status for answer in answers[:4]} <= {200, 503}
        assert answers[-1].status == 429
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert is_problem(429, answers[-1].body)


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    limit = RateLimit(10.0, clock=lambda: now[0])

    allowed = [limit.wait_s("a") for _ in range(41)]
    assert allowed[:40] == [0.0] * 40
    assert allowed[40] == pytest.approx(0.1)
    assert limit.wait_s("b") == 0.0
    now[0] = 0.1
    assert limit.wait_s("a") == 0.0


def test_only_hashes_of_tokens_are_kept(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path)
    secret = tokens.add("reader", Scope.READ)

    kept = (tmp_path / FILE_NAME).read_text()
    assert secret not in kept
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    assert TokenFile(tmp_path).scope_of(secret) == ("reader", Scope.READ)
    assert tokens.scope_of(secret + "x") is None
    assert tokens.scope_of("") is None
    with pytest.raises(OwnerError, match="already"):
        tokens.add("reader", Scope.ADMIN)
    with pytest.raises(OwnerError, match="did you mean 'reader'"):
        tokens.remove("raeder")


def test_a_damaged_token_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"tokens": [{"name": "x"}]}')

    with pytest.raises(StateFolderError, match="damaged"):
        TokenFile(tmp_path).scope_of("heard_x")


async def raw(heard: Asked, request: bytes) -> bytes:
    import asyncio

    host, _, port = heard.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 10.0)
    writer.close()
    await writer.wait_closed()
    return answer


@in_lobby
@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_request_is_answered_with_a_problem(lobby: Asked, request_: bytes) -> None:
    answer = await raw(lobby, request_)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert b"application/problem+json" in head
    assert is_problem(400, body)
    assert (await lobby.get(STATUS)).status == 200
