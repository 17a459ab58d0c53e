"""What the API can reach of the daemon: the rooms that the command line and the socket use as well."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.api.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.api.addresses import Addresses
    from daemon.api.feed import Feed
    from daemon.api.tokens import TokenFile
    from daemon.config import Config
    from daemon.deciding.journal import RulesJournal
    from daemon.history import History
    from daemon.learning.desk import TeachingDesk
    from daemon.learning.teacher import Teacher
    from daemon.status import Status
    from daemon.switches import Switches
    from fewshot_profiles.profile import Profile
    from rules.loader import RuleSet
    from rules.model import Rule

AT_ONCE = 2
"""Requests whose files are taken at the same time: each may fill as much of the disk as one may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The daemon, as far as the API may know it."""

    config: Config
    status: Callable[[], Status]
    deaf: Callable[[], str | None]
    """Why nothing is heard at present."""
    switches: Switches
    desk: TeachingDesk
    teacher: Teacher
    profiles: Callable[[], tuple[Profile, ...]]
    """Those in force."""
    rules: Callable[[], tuple[Rule, ...]]
    """Those in force."""
    rule_set: Callable[[], RuleSet | None]
    """What was read last, without fault, of the rule files; None where there are none."""
    history: History
    journal: RulesJournal
    feed: Feed
    tokens: TokenFile
    addresses: Addresses
    workers: Workers = field(default_factory=Workers)
    taking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    """Held while the files of a request are taken."""

    @property
    def most_body_bytes(self) -> int:
        """How large a request may be."""
        return 0 if self.config.api is None else self.config.api.max_body_bytes
