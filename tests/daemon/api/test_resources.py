from __future__ import annotations

import asyncio
import hashlib
import io
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
import soundfile

from tests.daemon.api.conftest import RULES, bells, form_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.api.serving import Asked

API = "/api/v1"
NO_ID = "0" * 16

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def kept(house: Asked) -> str:
    """Return the id of the event whose clip was kept first."""
    evidence = (await house.get(f"{API}/evidence")).json["evidence"]
    event_id: str = evidence[-1]["event"]["id"]
    return event_id


async def test_events_come_page_by_page(house: Asked) -> None:
    """Every event once, the newest first, however many fit on a page."""

    async def walk(limit: int) -> list[str]:
        ids: list[str] = []
        cursor = ""
        while True:
            page = (await house.get(f"{API}/events?until={until}&limit={limit}{cursor}")).json
            ids += [event["id"] for event in page["events"]]
            if page["next"] is None:
                return ids
            cursor = f"&cursor={page['next']}"

    until = time.time()
    singly, whole = await walk(1), await walk(500)

    # Meanwhile sounds go on: one that began before may have been decided on between the two walks.
    assert singly == [event_id for event_id in whole if event_id in set(singly)]
    assert len(set(singly)) == len(singly) >= 1
    assert (await house.get(f"{API}/events/{singly[-1]}")).json["event_type"] == "bell"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("profile=whistle", 0), ("stream=attic", 0), ("until=0", 0), ("since=2999-01-01", 0),
        ("profile=bell&stream=hall&since=0&limit=1", 1),
    ],
)  # fmt: skip
async def test_events_are_picked(house: Asked, query: str, count: int) -> None:
    assert len((await house.get(f"{API}/events?{query}")).json["events"]) == count


@pytest.mark.parametrize(
    "path",
    [
        "events?limit=0", "events?limit=501", "events?limit=x", "events?since=tomorrow",
        "events?since=nan", "rules/on_bell/explain?at=x",
        "events?since=-1", "events?since=1e300", "events?cursor=x", "events?cursor=bmFuIHg=",
        "events?colour=1",
        "events?limit=1&limit=2", "evidence?limit=0", "live?last_event_id=x",
        "rules/on_bell/explain?since=0", "profiles/bell/export?audio=perhaps",
    ],
)  # fmt: skip
async def test_a_query_that_makes_no_sense_is_refused(house: Asked, path: str) -> None:
    answer = await house.get(f"{API}/{path}")

    assert (answer.status, answer.json["status"]) == (422, 422)


async def test_a_clip_is_served_whole_and_in_parts(house: Asked) -> None:
    """The bytes are those that the ledger knows; ranges beyond them are refused with the size."""
    event_id = await kept(house)
    sidecar = (await house.get(f"{API}/evidence/{event_id}")).json
    clip = f"{API}/evidence/{event_id}/clip.flac"
    whole = await house.get(clip)

    assert hashlib.sha256(whole.body).hexdigest() == sidecar["sha256"]
    assert soundfile.info(io.BytesIO(whole.body)).samplerate == sidecar["rate_hz"]
    size = len(whole.body)
    for asked, begin, end in (("0-0", 0, 1), ("10-19", 10, 20), ("-5", size - 5, size), ("5-", 5, size)):
        part = await house.get(clip, headers={"Range": f"bytes={asked}"})
        assert (part.status, part.body) == (206, whole.body[begin:end])
        assert part.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{size}"
    for asked in (f"{size}-", "99999999999999999999-", "5-2", "-0-5", "x", "--5"):
        refused = await house.get(clip, headers={"Range": f"bytes={asked}"})
        assert (refused.status, refused.json["status"]) == (416, 416), asked
        assert refused.headers["Content-Range"] == f"bytes */{size}"
    assert (await house.ask("HEAD", clip)).headers["Content-Length"] == str(size)
    same = await house.get(clip, headers={"If-Match": whole.headers["ETag"], "Range": "bytes=0-0"})
    assert (same.status, (await house.get(clip, headers={"If-Match": "*"})).status) == (206, 200)
    for condition in ({"If-Match": '"another"'}, {"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}):
        refused = await house.get(clip, headers=condition)
        assert (refused.status, refused.json["status"]) == (412, 412), condition
    picture = await house.get(f"{API}/evidence/{event_id}/spectrogram.png")
    assert picture.body.startswith(b"\x89PNG")


async def test_evidence_is_listed_and_held_against_its_ledger(house: Asked) -> None:
    page = (await house.get(f"{API}/evidence?profile=bell&stream=hall&limit=1")).json
    [clip] = page["evidence"]

    assert clip["rules"] == ["on_bell"]
    assert clip["clip"] == f"{house.url}{API}/evidence/{clip['event']['id']}/clip.flac"
    assert (await house.get(f"{API}/evidence?profile=other")).json == {"evidence": [], "next": None}
    assert (await house.get(f"{API}/evidence/verify")).json == {"ok": True, "findings": []}
    if page["next"] is not None:
        behind = (await house.get(f"{API}/evidence?cursor={page['next'].replace('+', '%2B')}")).json
        assert clip["event"]["id"] not in [each["event"]["id"] for each in behind["evidence"]]


@pytest.mark.parametrize(
    "path",
    [
        f"/events/{NO_ID}", f"/evidence/{NO_ID}", f"/evidence/{NO_ID}/clip.flac", "/evidence/..%2f..%2flock",
        "/evidence/../../../etc/passwd", "/events/*", "/profiles/none", "/profiles/..%2fbell",
        "/profiles/none/report", "/profiles/none/export", "/rules/none", "/rules/%2e%2e/source",
        "/streams/attic", "/streams/%00", "/nothing", "/evidence/%2A/clip.flac",
    ],
)  # fmt: skip
async def test_what_is_not_there_is_not_found(house: Asked, path: str) -> None:
    from yarl import URL

    async with house.session.get(URL(house.url + API + path, encoded=True)) as answer:
        assert answer.status == 404
        assert answer.content_type == "application/problem+json"


async def test_a_stream_is_switched(house: Asked) -> None:
    stream = f"{API}/streams/hall"
    off = await house.ask("PATCH", stream, json={"listening": False})
    assert off.json["listening"] is False
    assert (await house.get("/healthz")).status == 200
    on = await house.ask("PATCH", stream, json={"listening": True})
    assert on.json["listening"] is True
    wrongs: tuple[object, ...] = (
        {}, {"listening": "no"}, {"listening": 1}, {"listening": True, "x": 1}, [],
    )  # fmt: skip
    for wrong in wrongs:
        assert (await house.ask("PATCH", stream, json=wrong)).status == 422
    for media in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await house.ask("PATCH", stream, data=b"{}", headers={"Content-Type": media})
        assert answer.status == 415
    answer = await house.ask("POST", stream, json={})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD,PATCH")


async def test_a_threshold_is_set_and_taken_back(house: Asked) -> None:
    bell = f"{API}/profiles/bell"
    own = (await house.get(bell)).json
    assert not own["stock"]
    assert [each["path"] for each in own["example_list"]] == [f"bell {number}.wav" for number in range(3)]
    for text in (b'{"threshold": NaN}', b'{"threshold": 1e999}', b'{"threshold": 0}', b"{}", b"", b"\xff"):
        answer = await house.ask("PATCH", bell, data=text, headers={"Content-Type": "application/json"})
        assert answer.status == 422, text
    assert (await house.ask("PATCH", bell, json={"threshold": 0.99})).json["threshold"] == 0.99
    assert (await house.ask("PATCH", bell, json={"threshold": None})).json["threshold"] == own["threshold"]


async def test_a_promise_lifts_the_threshold_that_was_set(house: Asked) -> None:
    """It would have no effect else; what holds no longer is told."""
    bell = f"{API}/profiles/bell"
    await house.ask("PATCH", bell, json={"threshold": 0.99})
    promised = await house.ask("POST", f"{bell}/promise", json={"false_alarms_per_day": 50})
    after = (await house.get(bell)).json
    again = await house.ask("POST", f"{bell}/promise", json={"false_alarms_per_day": 50})

    assert promised.status == 200
    assert promised.json["lifted_threshold"] == 0.99
    assert after["threshold"] == after["own_threshold"] < 0.99
    assert after["promise_per_hour"] == pytest.approx(50 / 24)
    assert again.json["lifted_threshold"] is None
    assert (await house.ask("POST", f"{bell}/promise", json={"false_alarms_per_day": 0})).status == 422
    assert (await house.ask("POST", f"{API}/profiles/gong/promise", json={})).status == 404


async def test_a_profile_goes_and_comes_back(house: Asked, tmp_path: Path) -> None:
    """Export, import under another name and in its place, remove, undo: the folder is checked as any file."""
    exported = (await house.get(f"{API}/profiles/bell/export")).body
    assert zipfile.ZipFile(io.BytesIO(exported)).testzip() is None
    media = {"Content-Type": "application/octet-stream"}
    taken = await house.ask("POST", f"{API}/profiles/import", data=exported, headers=media)
    assert taken.status == 409
    other = await house.ask("POST", f"{API}/profiles/import?name=chime", data=exported, headers=media)
    assert (other.status, other.json["name"]) == (201, "chime")
    assert (await house.ask("DELETE", f"{API}/profiles/chime")).status == 200
    assert (await house.get(f"{API}/profiles/chime")).status == 404
    assert (await house.ask("POST", f"{API}/profiles/chime/undo")).status == 200
    assert (await house.get(f"{API}/profiles/chime")).json["examples"] == 3
    assert (await house.ask("DELETE", f"{API}/profiles/chime")).status == 200

    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("../../evil.yaml", "x")
    for content in (b"", b"PK", exported[:1_000], evil.getvalue()):
        refused = await house.ask("POST", f"{API}/profiles/import", data=content, headers=media)
        assert refused.status == 422
        assert str(house.config.state_dir) not in refused.body.decode()
    del tmp_path


async def test_examples_that_cannot_teach_are_refused_by_the_name_that_was_sent(
    house: Asked, tmp_path: Path
) -> None:
    noise = tmp_path / "note.txt"
    noise.write_text("this is no sound")
    path = f"{API}/profiles/other/examples"
    refused = await house.ask("POST", path, data=form_of([noise]))
    assert refused.status == 422
    assert refused.json["detail"].startswith("note.txt cannot be read as audio")
    for data, status in (
        (form_of([]), 415),
        (form_of([], description="x" * 20_000), 415),
        (form_of(bells(tmp_path) * 7), 422),
        (form_of(bells(tmp_path), add="perhaps"), 422),
        (form_of(bells(tmp_path), false_alarms_per_day="inf"), 422),
        (form_of(bells(tmp_path), colour="red"), 422),
        (form_of(bells(tmp_path), tags="No Tag"), 422),
    ):
        answer = await house.ask("POST", path, data=data)
        assert answer.status == status, answer.body
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nabc"):
        assert (await house.ask("POST", path, data=body, headers=broken)).status in {400, 422}
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert (await house.ask("POST", path, data=b"", headers=no_boundary)).status == 400
    assert list(house.config.state_dir.glob(".tmp-upload-*")) == []
    assert (await house.get(f"{API}/profiles/other")).status == 404


async def test_a_body_that_is_too_large_is_refused_unread(house: Asked) -> None:
    """By what it says of its length, and where it says nothing, when too much has come."""
    most = 1_000_001

    async def endless() -> object:
        while True:
            yield b"x" * 65_536

    media = {"Content-Type": "application/json"}
    claimed = await house.ask("PATCH", f"{API}/streams/hall", data=b" " * most, headers=media)
    assert claimed.status == 413
    answer = await house.ask("PATCH", f"{API}/streams/hall", data=endless(), headers=media)
    assert answer.status == 413
    packed = await house.ask(
        "PATCH", f"{API}/streams/hall", data=b"x", headers={**media, "Content-Encoding": "gzip"}
    )
    assert packed.status == 415


async def test_a_report_is_json_or_a_page(house: Asked) -> None:
    report = await house.get(f"{API}/profiles/bell/report")
    page = await house.get(f"{API}/profiles/bell/report", headers={"Accept": "text/html"})

    assert report.json["examples"] == 3
    assert page.body.startswith(b"<!doctype html>")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_an_event_is_judged_before_it_is_marked(house: Asked) -> None:
    path = f"{API}/events/{await kept(house)}/feedback"
    preview = await house.ask("POST", path, json={"verdict": "wrong"})

    assert preview.json["applied"] is False
    assert (await house.ask("POST", path, json={"verdict": "perhaps"})).status == 422
    assert (await house.ask("POST", f"{API}/events/{NO_ID}/feedback", json={})).status == 404


async def test_a_sound_is_taught_from_what_was_just_heard(house: Asked) -> None:
    path = f"{API}/profiles/again"
    async with asyncio.timeout(20.0):
        # Another test may just have switched the stream off and on.
        taught = await house.ask("POST", f"{path}/teach", json={"last_s": 6})
        while taught.status != 200:
            await asyncio.sleep(0.5)
            taught = await house.ask("POST", f"{path}/teach", json={"last_s": 6})
    assert taught.json["profile"] == "again"
    assert (await house.ask("POST", f"{path}/missed", json={"last_s": 6})).json["applied"] is False
    assert (await house.ask("DELETE", path)).status == 200
    never = {"false_alarms_per_day": 5e-324}
    for wrong in ({"last_s": 0}, {"last_s": "x"}, {"name": "x"}, {"do": "undo"}, {"stream": "attic"}, never):
        assert (await house.ask("POST", f"{path}/teach", json=wrong)).status == 422, wrong


async def test_rules_are_listed_with_their_places(house: Asked) -> None:
    rules = {rule["id"]: rule for rule in (await house.get(f"{API}/rules")).json["rules"]}

    assert rules.keys() == {"on_bell", "never"}
    assert (rules["on_bell"]["line"], rules["never"]["line"]) == (2, 8)
    assert rules["on_bell"]["profiles"] == ["bell"]
    source = (await house.get(f"{API}/rules/on_bell/source")).json["source"]
    assert source in RULES
    assert source.count("\n") == 4


async def test_a_rule_is_switched(house: Asked) -> None:
    off = await house.ask("PATCH", f"{API}/rules/never", json={"enabled": False})
    on = await house.ask("PATCH", f"{API}/rules/never", json={"enabled": True})

    assert (off.json["enabled"], on.json["enabled"]) == (False, True)


async def test_a_rule_says_why(house: Asked) -> None:
    fired = (await house.get(f"{API}/rules/on_bell/explain")).json["verdicts"]
    moment = (await house.get(f"{API}/events/{await kept(house)}")).json["started"].replace("+", "%2B")
    stopped = (await house.get(f"{API}/rules/never/explain?at={moment}")).json

    assert fired[0]["stopped_by"] is None
    assert stopped["nearest"]["stopped_by"].startswith("count")
    assert "bell" in {event["event_type"] for event in stopped["heard"]}


async def test_rules_are_tried_on_what_was_heard(house: Asked) -> None:
    """Those in force, and others that were sent: nothing comes of it."""
    since = {"since": (await house.get(f"{API}/status")).json["started_at"]}
    since = {"since": str(since["since"])}
    in_force = (await house.ask("POST", f"{API}/rules/dry-run", json=since)).json
    other = RULES.replace("on_bell", "tried")
    sent = (await house.ask("POST", f"{API}/rules/dry-run", json={**since, "source": other})).json

    assert in_force["times"].keys() == {"on_bell"}
    assert sent["times"].keys() == {"tried"}
    wrong = await house.ask("POST", f"{API}/rules/dry-run", json={**since, "source": "- id: x"})
    assert (wrong.status, wrong.json["problems"][0]["line"]) == (422, 1)
    assert (await house.ask("POST", f"{API}/rules/dry-run", json={"since": "0"})).status == 422


async def test_rules_that_are_sent_see_neither_files_nor_the_environment(
    house: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever may check rules could read what heard can."""
    monkeypatch.setenv("HEARD_SECRET", "hush")
    media = {"Content-Type": "application/yaml"}
    outside = house.config.state_dir.parent / "rules.d" / "rules.yaml"
    for text in (
        "- id: x\n  mode: !env HEARD_SECRET\n",
        "- id: x\n  mode: !%65nv HEARD_SECRET\n",
        f"- !include {outside}\n",
        "- !include ../../../../etc/passwd\n",
        "- id: x\n  mode: !secret password\n",
    ):
        answer = await house.ask("POST", f"{API}/rules/check", data=text, headers=media)
        assert answer.status == 200
        assert answer.json["ok"] is False
        # The path that was asked for comes back, cut short; nothing of where heard keeps its own.
        for secret in ("hush", "root:", "on_bell", str(house.config.state_dir)):
            assert secret not in answer.body.decode()
    good = await house.ask("POST", f"{API}/rules/check", data=RULES, headers=media)
    assert (good.json["ok"], good.json["rules"]) == (True, ["on_bell", "never"])
    assert (await house.ask("POST", f"{API}/rules/check", data=b"\xff", headers=media)).status == 422


async def test_models_and_metrics(house: Asked) -> None:
    models = (await house.get(f"{API}/models")).json
    metrics = (await house.get("/metrics")).body.decode()

    assert [model["name"] for model in models["models"] if model["in_use"]] == ["builtin"]
    assert 'heard_stream_online{stream="hall"} 1.0' in metrics
    assert "heard_hearing 1.0" in metrics
