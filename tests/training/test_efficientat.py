"""The teacher, against what its authors' code computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.efficientat import load_mn04


def test_mn04_agrees_with_the_reference(shared: Path) -> None:
    """Log-mel, pooled features and logits, from the authors' own checkpoint."""
    golden = np.load(shared / "golden" / "mn04" / "mn04.npz")
    teacher = load_mn04(shared / "models" / "mn04_as_mAP_432.pt")
    waveforms = torch.from_numpy(golden["waveform_32k"])
    with torch.inference_mode():
        picture = teacher.log_mel(waveforms)
        pooled, logits = teacher(waveforms)
    np.testing.assert_allclose(picture.numpy(), golden["log_mel"], atol=1e-4)
    np.testing.assert_allclose(pooled.numpy(), golden["pooled"], atol=1e-4)
    np.testing.assert_allclose(logits.numpy(), golden["logits"], atol=1e-4)
