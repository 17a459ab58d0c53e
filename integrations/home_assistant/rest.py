"""Home Assistant's REST interface: actions are called, and states are asked for."""

from __future__ import annotations

import asyncio
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
from niquests.exceptions import ConnectTimeout, ReadTimeout

from foundation.errors import ActionError, EndpointUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from rules.model import ActionRequest

TIMEOUT_S = 10.0
CALL_S = 30.0
"""An action has that long to be done: Home Assistant answers when it is, and goes on if nobody listens."""

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
        # Else what this user's environment says could send the token by way of a proxy, or replace it.
        self._session.trust_env = False
        self._client = AsyncClient(
            f"{self._url}/api",
            self._token,
            session=self._session,
            # Where a redirection leads nobody has given us the token for; and it makes a question of a call.
            global_request_kwargs={"allow_redirects": False},
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
            path = f"services/{domain}/{service}"
            await self._ask(path, method=HTTPMethod.POST, json=data, timeout=(TIMEOUT_S, CALL_S))
        except _NoAnswer:
            # To ask again would do it again: a script would start anew, a notification come twice.
            raise ActionError(
                f"Home Assistant was asked for {request.action}, and did not say within {CALL_S:g} s that it"
                " is done; it is not asked again"
            ) from None
        except EndpointNotFoundError:
            raise ActionError(f"Home Assistant has no action {request.action}") from None
        except HomeassistantAPIError as error:
            raise ActionError(f"Home Assistant refuses {request.action}: {_said(error)}") from None

    async def state(self, entity_id: str) -> tuple[str, dict[str, Any]] | None:
        """Return how an entity stands, with its attributes; None where there is no such entity.

        Raises EndpointUnavailable or ActionError.
        """
        try:
            found = await self._ask(f"states/{entity_id}", timeout=TIMEOUT_S)
        except _NoAnswer:
            raise EndpointUnavailable(f"Home Assistant does not answer at {self._url}: ReadTimeout") from None
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
            # The library's own limit is for each piece of an answer.
            async with asyncio.timeout(TIMEOUT_S + CALL_S):
                return await self._client.request(path, **more)
        except ConnectTimeout as error:
            raise self._away(error) from None
        except (ReadTimeout, TimeoutError, RequestTimeoutError):
            raise _NoAnswer from None
        except UnexpectedStatusCodeError as error:
            if 300 <= _status(error) < 400:
                raise ActionError(
                    f"{self._url} leads elsewhere: say in 'home_assistant' the address that it leads to"
                ) from None
            raise EndpointUnavailable(f"Home Assistant cannot answer: {_said(error)}") from None
        except UnauthorizedError:
            raise ActionError(
                "Home Assistant does not accept the token: make a new one, and say it"
            ) from None
        except InternalServerError as error:
            raise EndpointUnavailable(f"Home Assistant cannot answer: {type(error).__name__}") from None
        except (RequestException, OSError) as error:
            raise self._away(error) from None

    def _away(self, error: OSError) -> EndpointUnavailable:
        return EndpointUnavailable(f"Home Assistant does not answer at {self._url}: {type(error).__name__}")


class _NoAnswer(Exception):
    """Home Assistant was reached, and has not answered in time."""


def _status(error: UnexpectedStatusCodeError) -> int:
    # The library keeps it in the last word of its message alone.
    return int(str(error).rpartition(" ")[2])


def _said(error: HomeassistantAPIError) -> str:
    return str(error)[:200]
