"""`journeys-api doctor` finds what is stuck, and nothing where all moves."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import text

from journeys_api.cli.doctor_table import print_table
from journeys_api.db import Sessions, make_engine, make_sessions
from journeys_api.operators.doctor import Finding, examine
from tests.tracking.lines import Line

# one account with an enabled journey (1), a disabled one (2) and a deleted one (3)
WORLD = """
INSERT INTO user_groups (group_id, group_name, permissions, created_at, updated_at)
    OVERRIDING SYSTEM VALUE VALUES (1, 'g', '{*}', now(), now());
INSERT INTO users (user_id, group_id, username, email_address, password_hash, created_at, updated_at)
    OVERRIDING SYSTEM VALUE VALUES (1, 1, 'u', 'u@example.com', 'x', now(), now());
INSERT INTO journeys (journey_id, owner_id, name, status, deleted_at, created_at, updated_at)
    OVERRIDING SYSTEM VALUE VALUES (1, 1, 'a', 'Enabled', NULL, now(), now() - interval '1 day'),
    (2, 1, 'b', 'Disabled', NULL, now(), now()), (3, 1, 'c', 'Disabled', now(), now(), now());
"""


def person(number: int, *, journey: int = 1, due: str = "1 hour", timer: str | None = None) -> str:
    """SQL of somebody active, due this long ago, with a timer at another time where it says so."""
    return (
        "INSERT INTO enrollments (enrollment_id, owner_id, journey_id, list_id, subscriber_id, email_address, "
        "action_id, entered_at, due_at, created_at) OVERRIDING SYSTEM VALUE "
        f"VALUES ({number}, 1, {journey}, 1, {number}, 'a@example.com', 1, now(), now() - interval '{due}', now());"
        "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) "
        f"VALUES ({number % 16}, {journey}, now() - interval '{timer or due}', 1, {number});"
    )


def in_the_round(shard: int, *, journey: int = 1) -> str:
    return (
        "INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) "
        f"VALUES ({shard}, {journey}, 1, '-infinity');"
    )


def delivery(number: int, more: str, values: str, *, kind: str = "mail") -> str:
    return (
        "INSERT INTO deliveries (owner_id, kind, list_id, subscriber_id, created_at, next_attempt_at, "
        f"{more}) VALUES (1, '{kind}', 1, {number}, now(), now() - interval '1 hour', {values});"
    )


@pytest.fixture
async def sessions(make_database: Any, template: str) -> AsyncIterator[Sessions]:
    """Sessions on a database of the test's own."""
    engine = make_engine(await make_database(template), pool_size=1, statement_timeout=timedelta(seconds=10))
    yield make_sessions(engine)
    await engine.dispose()


async def after(sessions: Sessions, *statements: str, stuck: bool = True) -> dict[str, Finding]:
    """What is found once these statements were done: by name, what is stuck or what is told for information."""
    async with sessions.begin() as session:
        for statement in (WORLD + "".join(statements)).split(";"):
            if statement.strip():
                await session.execute(text(statement))
        found = await examine(session, patience=timedelta(minutes=5))
    return {each.name: each for each in found if each.count and each.is_stuck is stuck}


async def test_nothing_is_stuck_where_nothing_waits(sessions: Sessions) -> None:
    assert await after(sessions) == {}


async def test_what_waits_no_longer_than_it_may_is_not_stuck(sessions: Sessions) -> None:
    found = await after(sessions, person(1, due="1 minute"), person(2, due="-2 days"), in_the_round(1), in_the_round(2))

    assert found == {}


async def test_people_of_disabled_and_deleted_journeys_are_not_stuck(sessions: Sessions) -> None:
    assert await after(sessions, person(1, journey=2), person(2, journey=3, timer="3 hours")) == {}


async def test_people_whose_step_was_not_taken_are_found(sessions: Sessions) -> None:
    found = await after(sessions, person(1), person(17), person(2), in_the_round(1), in_the_round(2))

    assert list(found) == ["people_overdue"]
    assert found["people_overdue"].count == 3
    assert found["people_overdue"].details == ["journey 1: 3"]


async def test_people_whose_timer_says_otherwise_are_found(sessions: Sessions) -> None:
    found = await after(sessions, person(1, due="-1 hour", timer="-2 hours"), in_the_round(1))

    assert list(found) == ["people_without_timer"]


async def test_a_journey_that_the_round_does_not_know_is_found(sessions: Sessions) -> None:
    found = await after(sessions, person(1, due="-1 hour"), person(2, due="-1 hour"), in_the_round(1))

    assert list(found) == ["journeys_out_of_the_round"]
    assert found["journeys_out_of_the_round"].count == 1


async def test_old_events_and_jobs_are_found_and_young_ones_not(sessions: Sessions) -> None:
    found = await after(
        sessions,
        "INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, occurred_at) VALUES "
        "(1, 1, 'Tag', 1, 1, now() - interval '1 hour'), (2, 1, 'Tag', 1, 2, now());",
        "INSERT INTO journey_jobs (owner_id, journey_id, kind, created_at) VALUES "
        "(1, 3, 'end', now() - interval '1 hour'), (1, 2, 'release', now());",
    )

    assert {name: list(each.details) for name, each in found.items()} == {
        "events_waiting_long": ["Tag: 1"],
        "jobs_waiting_long": ["end of journey 3: 1"],
    }


def job(state: str, *, due: str, reason: str = "", ended: str = "CAST(NULL AS timestamptz)") -> str:
    return (
        "INSERT INTO jobs (owner_id, kind, state, parameters, reason, next_turn_at, created_at, updated_at, "
        f"finished_at, expires_at) VALUES (1, 'import', '{state}', '{{}}', '{reason}', now() - interval '{due}', "
        f"now(), now(), {ended}, {ended} + interval '30 days');"
    )


async def test_imports_that_nobody_works_on_are_found(sessions: Sessions) -> None:
    found = await after(
        sessions,
        job("running", due="1 hour"),
        job("pending", due="1 minute"),
        job("running", due="-10 minutes"),
        job("completed", due="2 hours", ended="now()"),
    )

    assert {name: list(each.details) for name, each in found.items()} == {
        "imports_and_exports_waiting_long": ["import: 1"]
    }


async def test_imports_that_failed_in_the_last_day_are_told(sessions: Sessions) -> None:
    old = job("failed", due="3 days", reason="List not found", ended="now() - interval '2 days'")

    found = await after(sessions, job("failed", due="1 hour", reason="List not found", ended="now()"), old, stuck=False)

    assert list(found["imports_and_exports_failed"].details) == ["import: List not found: 1"]


async def test_messages_that_nobody_sends_are_found(sessions: Sessions) -> None:
    found = await after(
        sessions,
        delivery(1, "state", "'pending'"),
        delivery(2, "state, lease_token, lease_expires_at", "'sending', gen_random_uuid(), now() - interval '1 hour'"),
        delivery(3, "state, lease_token, lease_expires_at", "'sending', gen_random_uuid(), now()"),
        delivery(4, "state, journey_id", "'held', 1", kind="webhook"),
        delivery(5, "state, journey_id", "'held', 2"),
        delivery(6, "state, ended_at", "'sent', now()"),
    )

    assert {name: list(each.details) for name, each in found.items()} == {
        "leases_expired": ["mail: 1"],
        "deliveries_overdue": ["mail: 1"],
        "deliveries_held": ["journey 1: 1"],
    }


async def test_visits_and_numbers_that_nobody_takes_are_found(sessions: Sessions) -> None:
    found = await after(
        sessions,
        "INSERT INTO tracking_hits (owner_id, delivery_id, kind, occurred_at) VALUES "
        "(1, 1, 'opened', now() - interval '1 hour'), (1, 1, 'clicked', now() - interval '2 hours'), "
        "(1, 2, 'clicked', now());",
        "INSERT INTO counter_deltas (owner_id, journey_id, happened_at) VALUES "
        "(1, 1, now() - interval '1 hour'), (7, 2, now() - interval '1 hour'), (7, 2, NULL), (1, 1, now());",
    )

    assert {name: list(each.details) for name, each in found.items()} == {
        "visits_waiting_long": ["clicked: 1", "opened: 1"],
        "numbers_not_folded": ["account 1: 1", "account 7: 1"],
    }


async def test_failures_of_the_last_day_are_told_and_are_not_stuck(sessions: Sessions) -> None:
    failed = (
        "INSERT INTO enrollments (owner_id, journey_id, list_id, subscriber_id, email_address, state, entered_at, "
        "created_at, ended_at, reason) VALUES "
        "(1, 1, 1, 1, 'a', 'failed', now(), now(), now() - interval '1 hour', 'the email is gone'), "
        "(1, 1, 1, 2, 'b', 'failed', now(), now(), now() - interval '3 days', 'long ago');"
    )
    aside = (
        "INSERT INTO enrollment_refusals (owner_id, journey_id, list_id, subscriber_id, kind, reason, refused_at) "
        "VALUES (1, 0, 1, 1, 'Tag', 'the event cannot be processed', now()), (1, 1, 1, 1, 'Tag', 'hourly', now());"
    )
    refused = delivery(1, "state, reason, ended_at", "'refused', '550 no such user', now()")

    found = await after(sessions, failed, aside, refused, stuck=False)

    assert {name: list(each.details) for name, each in found.items()} == {
        "people_failed": ["the email is gone: 1"],
        "deliveries_refused": ["mail: 550 no such user: 1"],
        "events_set_aside": ["Tag of account 1: 1"],
    }


def test_the_table_shows_reasons_as_they_are() -> None:
    out = StringIO()
    found = [Finding("people_failed", 1, True, "People", ["[bold]x[/nonsense]: 1"])]

    print_table(found, Console(file=out, width=100))

    assert "[bold]x[/nonsense]: 1" in out.getvalue()
    assert "1 things are stuck." in out.getvalue()


async def run_command(url: str, *arguments: str) -> tuple[int, str, str]:
    """The command itself, on a database of an operator's: exit code and what it printed to either stream."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JOURNEYS_")},
        "JOURNEYS_DATABASE_URL": url,
        "JOURNEYS_SECRET_KEY": "secret-key-of-the-tests",
        "JOURNEYS_ADMIN_API_KEY": "admin-key-of-the-tests",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "journeys_api.cli", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            printed, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode or 0, printed.decode(), said.decode()


async def run_doctor(url: str) -> tuple[int, Any]:
    """Exit code and findings of `doctor`."""
    code, printed, _ = await run_command(url, "doctor", "--json")
    return code, json.loads(printed)


async def test_the_command_ends_with_1_only_when_something_is_stuck(make_database: Any, template: str) -> None:
    url = await make_database(template)
    healthy = await run_doctor(url)
    engine = make_engine(url, pool_size=1, statement_timeout=timedelta(seconds=10))
    async with engine.begin() as connection:
        await connection.execute(text(delivery(1, "state", "'pending'").rstrip(";")))
    await engine.dispose()

    sick = await run_doctor(url)

    assert healthy[0] == 0
    assert sick[0] == 1
    assert [each["name"] for each in sick[1] if each["is_stuck"]] == ["deliveries_overdue"]


async def test_no_command_waits_for_a_database_that_does_not_answer(make_database: Any, template: str) -> None:
    url = await make_database(template)

    async def told(command: str, said_last: bytes | None) -> tuple[int, str]:
        """How a command ends on a line that is silent from the start, or from a statement on."""
        async with Line(url).open() as line:
            line.silent_after = said_last
            if said_last is None:
                line.fall_silent()
            code, _, said = await run_command(line.url, *command.split())
            return code, said.splitlines()[-1]

    endings = await asyncio.gather(
        told("migrate", None),
        told("doctor", None),
        told("doctor", b"pg_stat_activity"),
        told("stats verify", b"checked_owners"),
    )

    assert set(endings) == {(1, "journeys-api: the database does not answer")}
