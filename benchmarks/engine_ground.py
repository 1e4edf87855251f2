"""What the engine's benchmarks stand on: a PostgreSQL of their own, people to move, two workers, medians and tables."""

import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from journeys_api.clock import SetClock
from journeys_api.db import make_engine, make_sessions
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.engine.worker import Engine
from journeys_api.migrate import migrate
from journeys_api.models import SHARDS
from journeys_api.starting.memory import collect_rarely

T = TypeVar("T")
Action = tuple[str, Mapping[str, object]]
"""Its type and its parameters."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""When everybody is due."""
LATER = NOW + timedelta(seconds=1)
"""What the workers' clocks say."""
WORKERS = 2
CONNECTIONS = 4
"""Of each worker that moves one person a transaction."""
PARAMETERS = {"shared_buffers": "2GB", "max_wal_size": "8GB", "autovacuum": "off"}
"""Queues are vacuumed between rounds instead: a vacuum of what was just filled would count as somebody's work."""
RESULTS = Path(__file__).parent / "results"
WIDTH = 130
"""Of a printed table, in a terminal or in a file."""

_ACCOUNT = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'bench@example.com', '', now(), now());
INSERT INTO lists (list_id, owner_id, name, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', now(), now());
INSERT INTO tags (tag_id, owner_id, list_id, name, created_at) OVERRIDING SYSTEM VALUE VALUES (1, 1, 1, 'bench', now());
INSERT INTO emails (email_id, owner_id, name, subject, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', 'bench', now(), now());
"""
_JOURNEY = """
INSERT INTO journeys (journey_id, owner_id, name, trigger, trigger_parameters, status, first_action_id, created_at,
                      updated_at)
OVERRIDING SYSTEM VALUE VALUES ($1, 1, 'bench', $2, $3, 'Enabled', $4, now(), now())
"""
_ACTION = """
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published,
                             next_action_id, true_action_id, false_action_id, created_at)
OVERRIDING SYSTEM VALUE VALUES ($1, 1, $2, $1, $3, $4, true, $5, $5, $5, now())
"""
PEOPLE = """
INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, 'p' || n || '@example.com', 'Subscribed', now(), now() FROM generate_series($1::bigint, $2::bigint) n
"""
_ENTER = """
INSERT INTO enrollments (enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address, action_id,
                         entered_at, due_at, seq, cause, created_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, $3, 1, n, 'p' || n || '@example.com', $4, $6, $5, 1, '{"kind": "Manual"}', $6
FROM generate_series($1::bigint, $2::bigint) n
"""
_TIMERS = """
INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id)
SELECT subscriber_id % 16, journey_id, due_at, owner_id, enrollment_id FROM enrollments
WHERE owner_id = 1 AND enrollment_id BETWEEN $1 AND $2
"""
_ROUND = """
INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at)
SELECT n, $1, 1, $2 FROM generate_series(0, 15) n
ON CONFLICT (shard, journey_id) DO UPDATE SET next_due_at = least(runnable_journeys.next_due_at, excluded.next_due_at)
"""


async def connect(url: str) -> asyncpg.Connection:
    """A bare connection."""
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def checkpoint(url: str) -> None:
    """Have everything written now that would be written some time; the product's own role may not say so."""
    connection = await connect(make_url(url).set(username="postgres").render_as_string(hide_password=False))
    await connection.execute("CHECKPOINT", timeout=3600)
    await connection.close()


@contextmanager
def database(name: str = "data", **parameters: str) -> Iterator[str]:
    """An empty installation on a PostgreSQL of its own; its address."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / name, parameters=PARAMETERS | parameters).own() as url,
    ):
        asyncio.run(migrate(url))
        asyncio.run(_make_account(url))
        yield url


async def _make_account(url: str) -> None:
    connection = await connect(url)
    await connection.execute(_ACCOUNT)
    await connection.close()


async def make_journey(
    connection: asyncpg.Connection,
    journey_id: int,
    actions: Sequence[Action],
    *,
    trigger: str = "Manual",
    subject: Mapping[str, object] | None = None,
) -> int:
    """An enabled journey of these actions, one after the other, with ids from 100 × the journey's on; its first."""
    first = journey_id * 100
    await connection.execute(_JOURNEY, journey_id, trigger, json.dumps(subject or {}), first)
    for place, (action, parameters) in enumerate(actions):
        following = first + place + 1 if place + 1 < len(actions) else None
        await connection.execute(_ACTION, first + place, journey_id, action, json.dumps(parameters), following)
    return first


async def put_in(
    connection: asyncpg.Connection,
    first: int,
    last: int,
    *,
    journey_id: int,
    action_id: int,
    due_at: datetime = NOW,
) -> None:
    """People first … last come to be, and stand at an action."""
    await connection.execute("VACUUM timers, trigger_events, runnable_journeys, counter_deltas")
    for statement, parameters in (
        (PEOPLE, (first, last)),
        (_ENTER, (first, last, journey_id, action_id, due_at, NOW - timedelta(days=1))),
        (_TIMERS, (first, last)),
        (_ROUND, (journey_id, due_at)),
    ):
        await connection.execute(statement, *parameters, timeout=3600)


Job = Callable[[str, Sequence[int]], tuple[float, float]]
"""Address, shards → when it began and when it was done, by the monotonic clock."""


@dataclass(frozen=True)
class Timing:
    """What a job took."""

    seconds: float
    processor: float
    """Seconds of processor, of PostgreSQL and of the workers: steadier than the clock where others work too."""


def processor_of(postmaster: int) -> float:
    """Seconds of processor that a PostgreSQL has used so far: its own, of those that ended, of those that live."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue  # it has just ended
        fields = rest.split()
        if int(name.split()[0]) == postmaster:
            ticks += sum(int(each) for each in fields[11:15])
        elif int(fields[1]) == postmaster:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def postmaster_of(url: str) -> int:
    """The process id of the server behind an address on this machine."""
    connection = await connect(url)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    parent = _parent_of(backend)
    await connection.close()
    return parent


def _parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])


def measured(job: Job, url: str, shards: Sequence[int]) -> tuple[float, float, float]:
    """What a worker process runs: the job's begin and end, and the processor time it used."""
    used = time.process_time()
    begin, end = job(url, shards)
    return begin, end, time.process_time() - used


@contextmanager
def workers() -> Iterator[ProcessPoolExecutor]:
    """Processes that are there already when something is timed."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        for each in [pool.submit(time.sleep, 0.5) for _ in range(WORKERS)]:
            each.result()
        yield pool


def timed(pool: ProcessPoolExecutor, job: Job, url: str) -> Timing:
    """What the workers need for a job, each with its part of the shards."""
    postmaster = asyncio.run(postmaster_of(url))
    parts = [list(range(number, SHARDS, WORKERS)) for number in range(WORKERS)]
    used = processor_of(postmaster)
    spans = [each.result() for each in [pool.submit(measured, job, url, part) for part in parts]]
    used = processor_of(postmaster) - used
    seconds = max(end for _, end, _ in spans) - min(begin for begin, _, _ in spans)
    return Timing(seconds, used + sum(own for _, _, own in spans))


_kept: dict[tuple[str, str], Any] = {}
_runner: asyncio.Runner | None = None


def run_kept(work: Coroutine[Any, Any, tuple[float, float]]) -> tuple[float, float]:
    """Run on the loop that this process keeps, as a worker would: connections and statements are there already."""
    global _runner
    _runner = _runner or asyncio.Runner()
    return _runner.run(work)


async def kept(kind: str, url: str, make: Callable[[str], Awaitable[T]]) -> T:
    """What this process made of a kind for an address when it was first asked."""
    if (kind, url) not in _kept:
        _kept[(kind, url)] = await make(url)
    found: T = _kept[(kind, url)]
    return found


async def an_engine(url: str) -> Engine:
    """An engine with its clock at `LATER`, connected."""
    pool = make_engine(url, pool_size=1, statement_timeout=timedelta(minutes=5))
    async with pool.connect():
        pass
    collect_rarely()
    return Engine(make_sessions(pool), clock=SetClock(LATER))


async def some_connections(url: str) -> list[asyncpg.Connection]:
    """The bare connections of one worker."""
    return [await connect(url) for _ in range(CONNECTIONS)]


def by_engine(url: str, shards: Sequence[int]) -> tuple[float, float]:
    """Ours: turns until nothing is left."""
    return run_kept(_by_engine(url, shards))


async def _by_engine(url: str, shards: Sequence[int]) -> tuple[float, float]:
    engine = await kept("engine", url, an_engine)
    begin = time.monotonic()
    for shard in shards:
        while await engine.turn(shard):
            pass
    return begin, time.monotonic()


@dataclass
class Side:
    """One of the compared: what each round of it took."""

    name: str
    done: int = 0
    """How much a round does."""
    rounds: list[Timing] = field(default_factory=list)

    def per_second(self) -> float:
        """Median of the rounds."""
        return statistics.median(self.done / each.seconds for each in self.rounds)

    def microseconds(self) -> float:
        """Of processor for each; median of the rounds."""
        return statistics.median(each.processor * 1e6 / self.done for each in self.rounds)


def compared(ours: Side, theirs: Side) -> dict[str, float]:
    """Medians, and the medians of the rounds' ratios, by the clock and by the processor."""
    pairs = list(zip(ours.rounds, theirs.rounds, strict=True))
    share = theirs.done / ours.done
    return {
        "ours": ours.per_second(),
        "other": theirs.per_second(),
        "ratio": statistics.median(other.seconds / one.seconds / share for one, other in pairs),
        "our_microseconds": ours.microseconds(),
        "other_microseconds": theirs.microseconds(),
        "processor_ratio": statistics.median(other.processor / one.processor / share for one, other in pairs),
    }


COLUMNS = ("engine", "other", "ratio", "µs of processor", "other", "ratio")


def cells(found: Mapping[str, float]) -> tuple[str, ...]:
    """What `COLUMNS` are for."""
    return (
        f"{found['ours']:,.0f}",
        f"{found['other']:,.0f}",
        f"{found['ratio']:.2f}x",
        f"{found['our_microseconds']:,.0f}",
        f"{found['other_microseconds']:,.0f}",
        f"{found['processor_ratio']:.2f}x",
    )


def publish(name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], result: object) -> None:
    """Print a table and keep the figures."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=WIDTH).print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2))
