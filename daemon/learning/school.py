"""How the running daemon learns: its ears, what it remembers, its profiles in force, the desk to ask at."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Self

from daemon.control import serve_control
from daemon.hearing import Orders
from daemon.learning.desk import TeachingDesk
from daemon.learning.ear import Ear
from daemon.learning.event_memory import FILE_NAME, EventMemory
from daemon.learning.keeping_promises import broken_promises
from daemon.learning.marking import Marking
from daemon.learning.profile_files import ProfileFiles
from daemon.learning.teacher import Teacher, ambience_folder
from daemon.logs import Changes
from daemon.parts import current_profiles
from fewshot_profiles.matcher import Matcher
from foundation.errors import HeardError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from types import TracebackType

    from daemon.config import Config
    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.hearing import Heard
    from daemon.mqtt_requests import MqttRequests
    from daemon.switches import Switches
    from detectors.encoders import Encoder
    from fewshot_profiles.profile import Profile

SAVE_EVERY_S = 300.0
"""What a power cut may cost of what is known of the home."""

LOOK_AT_PROMISES_EVERY_S = 1_800.0

IN_FORCE_WITHIN_S = 2.0
"""A stream that stands still takes up new profiles with its next audio; nobody waits longer for that."""

_log = logging.getLogger(__name__)


class School:
    """Works while its `async with` lasts. `adopt` is told of new profiles, on the event loop."""

    def __init__(
        self,
        config: Config,
        encoder: Encoder,
        recorder: EvidenceRecorder,
        *,
        in_force: tuple[Profile, ...],
        switches: Switches,
        adopt: Callable[[tuple[Profile, ...]], None],
    ) -> None:
        self._config = config
        self._adopt = adopt
        self._switches = switches
        self._matched = switches.as_set(in_force)
        self._stack = AsyncExitStack()
        self._changes = Changes(_log)
        self._listened_for: asyncio.Future[None] | None = None
        self._over_mqtt: MqttRequests | None = None
        self.ear = Ear(encoder.id)
        self.orders = Orders()
        self._memory = EventMemory(config.state_dir / FILE_NAME, encoder.id)
        self.files = ProfileFiles(
            [*config.profiles, config.taught_folder],
            read=partial(current_profiles, config, encoder),
            in_force=in_force,
            adopt=self._put_in_force,
        )
        self.teacher = Teacher(config, encoder, ambience=self.ear.ambience)
        self.desk = TeachingDesk(
            self.teacher,
            Marking(self.teacher),
            recorder,
            switches=switches,
            in_force=self.in_force,
            before_judging=self._memory.flush,
        )

    async def in_force(self) -> None:
        """Put in force what lies in the folders; return when it is listened for."""
        await self.files.now()
        if self._listened_for is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._listened_for), IN_FORCE_WITHIN_S)

    def heard(self, heard: Heard) -> None:
        """Remember what the events of a round were decided on."""
        self._memory.put(heard.decided_on)

    def answer_over(self, requests: MqttRequests) -> None:
        """Answer what comes over MQTT, too."""
        self._over_mqtt = requests

    def tasks(self) -> Mapping[str, Coroutine[None, None, None]]:
        """Return what has to run beside the hearing, by name."""
        over_mqtt = {} if self._over_mqtt is None else {"mqtt requests": self._over_mqtt.run()}
        return over_mqtt | {
            "profile files": self.files.run(),
            "ambience": self._keep_ambience(),
            "promises": self._keep_promises(),
        }

    async def __aenter__(self) -> Self:
        folder = ambience_folder(self._config)
        await asyncio.to_thread(self.ear.load, folder, list(self._config.streams))
        self._switches.on_change(self._look_at_switches)
        self._stack.push_async_callback(self._save_ambience)
        await self._stack.enter_async_context(self._memory)
        self._stack.callback(self.desk.close)
        await self._stack.enter_async_context(serve_control(self._config.state_dir, self.desk))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _put_in_force(self, profiles: tuple[Profile, ...]) -> None:
        self._match(self._switches.as_set(profiles))
        self._adopt(profiles)
        self._switches.profiles_are(profiles)

    def _look_at_switches(self) -> None:
        profiles = self._switches.as_set(self.files.profiles)
        if [each.threshold for each in profiles] != [each.threshold for each in self._matched]:
            self._match(profiles)

    def _match(self, profiles: tuple[Profile, ...]) -> None:
        self._matched = profiles
        self._listened_for = self.orders.listen_for(Matcher(profiles))

    async def _keep_ambience(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self._save_ambience()

    async def _save_ambience(self) -> None:
        folder = ambience_folder(self._config)
        try:
            await asyncio.to_thread(self.ear.save, folder)
        except OSError as error:
            self._changes.note(str(folder), f"not written: {error.strerror or error}")
        else:
            self._changes.note(str(folder), "written", level=logging.DEBUG)

    async def _keep_promises(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_PROMISES_EVERY_S)
            try:
                kept = await self.desk.upkeep(
                    lambda: broken_promises(self.teacher, self._switches.threshold_is_set)
                )
            except (HeardError, OSError) as error:
                self._changes.note("promises", str(error))
                continue
            for line in kept:
                _log.warning("%s", line)
