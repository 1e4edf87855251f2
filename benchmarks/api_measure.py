"""One window of requests after the other: what the ways to ask for something cost, in turns."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api_client import Load, run
from api_seed import Work
from api_servers import Postgres, Server


@dataclass(frozen=True)
class Way:
    """Who is asked, and in which form."""

    server: Server
    door: str
    """Whose requests: `rest`, `legacy`, `floor` or `stock`."""


@dataclass
class Measured:
    """Every round of one thing asked for in one way."""

    rate: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    postgres_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    failed: int = 0
    kilobytes: float = 0.0


class Bench:
    """Servers that are up, and what has been asked of them so far."""

    def __init__(self, ways: Mapping[str, Way], postgres: Postgres, *, connections: int) -> None:
        self.ways = ways
        self._postgres = postgres
        self._connections = connections
        self._loads: dict[tuple[str, str], Load] = {}
        self._turns: dict[tuple[str, str], itertools.count[int]] = {}

    def load(self, work: Work, way: str) -> Load:
        """The requests of one way."""
        key = (work.name, way)
        if key not in self._loads:
            self._loads[key] = work.load(self.ways[way].door)
        return self._loads[key]

    async def window(self, work: Work, way: str, seconds: float, into: Measured) -> None:
        """One round of one way."""
        server = self.ways[way].server
        before, postgres_before = server.cpu_seconds(), self._postgres.cpu_seconds()
        sample = await run(
            server.port,
            self.load(work, way),
            connections=self._connections,
            seconds=seconds,
            turns=self._turns.setdefault((work.name, way), itertools.count()),
        )
        count = len(sample.latencies)
        latencies = sorted(sample.latencies)
        into.rate.append(count / sample.seconds)
        into.server_us.append((server.cpu_seconds() - before) / count * 1e6)
        into.postgres_us.append((self._postgres.cpu_seconds() - postgres_before) / count * 1e6)
        into.p50_ms.append(latencies[count // 2] * 1000)
        into.p99_ms.append(latencies[int(count * 0.99)] * 1000)
        into.failed += sample.failed
        into.kilobytes = sample.body_bytes / count / 1000

    async def measure(self, works: Sequence[Work], rounds: int, seconds: float) -> dict[str, dict[str, Measured]]:
        """All ways in each round, one after the other; a short round before them warms up."""
        measured = {work.name: {way: Measured() for way in self.ways} for work in works}
        for work in works:
            for way in self.ways:
                await self.window(work, way, min(seconds, 0.5), Measured())
        for _ in range(rounds):
            for work in works:
                for way in self.ways:
                    await self.window(work, way, seconds, measured[work.name][way])
        return measured


def ratio(one: list[float], other: list[float]) -> float:
    """The median of the rounds' own ratios."""
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def cells(each: Measured) -> tuple[str, ...]:
    """Requests a second, latencies, and processor time of server and PostgreSQL for one request; medians."""
    return (
        f"{statistics.median(each.rate):,.0f}",
        f"{statistics.median(each.p50_ms):.2f}",
        f"{statistics.median(each.p99_ms):.2f}",
        f"{statistics.median(each.server_us):,.0f}",
        f"{statistics.median(each.postgres_us):,.0f}",
    )


COLUMNS = ("req/s", "p50 ms", "p99 ms", "server µs", "PG µs")
"""What `cells` are for."""
