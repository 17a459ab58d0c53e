"""What the demonstration leaves in its folder: recordings, configuration and rules, as an owner has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.demo.broker import LOOPBACK
from daemon.demo.synthesis.signal import RATE_HZ

if TYPE_CHECKING:
    from daemon.demo.scene import Scene
    from detectors.types import Samples

NODE = "demo"
STREAM = "home"

_CONFIG = """\
# Written by `heard demo`: the scene takes the place of a microphone, the broker lives as long as the demo.
node: {node}
state_dir: state
streams:
  {stream}: {{source: file, path: scene.flac, realtime: true}}
profiles: [profiles]
rules: rules.d
mqtt: {{host: {host}, port: {port}}}
api: null # a heard that runs as a service has the port
evidence: {{folder: evidence, before_s: 5, after_s: 5}}
log_level: warning
"""

_RULES = """\
# Written by `heard demo`.

- id: glass_alarm
  alias: Glass breaks
  triggers:
    - {trigger: sound, profile: glass_breaking}
  cooldown: "00:00:05"
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data:
        topic: home/alarm/glass
        payload: {stream: "{{ trigger.stream }}", clip: "{{ trigger.clip_url }}"}
        qos: 1

- id: danger
  alias: A smoke alarm or a siren
  triggers:
    - {trigger: sound, profile: [alarm_beep, siren]}
  cooldown: "00:00:05"
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data: {topic: home/alarm/danger, payload: "{{ trigger.profile }}", qos: 1}

- id: nursery
  alias: The baby cries
  triggers:
    - {trigger: sound, profile: baby_crying}
  cooldown: "00:00:05"
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data: {topic: home/nursery, payload: crying}

- id: visitor
  alias: The doorbell that was taught just now
  triggers:
    - {trigger: sound, profile: doorbell}
  cooldown: "00:00:05"
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data: {topic: home/door, payload: "somebody is at the door"}

- id: snap_light
  alias: Two finger snaps within a second switch the light
  triggers:
    - {trigger: sound, profile: finger_snap, count: 2, within: "00:00:01"}
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data: {topic: home/light/desk/set, payload: TOGGLE}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFolder:
    """The places in it. `write` fills them; the daemon adds the rest."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration that the daemon is started with."""
        return self.path / "heard.yaml"

    @property
    def profiles(self) -> Path:
        """Where the doorbell's profile goes."""
        return self.path / "profiles"

    @property
    def evidence(self) -> Path:
        """Where the clips go."""
        return self.path / "evidence"

    def examples(self, number: int) -> list[Path]:
        """The recordings that teach the doorbell."""
        return [self.path / "examples" / f"doorbell-{index + 1}.flac" for index in range(number)]

    def write(self, scene: Scene, *, port: int) -> None:
        """Write everything that the demonstration needs; OSError as the file system raises it."""
        for folder in (self.profiles, self.path / "rules.d", self.path / "examples"):
            folder.mkdir(parents=True, exist_ok=True)
        for path, example in zip(self.examples(len(scene.examples)), scene.examples, strict=True):
            _write_audio(path, example)
        _write_audio(self.path / "scene.flac", scene.audio)
        (self.path / "rules.d" / "demo.yaml").write_text(_RULES, encoding="utf-8")
        config = _CONFIG.format(node=NODE, stream=STREAM, host=LOOPBACK, port=port)
        self.config.write_text(config, encoding="utf-8")


def _write_audio(path: Path, audio: Samples) -> None:
    import soundfile

    soundfile.write(path, audio, RATE_HZ, subtype="PCM_16")
