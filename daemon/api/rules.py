"""What follows from a sound: the rules in force, as they are written, and whether they fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from daemon.api.answers import answer
from daemon.api.limits import body_as
from daemon.api.problems import Refused, not_found
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope
from foundation.errors import RuleError
from foundation.wording import did_you_mean
from rules.model import SequenceTrigger, SilenceTrigger, SoundTrigger
from rules.source import RuleSource, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.api.house import House
    from rules.model import Rule


class RuleState(BaseModel):
    """One rule."""

    id: str
    alias: str
    description: str
    enabled: bool
    profiles: list[str]
    """The sounds that it listens for."""
    file: str | None
    line: int | None


class RuleStates(BaseModel):
    """All of them."""

    rules: list[RuleState]
    fault: str | None
    """Why what was saved last is not in force."""


class RuleText(BaseModel):
    """A rule as it is written."""

    id: str
    file: str
    line: int
    source: str


class RuleChange(BaseModel):
    """What can be set."""

    model_config = ConfigDict(extra="forbid", strict=True)
    enabled: bool


class Rules:
    """Answers what is asked about rules."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        one = f"{API}/rules/{{id}}"
        return [
            Route(
                method="GET", path=f"{API}/rules", name="list_rules", scope=Scope.READ,
                summary="The rules in force", handler=self.list, returns=RuleStates,
            ),
            Route(
                method="GET", path=one, name="get_rule", scope=Scope.READ, summary="One rule",
                handler=self.get, returns=RuleState, fails=(404,),
            ),
            Route(
                method="PATCH", path=one, name="change_rule", scope=Scope.ACT,
                summary="Let a rule fire, or keep it from firing", handler=self.change, body=RuleChange,
                returns=RuleState, fails=(404,),
            ),
            Route(
                method="GET", path=f"{one}/source", name="get_rule_source", scope=Scope.ACT,
                summary="A rule as it is written", handler=self.source, returns=RuleText, fails=(404, 409),
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with all of them."""
        del request
        rules = self._house.rules()
        sources = await self._sources(*(rule.id for rule in rules))
        states = [self._state(rule, sources.get(rule.id)) for rule in rules]
        return answer({"rules": states, "fault": self._house.status().rule_files.error or None})

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one."""
        return await self._answer(named_rule(self._house, request))

    async def change(self, request: web.Request) -> web.Response:
        """Switch one on or off."""
        rule = named_rule(self._house, request)
        change = await body_as(request, RuleChange)
        self._house.switches.set_rule_enabled(rule.id, change.enabled)
        return await self._answer(rule)

    async def source(self, request: web.Request) -> web.Response:
        """Answer with one as it is written."""
        rule = named_rule(self._house, request)
        source = (await self._sources(rule.id)).get(rule.id)
        if source is None:
            raise Refused(409, f"the file of {rule.id} has changed: ask again in a second")
        return answer({"id": rule.id, "file": str(source.file), "line": source.line, "source": source.text})

    async def _answer(self, rule: Rule) -> web.Response:
        return answer(self._state(rule, (await self._sources(rule.id)).get(rule.id)))

    async def _sources(self, *rule_ids: str) -> dict[str, RuleSource]:
        found = self._house.rule_set()
        if found is None:
            return {}
        try:
            return await self._house.workers.do(lambda: sources_of(found, rule_ids))
        except RuleError:
            # A file is being written, or wrong; what is in force was read before.
            return {}

    def _state(self, rule: Rule, source: RuleSource | None) -> dict[str, Any]:
        return {
            "id": rule.id,
            "alias": rule.alias,
            "description": rule.description,
            "enabled": self._house.switches.rule_enabled(rule.id),
            "profiles": sorted(set(_profiles(rule))),
            "file": None if source is None else str(source.file),
            "line": None if source is None else source.line,
        }


def _profiles(rule: Rule) -> Iterator[str]:
    for trigger in rule.triggers:
        match trigger:
            case SoundTrigger() | SilenceTrigger():
                yield from trigger.profiles
            case SequenceTrigger():
                for step in trigger.steps:
                    yield from step.profiles


def named_rule(house: House, request: web.Request) -> Rule:
    """Return the rule that a request's path names. Raises Refused."""
    rule_id = request.match_info["id"]
    rules = {rule.id: rule for rule in house.rules()}
    if rule_id not in rules:
        raise not_found("rule", rule_id, did_you_mean(rule_id, rules))
    return rules[rule_id]
