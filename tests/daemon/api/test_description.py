"""The description says what is served; and nothing that is asked, allowed or not, is a fault of ours."""

from __future__ import annotations

import asyncio
import random
import re
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from requests.adapters import BaseAdapter, HTTPAdapter
from schemathesis.specs.openapi import checks

from tests.daemon.api.conftest import lived_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.api.serving import Asked

API = "/api/v1"

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def described(house: Asked) -> dict[str, Any]:
    description: dict[str, Any] = (await house.get(f"{API}/openapi.json")).json
    return description


async def test_every_route_is_described_and_every_path_served(house: Asked) -> None:
    """The router is asked itself, not the table that both were made from."""
    described_routes = {
        (method.upper(), path)
        for path, operations in (await described(house))["paths"].items()
        for method in operations
    }
    application = house.app.api.server.application  # type: ignore[union-attr] # it runs
    served = {
        (route.method, re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.resource.canonical))
        for route in application.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert described_routes == served


async def test_the_description_is_valid(house: Asked) -> None:
    """References lead somewhere, operations differ, every schema is one of JSON Schema 2020-12."""
    description = await described(house)
    schemas = description["components"]["schemas"]
    for reference in set(re.findall(r"#/components/schemas/(\w+)", str(description))):
        assert reference in schemas
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    operations = [each for path in description["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert all(each["summary"] and each["responses"] for each in operations)
    by_scope = [each for each in operations if {} not in each["security"] or "description" in each]
    assert all("scope" in each["description"] for each in by_scope)


@pytest.mark.parametrize(
    "path",
    [
        "/status", "/streams", "/streams/{stream}", "/events", "/events/{id}", "/profiles",
        "/profiles/{name}", "/profiles/{name}/report", "/rules", "/rules/{id}", "/rules/{id}/source",
        "/rules/{id}/explain", "/evidence", "/evidence/{id}", "/evidence/verify", "/models",
    ],
)  # fmt: skip
async def test_answers_are_as_described(house: Asked, path: str) -> None:
    description = await described(house)
    operation = description["paths"][API + path]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    evidence = (await house.get(f"{API}/evidence")).json["evidence"]
    one = evidence[0]["event"]["id"] if "evidence" in path or "events" in path else "on_bell"
    asked = path.replace("{stream}", "hall").replace("{name}", "bell").replace("{id}", one)
    answer = await house.get(API + asked)

    assert answer.status == 200
    whole = {**schema, "components": description["components"]}
    jsonschema.Draft202012Validator(whole).validate(answer.json)


KNOWN = {
    "{stream}": {"stream": "hall"}, "{name}": {"name": "bell"}, "rules/{id}": {"id": "on_bell"},
}  # fmt: skip
"""What exists, so that requests come further than to a 404."""

CHECKS = [
    checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance,
]  # fmt: skip


class Door(BaseAdapter):
    """An adapter that schemathesis does not look into.

    HomeAssistant-API brings urllib3-future along, whose pools are not what schemathesis expects there.
    """

    def __init__(self) -> None:
        super().__init__()
        self._inner = HTTPAdapter()

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        return self._inner.send(request, *arguments, **options)

    def close(self) -> None:
        self._inner.close()


def fuzz(url: str, description: dict[str, Any], *, examples: int, within_s: float) -> None:
    """Ask whatever the description allows, and much that it does not."""
    with closing(requests.Session()) as session:
        session.mount("http://", Door())
        session.mount("https://", Door())
        operations = list(map(_operation, schemathesis.openapi.from_dict(description).get_all_operations()))
        # Another part of them with every seed, where there is no time for all.
        random.shuffle(operations)
        ends_s = time.monotonic() + within_s
        for operation in operations:
            if time.monotonic() > ends_s:
                break
            known = next((names for place, names in KNOWN.items() if place in operation.path), None)
            for mode in schemathesis.GenerationMode:
                _ask_whatever(operation.as_strategy(generation_mode=mode), url, session, examples)
                if known is not None:
                    cases = operation.as_strategy(generation_mode=mode, path_parameters=known)
                    _ask_whatever(cases, url, session, examples)


def _operation(result: Any) -> Any:
    """Return an operation that could be read. Raises what is wrong with it."""
    return result.ok()


def _ask_whatever(cases: Any, url: str, session: requests.Session, examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(case=cases)
    def ask(case: Any) -> None:
        response = case.call(base_url=url, timeout=30, session=session)
        case.validate_response(response, checks=CHECKS)
        assert response.status_code != 500
        if response.status_code >= 400 and case.method != "HEAD":
            assert response.headers["content-type"] == ["application/problem+json; charset=utf-8"]

    # Where nothing varies, nothing can be wrong in it.
    with suppress(Unsatisfiable):
        ask()


async def fuzzed(folder: Path, *, examples: int, within_s: float) -> None:
    async with lived_in(folder) as house:
        description = await described(house)
        # What lives on would never end.
        paths = {path: each for path, each in description["paths"].items() if "/live" not in path}
        await asyncio.to_thread(
            fuzz, house.url, {**description, "paths": paths}, examples=examples, within_s=within_s
        )


@pytest.mark.timeout(120)
async def test_nothing_that_is_asked_is_a_fault_of_ours(tmp_path: Path) -> None:
    """Whatever is sent is answered, or refused with problem details, as described; never 500."""
    await fuzzed(tmp_path, examples=2, within_s=8.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_nothing_that_is_asked_for_long_is_a_fault_of_ours(tmp_path: Path) -> None:
    """The same, for minutes."""
    await fuzzed(tmp_path, examples=50, within_s=120.0)
