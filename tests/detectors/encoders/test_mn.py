"""The mn family: names, and that the exported network is the authors' own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from detectors.encoders.mel_picture import mel_picture
from detectors.encoders.mn_export import export_mn
from detectors.encoders.mn_network import MobileNet
from detectors.encoders.mn_variant import MnVariant, parse_mn
from detectors.encoders.onnx_manifest import Manifest, load_onnx_encoder
from detectors.encoders.onnx_session import open_session
from detectors.types import HOP_SAMPLES
from foundation.errors import ManifestError, ModelError
from foundation.yaml_document import read_yaml, validate

pytestmark = pytest.mark.timeout(180)  # torch converts, which takes its time on a busy machine

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def exported(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkpoint = shared / "models" / "mn04_as_mAP_432.pt"
    folder = tmp_path_factory.mktemp("mn04")
    return export_mn(checkpoint, "mn04", MnVariant(width=0.4), folder, source="the authors")


def test_log_mel_features_and_logits_agree_with_the_reference(exported: Path, shared: Path) -> None:
    """Through numpy and ONNX Runtime alone, to 1e-4."""
    golden = np.load(shared / "golden" / "mn04" / "mn04.npz")
    manifest = validate(read_yaml(exported, error=ManifestError), Manifest, error=ManifestError)
    assert manifest.mel is not None
    picture = mel_picture(golden["waveform_32k"], manifest.mel)
    weights = exported.parent / manifest.file
    session = open_session(weights.read_bytes(), weights, threads=1)
    pooled, logits = session.run(["embedding", "logits"], {"log_mel": picture})
    np.testing.assert_allclose(picture, golden["log_mel"], atol=1e-4)
    np.testing.assert_allclose(pooled, golden["pooled"], atol=1e-4)
    np.testing.assert_allclose(logits, golden["logits"], atol=1e-4)


def test_it_listens_without_torch(exported: Path) -> None:
    """What runs on a hub needs onnxruntime only."""
    program = (
        "import sys, numpy\nfrom pathlib import Path\n"
        "from detectors.encoders.onnx_manifest import load_onnx_encoder\n"
        f"encoder = load_onnx_encoder(Path({str(exported)!r}))\n"
        f"hops = numpy.ones((3, {HOP_SAMPLES}), numpy.float32) / 10\n"
        "states, embeddings = encoder.step(numpy.stack([encoder.initial_state()] * 3), hops)\n"
        "assert embeddings.shape == (3, 384), embeddings.shape\n"
        "sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_the_same_checkpoint_gives_the_same_encoder(exported: Path, shared: Path, tmp_path: Path) -> None:
    """Otherwise profiles taught on one machine would be refused on another."""
    again = export_mn(
        shared / "models" / "mn04_as_mAP_432.pt", "mn04", MnVariant(width=0.4), tmp_path, source="elsewhere"
    )
    assert load_onnx_encoder(again).id == load_onnx_encoder(exported).id


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("mn04", MnVariant(width=0.4)),
        ("mn05_as", MnVariant(width=0.5)),
        ("mn40_as_ext", MnVariant(width=4.0)),
        ("mn40_as(2)", MnVariant(width=4.0)),
        ("mn10_as_hop_15", MnVariant(width=1.0, mel_hop_ms=15)),
        ("mn10_as_mels_256", MnVariant(width=1.0, mels=256)),
        ("mn10_im", None),
        ("mn10_as_fc", None),
        ("dymn10_as", None),
    ],
)
def test_a_published_name_says_width_and_picture(name: str, variant: MnVariant | None) -> None:
    """Networks of another shape are not taken for one of these."""
    assert parse_mn(name) == variant


@pytest.mark.parametrize(("width", "millions"), [(0.5, 1.43), (1.0, 4.88), (2.0, 17.91)])
def test_every_width_has_as_many_parameters_as_its_authors_count(width: float, millions: float) -> None:
    """Widths whose checkpoints are not at hand here."""
    assert sum(p.numel() for p in MobileNet(width).parameters()) / 1e6 == pytest.approx(millions, abs=0.006)


def test_a_coarser_picture_goes_the_whole_way(tmp_path: Path) -> None:
    """Weights by chance, saved as the authors save theirs: 40 bands and 25 ms work as 128 and 10 do."""
    torch.manual_seed(0)
    torch.save(MobileNet(0.4).state_dict(), tmp_path / "narrow.pt")
    variant = MnVariant(width=0.4, mels=40, mel_hop_ms=25)
    encoder = load_onnx_encoder(
        export_mn(tmp_path / "narrow.pt", "narrow", variant, tmp_path, source="chance")
    )
    _, embeddings = encoder.step(encoder.initial_state()[None], np.ones((1, HOP_SAMPLES), np.float32))
    assert embeddings.shape == (1, 384)


def test_a_checkpoint_of_another_network_is_refused(shared: Path, tmp_path: Path) -> None:
    """By name, and with what does not fit; so is a file that is no checkpoint."""
    checkpoint = shared / "models" / "mn04_as_mAP_432.pt"
    with pytest.raises(ModelError, match=r"mn04_as_mAP_432\.pt is no checkpoint of a network of width 1"):
        export_mn(checkpoint, "mn10", MnVariant(width=1.0), tmp_path, source="")
    (tmp_path / "text.pt").write_text("no checkpoint", encoding="utf-8")
    with pytest.raises(ModelError, match=r"text\.pt is no checkpoint"):
        export_mn(tmp_path / "text.pt", "mn04", MnVariant(width=0.4), tmp_path, source="")
    assert not list(tmp_path.glob("*.onnx"))
