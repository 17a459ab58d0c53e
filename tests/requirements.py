"""What a test may need from the machine: without it, a contributor's run skips and CI fails."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from benchmarks.broker import find_program


def cannot_run(reason: str) -> NoReturn:
    """Skip this test; fail in CI, where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def required_program(name: str, *, debian_package: str) -> str:
    """Return the program's path, or end the test naming the package that brings it."""
    return find_program(name) or cannot_run(
        f"{name} is not installed; on Debian: apt-get install {debian_package}"
    )
