"""Rules on trial: checked, tried on the past, and why one fired or did not."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from daemon.api.answers import answer
from daemon.api.events import Moment, unix_seconds
from daemon.api.limits import body_as, body_bytes, query_as
from daemon.api.problems import Refused
from daemon.api.routes import API, Route
from daemon.api.rules import named_rule
from daemon.api.tokens import Scope
from daemon.deciding.past import (
    AROUND_S,
    clip_of,
    dry_run,
    explained,
    heard_about,
    nearest_to,
    nearly_heard,
    verdict_json,
)
from daemon.parts import read_rule_set
from foundation.errors import Problem, RuleError
from integrations.topics import event_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daemon.api.house import House
    from rules.loader import RuleSet
    from rules.model import Rule
    from rules.verdict import Verdict

SOURCE_BYTES = 256_000
DAY_S = 86_400.0
MOST_DAYS = 31.0
MOST_VERDICTS = 1_000
MOST_SOUNDS = 200
YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/plain")


class ExplainQuery(BaseModel):
    """When: around a moment, or from a moment on."""

    model_config = ConfigDict(extra="forbid")
    at: Moment | None = None
    """A moment, and a minute around it."""
    since: Moment | None = None
    """Default: a day ago."""
    until: Moment | None = None


class TryOut(BaseModel):
    """What is to be tried, and on what."""

    model_config = ConfigDict(extra="forbid")
    source: Annotated[str, Field(max_length=SOURCE_BYTES)] | None = None
    """Rules, YAML; by default those in force."""
    since: Moment
    until: Moment | None = None


class RuleFault(BaseModel):
    """One thing wrong in rules."""

    line: int
    column: int
    message: str
    source_line: str


class Checked(BaseModel):
    """What rules are worth."""

    ok: bool
    rules: list[str]
    """Their ids."""
    problems: list[RuleFault]
    warnings: list[RuleFault]
    """What is valid, and never does anything."""


class VerdictState(BaseModel):
    """What a rule made of something that concerned it."""

    rule: str
    trigger: int
    at: float
    """Unix seconds."""
    event: str | None
    profile: str | None
    stream: str | None
    score: float | None
    clip: str | None
    told: dict[str, Any] | None
    stopped_by: str | None
    """null: it fired."""


class Nearly(BaseModel):
    """A sound that was nearly recognised."""

    at: float
    stream: str
    profile: str
    score: float
    level_dbfs: float | None


class Explained(BaseModel):
    """Why a rule fired, and what stopped it where it did not."""

    rule: str
    verdicts: list[VerdictState]
    nearest: VerdictState | None
    """The trigger that came nearest, where a moment was asked about."""
    heard: list[dict[str, Any]]
    nearly: list[Nearly]


class Tried(BaseModel):
    """What would have fired."""

    fired: list[VerdictState]
    times: dict[str, int]
    """By rule, all of them, where `fired` has only the first."""


class RuleTrials:
    """Answers what rules would do, and why they did."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="POST", path=f"{API}/rules/check", name="check_rules", scope=Scope.ACT,
                summary="Say what is wrong with rules, without using them", handler=self.check,
                body_media=YAML[0], body_schema={"type": "string", "maxLength": SOURCE_BYTES},
                returns=Checked,
            ),
            Route(
                method="POST", path=f"{API}/rules/dry-run", name="try_rules", scope=Scope.ACT,
                summary="Say what rules would have done with what was heard; nothing is sent",
                handler=self.try_out, body=TryOut, returns=Tried,
            ),
            Route(
                method="GET", path=f"{API}/rules/{{id}}/explain", name="explain_rule", scope=Scope.READ,
                summary="Why a rule fired, and what stopped it where it did not", handler=self.explain,
                query=ExplainQuery, returns=Explained, fails=(404,),
            ),
        ]  # fmt: skip

    async def check(self, request: web.Request) -> web.Response:
        """Answer with what is wrong with rules."""
        if request.content_type not in YAML:
            raise Refused(415, f"send {YAML[0]}", headers={"Accept-Post": YAML[0]})
        try:
            text = (await body_bytes(request, most=SOURCE_BYTES)).decode()
        except UnicodeDecodeError:
            raise Refused(422, "expected text in UTF-8") from None
        try:
            found = await self._house.workers.do(lambda: self._read(text))
        except RuleError as error:
            return answer(_checked((), error.problems, error.warnings))
        return answer(_checked(found.rules, (), found.warnings))

    async def try_out(self, request: web.Request) -> web.Response:
        """Answer with what would have fired."""
        wanted = await body_as(request, TryOut)
        since, until = _span(wanted.since, wanted.until)

        def run() -> list[Verdict]:
            rules = self._house.rules() if wanted.source is None else self._read(wanted.source).rules
            self._house.journal.flush()
            tried = dry_run(self._house.config, rules, since=since, until=until)
            return [verdict for verdict in tried.verdicts if verdict.stopped is None]

        fired = await self._house.workers.do(run)
        shown = await self._house.workers.do(lambda: list(self._shown(fired[:MOST_VERDICTS])))
        return answer({"fired": shown, "times": Counter(verdict.rule_id for verdict in fired)})

    async def explain(self, request: web.Request) -> web.Response:
        """Answer why, and why not."""
        rule = named_rule(self._house, request)
        wanted = query_as(request, ExplainQuery)
        moment = None if wanted.at is None else unix_seconds(wanted.at)
        if moment is None:
            since, until = _span(wanted.since, wanted.until)
        else:
            since, until = moment - AROUND_S, moment + AROUND_S
        return answer(await self._house.workers.do(lambda: self._explained(rule.id, since, until, moment)))

    def _explained(self, rule_id: str, since: float, until: float, moment: float | None) -> dict[str, Any]:
        config = self._house.config
        self._house.journal.flush()
        verdicts = explained(config, self._house.rules(), rule_id, since=since, until=until)
        nearest = None if moment is None else nearest_to(verdicts, moment)
        heard = [] if moment is None else heard_about(config, moment, within_s=AROUND_S)
        nearly = [] if moment is None else nearly_heard(config, moment, within_s=AROUND_S)
        return {
            "rule": rule_id,
            "verdicts": list(self._shown(verdicts[-MOST_VERDICTS:])),
            "nearest": None if nearest is None else next(self._shown([nearest])),
            "heard": [event_payload(event, clip_url=None) for event in heard[:MOST_SOUNDS]],
            "nearly": [asdict(each) for each in nearly[:MOST_SOUNDS]],
        }

    def _shown(self, verdicts: Sequence[Verdict]) -> Iterator[dict[str, Any]]:
        for verdict in verdicts:
            event = verdict.event
            kept = event is not None and clip_of(self._house.config, event) is not None
            clip = self._house.addresses.clip(event.id) if event is not None and kept else None
            yield verdict_json(verdict, clip=clip)

    def _read(self, text: str) -> RuleSet:
        """Read rules that were sent. They see neither files nor the environment. Raises RuleError."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rules.yaml"
            file.write_text(text, encoding="utf-8", newline="")
            try:
                return read_rule_set(self._house.config, self._house.profiles(), file, environment={})
            except RuleError as error:
                problems = [_without(folder, problem) for problem in error.problems]
                warnings = tuple(_without(folder, problem) for problem in error.warnings)
                raise RuleError(problems, warnings) from error


def _span(since: str | None, until: str | None) -> tuple[float, float]:
    """Return from when to when. Raises Refused for what is longer than anything is remembered."""
    end = time.time() if until is None else unix_seconds(until)
    begin = end - DAY_S if since is None else unix_seconds(since)
    if begin > end:
        raise Refused(422, "since: later than until")
    if end - begin > MOST_DAYS * DAY_S:
        raise Refused(422, f"since: at most {MOST_DAYS:.0f} days before until")
    return begin, end


def _checked(
    rules: Sequence[Rule], problems: Sequence[Problem], warnings: Sequence[Problem]
) -> dict[str, Any]:
    return {
        "ok": not problems,
        "rules": [rule.id for rule in rules],
        "problems": [_fault(problem) for problem in problems],
        "warnings": [_fault(problem) for problem in warnings],
    }


def _fault(problem: Problem) -> dict[str, Any]:
    return {
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
        "source_line": problem.source_line,
    }


def _without(folder: str, problem: Problem) -> Problem:
    return Problem(
        file=Path(problem.file.name),
        line=problem.line,
        column=problem.column,
        message=problem.message.replace(f"{folder}/", ""),
        source_line=problem.source_line,
    )
