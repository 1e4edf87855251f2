"""People a second by an import, against plain COPY into a table of the same shape. Run with `make bench`."""

import argparse
import asyncio
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from journeys_api.clock import DatabaseClock, SystemClock
from journeys_api.db import Sessions, make_engine, make_sessions
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.imports import service
from journeys_api.imports.ahead import Ahead
from journeys_api.imports.formats import Format
from journeys_api.imports.loading import turn
from journeys_api.imports.service import Asked
from journeys_api.jobs.runner import Runner
from journeys_api.logging import configure_logging
from journeys_api.migrate import migrate
from journeys_api.models import Job, JobKind

OWNER, LIST, FIELD = 1, 1, 1
SETUP = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 'bench', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
OVERRIDING SYSTEM VALUE VALUES (1, 1, 'bench', 'bench@example.com', '', now(), now());
INSERT INTO lists (list_id, owner_id, name, created_at, updated_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'bench', now(), now());
INSERT INTO custom_fields (field_id, owner_id, list_id, field_name, field_type, created_at) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 1, 'Town', 'Single line', now());
CREATE TABLE same_shape (LIKE subscribers INCLUDING ALL);
"""
EMPTY = "TRUNCATE subscribers, same_shape, trigger_events CASCADE"
COLUMNS = [
    *("owner_id", "list_id", "email_address", "status", "subscribed_at"),
    *("source", "source_ref", "custom_values", "created_at", "updated_at"),
]
BLOCK = 256 * 1024


def addresses(people: int) -> Iterator[tuple[str, str]]:
    """Addresses in no order, as files have them, and a town each."""
    for number in range(people):
        yield f"person{number * 7_919 % people}@example{number % 97}.com", f"Town {number % 5000}"


def as_file(people: int) -> bytes:
    """What somebody imports."""
    return "".join(f"{address},{town}\n" for address, town in addresses(people)).encode()


def as_rows(people: int) -> bytes:
    """The same people as COPY takes them: whole rows."""
    now = "2026-01-01 00:00:00+00"
    return "".join(
        f'{OWNER},{LIST},{address},Subscribed,{now},CSVImport,import 1,"{{""1"": ""{town}""}}",{now},{now}\n'
        for address, town in addresses(people)
    ).encode()


async def copied(connection: asyncpg.Connection, rows: bytes) -> float:
    """Seconds of plain COPY."""
    started = time.perf_counter()
    await connection.copy_to_table("same_shape", source=io.BytesIO(rows), columns=COLUMNS, format="csv")
    return time.perf_counter() - started


async def imported(sessions: Sessions, file: bytes, *, triggers: bool) -> float:
    """Seconds of an import, from the first byte handed in to the last person on the list."""
    asked = Asked(
        Format(",", '"', "\\"),
        {"FIELD1": "EmailAddress", "FIELD2": str(FIELD)},
        updates=False,
        triggers=triggers,
        tags=(),
    )
    blocks = (file[at : at + BLOCK] for at in range(0, len(file), BLOCK))
    started = time.perf_counter()
    async with sessions.begin() as session:
        job = await service.submit(
            session, owner_id=OWNER, list_id=LIST, asked=asked, data=blocks, url=None, now=SystemClock().now()
        )
    turns = {JobKind.IMPORT: partial(turn, ahead=Ahead())}
    await Runner(sessions, turns, clock=DatabaseClock()).run_until_quiet()
    seconds = time.perf_counter() - started
    async with sessions() as session:
        done = await session.get(Job, job.job_id)
    assert done is not None
    assert done.results["imported"] == file.count(b"\n"), "not everybody came"
    return seconds


async def compare(url: str, rounds: int, people: int) -> dict[str, object]:
    """Each variant in each round, on empty tables."""
    pool = make_engine(url, pool_size=2, statement_timeout=timedelta(minutes=30))
    sessions = make_sessions(pool)
    connection = await asyncpg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False), command_timeout=3600
    )
    await connection.execute(SETUP)
    file, rows = as_file(people), as_rows(people)
    seconds: dict[str, list[float]] = {"copy": [], "import": [], "import with triggers": []}
    for _ in range(rounds):
        await connection.execute(EMPTY)
        seconds["copy"].append(await copied(connection, rows))
        seconds["import"].append(await imported(sessions, file, triggers=False))
        await connection.execute(EMPTY)
        seconds["import with triggers"].append(await imported(sessions, file, triggers=True))
    await connection.close()
    await pool.dispose()
    ratios = {
        name: [copy / one for copy, one in zip(seconds["copy"], each, strict=True)] for name, each in seconds.items()
    }
    return {
        "people": people,
        "per_second": {name: people / statistics.median(each) for name, each in seconds.items()},
        "of_copy": {name: statistics.median(each) for name, each in ratios.items()},
        "ratios": ratios,
    }


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=200_000)
    given = parser.parse_args()
    configure_logging("warning")
    parameters = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "data", parameters=parameters).own() as url,
    ):
        asyncio.run(migrate(url))
        compared = asyncio.run(compare(url, given.rounds, given.people))
    table = Table("people a second", "median", "of COPY")
    for name, rate in compared["per_second"].items():  # type: ignore[attr-defined]
        table.add_row(name, f"{rate:,.0f}", f"{compared['of_copy'][name]:.0%}")  # type: ignore[index]
    Console().print(table)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "imports.json").write_text(json.dumps(compared, indent=2))


if __name__ == "__main__":
    main()
