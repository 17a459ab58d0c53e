"""The unit that ships, judged by systemd itself, offline."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.requirements import required_program

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "heard.service"
WORST_EXPOSURE_IN_TENTHS = 20


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    return required_program("systemd-analyze", debian_package="systemd")


def test_systemd_finds_nothing_wrong_with_the_unit(systemd_analyze: str, tmp_path: Path) -> None:
    """`verify` is silent; nothing is installed under /opt here, so another command stands in."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/heard/bin/heard", "/bin/true"))
    verdict = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    # Other units of the machine may be faulty; only ours counts.
    ours = [line for line in (verdict.stdout + verdict.stderr).splitlines() if UNIT.name in line]
    assert ours == []
    assert verdict.returncode == 0


def test_the_sandbox_stays_closed(systemd_analyze: str) -> None:
    """The exposure that systemd computes stays at 2.0 or below."""
    verdict = subprocess.run(
        [
            systemd_analyze,
            "security",
            "--offline=true",
            f"--threshold={WORST_EXPOSURE_IN_TENTHS}",
            "--no-pager",
            str(UNIT),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict.returncode == 0, verdict.stdout.splitlines()[-1:] or verdict.stderr


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "NotifyAccess=main",
        "WatchdogSec=30",
        "DynamicUser=yes",
        "ExecStart=/opt/heard/bin/heard run",
    ],
)
def test_the_daemon_is_run_the_way_it_expects(line: str) -> None:
    """Readiness, watchdog and a passing user are what daemon/notify.py and the state folder rely on."""
    assert line in UNIT.read_text().splitlines()
