"""Whose messages are sent first: no account waits behind another's backlog."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import SetClock
from journeys_api.delivery import outbox, recording
from journeys_api.delivery.outbox import Claimed, Finished, retry_at
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sending import Attempt, Pace, Sender
from journeys_api.models import DeliveryKind
from journeys_api.settings import Settings
from journeys_api.work import Worker

NOW = datetime(2026, 5, 4, tzinfo=UTC)
LEASE = timedelta(minutes=10)


@pytest.fixture
async def worker(settings: Settings, make_database: Any, template: str) -> AsyncIterator[Worker]:
    """A worker on a database that it has for itself."""
    own = Worker(settings.model_copy(update={"database_url": await make_database(template)}), clock=SetClock(NOW))
    yield own
    await own.close()


async def owe(worker: Worker, owner_id: int, count: int, *, minutes_ago: int) -> None:
    """Notices to an account's own address, about nobody."""
    async with worker.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO deliveries (owner_id, kind, list_id, subscriber_id, next_attempt_at, created_at) "
                "SELECT :owner, 'webhook', 0, 0, :at, :at FROM generate_series(1, :count)"
            ),
            {"owner": owner_id, "count": count, "at": NOW - timedelta(minutes=minutes_ago)},
        )


async def take(worker: Worker, limit: int, **more: Any) -> outbox.Claims:
    async with worker.sessions.begin() as session:
        return await outbox.claim(session, DeliveryKind.WEBHOOK, limit=limit, lease=LEASE, now=NOW, **more)


def owners(claims: outbox.Claims) -> dict[int, int]:
    return dict(Counter(row.owner_id for row in claims.rows))


async def test_accounts_share_a_claim_however_much_one_of_them_has_waiting(worker: Worker) -> None:
    await owe(worker, 1, 100, minutes_ago=60)
    await owe(worker, 2, 1, minutes_ago=1)
    await owe(worker, 3, 100, minutes_ago=30)
    await owe(worker, 4, 100, minutes_ago=-30)  # not due yet

    first = await take(worker, 9)
    second = await take(worker, 9, after=first.served)

    assert owners(first) == {1: 3, 2: 1, 3: 3}
    assert owners(second) == {1: 5, 3: 4}


async def test_an_account_with_enough_under_way_is_passed_over(worker: Worker) -> None:
    await owe(worker, 1, 100, minutes_ago=60)
    await owe(worker, 2, 100, minutes_ago=1)

    assert owners(await take(worker, 50, full=[1])) == {2: 50}
    assert owners(await take(worker, 50, full=[1], most_of_account=7)) == {2: 7}
    assert owners(await take(worker, 50, full=[1, 2])) == {}


async def test_more_accounts_than_share_a_claim_all_have_their_turn(worker: Worker) -> None:
    for owner_id in range(1, outbox.MOST_ACCOUNTS + 6):
        await owe(worker, owner_id, 2, minutes_ago=5)

    first = await take(worker, outbox.MOST_ACCOUNTS)
    second = await take(worker, 10, after=first.served)

    assert owners(first) == dict.fromkeys(range(1, outbox.MOST_ACCOUNTS + 1), 1)
    assert set(range(outbox.MOST_ACCOUNTS + 1, outbox.MOST_ACCOUNTS + 6)) <= set(owners(second))


async def test_with_room_for_one_each_account_has_its_turn(worker: Worker) -> None:
    for owner_id in (1, 2, 3):
        await owe(worker, owner_id, 5, minutes_ago=5)

    turns, after = list[int](), 0
    for _ in range(4):
        claims = await take(worker, 1, after=after)
        after = claims.served
        turns += owners(claims)

    assert turns == [1, 2, 3, 1]


async def test_a_mail_that_waited_for_days_has_its_72_hours_all_the_same(worker: Worker) -> None:
    await owe(worker, 1, 1, minutes_ago=4 * 24 * 60)

    claims = await take(worker, 1)
    async with worker.sessions.begin() as session:
        said = [Finished(claims.token, row, Outcome(Ending.DEFERRED, "busy")) for row in claims.rows]
        await outbox.finish(session, said, now=NOW)

    assert [row.first_attempt_at for row in claims.rows] == [NOW]
    assert retry_at("mail", attempts=1, first_at=NOW, now=NOW) == NOW + timedelta(minutes=1)
    async with worker.sessions() as session:
        [(state, first_at)] = (await session.execute(text("SELECT state, first_attempt_at FROM deliveries"))).all()
    assert (state, first_at) == ("pending", NOW)


class Door:
    """Prepares attempts that succeed once it is open."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.sent: list[int] = []

    async def let_through(self, count: int) -> None:
        """Open it until so many more have been sent."""
        wanted = len(self.sent) + count
        self.open.set()
        async with asyncio.timeout(40):
            while len(self.sent) < wanted:  # noqa: ASYNC110 (others have their turn)
                await asyncio.sleep(0)
        self.open.clear()

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        def attempt_of(delivery_id: int) -> Attempt:
            async def attempt() -> Outcome:
                await self.open.wait()
                self.sent.append(delivery_id)
                return Outcome(Ending.ACCEPTED)

            return attempt

        return {row.delivery_id: attempt_of(row.delivery_id) for row in rows}


async def states(worker: Worker) -> dict[str, int]:
    async with worker.sessions() as session:
        found = await session.execute(text("SELECT state, count(*) AS number FROM deliveries GROUP BY 1"))
    return {row.state: row.number for row in found}


async def until(asked: Callable[[], Awaitable[bool]]) -> None:
    """Ask the database until it says yes."""
    async with asyncio.timeout(40):
        while not await asked():  # noqa: ASYNC110 (it tells nobody by itself)
            await asyncio.sleep(0.01)


async def seven_are_sent(worker: Worker) -> bool:
    return (await states(worker)).get("sent") == 7


async def end_who_records(worker: Worker, by: str) -> bool:
    async with worker.sessions() as session:
        ended = await session.scalars(
            text(
                f"SELECT {by}(pid) FROM pg_locks JOIN pg_stat_activity USING (pid) "
                "WHERE NOT granted AND datname = current_database() AND query LIKE '%untried%'"
            )
        )
        return any(ended)


def sender_of(worker: Worker, door: Door, concurrency: int) -> Sender:
    pace = Pace(concurrency, concurrency, lease=LEASE)
    return Sender(worker.sessions, [DeliveryKind.WEBHOOK], door, pace, clock=SetClock(NOW))


async def test_sending_goes_on_while_outcomes_are_recorded_as_long_as_they_are_few(worker: Worker) -> None:
    await owe(worker, 1, 12, minutes_ago=5)
    door = Door()
    sender = sender_of(worker, door, 2)

    async with worker.sessions.begin() as other:
        for _ in range(2):
            await sender.turn()
            await other.execute(text("SELECT 1 FROM deliveries WHERE state = 'sending' FOR UPDATE"))
            await door.let_through(2)
        sender.freed.clear()
        waits = await sender.turn()
        unrecorded, is_told = len(door.sent), sender.freed.is_set()
    async with asyncio.timeout(40):
        await sender.freed.wait()
    door.open.set()
    await sender.run_until_quiet()

    assert (waits, unrecorded, is_told) == (0, 4, False)
    assert sorted(door.sent) == sorted(set(door.sent))
    assert await states(worker) == {"sent": 12}


async def test_a_row_that_somebody_holds_keeps_no_other_from_being_recorded(worker: Worker) -> None:
    await owe(worker, 1, 8, minutes_ago=5)
    door = Door()
    sender = sender_of(worker, door, 8)

    await sender.turn()
    async with worker.sessions.begin() as other:
        await other.execute(text("SELECT 1 FROM deliveries ORDER BY delivery_id LIMIT 1 FOR UPDATE"))
        door.open.set()
        await until(lambda: seven_are_sent(worker))
    await sender.run_until_quiet()

    assert await states(worker) == {"sent": 8}
    assert len(door.sent) == 8


@pytest.mark.parametrize("by", ["pg_terminate_backend", "pg_cancel_backend"])
async def test_outcomes_wait_for_a_database_that_does_not_take_them(worker: Worker, by: str) -> None:
    await owe(worker, 1, 8, minutes_ago=5)
    door = Door()
    sender = sender_of(worker, door, 8)

    await sender.turn()
    async with worker.sessions.begin() as other:
        await other.execute(text("SELECT 1 FROM deliveries FOR UPDATE"))
        door.open.set()
        await until(lambda: end_who_records(worker, by))
    await sender.run_until_quiet()

    assert await states(worker) == {"sent": 8}
    assert len(door.sent) == 8


class Interrupted(Door):
    """Loses its connection while it prepares, once."""

    def __init__(self) -> None:
        super().__init__()
        self.open.set()
        self.is_away = True

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        if self.is_away:
            self.is_away = False
            raise ConnectionResetError
        return await super().prepare(session, rows)


async def test_what_could_not_be_prepared_goes_back_untried(worker: Worker) -> None:
    await owe(worker, 1, 3, minutes_ago=5)
    door = Interrupted()
    sender = sender_of(worker, door, 8)

    with pytest.raises(ConnectionResetError):
        await sender.turn()
    await sender.finish()
    async with worker.sessions() as session:
        found = await session.execute(text("SELECT state, attempts, unknowns, first_attempt_at FROM deliveries"))
        left = {tuple(row) for row in found}
    await sender.run_until_quiet()

    assert left == {("pending", 0, 0, None)}
    assert await states(worker) == {"sent": 3}


async def test_who_is_leaving_does_not_wait_for_ever_for_what_cannot_be_recorded(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "SETTLE_SECONDS", 0.1)
    await owe(worker, 1, 1, minutes_ago=5)
    door = Door()
    sender = sender_of(worker, door, 8)

    await sender.turn()
    async with worker.sessions.begin() as other:
        await other.execute(text("SELECT 1 FROM deliveries FOR UPDATE"))
        door.open.set()
        async with asyncio.timeout(60):
            await sender.finish()
        left = await states(worker)
    monkeypatch.undo()
    await sender.finish()

    assert left == {"sending": 1}
    assert await states(worker) == {"sent": 1}


async def test_a_late_outcome_changes_nothing_beside_that_of_the_next_lease(worker: Worker) -> None:
    await owe(worker, 1, 1, minutes_ago=5)
    first = await take(worker, 1)
    later = NOW + LEASE + timedelta(seconds=1)
    async with worker.sessions.begin() as session:
        await outbox.rescue(session, now=later)
        second = await outbox.claim(session, DeliveryKind.WEBHOOK, limit=1, lease=LEASE, now=later)
    late = Finished(first.token, first.rows[0], Outcome(Ending.REFUSED, "late"))
    ours = Finished(second.token, second.rows[0], Outcome(Ending.ACCEPTED))

    for order in ([late, ours], [ours, late]):
        async with worker.sessions() as session:
            kept = await outbox.finish(session, order, now=later)
            state = (await session.execute(text("SELECT state, reason FROM deliveries"))).one()
        assert (kept, tuple(state)) == ([ours], ("sent", None))
