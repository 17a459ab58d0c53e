"""`heard ha install`: the component and the blueprints arrive whole, and nothing of the owner's is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from daemon.cli import app
from foundation.errors import OwnerError
from integrations.home_assistant.installation import BLUEPRINTS, COMPONENT, install


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "configuration.yaml").write_text("default_config:\n")
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_component_and_blueprints_arrive_whole(folder: Path) -> None:
    """Every file is there with the same bytes, and nothing else is left behind."""
    done = install(folder)
    assert files(folder / "custom_components" / "heard") == files(COMPONENT)
    assert files(folder / "blueprints" / "automation" / "heard") == files(BLUEPRINTS)
    assert [path.name for path in (folder / "custom_components").iterdir()] == ["heard"]
    assert done.version_before is None


def test_an_older_component_goes_with_all_its_files(folder: Path) -> None:
    """What a newer version no longer has does not stay."""
    install(folder)
    component = folder / "custom_components" / "heard"
    manifest = json.loads((component / "manifest.json").read_bytes())
    (component / "manifest.json").write_text(json.dumps({**manifest, "version": "0.0.9"}))
    (component / "gone.py").write_text("")
    assert install(folder).version_before == "0.0.9"
    assert files(component) == files(COMPONENT)


def test_a_blueprint_that_was_changed_is_kept(folder: Path) -> None:
    """Its owner finds it beside the new one; one that was not changed leaves no copy."""
    install(folder)
    mine = folder / "blueprints" / "automation" / "heard" / "light_on_double_snap.yaml"
    mine.write_text("mine")
    done = install(folder)
    assert [path.read_text() for path in done.kept] == ["mine"]
    assert mine.read_bytes() == (BLUEPRINTS / mine.name).read_bytes()


def test_a_folder_that_is_not_home_assistants_is_refused(tmp_path: Path) -> None:
    """Nothing is written there, and the message says what was looked for."""
    with pytest.raises(OwnerError, match=r"configuration\.yaml"):
        install(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("manifest", [None, "{}", "[]", '{"domain": "other"}', "{"])
def test_a_component_of_somebody_else_stays(folder: Path, manifest: str | None) -> None:
    """A folder of our name that is not ours is not replaced."""
    other = folder / "custom_components" / "heard"
    other.mkdir(parents=True)
    if manifest is not None:
        (other / "manifest.json").write_text(manifest)
    with pytest.raises(OwnerError, match="something else"):
        install(folder)
    assert len(files(other)) == (manifest is not None)


def test_a_link_of_a_developer_is_not_replaced(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What it leads to is somebody's work."""
    (folder / "custom_components").mkdir()
    (folder / "custom_components" / "heard").symlink_to(tmp_path_factory.mktemp("work"))
    with pytest.raises(OwnerError, match="link"):
        install(folder)


def test_what_fails_half_way_leaves_the_old_component(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full while copying changes nothing."""
    install(folder)
    before = files(folder)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    with pytest.raises(OwnerError, match="No space left"):
        install(folder)
    assert files(folder) == before
    assert [path.name for path in (folder / "custom_components").iterdir()] == ["heard"]


def test_the_command_says_what_comes_next(folder: Path) -> None:
    """A person reads what to do; a program reads JSON."""
    said = CliRunner().invoke(app, ["ha", "install", "--config", str(folder)])
    assert said.exit_code == 0
    assert "heard token add" in said.output
    told = CliRunner().invoke(app, ["ha", "install", "--config", str(folder), "--json"])
    assert json.loads(told.output)["component"] == str(folder / "custom_components" / "heard")


def test_the_component_has_the_version_of_heard() -> None:
    """They are released together."""
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert json.loads((COMPONENT / "manifest.json").read_bytes())["version"] == project["version"]
