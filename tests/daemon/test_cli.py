from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest
import yaml

from daemon.cli import app, main
from daemon.evidence.retention import Limits
from daemon.evidence.store import EvidenceStore
from daemon.state_lock import hold_state_folder
from tests.daemon.home import recording
from tests.daemon.sounds import clip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS = [
    ("run",),
    ("demo",),
    ("check",),
    ("ask",),
    ("replay",),
    ("devices",),
    ("status",),
    ("events",),
    ("feedback",),
    ("profiles", "list"),
    ("profiles", "enroll"),
    ("profiles", "report"),
    ("profiles", "promise"),
    ("profiles", "versions"),
    ("profiles", "undo"),
    ("profiles", "remove"),
    ("profiles", "export"),
    ("profiles", "import"),
    ("rules", "check"),
    ("evidence", "list"),
    ("evidence", "verify"),
    ("cabin", "adapt"),
    ("outbox", "list"),
    ("outbox", "drop"),
    ("models", "list"),
    ("models", "pull"),
    ("models", "plan"),
    ("models", "pack"),
    ("models", "background"),
    ("schema", "config"),
    ("token", "add"),
    ("token", "list"),
    ("token", "remove"),
    ("ha", "install"),
]


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Heard(Protocol):
    def __call__(self, *arguments: object) -> Done: ...


@pytest.fixture
def heard(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Heard]:
    """Run a command line as the console script does, away from this user's own files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["heard", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return Done(code, *capsys.readouterr())

    return run  # type: ignore[return-value] # a fixture without a yield, typed for its users


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that needs no microphone and no profile."""
    recording(tmp_path / "yard.wav")
    path = tmp_path / "heard.yaml"
    settings = {
        "node": "hub",
        "state_dir": str(tmp_path / "state"),
        "streams": {"yard": {"source": "file", "path": "yard.wav", "realtime": False}},
        "stock_profiles": False,
    }
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(heard: Heard, command: tuple[str, ...]) -> None:
    """Whoever asks for help gets a line to type."""
    done = heard(*command, "--help")
    assert done.code == 0
    assert f"Example: heard {' '.join(command)}" in done.out


def test_no_command_is_left_out_above() -> None:
    """A new command needs its example, too."""
    names = {command.name for command in app.registered_commands}
    names |= {group.name for group in app.registered_groups}
    assert names == {command[0] for command in COMMANDS}


def test_it_says_which_version_it_is(heard: Heard) -> None:
    """As whoever reports a fault is asked for it first."""
    done = heard("--version")
    assert (done.code, done.out) == (0, f"heard {version('heard')}\n")


def test_an_unknown_command_is_a_slip_of_the_owners(heard: Heard) -> None:
    """As for every command line: exit code 2."""
    assert heard("lisen").code == 2


def test_status_says_that_no_daemon_runs(heard: Heard, config: Path) -> None:
    """Exit code 1 and one line."""
    done = heard("status", "--config", config)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "no daemon runs" in done.err


@pytest.mark.parametrize("command", ["run", "check", "replay", "status"])
def test_a_bad_configuration_is_shown_at_its_place(heard: Heard, config: Path, command: str) -> None:
    """File, line, column and the name that was meant; no traceback; exit code 2."""
    config.write_text(config.read_text() + "evidense: {}\n")
    line = config.read_text().splitlines().index("evidense: {}") + 1

    done = heard(command, *(["x.wav"] if command == "replay" else []), "--config", config)

    assert done.code == 2
    assert f"{config}:{line}:1" in done.err
    assert "evidence" in done.err
    assert "Traceback" not in done.err


def test_run_refuses_a_state_folder_in_use(heard: Heard, config: Path, tmp_path: Path) -> None:
    """The second daemon is told who holds it."""
    with hold_state_folder(tmp_path / "state"):
        done = heard("run", "--config", config)
    assert done.code == 2
    assert "holds the state folder" in done.err


def test_run_ends_with_its_audio(heard: Heard, config: Path) -> None:
    """Files that do not loop come to an end, and so does the daemon."""
    assert heard("run", "--config", config).code == 0


def test_run_refuses_a_microphone_that_is_not_there(heard: Heard, tmp_path: Path) -> None:
    """The one stream there is cannot be had: the owner must act."""
    path = tmp_path / "heard.yaml"
    streams = {"kitchen": {"source": "microphone", "device": "no such device"}}
    path.write_text(yaml.safe_dump({"streams": streams, "stock_profiles": False}))
    done = heard("run", "--config", path)
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("heard: ")


def test_check_warns_about_what_cannot_work(heard: Heard, config: Path, tmp_path: Path) -> None:
    """Exit code 1: the daemon would start, and hear nothing."""
    done = heard("check", "--config", config, "--json")
    assert done.code == 1
    assert json.loads(done.out)["warnings"] == ["there is no profile, so nothing will be heard"]
    assert json.loads(done.out)["config"] == str(tmp_path / "heard.yaml")


def test_check_shows_what_rules_can_never_do(heard: Heard, config: Path, tmp_path: Path) -> None:
    """A slip in a profile's name would only show when the alarm did not come."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "- id: bell\n  triggers: [{trigger: sound, profile: dorbell}]\n"
        "  actions: [{action: heard.save_clip}]\n"
    )
    settings = {**yaml.safe_load(config.read_text()), "rules": str(rules), "stock_profiles": True}
    config.write_text(yaml.safe_dump(settings))

    done = heard("check", "--config", config)

    assert done.code == 1
    assert f"warning: {rules}:2:40: never: there is no profile 'dorbell'" in done.err


def test_check_looks_at_the_certificates_of_the_broker(heard: Heard, config: Path, tmp_path: Path) -> None:
    """A file that is none is an error, with its name; nothing checked at all is worth a warning."""
    before = config.read_text()
    (tmp_path / "ca.pem").write_text("nothing")
    config.write_text(f"{before}mqtt: {{host: hub, tls: {{ca_file: ca.pem}}}}\n")
    done = heard("check", "--config", config)
    assert done.code == 2
    assert "ca.pem: expected the certificate of a CA, in PEM" in done.err
    config.write_text(f"{before}mqtt: {{host: hub, tls: {{insecure: true}}}}\n")
    done = heard("check", "--config", config)
    assert done.code == 1
    assert "its certificate is not checked" in done.err


def test_rules_check_shows_every_fault_at_its_place(heard: Heard, config: Path, tmp_path: Path) -> None:
    """As text for people, as JSON for programs; exit code 2 both times."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("- id: a\n  trigers: []\n")

    text = heard("rules", "check", rules, "--config", config)
    as_json = heard("rules", "check", rules, "--config", config, "--json")

    assert (text.code, as_json.code) == (2, 2)
    assert f"{rules}:2:3" in text.err
    places = [(at["file"], at["line"], at["column"]) for at in json.loads(as_json.out)["problems"]]
    assert (str(rules), 2, 3) in places


def test_rules_check_accepts_no_rules(heard: Heard, config: Path) -> None:
    """A configuration without rules is fine."""
    assert heard("rules", "check", "--config", config).code == 0


def test_replay_tells_which_file_is_no_audio(heard: Heard, config: Path, tmp_path: Path) -> None:
    """One bad file makes the exit code 1 and spoils no other."""
    bad = tmp_path / "bad.wav"
    bad.write_text("this is not audio")
    done = heard("replay", bad, tmp_path / "yard.wav", "--config", config)
    assert done.code == 1
    assert str(bad) in done.err
    assert f"{tmp_path / 'yard.wav'}  nothing heard" in done.out


def test_devices_are_one_json_object_a_line(heard: Heard) -> None:
    """However many there are on this machine."""
    done = heard("devices", "--json")
    assert done.code == 0
    assert all("name" in json.loads(line) for line in done.out.splitlines())


def test_evidence_is_listed_and_verified(heard: Heard, config: Path, tmp_path: Path) -> None:
    """A clip that was changed shows, with exit code 1."""
    store = EvidenceStore(tmp_path / "state" / "evidence", limits=Limits(), heard_version="0")
    path = store.store(clip())

    listed = heard("evidence", "list", "--config", config)
    whole = heard("evidence", "verify", "--config", config)
    path.write_bytes(b"something else")
    changed = heard("evidence", "verify", "--config", config, "--json")

    assert str(path) in listed.out
    assert "glass_breaking" in listed.out
    assert whole.code == 0
    assert changed.code == 1
    assert json.loads(changed.out.splitlines()[0])["path"] == str(path)


def test_no_evidence_yet_is_no_fault(heard: Heard, config: Path) -> None:
    """The folder comes with the first clip."""
    assert heard("evidence", "verify", "--config", config).code == 0
    assert heard("evidence", "list", "--config", config).out == ""


def test_a_profile_needs_a_plain_name(heard: Heard, config: Path, tmp_path: Path) -> None:
    """It is part of topics, file names and rules."""
    done = heard("profiles", "enroll", "Door Bell", tmp_path / "yard.wav", "--config", config)
    assert done.code == 2
    assert "a-z" in done.err


def test_the_schema_of_the_configuration_is_json(heard: Heard) -> None:
    """Editors complete and check with it."""
    assert "streams" in json.loads(heard("schema", "config").out)["properties"]


def test_the_always_on_path_imports_nothing_heavy() -> None:
    """Memory and start-up time of a hub: what only other jobs need stays out."""
    program = (
        "import sys, daemon.cli, daemon.app, daemon.parts, daemon.config, daemon.sources.microphone\n"
        "heavy = {'torch', 'av', 'amqtt', 'scipy', 'homeassistant_api', 'transformers', 'rich.console'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
