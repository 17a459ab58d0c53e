"""Home Assistant's REST interface: actions are called, and states are asked for."""

from __future__ import annotations

import logging
from http import HTTPMethod
from typing import TYPE_CHECKING, Any, Self

from homeassistant_api import AsyncClient
from homeassistant_api.errors import (
    EndpointNotFoundError,
    HomeassistantAPIError,
    InternalServerError,
    RequestTimeoutError,
    UnauthorizedError,
    UnexpectedStatusCodeError,
)
from niquests import AsyncSession, RequestException

from foundation.errors import ActionError, EndpointUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from rules.model import ActionRequest

TIMEOUT_S = 10.0

# Its debug lines repeat headers, and the token is one.
logging.getLogger("urllib3").setLevel(logging.INFO)


class HomeAssistant:
    """Asks and calls while its `async with` lasts. `url` is where its web page is."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._session: AsyncSession | None = None
        self._client: AsyncClient | None = None

    async def __aenter__(self) -> Self:
        self._session = AsyncSession()
        self._client = AsyncClient(
            f"{self._url}/api",
            self._token,
            session=self._session,
            global_request_kwargs={"timeout": TIMEOUT_S},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def call(self, request: ActionRequest) -> None:
        """Call the action that a request names; raises EndpointUnavailable or ActionError."""
        domain, _, service = request.action.partition(".")
        data = {**(request.data.get("data") or {}), **(request.data.get("target") or {})}
        try:
            await self._ask(f"services/{domain}/{service}", method=HTTPMethod.POST, json=data)
        except EndpointNotFoundError:
            raise ActionError(f"Home Assistant has no action {request.action}") from None
        except HomeassistantAPIError as error:
            raise ActionError(f"Home Assistant refuses {request.action}: {_said(error)}") from None

    async def state(self, entity_id: str) -> tuple[str, dict[str, Any]] | None:
        """Return how an entity stands, with its attributes; None where there is no such entity.

        Raises EndpointUnavailable or ActionError.
        """
        try:
            found = await self._ask(f"states/{entity_id}")
        except EndpointNotFoundError:
            return None
        except HomeassistantAPIError as error:
            raise ActionError(
                f"Home Assistant refuses to tell the state of {entity_id}: {_said(error)}"
            ) from None
        attributes = found.get("attributes")
        return str(found.get("state", "unknown")), attributes if isinstance(attributes, dict) else {}

    async def _ask(self, path: str, **more: Any) -> Any:
        assert self._client is not None
        try:
            return await self._client.request(path, **more)
        except UnauthorizedError:
            raise ActionError(
                "Home Assistant does not accept the token: make a new one, and say it"
            ) from None
        except (InternalServerError, RequestTimeoutError, UnexpectedStatusCodeError) as error:
            raise EndpointUnavailable(f"Home Assistant cannot answer: {type(error).__name__}") from None
        except (RequestException, OSError, TimeoutError) as error:
            raise EndpointUnavailable(
                f"Home Assistant does not answer at {self._url}: {type(error).__name__}"
            ) from None


def _said(error: HomeassistantAPIError) -> str:
    return str(error)[:200]
