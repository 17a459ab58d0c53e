"""Pulling an encoder: from a server, from a file, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from daemon.config import Config
from daemon.models.catalogue import MODELS
from daemon.models.choice import load_encoder
from daemon.models.folder import ModelFolder, model_folder
from daemon.models.pull import Pulled, pull
from detectors.encoders.mn_network import MobileNet
from detectors.encoders.mn_variant import parse_mn
from foundation.errors import ModelError
from tests.daemon.models.file_server import FileServer

pytestmark = pytest.mark.timeout(180)  # torch converts, which takes its time on a busy machine

TFLITE = b"what is served in this test in place of the file"


def _pull(name: str, folder: ModelFolder, *, url: str | None = None, from_file: Path | None = None) -> Pulled:
    model = MODELS[name] if url is None else replace(MODELS[name], url=url)
    return pull(model, folder, from_file=from_file, progress=lambda *_: None, say=lambda _: None)


def _config(state_dir: Path, encoder: str) -> Config:
    return Config(state_dir=state_dir, encoder=encoder, stock_profiles=False)


def test_yamnet_from_a_file_is_the_encoder_that_the_configuration_names(shared: Path, tmp_path: Path) -> None:
    """No network is needed, and the file that was given stays where it is."""
    given = shared / "models" / "yamnet.tflite"
    done = _pull("yamnet", model_folder(tmp_path), from_file=given)
    assert done.sha256 == MODELS["yamnet"].sha256
    assert not done.newly_pinned
    assert given.exists()
    assert load_encoder(_config(tmp_path, "yamnet")).id.dim == 1_024


def test_mn04_comes_over_a_broken_connection_and_is_converted(shared: Path, tmp_path: Path) -> None:
    """Fetched, gone on with, verified, exported: nothing but the encoder is left."""
    content = (shared / "models" / "mn04_as_mAP_432.pt").read_bytes()
    folder = model_folder(tmp_path)
    with FileServer("mn04_as_mAP_432.pt", content, break_after=[1_500_000]) as server:
        done = _pull("mn04", folder, url=server.url)
    assert server.ranges == [None, "bytes=1500000-"]
    assert done.sha256 == MODELS["mn04"].sha256
    assert sorted(each.name for each in done.entry.parent.iterdir()) == ["manifest.yaml", "mn04.onnx"]
    assert {each.stat().st_mode & 0o777 for each in done.entry.parent.iterdir()} == {0o644}
    assert load_encoder(_config(tmp_path, "mn04")).id.dim == 384
    assert load_encoder(_config(tmp_path, str(done.entry))).id == load_encoder(_config(tmp_path, "mn04")).id


def test_a_file_with_another_sha256_is_not_taken(tmp_path: Path) -> None:
    """What was fetched is removed, what the owner gave is not; no encoder comes of either."""
    folder = model_folder(tmp_path)
    with (
        FileServer("yamnet.tflite", TFLITE) as server,
        pytest.raises(ModelError, match=f"sha256 {sha256(TFLITE).hexdigest()}.*that is published"),
    ):
        _pull("yamnet", folder, url=server.url)
    assert list(folder.folder(MODELS["yamnet"]).iterdir()) == []
    given = tmp_path / "mine.tflite"
    given.write_bytes(TFLITE)
    with pytest.raises(ModelError, match="it was not taken"):
        _pull("yamnet", folder, from_file=given)
    assert given.exists()
    assert not folder.ready(MODELS["yamnet"])


def test_an_unknown_file_is_pinned_when_it_first_comes(tmp_path: Path) -> None:
    """mn05 with weights by chance: the first is taken and pinned, another one is refused from then on."""
    folder = model_folder(tmp_path)
    first, second = tmp_path / "first.pt", tmp_path / "second.pt"
    for seed, path in enumerate((first, second)):
        torch.manual_seed(seed)
        torch.save(MobileNet(0.5).state_dict(), path)
    done = _pull("mn05", folder, from_file=first)
    assert done.newly_pinned
    assert folder.expected_sha256(MODELS["mn05"]) == sha256(first.read_bytes()).hexdigest()
    with pytest.raises(ModelError, match="the file that came first"):
        _pull("mn05", folder, from_file=second)
    assert not _pull("mn05", folder, from_file=first).newly_pinned


def test_what_cannot_be_converted_is_not_pinned(tmp_path: Path) -> None:
    """Otherwise a captive portal's page would be all that is ever taken."""
    folder = model_folder(tmp_path)
    page = tmp_path / "login.html"
    page.write_text("<html>", encoding="utf-8")
    with pytest.raises(ModelError, match=r"login\.html is no checkpoint"):
        _pull("mn10", folder, from_file=page)
    assert folder.expected_sha256(MODELS["mn10"]) is None


def test_an_encoder_that_was_not_pulled_says_how(tmp_path: Path) -> None:
    """At the start of the daemon, with the command to give."""
    with pytest.raises(ModelError, match="`heard models pull mn04` fetches it"):
        load_encoder(_config(tmp_path, "mn04"))


def test_damaged_pins_are_named(tmp_path: Path) -> None:
    """Silently starting anew would take any file."""
    folder = model_folder(tmp_path)
    folder.root.mkdir()
    (folder.root / "pins.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"pins\.json is damaged"):
        folder.expected_sha256(MODELS["mn10"])


def test_every_model_has_a_place_and_every_mn_a_known_shape() -> None:
    """The catalogue is consistent in itself."""
    for model in MODELS.values():
        assert model.url.startswith("https://")
        assert model.kind == "yamnet" or parse_mn(model.name) is not None
        assert model.kind == "yamnet" or model.file_name.startswith(model.name)
