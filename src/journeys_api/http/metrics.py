"""What `/metrics` says of the doors."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


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
        self.in_flight = Gauge("journeys_calls_in_flight", "Calls being answered", registry=self.registry)
