"""What tells this installation from every other one, whatever it is called."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from foundation.atomic_file import write_atomically
from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "installation_id"


def installation_id(state_dir: Path) -> str:
    """Return 32 hexadecimal digits, the same for as long as the state folder is kept.

    Raises StateFolderError where they can be neither read nor written.
    """
    path = state_dir / FILE_NAME
    try:
        if path.exists():
            known = path.read_text(encoding="ascii", errors="replace").strip()
            if re.fullmatch(r"[0-9a-f]{32}", known):
                return known
        made = uuid.uuid4().hex
        write_atomically(path, f"{made}\n".encode())
    except OSError as error:
        raise StateFolderError(f"{path} cannot be used: {error.strerror or error}") from error
    return made
