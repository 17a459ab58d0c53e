"""From the onset of a sound to the message at the broker: a real `heard run`, a real mosquitto, real time.

    python -m benchmarks.latency --data DIR --where split=valid --encoder builtin --json

Clips of impulsive sounds are strung together on a bed of faint noise and played by the daemon's file source
at the speed of real time, as a few streams side by side. An onset is where sound begins in a clip as it was
placed; the clock stops when a subscriber holds the message of that sound's profile. Sounds that are not heard
are counted, not timed. Without --where it takes the validation side, where the manifest has one.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paho.mqtt.client as mqtt
import soundfile
import soxr
from paho.mqtt.enums import CallbackAPIVersion
from rich.table import Table

from benchmarks.broker import Mosquitto, find_program
from benchmarks.dataset import read_recordings, valid_side
from benchmarks.encoders import HELP
from benchmarks.estimates import percentile
from benchmarks.hearing import hear_samples, stock_listener
from benchmarks.messages import Message, Timing, timings
from benchmarks.onsets import Placed, compose
from benchmarks.report import arguments, publish, tell
from benchmarks.running import encoder_settings, running_daemon
from detectors.types import DETECTION_RATE_HZ, Phase

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from benchmarks.dataset import Recording
    from benchmarks.hearing import Listener

NODE = "latency"
STREAMS = 4
PLAYED_RATE_HZ = 48_000
"""What microphones deliver: resampling it to the detection rate is part of the way."""
START_TIMEOUT_S = 60.0
LINGER_S = 3.0
TELL_EVERY_S = 10.0


def listen_live(
    folder: Path, files: Mapping[str, Path], broker: Mosquitto, settings: Mapping[str, Any]
) -> list[Message]:
    """Let a daemon play the files to their ends, side by side; return what a subscriber received."""
    received: list[tuple[float, bytes]] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: received.append((time.time(), bytes(message.payload)))
    client.connect(broker.host, broker.port)
    client.subscribe(f"heard/{NODE}/+/event", qos=1)
    client.loop_start()
    config = {
        "node": NODE,
        "mqtt": {"host": broker.host, "port": broker.port},
        "streams": {
            stream: {"source": "file", "path": str(file), "realtime": True} for stream, file in files.items()
        },
        **settings,
    }
    longest_s = max(soundfile.info(file).duration for file in files.values())
    try:
        with running_daemon(folder, config) as daemon:
            _wait_for_the_end(daemon.process, longest_s, received)
        time.sleep(LINGER_S)
    finally:
        client.loop_stop()
        client.disconnect()
    events = [(received_at, json.loads(payload)) for received_at, payload in received]
    return [
        Message(
            stream=event["stream"],
            profile=event["event_type"],
            started_at=datetime.fromisoformat(event["started"]).timestamp(),
            received_at=received_at,
        )
        for received_at, event in events
        if event["phase"] == "started"
    ]


def _wait_for_the_end(
    process: subprocess.Popen[bytes], seconds: float, received: Sequence[tuple[float, bytes]]
) -> None:
    """Wait until a daemon has played everything and left, and tell how far it is."""
    began_s = time.monotonic()
    while (spent_s := time.monotonic() - began_s) < START_TIMEOUT_S + seconds:
        tell(f"playing in real time: {spent_s:.0f} of about {seconds:.0f} s, {len(received)} messages")
        try:
            process.wait(TELL_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
        return
    raise SystemExit(f"the daemon did not end {START_TIMEOUT_S:.0f} s after its files")


def measure(
    listener: Listener, recordings: Sequence[Recording], options: argparse.Namespace
) -> tuple[list[Placed], list[Timing | None]]:
    """Play once; return the sounds that were played, and how long each took."""
    executable = find_program("mosquitto")
    if executable is None:
        raise SystemExit("mosquitto is not installed; on Debian: apt-get install mosquitto")
    order = np.random.default_rng(0).permutation(len(recordings))[: options.onsets]
    placed: list[Placed] = []
    files: dict[str, Path] = {}
    with tempfile.TemporaryDirectory(prefix="heard-latency-") as name:
        folder = Path(name)
        for number in range(min(options.streams, len(order))):
            stream = f"file{number}"
            share = [recordings[at] for at in order[number :: options.streams]]
            audio, sounds = compose(share, stream=stream, seed=number)
            placed += sounds
            files[stream] = folder / f"{stream}.flac"
            soundfile.write(
                files[stream], soxr.resample(audio, DETECTION_RATE_HZ, PLAYED_RATE_HZ), PLAYED_RATE_HZ
            )
        played = [soundfile.read(file, dtype="float32")[0] for file in files.values()]
        heard = hear_samples(listener.pipeline(), played, rate_hz=PLAYED_RATE_HZ, phase=Phase.STARTED)
        known = dict(zip(files, heard, strict=True))
        broker = Mosquitto(executable, folder)
        broker.start()
        try:
            settings = encoder_settings(options.encoder, listener.encoder.id, folder)
            live = listen_live(folder, files, broker, settings)
        finally:
            broker.stop()
    return placed, timings(placed, live, known)


def by_profile(placed: Sequence[Placed], found: Sequence[Timing | None]) -> dict[str, dict[str, Any]]:
    """Return what became of each profile's sounds."""
    result = {}
    for name in sorted({sound.profile for sound in placed}):
        times = [timing for sound, timing in zip(placed, found, strict=True) if sound.profile == name]
        heard = [timing.latency_s for timing in times if timing is not None]
        result[name] = {
            "played": len(times),
            "heard": len(heard),
            "p50_ms": 1e3 * percentile(heard, 50) if heard else None,
        }
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.latency", "Onset of an impulsive sound to its MQTT message.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument("--onsets", type=int, default=80, help="sounds to play, at most")
    parser.add_argument("--streams", type=int, default=STREAMS, help="that play side by side")
    options = parser.parse_args(argv)
    options.where = options.where or valid_side(options.data)
    listener = stock_listener(options.encoder)
    impulses = {profile.name for profile in listener.profiles if profile.kind == "impulse"}
    recordings = [
        recording
        for recording in read_recordings(options.data, options.where)
        if recording.profile in impulses and not recording.ambience
    ]
    if not recordings:
        raise SystemExit("none of these rows is a clip of an impulsive stock profile's sound")
    placed, times = measure(listener, recordings, options)
    heard = [timing for timing in times if timing is not None]
    if not heard:
        raise SystemExit(f"none of {len(placed)} sounds was heard")
    figures_ms = _percentiles_ms([timing.latency_s for timing in heard])
    decision_ms = _percentiles_ms([timing.decision_s for timing in heard])
    profiles = by_profile(placed, times)
    return publish(
        "latency",
        options,
        {
            "latency_ms": figures_ms,
            "decision_ms": decision_ms,
            "heard": len(heard),
            "played": len(placed),
            "profiles": profiles,
            "all": times,
            "streams": options.streams,
            "encoder": listener.encoder.id,
        },
        *tables(figures_ms, decision_ms, profiles, f"{len(heard)} of {len(placed)}"),
    )


def _percentiles_ms(times_s: Sequence[float]) -> dict[str, float]:
    return {
        "p50": 1e3 * percentile(times_s, 50),
        "p95": 1e3 * percentile(times_s, 95),
        "max": 1e3 * max(times_s),
    }


def tables(
    figures_ms: Mapping[str, float],
    decision_ms: Mapping[str, float],
    profiles: Mapping[str, Mapping[str, Any]],
    heard: str,
) -> list[Table]:
    """Lay the latencies out for people."""
    overall = Table("", "onset to message", "of it, until it was decided", title="Latency")
    for label, value in figures_ms.items():
        overall.add_row(label, f"{value:.0f} ms", f"{decision_ms[label]:.0f} ms")
    overall.add_row("sounds heard", heard, "")
    each = Table("profile", "heard", "median")
    for name, found in profiles.items():
        middle = "–" if found["p50_ms"] is None else f"{found['p50_ms']:.0f} ms"
        each.add_row(name, f"{found['heard']} of {found['played']}", middle)
    return [overall, each]


if __name__ == "__main__":
    main()
