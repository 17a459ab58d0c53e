"""A real `heard run` in a process of its own, on a configuration and a state folder made for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.report import RESULTS
from benchmarks.stock import read_stock, stock_folder
from daemon.models.catalogue import BUILTIN, MODELS
from daemon.models.folder import model_folder
from daemon.status import ask_status
from fewshot_profiles.store import BANK_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from detectors.encoders import EncoderId

STATE_NAME = "state"
STOP_TIMEOUT_S = 20.0
POLL_S = 0.01


class DaemonFailed(Exception):
    """The daemon ended, or did not get there in time; the text is its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDaemon:
    """A daemon under measurement."""

    process: subprocess.Popen[bytes]
    state_dir: Path
    log: Path
    launched_s: float
    """When the process was started, by time.monotonic()."""

    def status(self) -> dict[str, Any] | None:
        """Return what `heard status` shows, or None while it does not answer."""
        return ask_status(self.state_dir)

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], *, timeout_s: float) -> dict[str, Any]:
        """Return the first status that meets `condition`. Raises DaemonFailed if none does."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s and self.process.poll() is None:
            status = self.status()
            if status is not None and condition(status):
                return status
            time.sleep(POLL_S)
        raise DaemonFailed(self.log.read_text(encoding="utf-8"))


def encoder_settings(name: str, encoder: EncoderId, folder: Path) -> dict[str, Any]:
    """Return what makes a daemon in `folder` listen with this encoder and its stock profiles.

    What `heard models pull` and `background` would have put into the state folder is put there.
    """
    if name == BUILTIN:
        return {}
    read_stock(encoder)
    models = model_folder(folder / STATE_NAME).root
    if name in MODELS:
        shutil.copytree(RESULTS / "models" / name, models / name)
    (models / "background").mkdir(parents=True)
    shutil.copy(stock_folder(encoder) / BANK_NAME, models / "background" / f"{encoder}.npz")
    return {"encoder": name, "stock_profiles": False, "profiles": [str(stock_folder(encoder))]}


@contextmanager
def running_daemon(
    folder: Path, config: Mapping[str, Any], *, environment: Mapping[str, str] | None = None
) -> Iterator[RunningDaemon]:
    """Start `heard run` with `config` in `folder`; stop it as a service manager would."""
    state_dir = folder / STATE_NAME
    path, log = folder / "heard.yaml", folder / "heard.log"
    path.write_text(yaml.safe_dump({"state_dir": str(state_dir), **config}), encoding="utf-8")
    with log.open("wb") as output:
        launched_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "daemon", "run", "--config", str(path)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        yield RunningDaemon(process=process, state_dir=state_dir, log=log, launched_s=launched_s)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def hops_heard(status: Mapping[str, Any]) -> int:
    """Return how many steps the daemon has heard on all its streams."""
    return sum(stream["hops"] for stream in status["streams"])
