"""What the outbox must withstand: kills at any moment, a broker that is away, and one that stops answering.

The numbers that arrive are the proof: what was decided is 1, 2, 3, …, so a gap is a loss and a step back that
is no repeat an overtaking. After each kill the file is read as the dead process left it: every number that
the rules remember must have arrived or still wait, and none may have arrived that they do not remember.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from benchmarks.outbox_actor import GO, rules_of
from benchmarks.outbox_arrivals import SUBSCRIBED_WITHIN_S, Arrivals, Broken, listening
from benchmarks.outbox_process import Actor
from benchmarks.running import running_daemon
from daemon.outbox.file import read_waiting
from detectors.types import DETECTION_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.broker import Mosquitto

SETTLE_TIMEOUT_S = 60.0
LOOK_S = 0.005
GO_EVERY_S = 0.1
MOST_LINES = 12_000
"""Of what decides and delivers, that a process takes before it is killed: some thirty actions."""


def wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float = SETTLE_TIMEOUT_S) -> None:
    """Return when `condition` holds. Raises Broken where it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise Broken(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(LOOK_S)


def remembered(folder: Path) -> tuple[int, set[int]]:
    """Return the highest number that the rules remember to have decided, and those that wait."""
    path = folder / "outbox.sqlite"
    if not path.exists():
        return 0, set()
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("PRAGMA user_version").fetchone()[0]:
            return 0, set()  # killed before there were tables
        row = database.execute("SELECT state FROM memory").fetchone()
    waiting = {int(json.loads(each.body)["data"]["payload"]) for each in read_waiting(path)}
    runs = {} if row is None else json.loads(row[0])["runs"]
    return (int(runs["counts"][0]["variables"]["n"]) if runs else 0), waiting


def check_left(folder: Path, arrivals: Arrivals) -> None:
    """Check what a killed process left against what has arrived. Raises Broken."""
    decided, waiting = remembered(folder)
    # What it had written to its connection may still be on its way through the broker.
    deadline_s = time.monotonic() + 2.0
    while True:
        arrived = set(arrivals.ids)
        missing = set(range(1, decided + 1)) - arrived - waiting
        if not missing or time.monotonic() > deadline_s:
            break
        time.sleep(LOOK_S)
    if missing:
        raise Broken(f"decided, and neither sent nor kept: {sorted(missing)[:20]}")
    early = {number for number in arrived | waiting if number > decided}
    if early:
        raise Broken(f"sent before it was kept: {sorted(early)[:20]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """What became of a process that was killed again and again."""

    kills: int
    decided: int
    repeats: int
    between_lines: int
    """Kills between two lines of what decides and delivers; the others at moments by the clock."""
    in_start: int
    """Kills before it had begun."""
    ready_s: list[float]
    """From the start of each process, its imports included, to the first message of it."""
    ready_after_begun_s: list[float]
    """Of that, from when it had read what was left."""


def kill_often(folder: Path, broker: Mosquitto, *, kills: int, rate: float, seed: int = 0) -> Kills:
    """Kill a process at random moments, its start included. Raises Broken."""
    dice = random.Random(seed)  # noqa: S311 - moments, no secret
    in_start = between_lines = 0
    ready_s, after_begun_s = [], []
    with listening(broker) as arrivals:
        for number in range(kills):
            lines = dice.randrange(1, MOST_LINES) if number % 2 == 0 else None
            actor = Actor(folder, broker, rate=rate, lines=lines)
            decided, _ = remembered(folder)
            caught_up = partial(_has, arrivals, decided)
            began_s = _live_and_die(actor, dice, lines, caught_up, in_start=number % 5 == 0)
            between_lines += lines is not None
            in_start += not began_s
            first = next((at for at in list(arrivals.times_s) if at > actor.launched_s), None)
            if first is not None and began_s and lines is None:
                ready_s.append(first - actor.launched_s)
                after_begun_s.append(max(0.0, first - began_s))
            check_left(folder, arrivals)
        decided, _ = remembered(folder)
        actor = Actor(folder, broker, rate=rate)
        wait_for(lambda: arrivals.highest > decided + rate, "the rest to arrive")
        actor.stop()
        time.sleep(0.2)
        check_left(folder, arrivals)
        arrivals.check()
    return Kills(
        kills=kills,
        decided=arrivals.highest,
        repeats=arrivals.repeats,
        between_lines=between_lines,
        in_start=in_start,
        ready_s=ready_s,
        ready_after_begun_s=after_begun_s,
    )


def _has(arrivals: Arrivals, number: int) -> bool:
    return arrivals.highest >= number


def _live_and_die(
    actor: Actor, dice: random.Random, lines: int | None, caught_up: Callable[[], bool], *, in_start: bool
) -> float:
    """Let one go on until it is killed; return when it began to decide, 0 if it never did.

    Some deliver all that was left before: else the rules' clock, which goes on while processes start, would
    fill the outbox to its limit.
    """
    if lines is not None:
        actor.wait_until_dead()
        return actor.begun_s
    if not in_start:
        actor.wait_until_begun()
        wait_for(caught_up, "what was left before")
    time.sleep(dice.uniform(0.0, 0.6))
    began_s = actor.begun_s
    actor.kill()
    return began_s


def kill_daemons(folder: Path, broker: Mosquitto, *, kills: int, rate: float, seed: int = 0) -> list[float]:
    """Kill a whole `heard run` at random moments; return the seconds from each start to its first message.

    Raises Broken.
    """
    dice = random.Random(seed)  # noqa: S311 - moments, no secret
    (folder / "rules.yaml").write_text(rules_of(rate), encoding="utf-8")
    soundfile.write(folder / "quiet.wav", np.zeros(DETECTION_RATE_HZ, np.float32), DETECTION_RATE_HZ)
    config = {
        "node": "proof",
        "api": None,
        "mqtt": {"host": broker.host, "port": broker.port, "protocol": "5"},
        "rules": str(folder / "rules.yaml"),
        "streams": {
            "room": {"source": "file", "path": str(folder / "quiet.wav"), "realtime": True, "loop": True}
        },
    }
    ready_s = []
    with listening(broker) as arrivals:
        for number in range(kills + 1):
            with running_daemon(folder, config) as daemon:
                wait_for(partial(_goes_on, arrivals, len(arrivals.numbers)), "the first message")
                ready_s.append(time.monotonic() - daemon.launched_s)
                time.sleep(dice.uniform(0.0, 0.5))
                if number < kills:
                    daemon.process.kill()
                    daemon.process.wait()
            check_left(daemon.state_dir, arrivals)
        arrivals.check()
    return ready_s


def _goes_on(arrivals: Arrivals, known: int) -> bool:
    """Tell whether more than `known` have come; ask the daemon to begin, where it has not before."""
    if len(arrivals.numbers) > known:
        return True
    time.sleep(GO_EVERY_S)
    arrivals.say(GO)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What became of messages while nobody took them."""

    lasted_s: float
    waited: int
    """Messages that were decided meanwhile."""
    repeats: int
    ready_s: float
    """From the end of it to the first message."""
    caught_up_s: float
    """From the end of it until all that had waited was there."""
    grew_bytes: int
    """By how much the process held more memory at the end than at the beginning."""


def outage(
    folder: Path,
    broker: Mosquitto,
    *,
    lasts_s: float,
    rate: float,
    begin: Callable[[], None],
    end: Callable[[], None],
) -> Outage:
    """Let `begin` take the broker away and `end` bring it back. Raises Broken."""
    with listening(broker) as arrivals:
        actor = Actor(folder, broker, rate=rate)
        try:
            wait_for(lambda: arrivals.highest >= 5, "the first messages")
            before = actor.resident_bytes
            begin()
            away_s, known = time.monotonic(), arrivals.highest
            time.sleep(lasts_s)
            grew_bytes = actor.resident_bytes - before
            decided, _ = remembered(folder)
            # The broker hands on nothing of what came before the subscriber, which is not what is tried here.
            actor.pause()
            end()
            if not arrivals.subscribed.wait(SUBSCRIBED_WITHIN_S):
                raise Broken("the subscriber did not come back")
            actor.resume()
            back_s = time.monotonic()
            wait_for(lambda: arrivals.highest > decided, "what waited")
            first_s = next(at for at in list(arrivals.times_s) if at > back_s)
            caught_up_s = arrivals.times_s[arrivals.numbers.index(decided)] - back_s
        finally:
            actor.stop()
        time.sleep(0.2)
        check_left(folder, arrivals)
        arrivals.check()
    return Outage(
        lasted_s=back_s - away_s,
        waited=decided - known,
        repeats=arrivals.repeats,
        ready_s=first_s - back_s,
        caught_up_s=caught_up_s,
        grew_bytes=grew_bytes,
    )
