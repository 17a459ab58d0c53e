"""The wake words that the configuration offers, and how they are doing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Self

from daemon.satellites.hearing import SatelliteEars
from integrations.wyoming.wake import WakeServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from daemon.config import Config
    from detectors.encoders import Encoder
    from fewshot_profiles.profile import Profile

    InForce = Callable[[], Iterable[Profile]]


class Satellites:
    """Serves satellites between `async with` and its end, where the configuration says so."""

    def __init__(self, config: Config, encoder: Encoder, in_force: InForce) -> None:
        self._in_force = in_force
        self._ears: SatelliteEars | None = None
        self._server: WakeServer | None = None
        self._stack = AsyncExitStack()
        if config.wyoming is None:
            return
        wake = config.wyoming.wake
        self._ears = SatelliteEars(
            encoder, in_force(), wanted=wake.profiles, gate_settings=config.gate.settings()
        )
        self._server = WakeServer(
            wake.host, wake.port, self._ears, version=version("heard"), max_clients=wake.max_clients
        )

    def look_at_profiles(self) -> None:
        """Listen for the profiles that are in force now."""
        if self._ears is not None:
            self._ears.listens_for(self._in_force())

    def words(self) -> str:
        """Return what is served, in words for `heard status`."""
        if self._server is None:
            return "not configured"
        host, port = self._server.address
        told = [f"wake words at {host}:{port}", f"{self._server.clients} satellites"]
        told.append(f"{self._server.detections} detections")
        if self._server.refused:
            told.append(f"{self._server.refused} turned away")
        return ", ".join(told)

    async def __aenter__(self) -> Self:
        if self._ears is not None and self._server is not None:
            await self._stack.enter_async_context(self._ears)
            try:
                await self._stack.enter_async_context(self._server)
            except BaseException:
                await self._stack.aclose()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
