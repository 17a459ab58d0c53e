"""What the owner writes is what the daemon does, and every slip is shown where it stands."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from daemon.config import Config, GateConfig, find_config, load_config
from daemon.evidence.retention import Limits
from daemon.sources.pcm import SampleFormat
from daemon.sources.settings import FileSettings, MicrophoneSettings, PipeSettings
from detectors.gate import GateSettings
from fewshot_profiles.store import STOCK_FOLDER
from foundation.errors import ConfigError
from rules.loader import load_rules

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "systemd" / "heard.yaml"
VARIABLES = (
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything in it, and an environment that names no folders."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr("daemon.config.SYSTEM_FOLDER", tmp_path / "etc")
    return folder


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "heard.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    """The faults in a file of this text, each as line:column: message."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert all(problem.file == path for problem in caught.value.problems)
    return [f"{p.line}:{p.column}: {p.message}" for p in caught.value.problems]


def test_without_a_file_the_default_microphone_is_heard(home: Path) -> None:
    """Nothing has to be configured: one stream, all stock profiles, no broker, no rules."""
    config = load_config()

    assert config.streams == {"microphone": MicrophoneSettings()}
    assert config.stock_profiles is True
    assert config.mqtt is None
    assert config.rules is None
    assert config.node
    assert config.state_dir == home / ".local" / "state" / "heard"
    assert config.evidence_folder == config.state_dir / "evidence"


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    """A file in which everything is switched off is no fault."""
    assert load_config(write(tmp_path, "# nothing\n")) == load_config()


def test_everything_that_can_be_said_is_understood(tmp_path: Path) -> None:
    """One file with every kind of source, and every other section."""
    (tmp_path / "yard.flac").touch()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "rules.d").mkdir()
    text = """
        node: hub
        state_dir: state
        streams:
          kitchen: {source: microphone, device: USB Audio, channels: 2, rate_hz: 48000}
          porch: {source: pipe, command: [arecord, -r, "16000"], rate_hz: 16000, sample_format: s24le}
          yard: {source: file, path: yard.flac, loop: true, realtime: false}
          car: {source: pipe, path: "-", rate_hz: 44100, channels: 2}
        profiles: [profiles]
        stock_profiles: false
        rules: rules.d
        mqtt: {host: broker, port: 8883, username: me, password: secret, prefix: home/heard, keepalive_s: 60}
        evidence: {folder: clips, before_s: 3, after_s: 2.5, keep_days: 1, max_bytes: 1000000,
                   max_clips_per_profile: 1, save: all}
        gate: {margin_db: 3, always_open: yes}
        log_level: debug
        """

    config = load_config(write(tmp_path, text))

    assert config.node == "hub"
    assert config.state_dir == tmp_path / "state"
    assert config.streams == {
        "kitchen": MicrophoneSettings(device="USB Audio", channels=2, rate_hz=48_000),
        "porch": PipeSettings(
            source="pipe",
            command=("arecord", "-r", "16000"),
            rate_hz=16_000,
            sample_format=SampleFormat.S24LE,
        ),
        "yard": FileSettings(source="file", path=tmp_path / "yard.flac", loop=True, realtime=False),
        "car": PipeSettings(source="pipe", path=Path("-"), rate_hz=44_100, channels=2),
    }
    assert config.profiles == (tmp_path / "profiles",)
    assert config.stock_profiles is False
    assert config.rules == tmp_path / "rules.d"
    assert config.mqtt is not None
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.secret()) == ("broker", 8_883, "secret")
    assert config.evidence_folder == tmp_path / "clips"
    assert config.evidence.limits() == Limits(keep_days=1.0, max_bytes=1_000_000, max_clips_per_profile=1)
    assert config.gate.settings() == GateSettings(margin_db=3.0, always_open=True)


def test_paths_of_the_owners_home_are_expanded(home: Path, tmp_path: Path) -> None:
    """`~` means what it means in a shell."""
    assert load_config(write(tmp_path, "state_dir: ~/heard\n")).state_dir == home / "heard"


def test_the_state_folder_is_systemds_where_it_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's folder wins over the user's."""
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert load_config().state_dir == Path("/xdg/heard")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/heard:/var/lib/other")
    assert load_config().state_dir == Path("/var/lib/heard")


def test_the_file_is_looked_for_from_the_service_to_the_system(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most particular place wins, and the working directory is not one of them."""
    monkeypatch.chdir(write(tmp_path / "here", "node: here\n").parent)
    assert find_config() is None
    system = write(tmp_path / "etc", "node: system\n")
    assert find_config() == system
    own = write(home / ".config" / "heard", "node: own\n")
    assert find_config() == own
    service = write(tmp_path / "service", "node: service\n")
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(service.parent))
    assert find_config() == service
    assert load_config().node == "service"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes: hub", ["1:1: unknown key 'nodes'; did you mean 'node'?"]),
        (
            "mqtt:\n  hots: localhost",
            ["2:3: 'host' is missing", "2:3: unknown key 'hots'; did you mean 'host'?"],
        ),
        ("mqtt: {host: a, port: '1883'}", ["1:23: expected a whole number, found '1883'"]),
        ("mqtt: {host: a, port: 70000}", ["1:23: expected a number less than or equal to 65535"]),
        ("mqtt: {host: a, password: 1234, username: u}", ["1:27: expected text, found the number 1234"]),
        (
            "streams: {a: {source: mircophone}}",
            ["1:23: unknown source 'mircophone'; did you mean 'microphone'?"],
        ),
        ("streams: {a: {device: b}}", ["1:14: 'source' is missing"]),
        ("streams: {a: {source: microphone, device: 3}}", ["1:43: expected text, found the number 3"]),
        ("streams: {a: {source: microphone, channels: true}}", ["1:45: expected a whole number"]),
        (
            "streams: {a: {source: microphone, chanels: 1}}",
            ["unknown key 'chanels'; did you mean 'channels'?"],
        ),
        ("streams: {}", ["1:10: "]),
        ("streams: {a: {source: pipe, rate_hz: 8000}}", ["a pipe needs either 'command' or 'path'"]),
        ("streams: {a: {source: pipe, path: x}}", ["1:14: 'rate_hz' is missing: Hertz"]),
        (
            "streams: {a: {source: pipe, rate_hz: 8000, command: arecord -r}}",
            ["1:53: expected a list, found 'arecord -r'"],
        ),
        (
            "streams: {a: {source: pipe, rate_hz: 8000, command: [arecord, 16000]}}",
            ["1:63: expected text, found the number 16000 (put it in quotes)"],
        ),
        (
            "streams: {a: {source: pipe, rate_hz: 8000, path: x, sample_format: s16}}",
            ["1:68: expected 'u8', 's16le', 's24le', 's32le' or 'f32le', found 's16'; did you mean 's16le'?"],
        ),
        ("streams: {a: {source: file, path: gone.wav}}", ["1:35: there is no "]),
        ("streams: {' a': {source: microphone}}", ["a name has no control characters"]),
        ("rules: gone.d", ["1:8: there is no "]),
        ("profiles: [gone]", ["1:12: there is no "]),
        ("stock_profiles: 3", ["1:17: expected "]),
        ("encoder: yamnett", ["1:10: there is no encoder 'yamnett'; did you mean 'yamnet'?"]),
        ("encoder: net.yaml\nstock_profiles: false", ["1:10: there is no "]),
        ("encoder: mn04", ["1:1: the stock profiles are made for the builtin encoder"]),
        ("stock_profiles: [no_such_sound]", ["1:18: there is no stock profile 'no_such_sound'"]),
        ("log_level: verbose", ["1:12: expected 'debug', 'info', 'warning' or 'error', found 'verbose'"]),
        ("evidence: {save: rule}", ["did you mean 'rules'?"]),
        ("evidence: {before_s: -1}", ["1:22: expected a number greater than or equal to 0"]),
        ("gate: {margin_db: .nan}", ["1:19: expected a number that is finite"]),
        ("mqtt: {host: a, prefix: 'home/#'}", ["1:25: MQTT topic 'home/#' contains #"]),
        ("mqtt: {host: a, prefix: /home}", ["1:25: a prefix neither begins nor ends with a slash"]),
        ("mqtt: {host: a, password: b}", ["a password needs a 'username'"]),
        ("mqtt: {host: a, protocol: 5}", ["1:27: expected '3.1.1' or '5', found the number 5"]),
        ("mqtt: {host: a, websocket_path: /mqtt}", ["1:7: 'websocket_path' needs a 'port'"]),
        ("mqtt: {host: a, port: 1, websocket_path: mqtt}", ["1:42: expected a path such as /mqtt"]),
        ("mqtt: {host: a, tls: {ca_file: gone.pem}}", ["gone.pem"]),
        ("mqtt: {host: a, tls: {key_file: /etc/passwd}}", ["a 'key_file' needs a 'certificate_file'"]),
        (
            "mqtt: {host: a, tls: {ca_file: /etc/passwd, insecure: true}}",
            ["either 'insecure' or 'ca_file': with 'insecure' nothing is checked"],
        ),
        ("node: [a", ["this is not valid YAML"]),
        ("- a list", ["1:1: expected a mapping, found a list"]),
    ],
)
def test_a_slip_is_shown_where_it_stands(tmp_path: Path, text: str, expected: list[str]) -> None:
    """Line, column, what was found, what was expected and, where one is close, the name that was meant."""
    found = faults(tmp_path, text)

    assert len(found) == len(expected), found
    for fault, words in zip(found, expected, strict=True):
        assert words in fault


def test_all_slips_are_shown_at_once(tmp_path: Path) -> None:
    """The owner mends a file once, not once for each fault."""
    assert len(faults(tmp_path, "nod: a\nlog_level: 3\nmqtt: {}\n")) == 3


def test_two_streams_cannot_read_standard_input(tmp_path: Path) -> None:
    """Each would get half of the audio."""
    pipe = "{source: pipe, path: '-', rate_hz: 8000}"

    [fault] = faults(tmp_path, f"streams: {{a: {pipe}, b: {pipe}}}")

    assert "only one stream can read standard input, not a and b" in fault


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A configuration that was asked for by name must be there."""
    with pytest.raises(ConfigError, match=r"gone\.yaml: there is no such file"):
        load_config(tmp_path / "gone.yaml")


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    """Neither what is printed nor what is dumped holds it; a fault on its line does not either."""
    config = load_config(write(tmp_path, "mqtt: {host: a, username: u, password: hunter2}\n"))

    assert config.mqtt is not None
    assert config.mqtt.secret() == "hunter2"
    assert "hunter2" not in repr(config) + str(config) + config.model_dump_json()
    path = write(tmp_path, "mqtt: {host: a, username: u, password: hunter2, prt: 1}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "hunter2" not in str(caught.value)


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    """Its first line, without the line's end; the file is read when the password is needed."""
    (tmp_path / "pw").write_text("hunter2\n")
    config = load_config(write(tmp_path, "mqtt: {host: a, username: u, password_file: pw}\n"))
    assert config.mqtt is not None
    assert config.mqtt.secret() == "hunter2"
    (tmp_path / "pw").unlink()
    with pytest.raises(ConfigError, match="pw: the password cannot be read: No such file"):
        config.mqtt.secret()


def test_a_password_comes_from_systemds_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name finds the credential that LoadCredential= gave the service."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt_password").write_text("hunter2")
    path = write(tmp_path / "etc", "mqtt: {host: a, username: u, password_file: mqtt_password}\n")
    with pytest.raises(ConfigError, match="there is no"):
        load_config(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))

    config = load_config(path)

    assert config.mqtt is not None
    assert config.mqtt.secret() == "hunter2"


def test_two_passwords_are_one_too_many(tmp_path: Path) -> None:
    """Nobody is left to guess which one is used."""
    (tmp_path / "pw").touch()
    text = "mqtt: {host: a, username: u, password: b, password_file: pw}"
    assert "not both" in faults(tmp_path, text)[0]


def test_the_configuration_never_changes() -> None:
    """What was loaded can be passed around."""
    with pytest.raises(ValidationError, match="frozen"):
        load_config().node = "other"


def test_the_gate_is_configured_completely() -> None:
    """Every setting of the detectors' gate is an option of the same name with the same default."""
    assert GateConfig().model_dump() == asdict(GateSettings())


def options(model: type[BaseModel]) -> set[str]:
    """All keys that may stand in a configuration, found in its schema."""
    schema: dict[str, Any] = model.model_json_schema()
    parts = [schema, *schema["$defs"].values()]
    return {name for part in parts for name in part.get("properties", {})}


def test_every_option_says_what_it_is() -> None:
    """The schema that editors use carries a description for each key but the kind of source."""
    schema = Config.model_json_schema()
    undescribed = {
        name
        for part in (schema, *schema["$defs"].values())
        for name, option in part.get("properties", {}).items()
        if "description" not in option
    }
    assert undescribed == {"source"}


def switch_everything_on(text: str) -> str:
    """Take away the # in front of options: it has no space behind it, as those of sentences have."""
    return re.sub(r"^( *)#(?=[^ \n])", r"\1", text, flags=re.MULTILINE)


def test_the_shipped_configuration_is_valid() -> None:
    """As it is, it means the defaults with the example rules."""
    config = load_config(EXAMPLE)

    assert config.model_copy(update={"rules": None}) == load_config()
    assert config.rules == EXAMPLE.parent / "rules.d"


def test_the_shipped_configuration_is_valid_with_everything_switched_on(tmp_path: Path) -> None:
    """Every commented option can be used as it stands, once the files that it names are there."""
    folder = tmp_path / "etc" / "heard"
    text = switch_everything_on(EXAMPLE.read_text()).replace("/etc/heard", str(folder))
    path = write(folder, text)
    for name in ("profiles", "rules.d", "MiMo-Audio-7B-Instruct", "MiMo-Audio-Tokenizer"):
        (folder / name).mkdir()
    for name in (
        "yard.flac",
        "mqtt_password",
        "mqtt_ca.pem",
        "mqtt_client.pem",
        "mqtt_client.key",
        "heard.pem",
        "heard.key",
        "home_assistant_token",
        "webhook_key",
        "audio_endpoint_token",
    ):
        (folder / name).touch()

    config = load_config(path)

    assert set(config.streams) == {"microphone", "porch", "garage", "bedroom", "yard"}
    assert config.mqtt is not None


@pytest.mark.parametrize("switched_on", [False, True])
def test_the_shipped_rules_are_valid(tmp_path: Path, *, switched_on: bool) -> None:
    """As they are and with everything switched on, they name stock profiles and the default stream."""
    text = (EXAMPLE.parent / "rules.d" / "example.yaml").read_text()
    path = tmp_path / "example.yaml"
    path.write_text(switch_everything_on(text) if switched_on else text)
    stock = {profile.parent.name for profile in STOCK_FOLDER.glob("*/profile.yaml")}

    rules = load_rules(path, known_profiles=stock or None, known_streams={"microphone"})

    assert len(rules) == (3 if switched_on else 1)


def test_the_shipped_configuration_and_the_documentation_hold_every_option() -> None:
    """An option that is not in the example, or not documented, would not be found by anybody."""
    example = EXAMPLE.read_text()
    documentation = (REPOSITORY / "docs" / "configuration.md").read_text()
    in_words_only = {"password", "token"}
    for option in options(Config):
        assert re.search(rf"^ *#?{option}:", example, re.MULTILINE) or option in in_words_only, option
        assert f"`{option}`" in documentation, option


def test_the_shipped_defaults_are_the_defaults(tmp_path: Path) -> None:
    """The example shows real values: switching an option on that shows a default changes nothing."""
    folder = tmp_path / "etc" / "heard"
    (folder / "rules.d").mkdir(parents=True)
    text = switch_everything_on(EXAMPLE.read_text())
    sections = re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE)
    kept = [
        part for part in sections if part.startswith(("gate:", "log_level:", "stock_profiles:", "encoder:"))
    ]
    config = load_config(write(folder, "".join(kept)))

    assert config == load_config()


@pytest.mark.parametrize(
    ("text", "port"),
    [("{host: a}", 1_883), ("{host: a, tls: {}}", 8_883), ("{host: a, tls: {}, port: 9}", 9)],
)
def test_the_broker_has_its_usual_port(tmp_path: Path, text: str, port: int) -> None:
    """Which one depends on whether the connection is encrypted."""
    config = load_config(write(tmp_path, f"mqtt: {text}\n"))
    assert config.mqtt is not None
    assert config.mqtt.broker().port == port
