"""Turn the trained student into the ONNX file that ships.

    python -m training.export

takes the student of the last checkpoint, writes one hop's step as `detectors/encoders/builtin.onnx`,
and checks it against torch hop by hop.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from detectors.dsp import FRAMES_PER_HOP, N_MELS
from detectors.encoders.builtin import WEIGHTS
from training.curriculum import CLOSE
from training.distil import DIM, Student, checkpoint_of
from training.network import StreamingEncoder, unit
from training.targets import WORK

TOLERANCE = 1e-4


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
    student = Student(int(weights["space.mean"].shape[0]))
    student.load_state_dict(weights)
    return student.eval()


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
    student = load_student(checkpoint_of(options.work, CLOSE))
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
