"""Where encoders that were pulled lie: `models` in the state folder, a folder for each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from daemon.models.catalogue import OfficialModel
from detectors.encoders.onnx_manifest import MANIFEST_NAME
from foundation.atomic_file import write_atomically
from foundation.errors import ModelError

PINS_NAME = "pins.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """The folder `root`, which need not be there yet."""

    root: Path

    def folder(self, model: OfficialModel) -> Path:
        """Where the files of this model lie."""
        return self.root / model.name

    def entry(self, model: OfficialModel) -> Path:
        """The file that its encoder is loaded from; there as soon as the model is ready to use."""
        name = MANIFEST_NAME if model.kind == "mn" else "yamnet.tflite"
        return self.folder(model) / name

    def ready(self, model: OfficialModel) -> bool:
        """Whether the model was pulled."""
        return self.entry(model).is_file()

    def expected_sha256(self, model: OfficialModel) -> str | None:
        """What the published file must have: known to heard, else pinned when it first came."""
        return model.sha256 or self._pins().get(model.name)

    def pin(self, model: OfficialModel, sha256: str) -> None:
        """Remember what came first: from now on it is what must come. Raises OSError."""
        pins = self._pins() | {model.name: sha256}
        text = json.dumps(dict(sorted(pins.items())), indent=2) + "\n"
        write_atomically(self.root / PINS_NAME, text.encode())

    def _pins(self) -> dict[str, str]:
        path = self.root / PINS_NAME
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ModelError(
                f"{path} is damaged ({error}); remove it, and first downloads pin anew"
            ) from error
        if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
            raise ModelError(f"{path} is damaged; remove it, and first downloads pin anew")
        return content


def model_folder(state_dir: Path) -> ModelFolder:
    """Return where the models of this state folder lie."""
    return ModelFolder(root=state_dir / "models")
