"""The half of a daemon that decides and delivers, to be killed: rules, history, outbox, MQTT, and no audio.

    python -m benchmarks.outbox_actor FOLDER HOST PORT --rate 50 --lines 1234

One rule fires once and then publishes a number, counted up by one, so many times a second for as long as the
rules' clock goes. Whoever listens sees from the numbers alone what was lost, repeated or overtaken.
With --lines the process kills itself between two lines of what decides and delivers, after so many of them:
moments that come by chance lie mostly in the pauses.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.acting.actions import ActionDispatcher, mqtt_publish_errand
from daemon.deciding.journal import RulesJournal
from daemon.deciding.reactions import Reach
from daemon.deciding.rulebook import Rulebook
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.retention import Limits
from daemon.evidence.store import EvidenceStore
from daemon.history import History
from daemon.outbox.outbox import Outbox
from daemon.switches import Switches
from detectors.types import Phase, SoundEvent
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker
from rules.loader import load_rules
from rules.model import MQTT_PUBLISH

if TYPE_CHECKING:
    from types import FrameType

TOPIC = "proof/count"
GO = "proof/go"
"""A message there begins as well, where nothing is heard."""
RULES = """\
- id: counts
  mode: single
  triggers:
    - {{trigger: sound, profile: start}}
    - {{trigger: mqtt, topic: {go}}}
  variables: {{n: 0}}
  actions:
    - repeat:
        count: 1000
        sequence:
          - repeat:
              count: 9000
              sequence:
                - variables: {{n: "{{{{ n + 1 }}}}"}}
                - {{action: mqtt.publish, data: {{topic: {topic}, payload: "{{{{ n }}}}"}}}}
                - delay: {every_s}
"""
WATCHED = ("daemon.outbox", "daemon.deciding", "daemon.acting", "integrations.mqtt")
"""Modules between whose lines a process is killed."""
BEGUN = "begun"
"""Printed when rules decide and actions go out."""


async def act(folder: Path, broker: Broker, *, rate: float) -> None:
    """Decide and deliver until told to stop."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    rules = folder / "rules.yaml"
    rules.write_text(rules_of(rate))
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        history = await enter(History(folder / "history.sqlite"))
        link = await enter(MqttLink(broker, available="proof/available"))
        outbox = await enter(Outbox(folder / "outbox.sqlite"))
        for sound in outbox.sounds():
            history.record(sound)
        dispatcher = ActionDispatcher({MQTT_PUBLISH: mqtt_publish_errand(link)}, outbox=outbox)
        switches = Switches(folder / "switches.json", streams=["room"])
        rulebook = Rulebook(
            load_rules(rules), folder, lambda _: "", switches=switches, link=link, home=None, poll_s=0.0
        )
        await enter(rulebook)
        rulebook.begin(reach_of(folder, history, rulebook.journal, dispatcher), outbox)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in rulebook.tasks().values()]
            if not rulebook.reactions.state.runs:
                rulebook.reactions.on_event(begin_at(rulebook.reactions.now()))
            sys.stdout.write(f"{BEGUN}\n")
            sys.stdout.flush()
            await stopping.wait()
            for task in tasks:
                task.cancel()


def rules_of(rate: float) -> str:
    """Return the rules of a proof, with so many actions a second."""
    return RULES.format(topic=TOPIC, go=GO, every_s=1.0 / rate)


def reach_of(folder: Path, history: History, journal: RulesJournal, dispatcher: ActionDispatcher) -> Reach:
    """Return those whom a sound concerns where there are no clips, and no states to tell."""
    store = EvidenceStore(folder / "evidence", limits=Limits(), heard_version="0")
    return Reach(
        history=history,
        recorder=EvidenceRecorder(store, before_s=1.0, after_s=1.0, encoder_id="none"),
        dispatcher=dispatcher,
        announcer=None,
        journal=journal,
        observers=(),
        clip_url=lambda _: "",
        save_all=False,
    )


def begin_at(now: float) -> SoundEvent:
    """Return the sound that the rules wait for."""
    return SoundEvent(
        id="0000000000000001",
        phase=Phase.STARTED,
        profile="start",
        profile_version="0",
        stream="room",
        epoch_s=now,
        onset_s=0.0,
        decided_s=0.0,
        end_s=None,
        score=1.0,
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        speech=False,
    )


def die_after(lines: int) -> None:
    """Let this process be killed after so many lines of the modules that matter, in whatever thread."""
    count = itertools.count(1)

    def on_line(_frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line" and next(count) >= lines:
            os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame: FrameType, _event: str, _argument: Any) -> Any:
        name = frame.f_globals.get("__name__", "")
        return on_line if name.startswith(WATCHED) else None

    threading.settrace(on_call)
    sys.settrace(on_call)


def main() -> None:
    """Run until told to stop, or killed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbox_actor")
    parser.add_argument("folder", type=Path)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=float, default=50.0, help="actions a second")
    parser.add_argument("--lines", type=int, help="be killed after so many lines")
    options = parser.parse_args()
    if options.lines is not None:
        die_after(options.lines)
    logging.basicConfig(level=logging.WARNING)
    broker = Broker(host=options.host, port=options.port, protocol="5")
    asyncio.run(act(options.folder, broker, rate=options.rate))


if __name__ == "__main__":
    main()
