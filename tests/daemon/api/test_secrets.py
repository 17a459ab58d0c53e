"""What is secret is put in everywhere it can be, and looked for in everything that comes out."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest

from daemon.api.tokens import Scope, TokenFile
from tests.daemon.api.serving import serving
from tests.daemon.api.test_access import bearer, raw

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = (
    "/api/v1/status", "/api/v1/streams", "/api/v1/events", "/api/v1/evidence", "/api/v1/profiles",
    "/api/v1/rules", "/api/v1/models", "/api/v1/openapi.json", "/metrics", "/healthz", "/api/v1/nothing",
)  # fmt: skip


async def test_no_secret_comes_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Tokens, right and wrong, of the API and of others: in no log, answer or file."""
    caplog.set_level(logging.DEBUG)
    tokens = TokenFile(tmp_path / "state")
    read = tokens.add("reader", Scope.READ)
    admin = tokens.add("owner", Scope.ADMIN)
    wrong = "heard_wrong-but-secret-all-the-same"
    broker, home, webhook = "broker-hush-1", "home-hush-2", "webhook-hush-3"
    (tmp_path / "webhook_key").write_text(webhook)
    told: list[str] = []
    async with serving(
        tmp_path,
        api={"require_token": True},
        mqtt={"host": "127.0.0.1", "port": 1, "username": "heard", "password": broker},
        home_assistant={"url": "http://127.0.0.1:1", "token": home},
        webhooks={"secret_file": str(tmp_path / "webhook_key")},
    ) as heard:
        for secret in (read, admin, wrong):
            for address in ADDRESSES:
                answer = await heard.get(address, headers=bearer(secret))
                told += [answer.body.decode(), str(answer.headers)]
            for headers in ({"Authorization": f"Basic {secret}"}, {"Origin": f"http://{secret}"}):
                answer = await heard.get(ADDRESSES[0], headers=headers)
                told += [answer.body.decode(), str(answer.headers)]
            answer = await heard.ask("PATCH", "/api/v1/streams/attic", json={"x": 1}, headers=bearer(secret))
            told += [answer.body.decode(), str(answer.headers)]
            malformed = f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\x00\r\n\r\n"
            told.append((await raw(heard, malformed.encode())).decode())
        live = heard.session.ws_connect(heard.url + "/api/v1/live/ws", headers=bearer(admin))
        async with asyncio.timeout(20.0), live as listener:
            told += [json.dumps(await listener.receive_json()) for _ in range(3)]
    told.append(caplog.text)
    told += [
        path.read_bytes().decode(errors="replace")
        for path in (tmp_path / "state").rglob("*")
        if path.is_file()
    ]

    assert any('"node"' in each for each in told)
    for secret in (read, admin, wrong, broker, home, webhook):
        assert not [each[:300] for each in told if secret in each], secret
