"""A visit that cannot be judged holds up no other, and is not lost."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from journeys_api.clock import SetClock
from journeys_api.db import Sessions, make_engine, make_sessions
from journeys_api.models import ActivityKind
from journeys_api.operators.doctor import examine
from journeys_api.tracking.hits import Hit, insert_hits
from journeys_api.tracking.isolation import Judge
from journeys_api.tracking.judging import record_hits, ripe_hits

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
POISON = "https://poison.example/"
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'refused'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON message_activities FOR EACH ROW
WHEN (NEW.detail ->> 'target' = 'https://poison.example/') EXECUTE FUNCTION refuse();
"""
"""Makes the ledger refuse visits of one address."""


@dataclass
class Visits:
    """One mail, whose links are visited; on a database of the test's own."""

    url: str
    sessions: Sessions
    judge: Judge

    async def arrive(self, *targets: str) -> None:
        """Clicks on links of the mail, each ten seconds after the one before."""
        clicks = [
            Hit(1, 1, ActivityKind.CLICKED, NOW + timedelta(seconds=10 * place), target)
            for place, target in enumerate(targets)
        ]
        async with self.sessions.begin() as session:
            await insert_hits(session, clicks)

    async def change(self, statements: str) -> None:
        """Do something to the database."""
        async with self.sessions.begin() as session:
            for statement in statements.split(";\n"):
                await session.execute(text(statement))

    async def values(self, statement: str) -> Sequence[Any]:
        """The first column of the rows of a statement."""
        async with self.sessions() as session:
            return (await session.scalars(text(statement))).all()

    async def judged(self) -> Sequence[Any]:
        """The targets of the clicks in the ledger, in order."""
        return await self.values(
            "SELECT detail ->> 'target' FROM message_activities WHERE kind = 'clicked' ORDER BY occurred_at"
        )

    async def waiting(self) -> Sequence[Any]:
        """The targets of the visits that are not judged, in order."""
        return await self.values("SELECT target FROM tracking_hits ORDER BY hit_id")

    async def aside(self) -> Sequence[Any]:
        """The targets of the visits that are set aside, in order."""
        return await self.values("SELECT visit ->> 'target' FROM hits_set_aside ORDER BY hit_id")


@pytest.fixture
async def visits(make_database: Any, template: str) -> AsyncIterator[Visits]:
    url = await make_database(template)
    engine = make_engine(url, pool_size=2, statement_timeout=timedelta(seconds=30))
    sessions = make_sessions(engine)
    made = Visits(url, sessions, Judge(sessions, clock=SetClock(NOW + timedelta(hours=1))))
    await made.change(
        "INSERT INTO deliveries (owner_id, kind, list_id, subscriber_id, created_at, next_attempt_at) "
        "VALUES (1, 'mail', 1, 1, now(), now())"
    )
    yield made
    await engine.dispose()


READ = """
SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables
WHERE relname = 'tracking_hits' OR relname LIKE 'message_activities%'
"""
"""Rows that the transaction has looked at."""


async def test_a_link_that_is_followed_any_number_of_times_holds_up_no_other(visits: Visits) -> None:
    await visits.arrive(*["a"] * 300)
    assert await visits.judge.turn() == 300
    await visits.arrive(*["a"] * 300)

    async with visits.sessions.begin() as session:
        # as with the tables of a year
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        hit_ids = await ripe_hits(session, now=NOW + timedelta(days=1))
        judged = await record_hits(session, hit_ids, now=NOW + timedelta(days=1))
        read = await session.scalar(text(READ))

    assert judged == 300
    assert read < 20 * 300, "each visit is compared with those about its time, not with all of the mail's"


@pytest.mark.parametrize(
    "targets",
    [
        (POISON,),
        (POISON, "b"),
        ("a", POISON),
        ("a", "b", POISON, "d", "e", "f", POISON),
        (POISON, POISON, "c", POISON, POISON, "f"),
    ],
)
async def test_the_visits_that_break_a_batch_are_set_aside_and_all_others_judged(
    visits: Visits, targets: tuple[str, ...]
) -> None:
    await visits.change(REFUSE.format(state="22003"))
    await visits.arrive(*targets)

    with capture_logs() as logs:
        looked_at = await visits.judge.turn()

    assert looked_at == len(targets)
    assert await visits.judged() == [target for target in targets if target != POISON]
    assert await visits.aside() == [POISON] * targets.count(POISON)
    assert await visits.waiting() == []
    assert set(await visits.values("SELECT reason FROM hits_set_aside")) == {"DBAPIError 22003"}
    told = [(line["log_level"], line["owner_id"]) for line in logs if line["event"] == "hit_set_aside"]
    assert told == [("error", 1)] * targets.count(POISON)


async def test_a_visit_that_cannot_even_be_read_is_set_aside(visits: Visits) -> None:
    await visits.arrive("a", "b", "c")
    await visits.change("UPDATE tracking_hits SET occurred_at = '0044-03-15 12:00:00+00 BC' WHERE target = 'b'")

    await visits.judge.turn()

    assert await visits.judged() == ["a", "c"]
    assert await visits.aside() == ["b"]


@pytest.mark.parametrize("state", ["40001", "53100", "42703"])
async def test_a_failure_that_is_no_visits_fault_sets_nothing_aside(visits: Visits, state: str) -> None:
    await visits.change(REFUSE.format(state=state))
    await visits.arrive("a", POISON)

    with pytest.raises(DBAPIError):
        await visits.judge.turn()

    assert (await visits.judged(), await visits.aside()) == ([], [])
    assert await visits.waiting() == ["a", POISON]


async def test_a_visit_that_takes_too_long_stays_and_holds_up_no_other(visits: Visits) -> None:
    await visits.change(REFUSE.format(state="57014"))
    await visits.arrive("a", POISON, "c", "d")

    first, second = await visits.judge.turn(), await visits.judge.turn()

    assert (first, second) == (3, 0)
    assert await visits.judged() == ["a", "c", "d"]
    assert (await visits.waiting(), await visits.aside()) == ([POISON], [])


async def test_while_another_judges_nothing_is_set_aside(visits: Visits) -> None:
    await visits.change(REFUSE.format(state="22003"))
    await visits.arrive("a", POISON)

    async with visits.sessions.begin() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(CAST(:lock AS bigint))"), {"lock": 0x4A5B0001})
        looked_at = await visits.judge.turn()

    assert looked_at == 0
    assert await visits.waiting() == ["a", POISON]


async def test_the_doctor_tells_of_what_was_set_aside(visits: Visits) -> None:
    await visits.change(REFUSE.format(state="22003"))
    await visits.arrive(POISON, "b", POISON)
    await visits.judge.turn()

    async with visits.sessions.begin() as session:
        found = {each.name: each for each in await examine(session, patience=timedelta(minutes=5))}

    assert (found["visits_set_aside"].count, found["visits_set_aside"].is_stuck) == (2, True)
    assert found["visits_set_aside"].details == ["DBAPIError 22003: 2"]


async def run(visits: Visits, *arguments: str) -> str:
    """What the command line says on the visits' database."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")},
        "JOURNEYS_DATABASE_URL": visits.url,
        "JOURNEYS_SECRET_KEY": "secret-key-of-the-tests",
        "JOURNEYS_ADMIN_API_KEY": "admin-key-of-the-tests",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "journeys_api.cli", *arguments, env=environment, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


async def test_what_was_set_aside_counts_once_it_can_be_judged(visits: Visits) -> None:
    await visits.change(REFUSE.format(state="22003"))
    await visits.arrive("a", POISON, "c", POISON)
    await visits.judge.turn()
    before = await visits.values("SELECT to_jsonb(visit) FROM hits_set_aside ORDER BY hit_id")
    await visits.change("DROP TRIGGER refuse ON message_activities")

    said = await run(visits, "visits", "retry")
    put_back = await visits.values("SELECT to_jsonb(h) FROM tracking_hits h ORDER BY hit_id")
    await visits.judge.turn()

    assert said == "2 visits are judged again.\n"
    assert put_back == before
    assert await visits.judged() == ["a", POISON, "c", POISON]
    assert (await visits.waiting(), await visits.aside()) == ([], [])


async def test_what_nobody_wants_is_deleted_by_name_only(visits: Visits) -> None:
    await visits.change(REFUSE.format(state="22003"))
    await visits.arrive("a", POISON)
    await visits.judge.turn()

    said = await run(visits, "visits", "forget")

    assert said == "1 visits are gone.\n"
    assert (await visits.judged(), await visits.waiting(), await visits.aside()) == (["a"], [], [])
