"""What the configuration says about the systems that rules act on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from yarl import URL

from daemon.settings import ExistingFile, Flag, Number, Settings
from foundation.errors import ConfigError, Problem


def _web_address(text: str) -> str:
    url = URL(text)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("expected a URL such as http://homeassistant.local:8123")
    if url.user is not None or url.query_string or url.fragment:
        raise ValueError("expected a URL of scheme, host, port and path alone")
    return text.rstrip("/").removesuffix("/api")


def _program(path: str) -> str:
    if not Path(path).is_absolute():
        raise ValueError("expected the whole path of a program, such as /usr/bin/aplay")
    return path


Program = Annotated[str, AfterValidator(_program)]


class HomeAssistantConfig(Settings):
    """Where Home Assistant is, for actions and states."""

    url: Annotated[str, AfterValidator(_web_address)]
    """Where its web page is, such as http://homeassistant.local:8123."""
    token: SecretStr | None = None
    """A long-lived access token, in plain text; better is `token_file`."""
    token_file: ExistingFile | None = None
    """A file whose first line is the token. Relative to systemd's credentials folder, if it is there."""
    poll_s: Annotated[Number, Field(ge=1, le=60)] = 5.0
    """Seconds between two looks at the entities that rules name, 1 to 60."""

    @model_validator(mode="before")
    @classmethod
    def _find_credential(cls, values: object) -> object:
        return from_credentials(values, "token_file")

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if (self.token is None) == (self.token_file is None):
            raise ValueError("one of 'token' and 'token_file' is needed, and not both")
        return self

    def secret(self) -> str:
        """Return the token, reading its file now. Raises ConfigError if the file cannot be read."""
        if self.token_file is not None:
            return read_secret(self.token_file, "token")
        assert self.token is not None
        return self.token.get_secret_value()


class WebhooksConfig(Settings):
    """What all webhooks share."""

    secret_file: ExistingFile | None = None
    """A file whose first line is the key that requests are signed with. Default: they are not signed."""
    allow_private: Flag = False
    """Whether addresses of the own network may be asked."""

    @model_validator(mode="before")
    @classmethod
    def _find_credential(cls, values: object) -> object:
        return from_credentials(values, "secret_file")

    def secret(self) -> str:
        """Return the key, empty where there is none. Raises ConfigError if the file cannot be read."""
        return "" if self.secret_file is None else read_secret(self.secret_file, "key of the webhooks")


def from_credentials(values: object, key: str) -> object:
    """Take the file named by `key` from where systemd's LoadCredential= puts it, if it is there."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if isinstance(values, dict) and folder and isinstance(name := values.get(key), str):
        credential = Path(folder) / name
        if credential.is_file():
            return {**values, key: str(credential.absolute())}
    return values


def read_secret(file: Path, what: str) -> str:
    """Return the first line of a file. Raises ConfigError if it cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        message = f"the {what} cannot be read: {reason}"
        raise ConfigError([Problem(file=file, line=0, column=0, message=message)]) from error
    return lines[0] if lines else ""
