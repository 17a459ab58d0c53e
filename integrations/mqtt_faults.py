"""Why a broker does not let us in, in words that say what to do."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from paho.mqtt.reasoncodes import ReasonCode

if TYPE_CHECKING:
    from aiomqtt import MqttError

    from integrations.mqtt_broker import Broker

_KNOWN = {
    "certificate required": "it wants a client certificate: mqtt.tls.certificate_file and key_file",
    "certificate_required": "it wants a client certificate: mqtt.tls.certificate_file and key_file",
    "unknown ca": "it does not trust the client certificate in mqtt.tls.certificate_file",
    "protocol version": "it does not know this version of MQTT: mqtt.protocol should say the other one",
    "bad user": "it refused mqtt.username and its password",
    "not authori": "it refused mqtt.username and its password, or wants them",
    "websocket handshake": "no MQTT over WebSocket there: port or mqtt.websocket_path is another",
    "timed out": "it did not answer in time",
}
"""What a text holds, in small letters, and what it means."""


def in_plain_words(error: MqttError, broker: Broker) -> str:
    """Say why there is no connection, and what to do where that is known."""
    # aiomqtt keeps of the cause only its text.
    cause = error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _not_trusted(cause)
    if isinstance(cause, ssl.SSLError) and broker.tls is not None and cause.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS on this port"
    text = _hung_up(error) or str(error)
    folded = text.casefold()
    meaning = next((meaning for word, meaning in _KNOWN.items() if word in folded), None)
    return text if meaning is None else f"{meaning}: {text}"


def _hung_up(error: MqttError) -> str:
    """Return why a broker that had let us in does not speak to us any more; empty where that is not it."""
    if not str(error).startswith("Disconnected"):
        return ""
    # Only MQTT 5 gives a reason; else the library has a number for it that means nothing.
    reason = getattr(error.__cause__, "rc", None)
    said = str(reason) if isinstance(reason, ReasonCode) and str(reason) != "Unspecified error" else ""
    return f"it closed the connection: {said}" if said else "it closed the connection"


def _not_trusted(error: ssl.SSLCertVerificationError) -> str:
    what = error.verify_message
    if "mismatch" in what or "not valid for" in what:
        return f"its certificate is for another name: {what}"
    if "expired" in what or "not yet valid" in what:
        return f"its certificate is not valid now: {what}"
    return f"its certificate is not trusted: {what}; mqtt.tls.ca_file should name the CA that signed it"
