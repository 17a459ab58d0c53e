"""The daemon: what it is made of, in the order in which it starts. It stops in the reverse order."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from daemon.api.addresses import clip_url
from daemon.api.door import ApiDoor
from daemon.api.house import House
from daemon.hearing import hear
from daemon.home_assistant_discovery import HomeAssistantDiscovery
from daemon.installation import installation_id
from daemon.mqtt_requests import MqttRequests, newest_event
from daemon.mqtt_switches import MqttSwitches
from daemon.notify import Notifier
from daemon.parts import make_pipeline
from daemon.rooms import Site, enter_doors, enter_lasting, enter_mind, enter_senses
from daemon.state_lock import hold_state_folder
from daemon.status import serve_status
from daemon.streams.inbox import Inbox
from daemon.vitals import Body, Tally, Vitals
from integrations.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from daemon.config import Config
    from daemon.observer import Observer
    from daemon.parts import Parts
    from daemon.rooms import Doors, Lasting, Mind, Senses
    from daemon.streams.capture import Capture
    from daemon.switches import Switches
    from detectors.types import SoundEvent


_log = logging.getLogger(__name__)


class App:
    """One running `heard`, to be made where its event loop runs."""

    def __init__(self, config: Config, parts: Parts, *, observers: Sequence[Observer] = ()) -> None:
        self._config = config
        self._parts = parts
        self._tally = Tally()
        self.api = None if config.api is None else ApiDoor(config)
        """The door over HTTP, if there is one."""
        told = () if self.api is None else (self.api.feed,)
        self._observers: list[Observer] = [self._tally, *told, *observers]
        self._notifier = Notifier()
        self._inbox = Inbox(config.streams)
        self._stopping = asyncio.Event()
        self.switches: Switches | None = None
        """What the owner turns on and off; there once it runs."""

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    async def run(self) -> None:
        """Listen until stopped, or until all audio is complete.

        Then every sound that goes on ends, and what can be delivered is. Raises OwnerError where the owner
        must act before this daemon can listen at all.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(hold_state_folder(self._config.state_dir))
            if self.api is not None:
                self.api.open()
                stack.callback(self.api.close)
            site = Site(
                config=self._config,
                parts=self._parts,
                stack=stack,
                observers=self._observers,
                clip_url=self._clip_url,
            )
            lasting = await enter_lasting(site)
            self.switches = lasting.switches
            doors = await enter_doors(site, lasting)
            mind = await enter_mind(site, lasting, doors)
            discovery = self._answer_over_mqtt(lasting, doors, mind)
            senses = await enter_senses(site, lasting, doors, mind, self._inbox)
            vitals = Vitals(self._body(lasting, doors, mind, senses), self._notifier)
            await stack.enter_async_context(serve_status(self._config.state_dir, vitals.status))
            if self.api is not None:
                house = self._house(self.api, vitals, lasting, mind)
                await stack.enter_async_context(self.api.serving(house))
            stack.callback(self._notifier.stopping)
            await self._work(
                senses.captures,
                self._hear(lasting, doors, mind, senses),
                {
                    **mind.tasks(),
                    **({} if discovery is None else discovery.tasks()),
                    "vitals": vitals.run(),
                },
            )

    async def _work(
        self,
        captures: Mapping[str, Capture],
        hearing: Coroutine[None, None, None],
        companions: Mapping[str, Coroutine[None, None, None]],
    ) -> None:
        """Run every task of the daemon; at the end let all that was captured be heard."""
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(work, name=name) for name, work in companions.items()]
            listening = group.create_task(hearing, name="listen")
            capturing = group.create_task(self._capture(captures), name="captures")
            await self._stopping.wait()
            capturing.cancel()
            await asyncio.wait({capturing})
            self._inbox.finish()
            await listening
            for task in beside:
                task.cancel()
        failures = [capture.failure for capture in captures.values() if capture.failure is not None]
        if len(failures) == len(captures):
            raise failures[0]

    async def _capture(self, captures: Mapping[str, Capture]) -> None:
        """Return when the audio of every stream is complete."""
        async with asyncio.TaskGroup() as group:
            for stream, capture in captures.items():
                group.create_task(capture.run(), name=f"capture {stream}")
            for capture in captures.values():
                await capture.tried.wait()
            if any(capture.failure is None for capture in captures.values()):
                wanted = [stream for stream, capture in captures.items() if capture.listening]
                where = ", ".join(wanted) or "nothing: every stream is switched off"
                _log.info("listening on %s; profiles: %d", where, len(self._parts.profiles))
                self._notifier.ready("listening")
                for observer in self._observers:
                    observer.ready()
        self.stop()

    async def _hear(self, lasting: Lasting, doors: Doors, mind: Mind, senses: Senses) -> None:
        """Take every piece of work that the pipeline has finished to whom it concerns."""
        reactions, school, second, model_ears = (
            mind.rulebook.reactions,
            mind.school,
            doors.second,
            senses.model_ears,
        )
        profiles = lasting.switches.as_set(self._parts.profiles)
        pipeline = make_pipeline(self._config, self._parts.encoder, profiles, tap=school.ear)
        gather = len(senses.captures) > 1
        async for heard in hear(self._inbox, pipeline, gather=gather, orders=school.orders, ear=school.ear):
            school.heard(heard)
            for event in heard.events:
                if model_ears.is_news(event):
                    second.hear(event, reactions.on_event)
            model_ears.readings(heard.readings)
            reactions.on_readings(heard.readings)
            for observer in self._observers:
                observer.readings(heard.readings)
            for stream in heard.closed:
                model_ears.closed(stream)
                # A stream that is open again already has a ring of its own.
                if not senses.captures[stream].online:
                    doors.recorder.close(stream)
        await model_ears.settled()
        await second.settled()

    def _answer_over_mqtt(self, lasting: Lasting, doors: Doors, mind: Mind) -> HomeAssistantDiscovery | None:
        """Listen to what others ask over MQTT, and tell Home Assistant what there is."""
        config, link = self._config, doors.link
        if link is None or config.mqtt is None:
            return None
        topics = Topics(prefix=config.mqtt.prefix, node=config.node)
        newest = partial(newest_event, lasting.history, lasting.switches)
        mind.school.answer_over(MqttRequests(link, topics, mind.school.desk, newest=newest))
        MqttSwitches(link, topics, lasting.switches)
        return HomeAssistantDiscovery(
            link,
            config,
            installation=installation_id(config.state_dir),
            switches=lasting.switches,
            profiles=mind.profiles,
            rules=mind.rules,
        )

    def _body(self, lasting: Lasting, doors: Doors, mind: Mind, senses: Senses) -> Body:
        config = self._config
        return Body(
            node=config.node,
            id=installation_id(config.state_dir),
            api="off" if self.api is None else self.api.state,
            state_dir=config.state_dir,
            encoder=str(self._parts.encoder.id),
            audio_model=lambda: ", ".join(filter(None, (doors.second.words(), senses.model_ears.words()))),
            satellites=senses.satellites.words,
            profiles=lambda: len(mind.profiles()),
            profiles_fault=mind.profiles_fault,
            rules=lambda: len(mind.rules()),
            rules_fault=mind.rules_fault,
            captures=senses.captures,
            sources={stream: settings.source for stream, settings in config.streams.items()},
            tally=self._tally,
            history=lasting.history,
            recorder=doors.recorder,
            outbox=doors.outbox,
            link=doors.link,
            discovery=config.mqtt is not None and config.mqtt.discovery.spoken is not None,
            announcer=doors.announcer,
        )

    def _house(self, api: ApiDoor, vitals: Vitals, lasting: Lasting, mind: Mind) -> House:
        return House(
            config=self._config,
            status=vitals.status,
            deaf=vitals.deaf,
            switches=lasting.switches,
            desk=mind.school.desk,
            teacher=mind.school.teacher,
            profiles=mind.profiles,
            rules=mind.rules,
            rule_set=mind.rule_set,
            history=lasting.history,
            journal=mind.rulebook.journal,
            feed=api.feed,
            tokens=api.tokens,
            addresses=api.addresses,
        )

    def _clip_url(self, event: SoundEvent) -> str:
        return clip_url(self._config, event, port=None if self.api is None else self.api.port)
