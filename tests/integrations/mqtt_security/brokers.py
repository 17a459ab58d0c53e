"""Settings of careful brokers, and links to them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.broker import Mosquitto
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker
from tests.integrations.test_mqtt import until
from tests.requirements import cannot_run, required_program

AVAILABLE = "heard/hub/available"
OVER_WEBSOCKET = ("protocol websockets", "socket_domain ipv4")
NOT_CLOSED_BY_PAHO = "ignore:.*socket:pytest.PytestUnraisableExceptionWarning"
"""A socket whose handshake fails is left to the garbage collector by paho."""
PASSWORD = "correct horse"


def link_to(broker: Mosquitto, **settings: Any) -> MqttLink:
    return MqttLink(Broker(host=broker.host, port=broker.port, **settings), available=AVAILABLE)


async def until_problem(link: MqttLink, text: str) -> None:
    await until(lambda: text in link.problem)


async def works(link: MqttLink) -> bool:
    """Tell whether what is said through the link comes back to it."""
    heard: list[bytes] = []
    link.listen("heard/hub/echo", lambda said: heard.append(said.payload))
    await until(lambda: link.connected)
    await link.deliver("heard/hub/echo", "back", qos=1)
    await until(lambda: bool(heard))
    return heard == [b"back"] and link.problem == ""


def with_password(tmp_path: Path) -> list[str]:
    """Return settings of a broker that lets only `heard` in, and not everywhere."""
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    tool = required_program("mosquitto_passwd", debian_package="mosquitto")
    subprocess.run([tool, "-b", "-c", str(passwords), "heard", PASSWORD], check=True, capture_output=True)
    acl.write_text("user heard\ntopic readwrite heard/hub/#\ntopic read home/#\n")
    return ["allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"]


def nobody_subscribes(tmp_path: Path) -> list[str]:
    """Return settings of a broker that denies every subscription; its ACL files cannot, its plugin can."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        cannot_run("mosquitto's dynamic security plugin is missing; on Debian: apt-get install mosquitto")
    access = dict.fromkeys(("publishClientSend", "publishClientReceive", "unsubscribe"), True)
    roles = {"defaultACLAccess": {**access, "subscribe": False}, "clients": [], "groups": [], "roles": []}
    (tmp_path / "roles.json").write_text(json.dumps(roles))
    return [f"plugin {plugin}", f"plugin_opt_config_file {tmp_path / 'roles.json'}"]
