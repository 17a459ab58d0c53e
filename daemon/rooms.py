"""The rooms of a running daemon, each entered in its turn: what lasts, the doors, what decides, what hears.

Every function enters what it makes on the daemon's one exit stack, so that all of it is left in the reverse
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from daemon.acting.actions import ActionDispatcher
from daemon.acting.doors import announcer_on, doors, enter_home_assistant, enter_webhooks, link_to
from daemon.audio_model.listening import ModelEars
from daemon.audio_model.second_ears import SecondEars
from daemon.deciding.reactions import Reach
from daemon.deciding.rule_files import RuleFiles
from daemon.deciding.rulebook import Rulebook
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.store import EvidenceStore
from daemon.history import History
from daemon.home_assistant_discovery import newest_pictures
from daemon.learning.school import School
from daemon.outbox.outbox import Outbox
from daemon.parts import names_heard, read_rule_set
from daemon.satellites.serving import Satellites
from daemon.sources.opening import open_source
from daemon.streams.capture import Capture
from daemon.switches import FILE_NAME, Switches

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path

    from daemon.audio_model.second_ears import Caption
    from daemon.config import Config
    from daemon.observer import Observer
    from daemon.parts import Parts
    from daemon.streams.inbox import Inbox
    from detectors.types import SoundEvent
    from fewshot_profiles.profile import Profile
    from integrations.announcer import Announcer
    from integrations.home_assistant.rest import HomeAssistant
    from integrations.mqtt import MqttLink
    from rules.loader import RuleSet
    from rules.model import ActionRequest, Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """What outlives the daemon: switches, history."""

    switches: Switches
    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The ways out, evidence among them, and the full audio model, whom rules can ask as well."""

    link: MqttLink | None
    announcer: Announcer | None
    recorder: EvidenceRecorder
    home: HomeAssistant | None
    second: SecondEars
    outbox: Outbox
    dispatcher: ActionDispatcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Mind:
    """What decides: the rules in force, and the profiles, which can be taught."""

    rulebook: Rulebook
    rule_files: RuleFiles | None
    """None where the configuration names none."""
    school: School
    first_rules: tuple[Rule, ...]

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules in force."""
        return self.first_rules if self.rule_files is None else self.rule_files.rules

    def rules_fault(self) -> str | None:
        """Return why what was saved last is not in force."""
        return None if self.rule_files is None else self.rule_files.fault

    def rule_set(self) -> RuleSet | None:
        """Return what was read last, without fault, of the rule files."""
        return None if self.rule_files is None else self.rule_files.found

    def profiles(self) -> tuple[Profile, ...]:
        """Return the profiles in force."""
        return self.school.files.profiles

    def profiles_fault(self) -> str | None:
        """Return why what was changed last is not in force."""
        return self.school.files.fault

    def tasks(self) -> dict[str, Coroutine[None, None, None]]:
        """Return what has to run beside the daemon's other work."""
        files = {} if self.rule_files is None else {"rule files": self.rule_files.run()}
        return {**self.rulebook.tasks(), **self.school.tasks(), **files}


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """What listens beside the pipeline, and what brings it audio."""

    captures: dict[str, Capture]
    model_ears: ModelEars
    satellites: Satellites


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the rooms are built."""

    config: Config
    parts: Parts
    stack: AsyncExitStack
    observers: list[Observer]
    """Who watches; rooms may add to them."""
    clip_url: Callable[[SoundEvent], str]

    def acted(self, request: ActionRequest, failure: Exception | None) -> None:
        """Tell those who watch that an action went out, or failed."""
        for observer in self.observers:
            observer.action(request, failure)

    def stored(self, event: SoundEvent, path: Path) -> None:
        """Tell those who watch that a clip is on the disk."""
        for observer in self.observers:
            observer.clip(event, path)


async def enter_lasting(site: Site) -> Lasting:
    """Open what was kept. Raises OwnerError where it cannot be read."""
    switches = Switches(site.config.state_dir / FILE_NAME, streams=site.config.streams)
    switches.rules_are(site.parts.rules)
    switches.profiles_are(site.parts.profiles)
    history = await site.stack.enter_async_context(History(site.config.state_dir / "history.sqlite"))
    return Lasting(switches=switches, history=history)


async def enter_doors(site: Site, lasting: Lasting) -> Doors:
    """Open every way out that the configuration names. What waited there goes on its way."""
    config, parts, enter = site.config, site.parts, site.stack.enter_async_context
    link = None if config.mqtt is None else await enter(link_to(config.mqtt, node=config.node))
    announcer = None if link is None else announcer_on(link, config, parts)
    if link is not None:
        site.observers.extend(newest_pictures(link, config))
    # Behind the link, which has to tell of the clips that are stored when everything stops.
    recorder = await enter(_recorder(site))
    home = await enter_home_assistant(config, site.stack)
    second = await enter(
        SecondEars(
            config.audio_model,
            recorder,
            descriptions=dict.fromkeys(names_heard(config, parts.profiles), "")
            | {profile.name: profile.description for profile in parts.profiles},
            on_caption=partial(_captioned, lasting.history, recorder, announcer),
        )
    )
    webhooks = await enter_webhooks(config, site.stack)
    outbox = await enter(Outbox(config.state_dir / "outbox.sqlite"))
    for sound in outbox.sounds():
        lasting.history.record(sound)
    dispatcher = ActionDispatcher(
        {**doors(config, recorder, link, home, webhooks), **second.doors()},
        outbox=outbox,
        on_done=site.acted,
    )
    return Doors(
        link=link,
        announcer=announcer,
        recorder=recorder,
        home=home,
        second=second,
        outbox=outbox,
        dispatcher=dispatcher,
    )


async def enter_mind(site: Site, lasting: Lasting, doors: Doors) -> Mind:
    """Put the rules in force, and the profiles."""
    config, parts, enter = site.config, site.parts, site.stack.enter_async_context
    rulebook = await enter(
        Rulebook(
            parts.rules,
            config.state_dir,
            site.clip_url,
            switches=lasting.switches,
            link=doors.link,
            home=doors.home,
            poll_s=0.0 if config.home_assistant is None else config.home_assistant.poll_s,
        )
    )
    reach = Reach(
        history=lasting.history,
        recorder=doors.recorder,
        dispatcher=doors.dispatcher,
        announcer=doors.announcer,
        journal=rulebook.journal,
        observers=tuple(site.observers),
        clip_url=site.clip_url,
        save_all=config.evidence.save == "all",
    )
    rulebook.begin(reach, doors.outbox)
    rule_files = _rule_files(site, rulebook.use, lambda: school.files.profiles)
    school = await enter(
        School(
            config,
            parts.encoder,
            doors.recorder,
            in_force=parts.profiles,
            switches=lasting.switches,
            adopt=lambda profiles: _listened_for(names_heard(config, profiles), doors.announcer, rule_files),
        )
    )
    return Mind(rulebook=rulebook, rule_files=rule_files, school=school, first_rules=parts.rules)


async def enter_senses(site: Site, lasting: Lasting, doors: Doors, mind: Mind, inbox: Inbox) -> Senses:
    """Make the captures, not running yet, and open the ears beside the pipeline."""
    config, enter = site.config, site.stack.enter_async_context
    model_ears = await enter(
        ModelEars(
            None if config.audio_model is None else config.audio_model.listening,
            doors.second.model,
            doors.recorder,
            profiles=mind.profiles,
            folders=[*config.profiles, config.taught_folder],
            onward=lambda event: doors.second.hear(event, mind.rulebook.reactions.on_event),
        )
    )
    captures = _captures(config, lasting.switches, doors.recorder, inbox)
    satellites = await enter(
        Satellites(config, site.parts.encoder, lambda: lasting.switches.as_set(mind.profiles()))
    )
    lasting.switches.on_change(satellites.look_at_profiles)
    return Senses(captures=captures, model_ears=model_ears, satellites=satellites)


def _recorder(site: Site) -> EvidenceRecorder:
    config = site.config
    return EvidenceRecorder(
        EvidenceStore(
            config.evidence_folder, limits=config.evidence.limits(), heard_version=version("heard")
        ),
        before_s=config.evidence.before_s,
        after_s=config.evidence.after_s,
        encoder_id=str(site.parts.encoder.id),
        on_stored=site.stored,
        remember_s=config.remember_s,
    )


def _rule_files(
    site: Site, adopt: Callable[[tuple[Rule, ...]], None], profiles: Callable[[], tuple[Profile, ...]]
) -> RuleFiles | None:
    """Return who watches the files that the configuration names; None where it names none."""
    config = site.config
    if config.rules is None:
        return None

    def read() -> RuleSet:
        return read_rule_set(config, profiles())

    return RuleFiles(config.rules, read=read, in_force=site.parts.rules, adopt=adopt)


def _captures(
    config: Config, switches: Switches, recorder: EvidenceRecorder, inbox: Inbox
) -> dict[str, Capture]:
    captures = {
        stream: Capture(
            stream,
            open_source=partial(open_source, settings),
            inbox=inbox,
            recorder=recorder,
            patient=settings.source == "file",
            needed_at_start=len(config.streams) == 1,
            listening=switches.listening(stream),
        )
        for stream, settings in config.streams.items()
    }

    def look_at_switches() -> None:
        for stream, capture in captures.items():
            capture.listen(on=switches.listening(stream))

    switches.on_change(look_at_switches)
    return captures


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
