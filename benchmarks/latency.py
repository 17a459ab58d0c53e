"""From the onset of a sound to the message at the broker: a real `heard run`, a real mosquitto, real time.

    python -m benchmarks.latency --data DIR --where split=valid --json

Clips of impulsive sounds are strung together on a bed of faint noise and played by the daemon's file source
at the speed of real time. An onset is where sound begins in a clip as it was placed; the clock stops when a
subscriber holds the message of that sound's profile. Sounds that are not heard are counted, not timed.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import paho.mqtt.client as mqtt
import soundfile
import soxr
from paho.mqtt.enums import CallbackAPIVersion
from rich.table import Table

from benchmarks.broker import Mosquitto, find_program
from benchmarks.dataset import read_recordings
from benchmarks.estimates import percentile
from benchmarks.hearing import stock_listener
from benchmarks.report import arguments, publish
from benchmarks.running import running_daemon
from daemon.replay import replay
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.activity import active_regions
from fewshot_profiles.embedding import frame_clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.dataset import Recording
    from benchmarks.hearing import Listener
    from daemon.replay import ReplayedSound
    from detectors.types import Samples

NODE = "latency"
FIRST_ONSET_S = 6.0
"""Start-up is not what is timed, and the gate has to learn its noise floor."""
GAP_S = 3.0
LEAD_S = 0.1
LONGEST_SOUND_S = 1.5
PLAYED_RATE_HZ = 48_000
"""What microphones deliver: resampling it to the detection rate is part of the way."""
BED_DBFS = -62.0
PEAK_DBFS = -9.0
BELONGS_S = 0.5
"""An event that starts within this of an onset is about that sound."""
START_TIMEOUT_S = 60.0
LINGER_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One sound in the played file."""

    profile: str
    onset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event as a subscriber got it."""

    profile: str
    started_at: float
    received_at: float


def compose(recordings: Sequence[Recording], *, onsets: int) -> tuple[Samples, list[Placed]]:
    """String the first sound of each clip together, 16 kHz mono; return the audio and where sounds begin."""
    rng = np.random.default_rng(0)
    pieces: list[Samples] = [np.zeros(round(FIRST_ONSET_S * DETECTION_RATE_HZ), np.float32)]
    placed: list[Placed] = []
    for recording in rng.permutation(np.array(recordings, dtype=object)):
        if len(placed) == onsets:
            break
        sound = first_sound(recording)
        if sound is None:
            continue
        audio, onset = sound
        at = sum(map(len, pieces))
        placed.append(Placed(profile=recording.profile, onset_s=(at + onset) / DETECTION_RATE_HZ))
        # Not a whole number of hops, so that onsets fall anywhere between two decisions.
        gap = round((GAP_S + rng.uniform(0.0, 0.5)) * DETECTION_RATE_HZ)
        pieces += [audio, np.zeros(gap, np.float32)]
    audio = np.concatenate(pieces)
    bed = rng.normal(0.0, 10.0 ** (BED_DBFS / 20.0), len(audio)).astype(np.float32)
    return audio + bed, placed


def first_sound(recording: Recording) -> tuple[Samples, int] | None:
    """Cut the clip's first sound out, brought to one level; return it and its onset in samples."""
    audio = frame_clip(*recording.load()).ravel()
    regions = active_regions(audio)
    if not regions:
        return None
    lead = round(LEAD_S * DETECTION_RATE_HZ)
    first = max(0, regions[0].start - lead)
    cut = audio[first : first + lead + round(LONGEST_SOUND_S * DETECTION_RATE_HZ)].copy()
    cut *= np.float32(10.0 ** (PEAK_DBFS / 20.0) / np.abs(cut).max())
    return cut, regions[0].start - first


def listen_live(folder: Path, audio: Path, broker: Mosquitto) -> list[Message]:
    """Let a daemon play the file to its end; return what a subscriber received."""
    received: list[tuple[float, bytes]] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: received.append((time.time(), bytes(message.payload)))
    client.connect(broker.host, broker.port)
    client.subscribe(f"heard/{NODE}/+/event", qos=1)
    client.loop_start()
    config = {
        "node": NODE,
        "mqtt": {"host": broker.host, "port": broker.port},
        "streams": {"file": {"source": "file", "path": str(audio), "realtime": True}},
    }
    try:
        with running_daemon(folder, config) as daemon:
            daemon.process.wait(START_TIMEOUT_S + soundfile.info(audio).duration)
        time.sleep(LINGER_S)
    finally:
        client.loop_stop()
        client.disconnect()
    events = [(received_at, json.loads(payload)) for received_at, payload in received]
    return [
        Message(
            profile=event["event_type"],
            started_at=datetime.fromisoformat(event["started"]).timestamp(),
            received_at=received_at,
        )
        for received_at, event in events
        if event["phase"] == "started"
    ]


def latencies_s(
    placed: Sequence[Placed], live: Sequence[Message], known: Sequence[ReplayedSound]
) -> list[float]:
    """Return the time from each onset to its message, of those that were heard.

    The daemon reads the wall clock once, at the file's first sample. Replay gives every event's place in the
    file, the message its wall-clock time: their difference is that first reading.
    """
    by_profile: dict[str, list[Message]] = {}
    for message in live:
        by_profile.setdefault(message.profile, []).append(message)
    began_at = median(
        message.started_at - sound.onset_s
        for name, messages in by_profile.items()
        for message, sound in zip(messages, [each for each in known if each.profile == name], strict=True)
    )
    return [
        min(near) - began_at - sound.onset_s
        for sound in placed
        if (
            near := [
                message.received_at
                for message in by_profile.get(sound.profile, [])
                if abs(message.started_at - began_at - sound.onset_s) <= BELONGS_S
            ]
        )
    ]


def measure(listener: Listener, recordings: Sequence[Recording], *, onsets: int) -> tuple[list[float], int]:
    """Play once; return the latencies and how many sounds were played."""
    executable = find_program("mosquitto")
    if executable is None:
        raise SystemExit("mosquitto is not installed; on Debian: apt-get install mosquitto")
    audio, placed = compose(recordings, onsets=onsets)
    with tempfile.TemporaryDirectory(prefix="heard-latency-") as name:
        folder = Path(name)
        file = folder / "onsets.flac"
        soundfile.write(file, soxr.resample(audio, DETECTION_RATE_HZ, PLAYED_RATE_HZ), PLAYED_RATE_HZ)
        [known] = replay(listener.pipeline(), [file])
        broker = Mosquitto(executable, folder)
        broker.start()
        try:
            live = listen_live(folder, file, broker)
        finally:
            broker.stop()
    return latencies_s(placed, live, known.sounds), len(placed)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.latency", "Onset of an impulsive sound to its MQTT message.")
    parser.add_argument("--onsets", type=int, default=60)
    options = parser.parse_args(argv)
    listener = stock_listener("builtin")
    impulses = {profile.name for profile in listener.profiles if profile.kind == "impulse"}
    recordings = [
        recording
        for recording in read_recordings(options.data, options.where)
        if recording.profile in impulses and not recording.ambience
    ]
    if not recordings:
        raise SystemExit("none of these rows is a clip of an impulsive stock profile's sound")
    found_s, played = measure(listener, recordings, onsets=options.onsets)
    if not found_s:
        raise SystemExit(f"none of {played} sounds was heard")
    figures_ms = {
        "p50": 1e3 * percentile(found_s, 50),
        "p95": 1e3 * percentile(found_s, 95),
        "max": 1e3 * max(found_s),
    }
    table = Table("", "", title="Onset to MQTT message")
    for label, value in figures_ms.items():
        table.add_row(label, f"{value:.0f} ms")
    table.add_row("sounds heard", f"{len(found_s)} of {played}")
    return publish(
        "latency",
        options,
        {
            "latency_ms": figures_ms,
            "heard": len(found_s),
            "played": played,
            "all_ms": [1e3 * value for value in found_s],
            "encoder": listener.encoder.id,
        },
        table,
    )


if __name__ == "__main__":
    main()
