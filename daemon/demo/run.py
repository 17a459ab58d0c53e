"""`heard demo`: teach a doorbell, then let the very same daemon hear a scene in real time."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.demo import DEFAULT_SEED
from daemon.demo.broker import loopback_broker
from daemon.demo.folder import DemoFolder
from daemon.demo.report import compare, render_report
from daemon.demo.scene import plan_scene
from daemon.demo.show import Show

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from rich.console import Console

    from daemon.demo.scene import Scene

FOLDER_NAME = "heard-demo"

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


def run_demo(*, seed: int = DEFAULT_SEED, once: bool = False, folder: Path | None = None) -> int:
    """Run the demonstration on this terminal and return the exit code; see `show_scenes`.

    `folder` holds everything that it writes, by default `heard-demo` in the working directory.
    """
    from rich.console import Console

    from daemon.logs import set_up_logging

    set_up_logging("warning")
    places = DemoFolder(path=Path(FOLDER_NAME if folder is None else folder).absolute())
    return asyncio.run(show_scenes(seed=seed, once=once, places=places, console=Console()))


async def show_scenes(*, seed: int, once: bool, places: DemoFolder, console: Console) -> int:
    """Show scenes from `seed` on until Ctrl-C, or one with `once`; return the exit code.

    It is 0 if in every scene shown to its end all planned sounds were heard and nothing else was.
    """
    passed: list[bool] = []
    async with loopback_broker() as port:
        while True:
            result = await _one_scene(seed + len(passed), places, port, console)
            if result is None:
                break
            passed.append(result)
            if once:
                break
            console.print("\nThe next scene follows; Ctrl-C ends the demonstration.\n")
    if not passed:
        return INTERRUPTED
    _say_what_next(places, console)
    return 0 if all(passed) else 1


async def _one_scene(seed: int, places: DemoFolder, port: int, console: Console) -> bool | None:
    """Teach and play one scene; return whether all went as planned, or None if it was interrupted."""
    with console.status("Making the sounds of the scene"):
        scene = await asyncio.to_thread(plan_scene, seed)
        await asyncio.to_thread(places.write, scene, port=port)
    console.rule(f"1. A doorbell is taught from {len(scene.examples)} recordings")
    await asyncio.to_thread(_teach, scene, places, console)
    console.rule(f"2. The daemon hears a home (scene {seed}, {scene.seconds:.0f} s)")
    show = await _play(scene, places, port, console)
    if show is None:
        return None
    report = compare(scene, list(show.heard.values()))
    console.rule("3. What came of it")
    console.print(render_report(report, places.evidence))
    return report.passed


def _teach(scene: Scene, places: DemoFolder, console: Console) -> None:
    """Enrol the doorbell before the user's eyes."""
    from daemon.demo.teaching import teach_doorbell, told
    from fewshot_profiles.folder import write_profile

    result = teach_doorbell(places.examples(len(scene.examples)))
    path = write_profile(result.profile, places.profiles, result.recordings)
    for line in (*told(result), f"kept in {path}"):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


async def _play(scene: Scene, places: DemoFolder, port: int, console: Console) -> Show | None:
    """Run the daemon on the scene; return what it showed, or None if somebody stopped it before the end."""
    from daemon.app import App
    from daemon.config import load_config
    from daemon.parts import load_parts

    config = load_config(places.config)
    parts = load_parts(config)
    show = Show(console, scene, {profile.name: profile.threshold for profile in parts.profiles})
    app = App(config, parts, observers=[show])
    subscribed = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        receiving = group.create_task(show.receive(port, subscribed), name="receive")
        await subscribed.wait()
        drawing = group.create_task(show.draw(), name="draw")
        async with _stopped_by_signals(app.stop) as stopped:
            await app.run()
        for task in (drawing, receiving):
            task.cancel()
    return None if stopped.is_set() else show


@asynccontextmanager
async def _stopped_by_signals(stop: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """Call `stop` on SIGINT and SIGTERM for as long as this lasts; the event tells whether one came."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def on_signal() -> None:
        stopped.set()
        stop()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield stopped
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _say_what_next(places: DemoFolder, console: Console) -> None:
    lines = (
        "",
        f"Configuration, rules, profile, scene and clips of this demonstration: {places.path}",
        "Next: `heard run` listens to your microphone; `heard profiles enroll` teaches it a sound of yours.",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
