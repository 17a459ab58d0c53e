"""What Prometheus collects: read off the status when it is asked for, kept nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from daemon.api.house import House
    from daemon.status import DoorStatus, OutboxStatus, Status, StreamStatus

_Family = TypeVar("_Family", CounterMetricFamily, GaugeMetricFamily)


def exposition(house: House, answered: Mapping[tuple[str, int], int], accept: str) -> tuple[bytes, str]:
    """Return the metrics as whoever asks accepts them, and the content type."""
    registry = CollectorRegistry()
    registry.register(_Heard(house, answered))
    ProcessCollector(registry=registry)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Heard(Collector):
    def __init__(self, house: House, answered: Mapping[tuple[str, int], int]) -> None:
        self._house = house
        self._answered = answered

    def collect(self) -> Iterable[Metric]:
        """Return what is now."""
        status = self._house.status()
        yield from _of_node(status)
        yield GaugeMetricFamily(
            "heard_hearing", "1 while heard hears, 0 while it is deaf", value=self._house.deaf() is None
        )
        yield from _of_streams(status.streams)
        doors = {
            "mqtt": status.mqtt, "evidence": status.evidence, "history": status.history,
            "outbox": status.outbox, "rule_files": status.rule_files, "profile_files": status.profile_files,
        }  # fmt: skip
        yield _labelled(
            GaugeMetricFamily("heard_door_up", "1 while nothing is wrong with it", labels=["door"]),
            {name: float(_works(door)) for name, door in doors.items() if door.state != "not configured"},
        )
        yield from _of_outbox(status.outbox)
        yield from self._of_api()

    def _of_api(self) -> Iterator[Metric]:
        feed = self._house.feed
        yield GaugeMetricFamily("heard_api_listeners", "Live streams that are open", value=feed.listeners)
        yield CounterMetricFamily(
            "heard_api_listeners_let_go", "Live streams that were let go of", value=feed.let_go
        )
        answers = CounterMetricFamily("heard_api_answers", "Answers", labels=["operation", "status"])
        for (operation, status), count in self._answered.items():
            answers.add_metric([operation, str(status)], count)
        yield answers


def _of_node(status: Status) -> Iterator[Metric]:
    names = {"node": status.node, "version": status.version, "encoder": status.encoder}
    yield InfoMetricFamily("heard", "Which heard this is", value=names)
    yield GaugeMetricFamily("heard_start_time_seconds", "Since when it runs", value=status.started_at)
    yield GaugeMetricFamily("heard_profiles", "Profiles in force", value=status.profiles)
    yield GaugeMetricFamily("heard_rules", "Rules in force", value=status.rules)
    yield CounterMetricFamily("heard_events", "Sounds that began", value=status.events)
    yield CounterMetricFamily("heard_actions", "Actions that went out", value=status.actions)


def _of_outbox(outbox: OutboxStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "heard_outbox_waiting", "Actions that no door has taken yet", value=outbox.waiting
    )
    yield GaugeMetricFamily(
        "heard_outbox_oldest_seconds", "How long the oldest of them has waited", value=outbox.oldest_s or 0.0
    )
    names = ("delivered", "failed", "expired", "pushed_out", "dropped")
    yield _labelled(
        CounterMetricFamily("heard_outbox_ended", "What became of actions", labels=["outcome"]),
        {name: float(getattr(outbox, name)) for name in names},
    )


def _of_streams(streams: Iterable[StreamStatus]) -> Iterator[Metric]:
    streams = list(streams)

    def gauge(name: str, about: str, values: Mapping[str, float | None]) -> Metric:
        return _labelled(GaugeMetricFamily(name, about, labels=["stream"]), values)

    def counter(name: str, about: str, values: Mapping[str, float | None]) -> Metric:
        return _labelled(CounterMetricFamily(name, about, labels=["stream"]), values)

    yield gauge(
        "heard_stream_online", "1 while audio comes", {each.stream: float(each.online) for each in streams}
    )
    yield gauge(
        "heard_stream_healthy", "1 while it hears well",
        {each.stream: float(each.online and each.health == "ok") for each in streams},
    )  # fmt: skip
    yield gauge("heard_stream_level_dbfs", "Level", {each.stream: each.level_dbfs for each in streams})
    yield gauge(
        "heard_stream_noise_floor_dbfs", "Noise floor",
        {each.stream: each.noise_floor_dbfs for each in streams},
    )  # fmt: skip
    yield gauge(
        "heard_stream_gate_duty_ratio", "Share of the hops in which the gate was open",
        {each.stream: each.gate_duty for each in streams},
    )  # fmt: skip
    yield counter(
        "heard_stream_dropped_samples", "Samples that were lost",
        {each.stream: each.dropped_samples for each in streams},
    )  # fmt: skip
    yield counter(
        "heard_stream_reopened", "How often its source was opened again",
        {each.stream: each.reopened for each in streams},
    )  # fmt: skip


def _labelled(family: _Family, values: Mapping[str, float | None]) -> _Family:
    for label, value in values.items():
        if value is not None:
            family.add_metric([label], value)
    return family


def _works(door: DoorStatus) -> bool:
    return door.state in {"ok", "connected"}
