"""The encoders that heard knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import BaseModel

from daemon.api.answers import answer
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope

if TYPE_CHECKING:
    from daemon.api.house import House


class Model(BaseModel):
    """One encoder."""

    name: str
    ready: bool
    """Whether it is here."""
    megabytes: float
    licence: str
    sha256: str | None
    sha256_from: str | None
    """`known` to heard, or `pinned` when it first came."""
    url: str | None
    path: str | None
    about: str
    in_use: bool


class ModelList(BaseModel):
    """All of them."""

    models: list[Model]
    encoder: str
    """The one in use, with its fingerprint."""
    audio_model: str
    """The full audio model, and how it does."""


class Models:
    """Answers what is asked about models."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="GET", path=f"{API}/models", name="list_models", scope=Scope.READ,
                summary="The encoders that heard knows, and which is in use", handler=self.list,
                returns=ModelList,
            )
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with all of them."""
        # Encoders' manifests take a while to import, and are rarely asked about.
        from daemon.models.listing import known_models

        del request
        config, status = self._house.config, self._house.status()
        known = await self._house.workers.do(lambda: known_models(config.state_dir))
        models = [{**model, "in_use": model["name"] == config.encoder} for model in known]
        return answer({"models": models, "encoder": status.encoder, "audio_model": status.audio_model})
