"""Transitions a second: the engine against code that moves one person a transaction, and against the floor.

That code comes in two ways: prepared statements of the bare driver, the best that a statement a person can do; and a
session of the ORM, the way it is usually written.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

import engine_ground as ground
from engine_ground import LATER, Action
from journeys_api.db import Sessions, make_engine, make_sessions
from journeys_api.models import (
    ActionSubscriber,
    Delivery,
    DeliveryKind,
    Enrollment,
    Step,
    Subscriber,
    SubscriberTag,
    SubscriptionStatus,
    Timer,
)

WAIT: Action = ("Wait", {"WaitUnit": "days", "WaitAmount": 1})
TAG: Action = ("AddTag", {"TargetTagID": 1})
DECISION: Action = (
    "Decision",
    {
        "Criteria": [[{"type": "fields", "field_id": "EmailAddress", "operator": "contains", "value": "7@"}]],
        "CriteriaOperator": "and",
    },
)
MAIL: Action = ("SendEmail", {"EmailID": 1})
MIXES: dict[str, tuple[int, list[Action]]] = {
    "Wait": (1, [WAIT, WAIT]),
    "AddTag": (2, [TAG, WAIT]),
    "Decision": (3, [DECISION, WAIT]),
    "SendEmail": (4, [MAIL, WAIT]),
    "Wait, AddTag, Decision, SendEmail": (5, [WAIT, TAG, DECISION, MAIL, WAIT]),
}
"""Name → the journey, and its actions; people stand at the first and walk to the last."""

_ONE_TIMER = """
DELETE FROM timers WHERE ctid = (
    SELECT ctid FROM timers WHERE shard = $1 AND journey_id = $2 AND due_at <= $3 ORDER BY due_at
    LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING owner_id, enrollment_id
"""
_PERSON = """
SELECT subscriber_id, list_id, email_address, seq, action_id FROM enrollments
WHERE owner_id = $1 AND enrollment_id = $2 AND state = 'active' FOR UPDATE
"""
_STEP = """
INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome) VALUES ($1, $2, $3, $4, $5, 'done')
"""
_REACHED = """
INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, reached_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE enrollments SET action_id = $3, entered_at = $4, due_at = $5, seq = $6 WHERE owner_id = $1 AND enrollment_id = $2
"""
_TIMER = "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) VALUES ($1, $2, $3, $4, $5)"
_TAGGED = """
INSERT INTO subscriber_tags (owner_id, subscriber_id, tag_id, tagged_at) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING
"""
_DECIDES = "SELECT email_address LIKE '%7@%' FROM subscribers WHERE owner_id = $1 AND subscriber_id = $2"
_MAILABLE = "SELECT status FROM subscribers WHERE owner_id = $1 AND subscriber_id = $2"
_OWED = """
INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id,
                        next_attempt_at, created_at)
VALUES ($1, 'mail', $2, $3, $4, $5, $6, $7, 1, $8, $8) ON CONFLICT DO NOTHING
"""


async def _act(connection: asyncpg.Connection, action: str, person: asyncpg.Record, owner: int, enrollment: int,
               action_id: int, seq: int) -> None:  # fmt: skip
    """What one action does for one person."""
    subscriber = person["subscriber_id"]
    if action == "AddTag":
        await connection.execute(_TAGGED, owner, subscriber, LATER)
    elif action == "Decision":
        await connection.fetchval(_DECIDES, owner, subscriber)
    elif action == "SendEmail":
        await connection.fetchval(_MAILABLE, owner, subscriber)
        journey, list_id = action_id // 100, person["list_id"]
        await connection.execute(_OWED, owner, enrollment, action_id, seq, journey, list_id, subscriber, LATER)


async def _move_one(connection: asyncpg.Connection, shard: int, journey_id: int, actions: Sequence[str]) -> bool:
    """One person through all of the actions but the last, in one transaction; False: nobody is due."""
    due_at = LATER + timedelta(days=1)
    first = journey_id * 100
    async with connection.transaction():
        timer = await connection.fetchrow(_ONE_TIMER, shard, journey_id, LATER)
        if timer is None:
            return False
        owner, enrollment = timer["owner_id"], timer["enrollment_id"]
        person = await connection.fetchrow(_PERSON, owner, enrollment)
        seq = person["seq"]
        for place, action in enumerate(actions[:-1]):
            seq += 1
            await _act(connection, action, person, owner, enrollment, first + place, seq)
            await connection.execute(_STEP, owner, enrollment, seq, first + place, LATER)
            if actions[place + 1] != "SendEmail":
                await connection.execute(_REACHED, owner, first + place + 1, person["list_id"],
                                         person["subscriber_id"], person["email_address"], LATER)  # fmt: skip
        last = first + len(actions) - 1
        await connection.execute(_MOVE, owner, enrollment, last, LATER, due_at, seq)
        await connection.execute(_TIMER, shard, journey_id, due_at, owner, enrollment)
    return True


MoveOne = Callable[[int, int, Sequence[str]], Awaitable[bool]]
"""Shard, journey, its actions → whether somebody was due."""


async def _shared_out(move_one: Callable[[int], MoveOne], shards: Sequence[int]) -> tuple[float, float]:
    """Everybody who is due in these shards, so many at a time."""
    journeys = {number: [action for action, _ in actions] for number, actions in MIXES.values()}

    async def work(move: MoveOne, own: Sequence[int]) -> None:
        for shard in own:
            for journey_id, actions in journeys.items():
                while await move(shard, journey_id, actions):
                    pass

    begin = time.monotonic()
    parts = [shards[number :: ground.CONNECTIONS] for number in range(ground.CONNECTIONS)]
    await asyncio.gather(*(work(move_one(number), part) for number, part in enumerate(parts)))
    return begin, time.monotonic()


async def _by_driver(url: str, shards: Sequence[int]) -> tuple[float, float]:
    connections = await ground.kept("connections", url, ground.some_connections)
    return await _shared_out(lambda number: partial(_move_one, connections[number]), shards)


def by_driver(url: str, shards: Sequence[int]) -> tuple[float, float]:
    """A person a transaction, several at a time, by prepared statements."""
    return ground.run_kept(_by_driver(url, shards))


_ONE_TIMER_NAMED = text(_ONE_TIMER.replace("$1", ":shard").replace("$2", ":journey").replace("$3", ":now"))


async def _move_by_orm(sessions: Sessions, shard: int, journey_id: int, actions: Sequence[str]) -> bool:
    """As `_move_one`, by objects of the models."""
    first = journey_id * 100
    async with sessions.begin() as session:
        taken = {"shard": shard, "journey": journey_id, "now": LATER}
        timer = (await session.execute(_ONE_TIMER_NAMED, taken)).one_or_none()
        if timer is None:
            return False
        person = await session.get_one(Enrollment, (timer.owner_id, timer.enrollment_id), with_for_update=True)
        for place, action in enumerate(actions[:-1]):
            person.seq += 1
            await _act_by_orm(session, action, person, first + place)
            session.add(Step(owner_id=person.owner_id, enrollment_id=person.enrollment_id, seq=person.seq,
                             action_id=first + place, at=LATER, outcome="done"))  # fmt: skip
            if actions[place + 1] != "SendEmail":
                session.add(ActionSubscriber(owner_id=person.owner_id, action_id=first + place + 1,
                                             list_id=person.list_id, subscriber_id=person.subscriber_id,
                                             email_address=person.email_address, reached_at=LATER))  # fmt: skip
        person.action_id, person.entered_at = first + len(actions) - 1, LATER
        person.due_at = LATER + timedelta(days=1)
        session.add(Timer(shard=shard, journey_id=journey_id, due_at=person.due_at, owner_id=person.owner_id,
                          enrollment_id=person.enrollment_id))  # fmt: skip
    return True


async def _act_by_orm(session: AsyncSession, action: str, person: Enrollment, action_id: int) -> None:
    key = (person.owner_id, person.subscriber_id)
    if action == "AddTag":
        session.add(SubscriberTag(owner_id=key[0], subscriber_id=key[1], tag_id=1, tagged_at=LATER))
    elif action in ("Decision", "SendEmail"):
        owned = select(Subscriber).where(Subscriber.owner_id == key[0], Subscriber.subscriber_id == key[1])
        subscriber = (await session.scalars(owned)).one()
        if action == "SendEmail" and subscriber.status == SubscriptionStatus.SUBSCRIBED:
            session.add(Delivery(owner_id=key[0], kind=DeliveryKind.MAIL, enrollment_id=person.enrollment_id,
                                 action_id=action_id, visit=person.seq, journey_id=person.journey_id,
                                 list_id=person.list_id, subscriber_id=key[1], email_id=1, next_attempt_at=LATER,
                                 created_at=LATER))  # fmt: skip


async def _some_sessions(url: str) -> Sessions:
    return make_sessions(make_engine(url, pool_size=ground.CONNECTIONS, statement_timeout=timedelta(minutes=5)))


async def _by_orm(url: str, shards: Sequence[int]) -> tuple[float, float]:
    sessions = await ground.kept("sessions", url, _some_sessions)
    return await _shared_out(lambda _: partial(_move_by_orm, sessions), shards)


def by_orm(url: str, shards: Sequence[int]) -> tuple[float, float]:
    """The usual way: a session a person, several at a time."""
    return ground.run_kept(_by_orm(url, shards))


_FLOOR = """
WITH moved AS (
    UPDATE enrollments
    SET action_id = $2 + 1, entered_at = $3, due_at = CAST($3 AS timestamptz) + interval '1 day', seq = seq + 1
    WHERE owner_id = 1 AND journey_id = $1 AND state = 'active' AND action_id = $2
    RETURNING owner_id, enrollment_id, seq
)
INSERT INTO steps (owner_id, enrollment_id, seq, action_id, at, outcome)
SELECT owner_id, enrollment_id, seq, $2, $3, 'done' FROM moved
"""


WAYS = {"driver, one by one": by_driver, "ORM, one by one": by_orm}
"""What the engine is compared with."""


class Bench:
    """One database; each round fills it anew for each variant."""

    def __init__(self, url: str, given: argparse.Namespace) -> None:
        self.url = url
        self.given = given
        self.last = 0

    async def people(self, number: int, journey_id: int) -> None:
        """So many people more, due at the journey's first action."""
        connection = await ground.connect(self.url)
        first, self.last = self.last + 1, self.last + number
        await ground.put_in(connection, first, self.last, journey_id=journey_id, action_id=journey_id * 100)
        if self.given.analyze:
            await connection.execute("VACUUM ANALYZE", timeout=600)
        await connection.close()

    async def floor(self) -> ground.Timing:
        """One statement over people that nothing else is done for."""
        postmaster = await ground.postmaster_of(self.url)
        connection = await ground.connect(self.url)
        used, begin = ground.processor_of(postmaster), time.monotonic()
        await connection.execute(_FLOOR, 6, 600, LATER, timeout=600)
        timing = ground.Timing(time.monotonic() - begin, ground.processor_of(postmaster) - used)
        await connection.execute("DELETE FROM timers WHERE journey_id = 6")
        await connection.close()
        return timing

    async def journeys(self) -> None:
        """The journeys of all mixes, and one for the floor."""
        connection = await ground.connect(self.url)
        for journey_id, actions in MIXES.values():
            await ground.make_journey(connection, journey_id, actions)
        await ground.make_journey(connection, 6, [WAIT, WAIT])
        await connection.execute("UPDATE journeys SET status = 'Disabled' WHERE journey_id = 6")
        await connection.close()

    def run(self) -> dict[str, dict[str, float]]:
        """All rounds of all mixes; the first is not counted, it warms up."""
        asyncio.run(self.journeys())
        many, few = self.given.many, self.given.few
        steps = {name: len(actions) - 1 for name, (_, actions) in MIXES.items()}
        ours = {name: ground.Side("engine", many * steps[name]) for name in MIXES}
        theirs = {(name, way): ground.Side(way, few * steps[name]) for name in MIXES for way in WAYS}
        floor = ground.Side("floor", many)
        with ground.workers() as pool:
            for number in range(self.given.rounds + 1):
                for name, (journey_id, _) in MIXES.items():
                    asyncio.run(self.people(many, journey_id))
                    mine = ground.timed(pool, ground.by_engine, self.url)
                    if number:
                        ours[name].rounds.append(mine)
                    for way, move in WAYS.items():
                        asyncio.run(self.people(few, journey_id))
                        other = ground.timed(pool, move, self.url)
                        if number:
                            theirs[name, way].rounds.append(other)
                asyncio.run(self.people(many, 6))
                least = asyncio.run(self.floor())
                if number:
                    floor.rounds.append(least)
        found = {f"{name}; {way}": ground.compared(ours[name], side) for (name, way), side in theirs.items()}
        return found | {"Wait; one bare UPDATE and INSERT": ground.compared(ours["Wait"], floor)}


def main() -> None:
    """Print the table and write the JSON beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=32_000, help="people that the engine moves in a round")
    parser.add_argument("--few", type=int, default=1_000, help="people that the other code moves in a round")
    parser.add_argument("--analyze", action="store_true", help="VACUUM ANALYZE before each variant")
    given = parser.parse_args()
    with ground.database() as url:
        result = Bench(url, given).run()
    rows = [(name, *ground.cells(found)) for name, found in result.items()]
    ground.publish("engine_steps", "transitions a second", ("actions; other", *ground.COLUMNS), rows, result)


if __name__ == "__main__":
    main()
