"""What numbers cost as events pile up, beside the queries that one would write without rollups. Run with `make bench`.

An account with journeys that mailed a year long, and one journey whose email everybody was sent; every figure is taken
at a tenth of the events, too. `--full` is a million messages and ten million events.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from journeys_api.accounts.credentials import keyed_hash
from journeys_api.app import create_app
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.lanes import Lane, PoolLane
from journeys_api.logging import configure_logging
from journeys_api.migrate import migrate
from journeys_api.settings import Settings
from journeys_api.starting.memory import collect_rarely
from journeys_api.stats import queries as stats
from journeys_api.stats.windows import window

PEPPER = "the benchmark's secret key"
MANY = 10_000
"""Journeys of the second account, which has the same numbers of events spread among ten times as many journeys."""
CROWD = 1
"""The journey, and the action, that everybody reached."""
FIRST_OF_MANY = 1_000_000
COUNTERS = "send_count, delivery_count, open_count, click_count, conversion_count, revenue_cents"

# owner 1 has the journeys and the ledger; owner 2 as many events, of which there are only the rollups
SETUP = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE SELECT a, 1, 'bench' || a, 'bench' || a || '@example.com', '', now(), now()
FROM generate_series(1, 2) a;
INSERT INTO lists (list_id, owner_id, name, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', now(), now());
"""
JOURNEYS = """
INSERT INTO journeys (journey_id, owner_id, name, status, first_action_id, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT $2::bigint + n, $1::bigint, 'Journey ' || n, 'Enabled', $2 + n, now(), now()
FROM generate_series(1, $3::bigint) n
"""
ACTIONS = """
INSERT INTO journey_actions (action_id, owner_id, journey_id, order_no, action, parameters, is_published, created_at)
OVERRIDING SYSTEM VALUE
SELECT journey_id, owner_id, journey_id, 1, 'SendEmail', '{"EmailID": 1}', true, now() FROM journeys
"""
PEOPLE = """
INSERT INTO subscribers (subscriber_id, owner_id, list_id, email_address, status, created_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT n, 1, 1, substr(md5(n::text), 1, 12) || '@example.com', 'Subscribed', now(), now()
FROM generate_series(1, $1::bigint) n
"""
MESSAGES = """
INSERT INTO deliveries (delivery_id, owner_id, kind, action_id, journey_id, list_id, subscriber_id, email_id, domain,
                        state, next_attempt_at, created_at, ended_at) OVERRIDING SYSTEM VALUE
SELECT n, 1, 'mail', n % $2 + 1, n % $2 + 1, 1, n, 1, 'd' || n % 20 || '.example', 'sent', at, at, at
FROM (SELECT n, now() - (n % 365) * interval '1 day' AS at FROM generate_series(1, $1::bigint) n) AS m
"""
EVENTS = """
INSERT INTO message_activities (owner_id, delivery_id, journey_id, action_id, list_id, subscriber_id, kind, occurred_at,
                                is_counted, domain, revenue_cents)
SELECT 1, m, m % $3 + 1, m % $3 + 1, 1, m,
       (ARRAY['opened', 'clicked', 'opened', 'converted', 'opened'])[n % 5 + 1],
       now() - (m % 365) * interval '1 day', n % 10 < 4, 'd' || m % 20 || '.example',
       CASE n % 10 WHEN 3 THEN 1999 ELSE 0 END
FROM (SELECT n, n % $2 + 1 AS m FROM generate_series(1, $1::bigint) n) AS e
"""
# what the folder would have written; `{journey}` is the journey of a delivery
DAYS = """
INSERT INTO action_days (owner_id, journey_id, action_id, domain, counted_on, {counters})
SELECT {owner}, journey_id, journey_id, domain, day, sum(sends), sum(sends), sum(opens), sum(clicks), sum(conversions),
       sum(cents)
FROM (
    SELECT {journey} AS journey_id, domain, CAST(ended_at AT TIME ZONE 'UTC' AS date) AS day, 1 AS sends, 0 AS opens,
           0 AS clicks, 0 AS conversions, 0 AS cents FROM deliveries
    UNION ALL
    SELECT {journey}, domain, CAST(occurred_at AT TIME ZONE 'UTC' AS date), 0, CAST(kind = 'opened' AS int),
           CAST(kind = 'clicked' AS int), CAST(kind = 'converted' AS int), revenue_cents
    FROM message_activities WHERE is_counted
) AS f GROUP BY 2, 4, 5
"""
COARSER = """
INSERT INTO action_day_totals (owner_id, journey_id, counted_on, action_id, {counters})
SELECT owner_id, journey_id, counted_on, action_id, {sums} FROM action_days GROUP BY 1, 2, 3, 4;
INSERT INTO journey_days (owner_id, counted_on, journey_id, {counters})
SELECT owner_id, counted_on, journey_id, {sums} FROM action_days GROUP BY 1, 2, 3;
INSERT INTO action_totals (owner_id, journey_id, action_id, {counters})
SELECT owner_id, journey_id, action_id, {sums} FROM action_days GROUP BY 1, 2, 3;
INSERT INTO journey_totals (owner_id, journey_id, {counters})
SELECT owner_id, journey_id, {sums} FROM action_days GROUP BY 1, 2;
"""
REACHED = """
INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at)
SELECT 1, 1, 1, subscriber_id, email_address, CASE subscriber_id % 10 WHEN 0 THEN 3 WHEN 1 THEN 1 ELSE 0 END, now()
FROM subscribers
"""

# the queries of somebody who keeps facts and no rollups
NAIVE_TOTALS = """
SELECT {journey}, count(*) FILTER (WHERE kind = 'opened'), count(*) FILTER (WHERE kind = 'clicked'),
       count(*) FILTER (WHERE kind = 'converted'), count(*) FILTER (WHERE kind = 'bounced'),
       count(*) FILTER (WHERE kind = 'unsubscribed'), sum(revenue_cents)
FROM message_activities WHERE owner_id = 1 AND is_counted GROUP BY 1
"""
NAIVE_DAYS = """
SELECT {journey}, CAST(occurred_at AT TIME ZONE 'UTC' AS date), count(*) FILTER (WHERE kind = 'opened'),
       count(*) FILTER (WHERE kind = 'clicked'), count(*) FILTER (WHERE kind = 'converted'), sum(revenue_cents)
FROM message_activities WHERE owner_id = 1 AND is_counted AND occurred_at >= now() - interval '30 days' GROUP BY 1, 2
"""
NAIVE_SENDS = """
SELECT {journey}, CAST(ended_at AT TIME ZONE 'UTC' AS date), count(*) FROM deliveries
WHERE owner_id = 1 AND state = 'sent' GROUP BY 1, 2
"""
NAIVE_PAGE = """
SELECT a.subscriber_id, s.email_address, count(*) OVER () FROM action_subscribers a
JOIN subscribers s USING (owner_id, subscriber_id) WHERE a.owner_id = 1 AND a.action_id = 1 {filter}
ORDER BY s.email_address LIMIT 25 OFFSET $1
"""


async def connect(url: str) -> asyncpg.Connection:
    """A connection of the benchmark's own."""
    return await asyncpg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))


async def fill(connection: asyncpg.Connection, *, journeys: int, messages: int, events: int, people: int) -> None:
    """Write a year of journeys, straight into the tables."""
    patience = 7200
    sums = ", ".join(f"sum({each})" for each in COUNTERS.split(", "))
    await connection.execute("SET synchronous_commit = off")
    await connection.execute(SETUP)
    for owner in (1, 2):
        await connection.execute(
            "INSERT INTO api_keys (owner_id, key_hash, masked_key, note, created_at) VALUES ($1, $2, '', '', now())",
            owner,
            keyed_hash(PEPPER.encode(), f"key{owner}"),
        )
    await connection.execute(JOURNEYS, 1, 0, journeys)
    await connection.execute(JOURNEYS, 2, FIRST_OF_MANY, MANY)
    await connection.execute(ACTIONS)
    await connection.execute(PEOPLE, people, timeout=patience)
    await connection.execute(REACHED, timeout=patience)
    await connection.execute(MESSAGES, messages, journeys, timeout=patience)
    await connection.execute(EVENTS, events, messages, journeys, timeout=patience)
    for owner, journey in ((1, "journey_id"), (2, spread())):
        await connection.execute(DAYS.format(owner=owner, journey=journey, counters=COUNTERS), timeout=patience)
    await connection.execute(COARSER.format(counters=COUNTERS, sums=sums), timeout=patience)
    await connection.execute("VACUUM ANALYZE", timeout=patience)


def spread() -> str:
    """The journey of the second account that a message counts for."""
    return f"{FIRST_OF_MANY} + 1 + delivery_id % {MANY}"


async def median_ms(rounds: int, *ways: Callable[[], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each way, taken in turns; a first round warms."""
    taken: list[list[float]] = [[] for _ in ways]
    for round_number in range(rounds + 1):
        for times, way in zip(taken, ways, strict=True):
            started = time.perf_counter()
            await way()
            if round_number:
                times.append((time.perf_counter() - started) * 1000)
    return [statistics.median(times) for times in taken]


class Calls:
    """The API in this process, and the same questions asked naively."""

    def __init__(self, http: httpx.AsyncClient, connection: asyncpg.Connection) -> None:
        self._http, self._connection = http, connection

    def call(self, owner: int, path: str, **parameters: Any) -> Callable[[], Awaitable[Any]]:
        """One API call."""

        async def run() -> Any:
            answer = await self._http.get(path, params={"APIKey": f"key{owner}", **parameters})
            assert answer.status_code == 200, answer.text[:500]
            return answer

        return run

    def people(self, offset: int, **more: Any) -> Callable[[], Awaitable[Any]]:
        """A page of the crowd."""
        asked = {"JourneyID": CROWD, "ActionID": CROWD, "RecordsFrom": offset, **more}
        return self.call(1, "/api/v1/journey.action.subscribers", **asked)

    def naive(self, *statements: str, **values: Any) -> Callable[[], Awaitable[Any]]:
        """Statements, one after the other."""

        async def run() -> None:
            for statement in statements:
                await self._connection.fetch(statement, *values.values(), timeout=600)

        return run


async def measure(url: str, *, rounds: int, people: int) -> dict[str, float]:
    """Milliseconds of every call, and of its naive counterpart."""
    connection = await connect(url)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=url,
        secret_key=SecretStr(PEPPER),
        admin_api_key=SecretStr("the administrator"),
        rate_limits="off",
        log_level="error",
    )
    app = create_app(settings)
    collect_rarely()  # as the server does when it begins
    found: dict[str, float] = {}
    deep = people * 9 // 10
    opened = {"FilterJSON": '["opened"]'}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench", timeout=600) as http:
        calls = Calls(http, connection)
        lists = [each.format(journey="journey_id") for each in (NAIVE_TOTALS, NAIVE_DAYS, NAIVE_SENDS)]
        spreads = [each.format(journey=spread()) for each in (NAIVE_TOTALS, NAIVE_DAYS, NAIVE_SENDS)]
        ours, naive = {}, {}
        ours["list"] = calls.call(1, "/api/v1/journeys")
        ours["list of 10,000"] = calls.call(2, "/api/v1/journeys")
        lane = PoolLane(app.engine)
        ours["numbers of the list"] = numbers(lane, 1)
        ours["numbers of the list of 10,000"] = numbers(lane, 2)
        naive["list"] = calls.naive(*lists)
        naive["list of 10,000"] = calls.naive(*spreads)
        ours["people, first page"] = calls.people(0)
        naive["people, first page"] = calls.naive(NAIVE_PAGE.format(filter=""), offset=0)
        ours["people, deep page"] = calls.people(deep)
        naive["people, deep page"] = calls.naive(NAIVE_PAGE.format(filter=""), offset=deep)
        some = "AND a.activity & 1 <> 0"
        ours["opened, first page"] = calls.people(0, **opened)
        naive["opened, first page"] = calls.naive(NAIVE_PAGE.format(filter=some), offset=0)
        ours["opened, deep page"] = calls.people(deep // 5, **opened)
        naive["opened, deep page"] = calls.naive(NAIVE_PAGE.format(filter=some), offset=deep // 5)
        for name in ours:
            if name in ("numbers of the list", "numbers of the list of 10,000"):
                [found[name]] = await median_ms(rounds, ours[name])
                found[f"naive {name}"] = found[f"naive {name.removeprefix('numbers of the ')}"]
            else:
                found[name], found[f"naive {name}"] = await median_ms(rounds, ours[name], naive[name])
        flat = ("people, first page", "people, deep page", "opened, first page", "opened, deep page")
        for name, taken in zip(flat, await median_ms(rounds * 10, *(ours[each] for each in flat)), strict=True):
            found[name] = taken
    await app.close()
    await connection.close()
    return found


def numbers(lane: Lane, owner: int) -> Callable[[], Awaitable[Any]]:
    """What `journey.list` asks the database for its numbers, read and made into rows."""

    async def run() -> None:
        today = datetime.now(UTC).date()
        assert await stats.journey_totals(lane, owner_id=owner)
        assert await stats.journey_days(lane, owner_id=owner, window=window(None, None, today=today))

    return run


def print_tables(console: Console, small: dict[str, float], large: dict[str, float]) -> None:
    """Ratios to the naive way, and growth."""
    table = Table("call", "ms", "naive ms", "ratio", "against a tenth of the events")
    for name, taken in large.items():
        if name.startswith("naive "):
            continue
        naive = large.get(f"naive {name}")
        table.add_row(
            name,
            f"{taken:,.1f}",
            f"{naive:,.1f}" if naive else "",
            f"{naive / taken:,.1f}x" if naive else "",
            f"{taken / small[name]:.2f}x",
        )
    console.print(table)
    for name in ("people", "opened"):
        ratio = large[f"{name}, deep page"] / large[f"{name}, first page"]
        console.print(f"{name}: deep page against the first {ratio:.2f}x")


async def run(url: str, given: argparse.Namespace, share: int) -> dict[str, float]:
    """Fill a database with a share of the events, and measure."""
    await migrate(url)
    connection = await connect(url)
    started = time.perf_counter()
    people = given.people // share
    await fill(
        connection,
        journeys=given.journeys,
        messages=given.messages // share,
        events=given.events // share,
        people=people,
    )
    print(f"{given.events // share:,} events written in {time.perf_counter() - started:,.0f} s", flush=True)
    await connection.close()
    return await measure(url, rounds=given.rounds, people=people)


def main() -> None:
    """Print the tables and write the JSON beside them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--journeys", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--full", action="store_true", help="1,000,000 messages and people, 10,000,000 events")
    given = parser.parse_args()
    if given.full:
        given.messages = given.people = 1_000_000
        given.events = 10_000_000
    console = Console()
    configure_logging("error")
    parameters = {"shared_buffers": "2GB", "max_wal_size": "8GB", "fsync": "off"}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for share in (10, 1):
            with EmbeddedPostgres(Path(folder) / f"share{share}", parameters=parameters).own() as url:
                found.append(asyncio.run(run(url, given, share)))
    print_tables(console, *found)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "journey_statistics.json").write_text(json.dumps({"a_tenth": found[0], "all": found[1]}, indent=2))


if __name__ == "__main__":
    main()
