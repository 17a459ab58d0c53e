"""The daemon: what it is made of, in the order in which it starts. It stops in the reverse order."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from daemon.acting.actions import ActionDispatcher
from daemon.acting.doors import announcer_on, doors, enter_home_assistant, enter_webhooks, link_to
from daemon.api.addresses import clip_url
from daemon.api.door import ApiDoor
from daemon.api.house import House
from daemon.audio_model.listening import ModelEars
from daemon.audio_model.second_ears import SecondEars
from daemon.deciding.reactions import Reach
from daemon.deciding.rule_files import RuleFiles
from daemon.deciding.rulebook import Rulebook
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.store import EvidenceStore
from daemon.hearing import hear
from daemon.history import History
from daemon.home_assistant_discovery import HomeAssistantDiscovery, newest_pictures
from daemon.installation import installation_id
from daemon.learning.school import School
from daemon.mqtt_requests import MqttRequests, newest_event
from daemon.mqtt_switches import MqttSwitches
from daemon.notify import Notifier
from daemon.outbox.outbox import Outbox
from daemon.parts import make_pipeline, names_heard, read_rule_set
from daemon.satellites.serving import Satellites
from daemon.sources.opening import open_source
from daemon.state_lock import hold_state_folder
from daemon.status import serve_status
from daemon.streams.capture import Capture
from daemon.streams.inbox import Inbox
from daemon.switches import FILE_NAME, Switches
from daemon.vitals import Body, Tally, Vitals
from integrations.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from daemon.audio_model.second_ears import Caption
    from daemon.config import Config
    from daemon.deciding.reactions import Reactions
    from daemon.observer import Observer
    from daemon.parts import Parts
    from detectors.types import SoundEvent
    from fewshot_profiles.profile import Profile
    from integrations.announcer import Announcer
    from rules.loader import RuleSet
    from rules.model import ActionRequest, Rule


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
        self._observers = (self._tally, *told, *observers)
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
        config, parts = self._config, self._parts
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            stack.enter_context(hold_state_folder(config.state_dir))
            if self.api is not None:
                self.api.open()
                stack.callback(self.api.close)
            switches = self.switches = self._switches()
            history = await enter(History(config.state_dir / "history.sqlite"))
            recorder = await enter(self._recorder())
            link = None if config.mqtt is None else await enter(link_to(config.mqtt, node=config.node))
            announcer = None if link is None else announcer_on(link, config, parts)
            if link is not None:
                self._observers += newest_pictures(link, config)
            home = await enter_home_assistant(config, stack)
            second = await enter(
                SecondEars(
                    config.audio_model,
                    recorder,
                    descriptions=dict.fromkeys(names_heard(config, parts.profiles), "")
                    | {profile.name: profile.description for profile in parts.profiles},
                    on_caption=partial(_captioned, history, recorder, announcer),
                )
            )
            webhooks = await enter_webhooks(config, stack)
            outbox = await enter(Outbox(config.state_dir / "outbox.sqlite"))
            for sound in outbox.sounds():
                history.record(sound)
            dispatcher = ActionDispatcher(
                {**doors(config, recorder, link, home, webhooks), **second.doors()},
                outbox=outbox,
                on_done=self._acted,
            )
            poll_s = 0.0 if config.home_assistant is None else config.home_assistant.poll_s
            rulebook = await enter(
                Rulebook(
                    parts.rules,
                    config.state_dir,
                    self._clip_url,
                    switches=switches,
                    link=link,
                    home=home,
                    poll_s=poll_s,
                )
            )
            reach = Reach(
                history=history,
                recorder=recorder,
                dispatcher=dispatcher,
                announcer=announcer,
                journal=rulebook.journal,
                observers=self._observers,
                clip_url=self._clip_url,
                save_all=config.evidence.save == "all",
            )
            rulebook.begin(reach, outbox)
            rule_files = self._rule_files(rulebook.use, lambda: school.files.profiles)
            school = await enter(
                School(
                    config,
                    parts.encoder,
                    recorder,
                    in_force=parts.profiles,
                    switches=switches,
                    adopt=lambda profiles: _listened_for(
                        names_heard(config, profiles), announcer, rule_files
                    ),
                )
            )
            discovery: HomeAssistantDiscovery | None = None
            if link is not None and config.mqtt is not None:
                topics = Topics(prefix=config.mqtt.prefix, node=config.node)
                newest = partial(newest_event, history, switches)
                school.answer_over(MqttRequests(link, topics, school.desk, newest=newest))
                MqttSwitches(link, topics, switches)
                discovery = HomeAssistantDiscovery(
                    link,
                    config,
                    installation=installation_id(config.state_dir),
                    switches=switches,
                    profiles=lambda: school.files.profiles,
                    rules=lambda: parts.rules if rule_files is None else rule_files.rules,
                )
            model_ears = await enter(
                ModelEars(
                    None if config.audio_model is None else config.audio_model.listening,
                    second.model,
                    recorder,
                    profiles=lambda: school.files.profiles,
                    folders=[*config.profiles, config.taught_folder],
                    onward=lambda event: second.hear(event, rulebook.reactions.on_event),
                )
            )
            captures = self._captures(recorder, switches)
            satellites = await enter(
                Satellites(config, parts.encoder, lambda: switches.as_set(school.files.profiles))
            )
            switches.on_change(satellites.look_at_profiles)
            body = Body(
                node=config.node,
                id=installation_id(config.state_dir),
                api="off" if self.api is None else self.api.state,
                state_dir=config.state_dir,
                encoder=str(parts.encoder.id),
                audio_model=lambda: ", ".join(filter(None, (second.words(), model_ears.words()))),
                satellites=satellites.words,
                profiles=lambda: len(school.files.profiles),
                profiles_fault=lambda: school.files.fault,
                rules=lambda: len(parts.rules if rule_files is None else rule_files.rules),
                rules_fault=lambda: None if rule_files is None else rule_files.fault,
                captures=captures,
                sources={stream: settings.source for stream, settings in config.streams.items()},
                tally=self._tally,
                history=history,
                recorder=recorder,
                outbox=outbox,
                link=link,
                discovery=config.mqtt is not None and config.mqtt.discovery.spoken is not None,
                announcer=announcer,
            )
            vitals = Vitals(body, self._notifier)
            await enter(serve_status(config.state_dir, vitals.status))
            if self.api is not None:
                house = House(
                    config=config,
                    status=vitals.status,
                    deaf=vitals.deaf,
                    switches=switches,
                    desk=school.desk,
                    teacher=school.teacher,
                    profiles=lambda: school.files.profiles,
                    rules=lambda: parts.rules if rule_files is None else rule_files.rules,
                    rule_set=lambda: None if rule_files is None else rule_files.found,
                    history=history,
                    journal=rulebook.journal,
                    feed=self.api.feed,
                    tokens=self.api.tokens,
                    addresses=self.api.addresses,
                )
                await enter(self.api.serving(house))
            stack.callback(self._notifier.stopping)
            await self._work(
                captures,
                self._hear(captures, rulebook.reactions, recorder, school, (second, model_ears), switches),
                {
                    **rulebook.tasks(),
                    **({} if discovery is None else discovery.tasks()),
                    "vitals": vitals.run(),
                    **school.tasks(),
                    **({} if rule_files is None else {"rule files": rule_files.run()}),
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

    async def _hear(
        self,
        captures: Mapping[str, Capture],
        reactions: Reactions,
        recorder: EvidenceRecorder,
        school: School,
        models: tuple[SecondEars, ModelEars],
        switches: Switches,
    ) -> None:
        """Take every piece of work that the pipeline has finished to whom it concerns."""
        parts, ear = self._parts, school.ear
        second, model_ears = models
        profiles = switches.as_set(parts.profiles)
        pipeline = make_pipeline(self._config, parts.encoder, profiles, tap=ear)
        gather = len(captures) > 1
        async for heard in hear(self._inbox, pipeline, gather=gather, orders=school.orders, ear=ear):
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
                if not captures[stream].online:
                    recorder.close(stream)
        await model_ears.settled()
        await second.settled()

    def _recorder(self) -> EvidenceRecorder:
        config = self._config
        limits = config.evidence.limits()
        return EvidenceRecorder(
            EvidenceStore(config.evidence_folder, limits=limits, heard_version=version("heard")),
            before_s=config.evidence.before_s,
            after_s=config.evidence.after_s,
            encoder_id=str(self._parts.encoder.id),
            on_stored=self._stored,
            remember_s=config.remember_s,
        )

    def _rule_files(
        self,
        adopt: Callable[[tuple[Rule, ...]], None],
        profiles: Callable[[], tuple[Profile, ...]],
    ) -> RuleFiles | None:
        """Return who watches the files that the configuration names; None where it names none."""
        config, parts = self._config, self._parts
        if config.rules is None:
            return None

        def read() -> RuleSet:
            return read_rule_set(config, profiles())

        return RuleFiles(config.rules, read=read, in_force=parts.rules, adopt=adopt)

    def _switches(self) -> Switches:
        switches = Switches(self._config.state_dir / FILE_NAME, streams=self._config.streams)
        switches.rules_are(self._parts.rules)
        switches.profiles_are(self._parts.profiles)
        return switches

    def _captures(self, recorder: EvidenceRecorder, switches: Switches) -> dict[str, Capture]:
        streams = self._config.streams
        captures = {
            stream: Capture(
                stream,
                open_source=partial(open_source, settings),
                inbox=self._inbox,
                recorder=recorder,
                patient=settings.source == "file",
                needed_at_start=len(streams) == 1,
                listening=switches.listening(stream),
            )
            for stream, settings in streams.items()
        }

        def look_at_switches() -> None:
            for stream, capture in captures.items():
                capture.listen(on=switches.listening(stream))

        switches.on_change(look_at_switches)
        return captures

    def _clip_url(self, event: SoundEvent) -> str:
        return clip_url(self._config, event, port=None if self.api is None else self.api.port)

    def _acted(self, request: ActionRequest, failure: Exception | None) -> None:
        for observer in self._observers:
            observer.action(request, failure)

    def _stored(self, event: SoundEvent, path: Path) -> None:
        for observer in self._observers:
            observer.clip(event, path)


def _captioned(
    history: History, recorder: EvidenceRecorder, announcer: Announcer | None, caption: Caption
) -> None:
    history.record(caption.event)
    recorder.told(caption.event)
    if announcer is not None:
        announcer.caption(
            caption.event, caption=caption.text, question=caption.question, rule=caption.rule_id
        )


def _listened_for(profiles: Sequence[str], announcer: Announcer | None, rule_files: RuleFiles | None) -> None:
    """Tell those who speak of profiles that there are others now."""
    if announcer is not None:
        announcer.listens_for(profiles)
    if rule_files is not None:
        rule_files.look_again()
