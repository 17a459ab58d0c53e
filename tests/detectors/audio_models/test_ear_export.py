"""The audio encoders of full audio models as encoders for profiles: what torch computes, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
import yaml
from safetensors import safe_open
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from detectors.audio_models import LoadOptions, ear_export
from detectors.audio_models.checkpoint import Safetensors
from detectors.audio_models.ear_export import EarExport, export_ear
from detectors.audio_models.mimo.encoder import Encoder as MimoEncoder
from detectors.audio_models.mimo.loading import load_codec
from detectors.audio_models.mimo.mel import FLOOR, log_mel, mel_filters
from detectors.audio_models.opening import read_config
from detectors.audio_models.whisper_mel import whisper_log_mel
from detectors.encoders.onnx_manifest import load_onnx_encoder
from detectors.encoders.onnx_session import open_session
from detectors.encoders.windowed import tail_samples, upsample
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples
from foundation.errors import ManifestError, ModelError
from tests.detectors.audio_models.tiny_kimi import write_kimi
from tests.detectors.audio_models.tiny_mimo import write_mimo
from tests.detectors.audio_models.tiny_mini_omni import write_mini_omni
from tests.detectors.audio_models.tiny_parts import write_whisper

pytestmark = pytest.mark.timeout(180)  # torch converts, which takes its time on a busy machine

REPOSITORY = Path(__file__).parents[3]
CLOSE = 1e-4
WINDOW_HOPS = 5


def exported(folder: Path, target: Path, **changes: Any) -> Path:
    """Export with a window of five hops, so that hops fill it."""
    wanted = EarExport(
        **{"name": "ears", "window_ms": 400, "hop_ms": 80, "licence": "CC0-1.0", "source": "here", **changes}
    )
    return export_ear(folder, target, wanted)


def sounds(seconds: float = 0.4, rate_hz: int = DETECTION_RATE_HZ) -> Samples:
    """Return a chirp in noise."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(3).standard_normal(len(time_s)) * 0.01
    return (0.2 * np.sin(2 * np.pi * (300 + 4_000 * time_s) * time_s) + noise).astype(np.float32)


def heard(manifest: Path, audio: Samples) -> Samples:
    """Return what the encoder says at the end of some hops."""
    encoder = load_onnx_encoder(manifest)
    states = encoder.initial_state()[None]
    for hop in audio.reshape(-1, 1, HOP_SAMPLES):
        states, embeddings = encoder.step(states, hop)
    unit: Samples = embeddings[0]
    return unit


def pooled(states: torch.Tensor) -> Samples:
    """Return the mean over time at unit length."""
    mean = states.mean(dim=0).numpy()
    return np.asarray(mean / np.linalg.norm(mean))


def whisper_says(folder: Path, window: Samples) -> Samples:
    """Return what transformers' own encoder makes of a window alone, by the published front end."""
    published, positions = dict(read_config(folder)), len(window) // 320
    encoder = WhisperEncoder(WhisperConfig(**(published | {"max_source_positions": positions})))
    source, prefix = Safetensors(folder), "model.encoder."
    weights = {name: source.read(prefix + name) for name in encoder.state_dict()}
    weights["embed_positions.weight"] = weights["embed_positions.weight"][:positions]
    encoder.load_state_dict(weights)
    with torch.inference_mode():
        picture = whisper_log_mel(torch.from_numpy(window)[None], bands=encoder.config.num_mel_bins)
        return pooled(encoder.eval()(picture).last_hidden_state[0])


def mimo_says(encoder: MimoEncoder, picture: torch.Tensor) -> Samples:
    with torch.inference_mode():
        return pooled(encoder.features([picture], [len(picture)])[0])


def test_whispers_states_are_those_of_transformers(tmp_path: Path) -> None:
    """Of a plain Whisper, of the one inside Kimi-Audio, and of mini-omni's."""
    write_whisper(tmp_path / "whisper", width=12, bands=80)
    kimi, mini = write_kimi(tmp_path / "kimi"), write_mini_omni(tmp_path / "mini", voice=False)
    audio = sounds()
    for number, (folder, whisper) in enumerate((
        (tmp_path / "whisper", tmp_path / "whisper"),
        (kimi, kimi / "whisper-large-v3"),
        (mini, mini / "whisper-small"),
    )):  # fmt: skip
        manifest = exported(folder, tmp_path / str(number))
        np.testing.assert_allclose(heard(manifest, audio), whisper_says(whisper, audio), atol=CLOSE)


def test_mimos_features_are_those_of_its_own_encoder(tmp_path: Path) -> None:
    """Streamed from 16 kHz; the reference in double precision, for above 8 kHz there is next to nothing."""
    manifest = exported(write_mimo(tmp_path), tmp_path / "ears")
    codec = load_codec(tmp_path / "MiMo-Audio-Tokenizer", LoadOptions(dtype="float32"), levels=1)
    audio = sounds()
    tail, fine = np.zeros((1, tail_samples(3)), np.float32), []
    for hop in audio.reshape(-1, 1, HOP_SAMPLES):
        tail, finer = upsample(tail, hop, 3)
        fine.append(finer[0, ::2])
    spectrum = torch.stft(
        torch.from_numpy(np.concatenate(fine)).double(),
        codec.config.nfft,
        codec.config.hop_length,
        window=torch.hann_window(codec.config.window_size, dtype=torch.float64),
        return_complex=True,
    )
    picture = (mel_filters(codec.config).double().T @ spectrum.abs()).clamp(min=FLOOR).log().T.float()
    np.testing.assert_allclose(heard(manifest, audio), mimo_says(codec.encoder, picture), atol=CLOSE)


def test_whispers_recorded_states_come_out_of_half_a_minute(shared: Path, tmp_path: Path) -> None:
    """With the silence that its makers add the exported network is the published pipeline."""
    golden = shared / "golden" / "kimi"
    manifest = exported(golden / "checkpoint" / "Kimi-Audio-7B-tiny", tmp_path, window_ms=30_000)
    with safe_open(golden / "outputs" / "reference_fp32.safetensors", "numpy") as recorded:
        clip, states = recorded.get_tensor("wav16k"), recorded.get_tensor("whisper.feat")
    window = np.zeros((1, 30 * DETECTION_RATE_HZ), np.float32)
    window[0, : len(clip)] = clip
    session = open_session(None, manifest.with_name("ears.onnx"), threads=1)
    (answer,) = session.run(["states"], {"samples": window})
    np.testing.assert_allclose(answer[:, : states.shape[1]], states, atol=CLOSE)


def test_mimos_golden_checkpoint_hears_recordings_as_torch_does(shared: Path, tmp_path: Path) -> None:
    """At 24 kHz, by the front end that is held against the makers' own."""
    golden = shared / "golden" / "mimo" / "checkpoint"
    manifest = exported(golden / "MiMo-Audio-7B-tiny", tmp_path, window_ms=1_000)
    codec = load_codec(golden / "MiMo-Audio-Tokenizer", LoadOptions(dtype="float32"), levels=1)
    session = open_session(None, manifest.with_name("ears.onnx"), threads=1)
    for file in sorted((shared / "audio" / "esc50").rglob("*.opus"))[::300]:
        samples, rate_hz = soundfile.read(file, dtype="float32", frames=96_000)
        window = soxr.resample(samples, rate_hz, 24_000)[:24_000].astype(np.float32)
        (answer,) = session.run(["states"], {"samples": window[None]})
        expected = mimo_says(codec.encoder, log_mel(torch.from_numpy(window), codec.config))
        np.testing.assert_allclose(pooled(torch.from_numpy(answer[0])), expected, atol=CLOSE)


def test_it_listens_without_torch(tmp_path: Path) -> None:
    """What runs on a hub needs onnxruntime only; streams in one batch do not see each other."""
    manifest = exported(write_mimo(tmp_path), tmp_path / "ears")
    program = (
        "import sys, numpy\nfrom pathlib import Path\n"
        "from detectors.encoders.onnx_manifest import load_onnx_encoder\n"
        f"encoder = load_onnx_encoder(Path({str(manifest)!r}))\n"
        f"hops = numpy.random.default_rng(0).standard_normal((3, {HOP_SAMPLES})).astype('float32') / 10\n"
        "states = numpy.stack([encoder.initial_state()] * 3)\n"
        "_, together = encoder.step(states, hops)\n"
        "alone = numpy.concatenate([encoder.step(states[:1], hop[None])[1] for hop in hops])\n"
        "numpy.testing.assert_allclose(together, alone, atol=1e-5)\n"
        "sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_more_weights_than_a_file_holds_stand_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same numbers; and a second file that is damaged is refused as the first one is."""
    folder = write_mimo(tmp_path)
    within = exported(folder, tmp_path / "within")
    monkeypatch.setattr(ear_export, "MOST_INSIDE_BYTES", 1_000)
    apart = exported(folder, tmp_path / "apart")
    weights = apart.with_name("ears.onnx.data")
    assert sorted(path.name for path in apart.parent.iterdir()) == [
        "ears.onnx", "ears.onnx.data", "manifest.yaml",
    ]  # fmt: skip
    assert apart.with_name("ears.onnx").stat().st_size < weights.stat().st_size
    audio = sounds()
    np.testing.assert_allclose(heard(apart, audio), heard(within, audio), atol=1e-6)
    content = bytearray(weights.read_bytes())
    content[100] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ManifestError, match=r"manifest\.yaml:6:11: .*ears\.onnx\.data has sha256"):
        load_onnx_encoder(apart)


def test_the_same_checkpoint_gives_the_same_encoder(tmp_path: Path) -> None:
    """Otherwise profiles taught on one machine would be refused on another."""
    write_whisper(tmp_path / "whisper", width=8, bands=80)
    first, second = (exported(tmp_path / "whisper", tmp_path / str(number)) for number in range(2))
    assert load_onnx_encoder(first).id == load_onnx_encoder(second).id
    assert yaml.safe_load(first.read_text())["licence"] == "CC0-1.0"


def test_what_has_no_such_encoder_is_refused(tmp_path: Path) -> None:
    """Another model, GLM-4-Voice's tokenizer which calls itself Whisper, and windows of no use to Whisper."""
    kimi = write_kimi(tmp_path / "models" / "kimi")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "llama"}))
    for folder in (tmp_path / "other", tmp_path / "models" / "glm-4-voice-tokenizer"):
        with pytest.raises(ModelError, match="has no encoder that could be exported"):
            exported(folder, tmp_path / "ears")
    with pytest.raises(ModelError, match="windows of whole 20 ms up to 30 s, and 90 ms is none"):
        exported(kimi, tmp_path / "ears", window_ms=90)
    assert not (tmp_path / "ears").exists()
