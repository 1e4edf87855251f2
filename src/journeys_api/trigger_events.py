"""Writing down that something happened to subscribers: the one way to what may start a journey.

A noun records the event in the transaction that changed the subscriber; the engine reads it in one of its own. So
nothing that happened is forgotten, and nothing that was rolled back starts anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import JSON, Insert, Select, SmallInteger, Text, exists, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SHARDS, Journey, JourneyStatus, TriggerEvent

START = "Start"
"""Somebody shall enter the journey that the subject names, whatever its trigger."""
EXIT = "Exit"
"""Somebody shall leave the journey that the subject names; 0: all but those in the payload's `but`."""
MAX_DEPTH = 10
"""How long a chain of journeys setting off journeys may get."""
CHANNEL = "journeys_work"
"""Where workers are woken; a hint, they look by themselves within a second."""


@dataclass(frozen=True)
class Happened:
    """One thing that happened to one subscriber."""

    kind: str
    """A trigger's name, or START or EXIT."""
    list_id: int
    subscriber_id: int
    subject_id: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)


def shard_of(subscriber_id: int) -> int:
    """The shard that a subscriber's events and timers are in."""
    return subscriber_id % SHARDS


async def record(
    session: AsyncSession, events: Sequence[Happened], *, owner_id: int, now: datetime, depth: int = 0
) -> None:
    """Write down events of one account's subscribers, in their order; one statement whatever their number.

    Args:
        depth: 0 for what people and clients did, one more than the enrollment's for what a journey did: of that, only
            what an enabled journey of the account waits for is written.
    """
    if not events:
        return
    kinds = [event.kind for event in events]
    await session.execute(
        _RECORD,
        {
            "owner": owner_id,
            "now": now,
            "depth": depth,
            "distinct": list(dict.fromkeys(kinds)),
            "always": [each for each in dict.fromkeys(kinds) if depth == 0 or each in (START, EXIT)],
            "kinds": kinds,
            "lists": [event.list_id for event in events],
            "people": [event.subscriber_id for event in events],
            "subjects": [event.subject_id for event in events],
            "payloads": [orjson.dumps(event.payload).decode() if event.payload else "{}" for event in events],
        },
    )
    await wake(session)


AWAITED = (
    "EXISTS (SELECT FROM journeys j WHERE j.owner_id = {owner} AND j.trigger = {kind} AND j.status = 'Enabled' "
    "AND j.deleted_at IS NULL)"
)
"""SQL: whether an enabled journey of an account waits for a kind. What journeys do to thousands of people is written
down only where one does; what people and clients do is always."""

_RECORD = text(
    f"""
INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, subject_id, payload, depth, occurred_at)
SELECT w.subscriber_id % {SHARDS}, :owner, w.kind, w.list_id, w.subscriber_id, w.subject_id, CAST(w.payload AS json),
       :depth, :now
FROM unnest(CAST(:kinds AS text[]), CAST(:lists AS bigint[]), CAST(:people AS bigint[]), CAST(:subjects AS bigint[]),
            CAST(:payloads AS text[])) WITH ORDINALITY AS w(kind, list_id, subscriber_id, subject_id, payload, place)
WHERE w.kind = ANY (ARRAY(
    SELECT k FROM unnest(CAST(:distinct AS text[])) AS k
    WHERE k = ANY (CAST(:always AS text[])) OR {AWAITED.format(owner=":owner", kind="k")}
))
ORDER BY w.place
"""  # noqa: S608 (pieces of ours)
)


def recording(kind: str, people: Select[int, int, int], *, owner_id: int, now: datetime, depth: int = 0) -> Insert:
    """The statement that writes down that one thing happened to each of the selected people, who do not pass through
    this process; for use as a part of another statement. Call `wake` with it.

    Args:
        people: list, subscriber and subject of each.
    """
    happened = people.subquery("happened_to")
    list_id, subscriber_id, subject_id = happened.columns
    rows = select(
        (subscriber_id % SHARDS).cast(SmallInteger),
        literal(owner_id, TriggerEvent.owner_id.type),
        literal(kind, Text),
        list_id,
        subscriber_id,
        subject_id,
        literal({}, JSON),
        literal(depth, SmallInteger),
        literal(now, TriggerEvent.occurred_at.type),
    )
    if depth:
        rows = rows.where(
            exists().where(
                Journey.owner_id == owner_id,
                Journey.trigger == kind,
                Journey.status == JourneyStatus.ENABLED,
                Journey.deleted_at.is_(None),
            )
        )
    into = [
        "shard",
        "owner_id",
        "kind",
        "list_id",
        "subscriber_id",
        "subject_id",
        "payload",
        "depth",
        "occurred_at",
    ]
    return insert(TriggerEvent).from_select(into, rows)


async def wake(session: AsyncSession) -> None:
    """Tell workers, when this transaction commits, that there is something to do."""
    await session.execute(text(f"NOTIFY {CHANNEL}"))
