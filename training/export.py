"""Turn the trained student into the ONNX file that ships.

    python -m training.export

takes the trained student, evens out the directions of its embeddings, writes one hop's step as
`detectors/encoders/builtin.onnx`, and checks it against torch hop by hop.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from detectors.dsp import FRAMES_PER_HOP, MEL_OVERLAP_SAMPLES, N_MELS, log_mel
from detectors.encoders.builtin import WEIGHTS
from detectors.types import HOP_SAMPLES
from training.distil import DIM, STUDENT, Student, load_studies
from training.network import StreamingEncoder, unit
from training.targets import TARGETS, WORK

TOLERANCE = 1e-4
EVENED_MIXTURES = 2_000
WARM_UP_HOPS = 4  # the first hops after a cold start say little


class OneHop(nn.Module):
    """The step that a hub takes: one hop of mel and the state, to unit embeddings and the next state."""

    def __init__(self, encoder: StreamingEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        embeddings, state = self.encoder(mel, state)
        return unit(embeddings[:, 0]), state


def load_student(checkpoint: Path) -> Student:
    """Read the student of a checkpoint."""
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["student"]
    student = Student()
    student.load_state_dict(weights)
    return student.eval()


def raw_embeddings(student: Student, audio: NDArray[np.int16]) -> Tensor:
    """Return what the student makes of clips [n, samples], before unit length: [n * hops, DIM]."""
    hops = audio.shape[1] // HOP_SAMPLES
    clips = np.asarray(audio[:, : hops * HOP_SAMPLES] / 32_768, np.float32)
    mel = torch.from_numpy(log_mel(np.pad(clips, ((0, 0), (MEL_OVERLAP_SAMPLES, 0)))))
    with torch.inference_mode():
        embeddings: Tensor = student.encoder(mel, torch.zeros(len(mel), student.encoder.state_size))[0]
    return embeddings[:, WARM_UP_HOPS:].flatten(0, 1).clone()


def even_out(student: Student, audio: NDArray[np.int16]) -> None:
    """Fold a softened whitening into the last layer.

    A few directions carry what ordinary sounds have in common, and drown the rest in every comparison. Each
    is divided by the root of its variance plus the mean variance: the strong ones shrink, and noise in the
    weak ones is not blown up.
    """
    embeddings = torch.cat([raw_embeddings(student, part) for part in np.array_split(audio, 50)])
    mean = embeddings.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov((embeddings - mean).T))
    scale = (variances / variances.mean() + 1).rsqrt()
    whitening = directions @ torch.diag(scale) @ directions.T
    layer = student.encoder.embed
    with torch.no_grad():
        layer.bias.copy_(whitening @ (layer.bias - mean))
        layer.weight.copy_(whitening @ layer.weight)


def export(student: Student, path: Path) -> None:
    """Write the encoder as ONNX with a free number of streams."""
    encoder = student.encoder
    streams = 3
    torch.onnx.export(
        OneHop(encoder).eval(),
        (torch.randn(streams, FRAMES_PER_HOP, N_MELS), torch.randn(streams, encoder.state_size)),
        str(path),
        input_names=["mel", "state"],
        output_names=["embedding", "next_state"],
        dynamic_axes={name: {0: "streams"} for name in ("mel", "state", "embedding", "next_state")},
        opset_version=17,
        dynamo=False,
    )


def largest_difference(student: Student, path: Path) -> float:
    """Run 40 hops of 5 streams through both, and return the largest difference of any embedding."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    torch.manual_seed(0)
    mel = torch.randn(5, 40 * FRAMES_PER_HOP, N_MELS)
    state = torch.zeros(5, student.encoder.state_size)
    with torch.inference_mode():
        whole = unit(student.encoder(mel, state)[0]).numpy()
    carried, worst = state.numpy(), 0.0
    for hop in range(40):
        piece = mel[:, hop * FRAMES_PER_HOP : (hop + 1) * FRAMES_PER_HOP].numpy()
        embedding, carried = session.run(None, {"mel": piece, "state": carried})
        worst = max(worst, float(np.abs(embedding - whole[:, hop]).max()))
    return worst


def main() -> None:
    """Export, check, and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    student = load_student(options.work / STUDENT)
    even_out(student, load_studies(options.work / TARGETS).audio[-EVENED_MIXTURES:])
    export(student, options.out)
    difference = largest_difference(student, options.out)
    if difference > TOLERANCE:
        raise SystemExit(f"the ONNX file differs from torch by {difference:.2e}, more than {TOLERANCE:.0e}")
    parameters = sum(p.numel() for p in student.encoder.parameters())
    print(
        f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {parameters} parameters, "
        f"{DIM} dimensions, differs from torch by {difference:.1e}"
    )


if __name__ == "__main__":
    main()
