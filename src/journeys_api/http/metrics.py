"""What `/metrics` says of the doors, of the queues, and of the worker in this process."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from journeys_api.operators.queue_depth import QueueDepth
from journeys_api.tracking.hit_writer import HitWriter
from journeys_api.work import Progress


class Metrics:
    """Counters of one process, in a registry of their own so that two applications in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("journeys_calls", "Calls answered", ["door", "command", "outcome"], registry=self.registry)
        self.seconds = Histogram(
            "journeys_call_seconds",
            "Time from the last byte of the request to the answer",
            ["door", "command"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self.inbound = Counter(
            "journeys_inbound",
            "What mail servers and providers told of mails, by what became of it",
            ["door", "outcome"],
            registry=self.registry,
        )
        self.in_flight = 0
        """Calls being answered. A gauge asks for it when somebody looks: changing one takes a lock each time."""
        in_flight = Gauge("journeys_calls_in_flight", "Calls being answered", registry=self.registry)
        in_flight.set_function(lambda: self.in_flight)
        self._children: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def answered(self, door: str, command: str, outcome: str, seconds: float) -> None:
        """Count one call. The names are those of the table of commands, never a caller's: there are so many."""
        names = (door, command, outcome)
        children = self._children.get(names)
        if children is None:
            children = self.calls.labels(*names), self.seconds.labels(door, command)
            self._children[names] = children
        children[0].inc()
        children[1].observe(seconds)

    def exposition(self, depth: QueueDepth | None, progress: Progress | None, visits: HitWriter | None = None) -> bytes:
        """The text that Prometheus reads.

        Args:
            depth: None: the database did not say; `journeys_queues_readable` is 0 then, and the gauges are absent: a
                0 would say that all is done.
            progress: of the worker in this process; None: it has none.
            visits: of tracked links, in this process; None: it has no doors.
        """
        now = CollectorRegistry()
        of_worker = _of_worker(progress) if progress is not None else ()
        of_visits = _of_visits(visits) if visits is not None else ()
        now.register(_Families([*_of_queues(depth), *of_worker, *of_visits]))
        return generate_latest(self.registry) + generate_latest(now)


class _Families(Collector):
    """Values that were read already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _of_queues(depth: QueueDepth | None) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "journeys_queues_readable", "Whether the database said how full the queues are", value=depth is not None
    )
    if depth is None:
        return
    yield GaugeMetricFamily(
        "journeys_events_waiting", "Events that no journey has seen yet, at most 100001", value=depth.events_waiting
    )
    yield GaugeMetricFamily(
        "journeys_people_due", "People in enabled journeys whose next step is due, at most 100001",
        value=depth.people_due,
    )  # fmt: skip
    yield GaugeMetricFamily(
        "journeys_hits_unjudged", "Visits of tracked links that no worker has judged yet, at most 100001",
        value=depth.hits_waiting,
    )  # fmt: skip
    pending = GaugeMetricFamily(
        "journeys_deliveries_pending", "Messages owed and not sent yet, each kind at most 100001", labels=["kind"]
    )
    for kind, count in depth.deliveries_pending.items():
        pending.add_metric([kind], count)
    yield pending
    yield GaugeMetricFamily(
        "journeys_deliveries_oldest_seconds", "For how long the message that is longest due has been due",
        value=depth.deliveries_oldest_seconds,
    )  # fmt: skip


def _of_worker(progress: Progress) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "journeys_worker_events", "Events that this process has shown to journeys", value=progress.enrolled_events
    )
    yield CounterMetricFamily(
        "journeys_worker_people", "Timers of people that this process has taken", value=progress.taken_timers
    )
    attempts = CounterMetricFamily(
        "journeys_worker_attempts", "Deliveries that this process has tried", labels=["kind"]
    )
    yield CounterMetricFamily(
        "journeys_worker_hits", "Visits of tracked links that this process has judged", value=progress.judged_hits
    )
    for kind, count in progress.attempts.items():
        attempts.add_metric([kind], count)
    yield attempts


def _of_visits(visits: HitWriter) -> Iterator[Metric]:
    kept = CounterMetricFamily("journeys_hits", "Visits of tracked links, by what became of them", labels=["kept"])
    tally = visits.tally
    for where, count in (("database", tally.written), ("disk", tally.spooled), ("nowhere", tally.lost)):
        kept.add_metric([where], count)
    yield kept
    yield CounterMetricFamily(
        "journeys_hits_replayed", "Visits that were on disk and that this process brought in", value=tally.replayed
    )
    yield GaugeMetricFamily(
        "journeys_hits_waiting", "Visits whose visitors this process has not answered yet", value=visits.waiting
    )
    yield GaugeMetricFamily("journeys_hits_spool_bytes", "What lies on disk", value=visits.spooled_bytes)
