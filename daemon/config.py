"""The configuration: what may stand in it, its defaults, and where it is looked for."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from daemon.action_settings import (
    HomeAssistantConfig,
    Program,
    WebhooksConfig,
)
from daemon.api.settings import ApiConfig
from daemon.audio_model.settings import AudioModelConfig
from daemon.evidence.retention import Limits
from daemon.mqtt_settings import MqttConfig
from daemon.satellites.settings import WyomingConfig
from daemon.settings import (
    STANDARD_INPUT,
    ExistingFolder,
    ExistingPath,
    Flag,
    Integer,
    Name,
    NewPath,
    Number,
    Settings,
    in_folder_of_the_file,
    must_be_file,
)
from daemon.sources.settings import MicrophoneSettings, PipeSettings, SourceSettings
from detectors.gate import GateSettings
from foundation.errors import ConfigError
from foundation.wording import did_you_mean
from foundation.yaml_document import read_yaml, validate

FILE_NAME = "heard.yaml"
SYSTEM_FOLDER = Path("/etc/heard")


def _state_folder() -> Path:
    """Where systemd says, else where the XDG base directory specification does."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "heard"


def _node_name() -> str:
    return platform.node().split(".")[0] or "heard"


def _known_stock_profile(name: str) -> str:
    from fewshot_profiles.store import STOCK_FOLDER

    known = [path.parent.name for path in STOCK_FOLDER.glob("*/profile.yaml")]
    if name not in known:
        raise ValueError(f"there is no stock profile {name!r}{did_you_mean(name, known)}")
    return name


def _known_encoder(value: str, info: ValidationInfo) -> str:
    """Make the path of a manifest start at the configuration file; a name stays as it is."""
    from daemon.models.catalogue import BUILTIN, MODELS

    known = [BUILTIN, *MODELS]
    if value in known:
        return value
    if Path(value).suffix not in {".yaml", ".yml"}:
        raise ValueError(
            f"there is no encoder {value!r}{did_you_mean(value, known)} (or the path of a manifest, *.yaml)"
        )
    return str(must_be_file(in_folder_of_the_file(Path(value), info)))


class EvidenceConfig(Settings):
    """The clips around events, and how long they are kept."""

    folder: NewPath | None = None
    """Default: `evidence` in the state folder."""
    before_s: Annotated[Number, Field(ge=0, le=60)] = 5.0
    """Seconds before the onset, 0 to 60. They are kept in memory: 5 s of 48 kHz mono take 0.5 MB."""
    after_s: Annotated[Number, Field(gt=0, le=60)] = 5.0
    """Seconds after the onset, up to 60."""
    keep_days: Annotated[Number, Field(gt=0)] = 30.0
    """Days; older clips are removed."""
    max_bytes: Annotated[Integer, Field(ge=1_000_000)] = 2_000_000_000
    """Bytes of all clips together, at least a million; the oldest are removed first."""
    max_clips_per_profile: Annotated[Integer, Field(ge=1)] = 500
    """At least 1; the oldest are removed first."""
    save: Literal["rules", "all", "none"] = "rules"
    """When a rule asks (`rules`), for every event (`all`), or never, whatever rules ask (`none`)."""

    def limits(self) -> Limits:
        """Return what is kept."""
        return Limits(
            keep_days=self.keep_days,
            max_bytes=self.max_bytes,
            max_clips_per_profile=self.max_clips_per_profile,
        )


_GATE = GateSettings()


class GateConfig(Settings):
    """When a stream is worth a closer look. The defaults suit rooms and cars."""

    always_open: Flag = _GATE.always_open
    """Look at everything: costs computing time, and finds what is hardly louder than its background."""
    margin_db: Annotated[Number, Field(ge=0, le=60)] = _GATE.margin_db
    """Decibels above the noise floor at which 80 ms of sound open the gate, 0 to 60."""
    peak_margin_db: Annotated[Number, Field(ge=0, le=60)] = _GATE.peak_margin_db
    """Decibels above the noise floor at which 10 ms of sound open it, 0 to 60."""
    abrupt_db: Annotated[Number, Field(ge=0, le=60)] = _GATE.abrupt_db
    """Decibels by which 10 ms must exceed those just before, to count as an onset, 0 to 60."""
    lowest_dbfs: Annotated[Number, Field(ge=-120, le=0)] = _GATE.lowest_dbfs
    """Decibels below full scale, -120 to 0: what is quieter never opens the gate."""
    starting_floor_dbfs: Annotated[Number, Field(ge=-120, le=0)] = _GATE.starting_floor_dbfs
    """The noise floor assumed when a stream begins, -120 to 0."""
    rise_s: Annotated[Number, Field(gt=0, le=3_600)] = _GATE.rise_s
    """Seconds in which the noise floor gets used to a louder room, up to 3600."""
    fall_s: Annotated[Number, Field(gt=0, le=3_600)] = _GATE.fall_s
    """Seconds in which it gets used to a quieter one, up to 3600."""
    hold_s: Annotated[Number, Field(ge=0, le=60)] = _GATE.hold_s
    """Seconds for which the gate stays open after the last reason to, 0 to 60."""

    def settings(self) -> GateSettings:
        """Return the same values as the detectors know them."""
        return GateSettings(**self.model_dump())


class Config(Settings):
    """Everything an owner can set. The defaults: the default microphone, all stock profiles, no broker."""

    node: Name = Field(default_factory=_node_name)
    """The name of this daemon in topics. Default: the host name."""
    state_dir: NewPath = Field(default_factory=_state_folder)
    """What must survive a restart. Default: $STATE_DIRECTORY, else ~/.local/state/heard."""
    streams: Annotated[Mapping[Name, SourceSettings], Field(min_length=1)] = {
        "microphone": MicrophoneSettings()
    }
    """By name: what is listened to."""
    profiles: tuple[ExistingFolder, ...] = ()
    """Folders of profiles besides the stock ones; one of the same name takes the stock profile's place."""
    remember_s: Annotated[Number, Field(ge=10, le=600)] = 45.0
    """Seconds of each stream kept in memory, to teach from, 10 to 600: 45 s of 48 kHz mono take 4 MB."""
    stock_profiles: Flag | tuple[Annotated[str, AfterValidator(_known_stock_profile)], ...] = True
    """true: all of them; false: none; a list of names: only these."""
    encoder: Annotated[str, AfterValidator(_known_encoder)] = "builtin"
    """What turns sound into numbers: `builtin`, a name from `heard models list`, or a manifest's path."""
    rules: ExistingPath | None = None
    """A rule file, or a folder of them. Default: no rules, events are only published and recorded."""
    mqtt: MqttConfig | None = None
    """Default: no broker."""
    api: ApiConfig | None = ApiConfig()
    """The HTTP API; null: none."""
    home_assistant: HomeAssistantConfig | None = None
    """Default: rules neither call its actions nor ask for its states."""
    webhooks: WebhooksConfig = WebhooksConfig()
    """What the webhooks of rules share."""
    commands: tuple[Program, ...] = ()
    """The programs that rules may run, each by its whole path. Default: none."""
    audio_model: AudioModelConfig | None = None
    """Default: no full audio model; sounds are decided by their scores alone."""
    wyoming: WyomingConfig | None = None
    """Default: no sound wakes voice satellites."""
    evidence: EvidenceConfig = EvidenceConfig()
    """The clips around events."""
    gate: GateConfig = GateConfig()
    """When a stream is worth a closer look."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What the log tells."""

    @model_validator(mode="after")
    def _stock_profiles_are_for_builtin(self) -> Self:
        if self.encoder != "builtin" and self.stock_profiles:
            raise ValueError(
                f"the stock profiles are made for the builtin encoder: with 'encoder: {self.encoder}' say "
                "'stock_profiles: false', and enroll your own (heard profiles enroll)"
            )
        return self

    @model_validator(mode="after")
    def _one_standard_input(self) -> Self:
        readers = [
            name
            for name, stream in self.streams.items()
            if isinstance(stream, PipeSettings) and stream.path == STANDARD_INPUT
        ]
        if len(readers) > 1:
            raise ValueError(f"only one stream can read standard input, not {' and '.join(readers)}")
        return self

    @property
    def evidence_folder(self) -> Path:
        """Where clips are stored."""
        return self.evidence.folder or self.state_dir / "evidence"

    @property
    def taught_folder(self) -> Path:
        """Where `heard profiles enroll` puts profiles; what lies there is always heard."""
        return self.state_dir / "profiles"


def find_config() -> Path | None:
    """Return the configuration file that is used where none is named, or None where there is none.

    Looked for in $CONFIGURATION_DIRECTORY (set by systemd), $XDG_CONFIG_HOME/heard or ~/.config/heard, and
    /etc/heard; never in the working directory, which says nothing about what the owner wants.
    """
    given = os.environ.get("CONFIGURATION_DIRECTORY", "")
    folders = [Path(folder) for folder in given.split(":") if folder]
    folders.append(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "heard")
    folders.append(SYSTEM_FOLDER)
    paths = (folder / FILE_NAME for folder in folders)
    return next((path for path in paths if path.exists()), None)


def load_config(path: Path | None = None) -> Config:
    """Read the configuration at `path`, else the one that `find_config` finds, else take the defaults.

    Raises ConfigError with every fault, each with file, line and column.
    """
    path = find_config() if path is None else path
    if path is None:
        return Config()
    document = read_yaml(path, error=ConfigError)
    return validate(document, Config, error=ConfigError, context={"folder": path.absolute().parent})
