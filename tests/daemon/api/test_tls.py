"""The API encrypted, with real certificates."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import aiohttp
import pytest

from daemon.api.door import ApiDoor
from daemon.api.settings import ApiConfig
from foundation.errors import OwnerError
from tests.daemon.api.serving import Asked, serving
from tests.daemon.home import configuration
from tests.integrations.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs this test's certificates."""
    (tmp_path / "certificates").mkdir()
    return Authority(tmp_path / "certificates", "ca")


async def shown(house: Asked, trusted: ssl.SSLContext) -> str:
    """Return the number of the certificate that a new connection is shown."""
    port = int(house.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusted)
    del reader
    number = str(writer.get_extra_info("peercert")["serialNumber"])
    writer.close()
    return number


async def test_it_is_read_by_those_alone_who_are_spoken_to(tmp_path: Path, authority: Authority) -> None:
    """Requests and live events go through TLS; its addresses say so, and without TLS nobody is answered."""
    certificate, key = authority.issue("api", subject="IP:127.0.0.1")
    trusted = ssl.create_default_context(cafile=authority.certificate)
    tls = {"certificate_file": str(certificate), "key_file": str(key)}
    async with serving(tmp_path, api={"tls": tls}, evidence={"save": "all", "after_s": 1}) as house:
        assert (await house.get("/api/v1/status", ssl=trusted)).status == 200
        async with house.session.ws_connect(f"{house.url}/api/v1/live/ws", ssl=trusted) as live:
            async with asyncio.timeout(20.0):
                while (told := json.loads((await live.receive()).data))["type"] != "clip":
                    pass
        assert told["clip"].startswith(f"{house.url}/")
        with pytest.raises(aiohttp.ClientError):
            await house.get("/api/v1/status")
        with pytest.raises(aiohttp.ClientError):
            await house.session.get(house.url.replace("https", "http"))


async def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """And one that is none leaves the one before in use, and the log says so."""
    certificate, key = authority.issue("api", subject="IP:127.0.0.1")
    trusted = ssl.create_default_context(cafile=authority.certificate)
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    async with serving(tmp_path, api={"tls": {"certificate_file": str(both)}}) as house:
        first = await shown(house, trusted)
        renewed, its_key = authority.issue("renewed", subject="IP:127.0.0.1")
        both.write_bytes(renewed.read_bytes() + its_key.read_bytes())
        second = await shown(house, trusted)
        both.write_text("no certificate")
        third = await shown(house, trusted)
    assert first != second == third
    assert [each for each in caplog.messages if "not renewed" in each and str(both) in each]


def test_files_that_are_none_are_refused_at_the_start(tmp_path: Path, authority: Authority) -> None:
    """Another's key, an encrypted one, something else altogether: each is named."""
    certificate, key = authority.issue("api", subject="IP:127.0.0.1")
    _, other = authority.issue("other", subject="IP:127.0.0.1")
    secret = tmp_path / "secret.key"
    subprocess.run(
        ["openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", secret],
        check=True, capture_output=True,
    )  # fmt: skip
    for wrong in (other, secret, certificate):
        tls = {"certificate_file": str(certificate), "key_file": str(wrong)}
        config = configuration(tmp_path, {"yard": {"source": "microphone"}}, api={"tls": tls})
        with pytest.raises(OwnerError, match=str(certificate)):
            ApiDoor(config).check()
    shutil.rmtree(certificate.parent)
    with pytest.raises(ValueError, match="there is no"):
        ApiConfig(tls={"certificate_file": str(certificate)})  # type: ignore[arg-type]  # as YAML says it
