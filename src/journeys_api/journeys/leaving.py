"""People leave journeys before the end: sent by a command or by another journey, or because they are deleted.

Whoever deletes people calls `before_deletion`. Nobody of them goes on from the commit on: few are out of their journeys
by then; of many the workers see to it (`engine/deletions.py`), and as long as they do, a step looks at whether those of
the list are still there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import Subscriber
from journeys_api.trigger_events import EXIT, Happened, record, wake

DELETED = "subscriber deleted"
AT_ONCE = 1000
"""How many people leave their journeys in the transaction that deletes them: it holds what steps wait for."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Somebody shall leave journeys without completing them."""

    owner_id: int
    list_id: int
    subscriber_id: int
    journey_id: int
    """0: every journey except those in `but`."""
    reason: str
    but: Sequence[int] = ()
    before: datetime | None = None
    """Whom a call let in after this instant stays: only calls come past the events, which are in order. None: all."""


# In order of enrollment, as people of a batch are locked. A statement of its own: a row that somebody else has moved
# meanwhile is at a place that only the next statement sees. OFFSET is for the planner: one look-up for each, no join.
_LOCK_LEAVING = text(
    """
SELECT CAST(e.place AS text) AS place, l.reason FROM (
    SELECT DISTINCT ON (found.enrollment_id) found.owner_id, found.enrollment_id, w.reason
    FROM unnest(CAST(:owners AS bigint[]), CAST(:lists AS bigint[]), CAST(:people AS bigint[]),
                CAST(:journeys AS bigint[]), CAST(:buts AS text[]), CAST(:reasons AS text[]),
                CAST(:befores AS timestamptz[])) WITH ORDINALITY
         AS w(owner_id, list_id, subscriber_id, journey_id, but, reason, before, number), LATERAL (
        SELECT e.owner_id, e.enrollment_id FROM enrollments e
        WHERE e.owner_id = w.owner_id AND e.subscriber_id = w.subscriber_id AND e.list_id = w.list_id
          AND e.ended_at IS NULL AND w.journey_id IN (0, e.journey_id)
          AND e.journey_id <> ALL (CAST(w.but AS bigint[]))
          AND (w.before IS NULL OR e.created_at <= w.before OR e.cause ->> 'kind' <> 'Manual')
        OFFSET 0
    ) AS found
    ORDER BY found.enrollment_id, w.number
) AS l, LATERAL (
    SELECT ctid AS place FROM enrollments e
    WHERE e.owner_id = l.owner_id AND e.enrollment_id = l.enrollment_id AND e.ended_at IS NULL FOR UPDATE
) AS e
"""
)
_EXIT = text(
    """
WITH w AS (
    SELECT place, reason FROM unnest(CAST(CAST(:places AS text[]) AS tid[]), CAST(:reasons AS text[]))
        AS w(place, reason)
), ended AS (
    UPDATE enrollments e SET state = 'exited', ended_at = :now, reason = w.reason, due_at = NULL
    FROM w WHERE e.ctid = ANY (ARRAY (SELECT place FROM w)) AND e.ctid = w.place
    RETURNING e.owner_id, e.journey_id, e.action_id
)
INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count)
SELECT owner_id, journey_id, action_id, -count(*) FROM ended WHERE action_id IS NOT NULL GROUP BY 1, 2, 3
UNION ALL SELECT owner_id, journey_id, 0, -count(*) FROM ended GROUP BY 1, 2
"""
)


async def exit_journeys(session: AsyncSession, exits: Sequence[Exit], *, now: datetime) -> None:
    """End people's active enrollments without completing them; who is not inside is left alone.

    Their timers stay and do nothing: the enrollments are not active any more.
    """
    if not exits:
        return
    leaving = (
        await session.execute(
            _LOCK_LEAVING,
            {
                "owners": [each.owner_id for each in exits],
                "lists": [each.list_id for each in exits],
                "people": [each.subscriber_id for each in exits],
                "journeys": [each.journey_id for each in exits],
                "buts": ["{" + ",".join(map(str, each.but)) + "}" for each in exits],
                "reasons": [each.reason for each in exits],
                "befores": [each.before for each in exits],
            },
        )
    ).all()
    if leaving:
        places, reasons = [row.place for row in leaving], [row.reason for row in leaving]
        await session.execute(_EXIT, {"places": places, "reasons": reasons, "now": now})


# `ended_at` and `lease_token` say pending or held without an invitation to the partial index of those, which is read
# whole for it. Locked in order, as whoever records how attempts ended locks them. Webhooks of people whom a journey
# deleted know these by themselves, and are called.
_WITHDRAW = text(
    """
UPDATE deliveries SET state = 'withdrawn', reason = :reason, ended_at = :now WHERE delivery_id = ANY (ARRAY (
    SELECT h.delivery_id FROM (
        SELECT d.delivery_id FROM unnest(CAST(:people AS bigint[])) AS w(subscriber_id), LATERAL (
            SELECT enrollment_id FROM enrollments e WHERE e.owner_id = :owner AND e.subscriber_id = w.subscriber_id
            OFFSET 0
        ) AS e, LATERAL (
            SELECT delivery_id FROM deliveries d WHERE d.owner_id = :owner AND d.enrollment_id = e.enrollment_id
            AND d.ended_at IS NULL AND d.lease_token IS NULL AND d.deleted_subscriber IS NULL OFFSET 0
        ) AS d ORDER BY d.delivery_id
    ) AS w, LATERAL (
        SELECT delivery_id FROM deliveries d
        WHERE d.delivery_id = w.delivery_id AND d.ended_at IS NULL AND d.lease_token IS NULL
          AND d.deleted_subscriber IS NULL FOR UPDATE
    ) AS h
))
"""
)


async def end_deleted(
    session: AsyncSession, people: Sequence[tuple[int, int]], *, owner_id: int, now: datetime
) -> None:
    """End deleted people's passes through journeys, and withdraw what journeys owe them.

    What is being sent just now is withdrawn when it is to be tried again.

    Args:
        people: list and subscriber of each.
    """
    exits = [Exit(owner_id, list_id, subscriber_id, 0, DELETED) for list_id, subscriber_id in people]
    await exit_journeys(session, exits, now=now)
    # a statement that begins after it: a step that had them owes what it owes by now
    await session.execute(
        _WITHDRAW,
        {"owner": owner_id, "people": [each.subscriber_id for each in exits], "reason": DELETED, "now": now},
    )


async def before_deletion(
    session: AsyncSession, who: ColumnElement[bool], *, owner_id: int, list_ids: Sequence[int], now: datetime
) -> ColumnElement[bool]:
    """Have an account's people leave their journeys because this transaction is going to delete them.

    Enrollments are locked before subscribers, as steps do.

    Args:
        who: a condition over `Subscriber`.
        list_ids: all lists that they are on.

    Returns:
        Whom to delete: `who`, or exactly those who have left.
    """
    chosen = select(Subscriber.list_id, Subscriber.subscriber_id).where(who).limit(AT_ONCE + 1)
    people = [(row.list_id, row.subscriber_id) for row in await session.execute(chosen)]
    if len(people) > AT_ONCE:
        await session.execute(
            text("INSERT INTO deletions (owner_id, list_id) SELECT :owner, unnest(CAST(:lists AS bigint[]))"),
            {"owner": owner_id, "lists": list(list_ids)},
        )
        await wake(session)
        return who
    await end_deleted(session, people, owner_id=owner_id, now=now)
    # who is let into a journey at this moment leaves it by this: events of a person are looked at in their order
    left = [Happened(EXIT, list_id, subscriber_id, payload={"reason": DELETED}) for list_id, subscriber_id in people]
    await record(session, left, owner_id=owner_id, now=now)
    ids = literal([subscriber_id for _, subscriber_id in people], ARRAY(BigInteger))
    return (Subscriber.owner_id == owner_id) & (Subscriber.subscriber_id == any_(ids))
