"""House rules that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ROOMS = ("foundation", "detectors", "fewshot_profiles", "rules", "integrations", "daemon")
MODULES = sorted(
    path
    for room in (*ROOMS, "training", "benchmarks", "tests")
    for path in (REPOSITORY / room).rglob("*.py")
    if path != Path(__file__)
)
DOCUMENTS = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]

EXCEPTION = re.compile(r"#.*?\b(?:noqa|type: ignore)\b(?P<rest>.*)")
REASON = re.compile(r"^(?::\s*[A-Z0-9, ]+|\[[a-z, -]+\])\s+(?:-|#)\s+\w+")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)(?P<target>[^)#\s]+)")


def name(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_every_exception_to_a_linter_says_why() -> None:
    """A `noqa` or `type: ignore` names its rule and has its reason in words beside it, or just above."""
    unexplained = []
    for path in MODULES:
        before = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            found = EXCEPTION.search(line)
            if found and not REASON.match(found["rest"]) and not before.strip().startswith("#"):
                unexplained.append(f"{name(path)}:{number}: {line.strip()}")
            before = line
    assert unexplained == []


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "daemon"])
def test_no_broad_except_below_the_daemon(room: str) -> None:
    """What catches everything stands at a boundary in `daemon/`, where other streams can be kept alive."""
    broad = re.compile(r"except\s*(?::|\(?\s*(?:Base)?Exception\b(?!Group))")
    found = {
        name(path): text.strip()
        for path in (REPOSITORY / room).rglob("*.py")
        for text in path.read_text(encoding="utf-8").splitlines()
        if broad.search(text) and "BaseException" not in text
    }
    assert found == {}


def test_the_always_on_path_never_imports_torch() -> None:
    """It costs a hub seconds and 200 MB; what only training and tests use stays away as well."""
    program = (
        "import sys, daemon.app, daemon.cli, daemon.parts, daemon.replay, detectors.encoders.builtin\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'torch', 'scipy', 'onnx', 'training', 'benchmarks', 'pytest'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_in_the_documentation_lead_somewhere(document: Path) -> None:
    """Every relative link and picture names a file of this repository."""
    targets = [match["target"] for match in LINK.finditer(document.read_text(encoding="utf-8"))]
    assert [target for target in targets if not (document.parent / target).exists()] == []
