"""SQL of the ledger and of what follows from a fact. Every statement takes arrays: their number does not grow."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import ActivityKind

COLUMNS = {
    ActivityKind.OPENED: "open_count",
    ActivityKind.CLICKED: "click_count",
    ActivityKind.CONVERTED: "conversion_count",
    ActivityKind.BROWSER_VIEWED: "browser_view_count",
    ActivityKind.FORWARDED: "forward_count",
    ActivityKind.UNSUBSCRIBED: "unsubscribe_count",
    ActivityKind.BOUNCED: "bounce_count",
    ActivityKind.SPAM_COMPLAINT: "spam_complaint_count",
}
"""Which counter of `MailCounters` a kind is counted by."""


def day_of(instant: datetime) -> date:
    """The day that something counts on: UTC (rulings 8)."""
    return instant.astimezone(UTC).date()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the ledger."""

    message: Row[Any]
    """As `lock_messages` answers it."""
    kind: ActivityKind
    occurred_at: datetime
    is_counted: bool
    automated: str | None
    revenue_cents: int
    detail: Mapping[str, Any]


@dataclass(slots=True)
class Change:
    """What somebody did with the mails of an action that is new."""

    email_address: str | None
    """None: the subscriber is gone."""
    bits: int = 0


_LOCK = text(
    """
SELECT d.delivery_id, d.owner_id, d.journey_id, d.action_id, d.list_id, d.subscriber_id, d.email_id, d.activity,
       s.email_address, coalesce(d.domain, lower(split_part(s.email_address, '@', 2)), '') AS domain
FROM deliveries d LEFT JOIN subscribers s ON s.owner_id = d.owner_id AND s.subscriber_id = d.subscriber_id
WHERE d.delivery_id = ANY(CAST(:ids AS bigint[])) AND d.owner_id = ANY(CAST(:owners AS bigint[]))
  AND d.kind IN ('mail', 'confirmation')
ORDER BY d.delivery_id FOR UPDATE OF d
"""
)


async def lock_messages(session: AsyncSession, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], Row[Any]]:
    """Mails by (owner, delivery), locked; those that are not there, or another account's, are left out."""
    if not wanted:
        return {}
    owners, ids = ({place[side] for place in wanted} for side in (0, 1))
    rows = await session.execute(_LOCK, {"owners": sorted(owners), "ids": sorted(ids)})
    found = {(row.owner_id, row.delivery_id): row for row in rows}
    return {place: found[place] for place in set(wanted) if place in found}


_HARD = text(
    """
SELECT w.owner_id, w.delivery_id
FROM unnest(CAST(:owners AS bigint[]), CAST(:ids AS bigint[])) AS w(owner_id, delivery_id)
WHERE EXISTS (
    SELECT FROM message_activities a WHERE a.owner_id = w.owner_id AND a.delivery_id = w.delivery_id
    AND a.occurred_at >= :since AND a.kind = 'bounced' AND a.detail ->> 'type' = 'hard'
)
"""
)


async def hard_bounced(
    session: AsyncSession, messages: Collection[tuple[int, int]], *, since: datetime
) -> set[tuple[int, int]]:
    """Those of the messages, by (owner, delivery), that a hard bounce since then is in the ledger of."""
    if not messages:
        return set()
    places = sorted(messages)
    given = {"owners": [owner for owner, _ in places], "ids": [each for _, each in places], "since": since}
    return {(row.owner_id, row.delivery_id) for row in await session.execute(_HARD, given)}


async def write_activity(session: AsyncSession, changes: Mapping[int, int]) -> None:
    """Set the bits of locked messages, by delivery."""
    if changes:
        await session.execute(
            text(
                "UPDATE deliveries d SET activity = w.activity "
                "FROM unnest(CAST(:ids AS bigint[]), CAST(:bits AS smallint[])) AS w(delivery_id, activity) "
                "WHERE d.delivery_id = w.delivery_id"
            ),
            {"ids": list(changes), "bits": list(changes.values())},
        )


async def insert_ledger(session: AsyncSession, entries: Sequence[Entry]) -> None:
    """Append to the ledger."""
    if entries:
        await session.execute(
            text(
                "INSERT INTO message_activities (owner_id, delivery_id, journey_id, action_id, list_id, subscriber_id, "
                "kind, occurred_at, is_counted, automated, domain, revenue_cents, detail) "
                "SELECT owner_id, delivery_id, journey_id, action_id, list_id, subscriber_id, kind, occurred_at, "
                "is_counted, automated, domain, revenue_cents, CAST(detail AS json) "
                "FROM unnest(CAST(:owners AS bigint[]), CAST(:deliveries AS bigint[]), CAST(:journeys AS bigint[]), "
                "CAST(:actions AS bigint[]), CAST(:lists AS bigint[]), CAST(:people AS bigint[]), "
                "CAST(:kinds AS text[]), CAST(:instants AS timestamptz[]), CAST(:counted AS boolean[]), "
                "CAST(:automated AS text[]), CAST(:domains AS text[]), CAST(:cents AS bigint[]), "
                "CAST(:details AS text[])) AS w(owner_id, delivery_id, journey_id, action_id, list_id, subscriber_id, "
                "kind, occurred_at, is_counted, automated, domain, revenue_cents, detail)"
            ),
            {
                "owners": [each.message.owner_id for each in entries],
                "deliveries": [each.message.delivery_id for each in entries],
                "journeys": [each.message.journey_id for each in entries],
                "actions": [each.message.action_id for each in entries],
                "lists": [each.message.list_id for each in entries],
                "people": [each.message.subscriber_id for each in entries],
                "kinds": [each.kind.value for each in entries],
                "instants": [each.occurred_at for each in entries],
                "counted": [each.is_counted for each in entries],
                "automated": [each.automated for each in entries],
                "domains": [each.message.domain for each in entries],
                "cents": [each.revenue_cents for each in entries],
                "details": [orjson.dumps(each.detail).decode() for each in entries],
            },
        )


async def insert_deltas(session: AsyncSession, entries: Sequence[Entry]) -> None:
    """Append the changes of numbers that counted entries make, summed by action, domain and day."""
    counts: dict[tuple[int, int, int, str, date], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    latest: dict[tuple[int, int, int, str, date], datetime] = {}
    for each in entries:
        message = each.message
        if each.is_counted and message.journey_id is not None and message.action_id is not None:
            place = (message.owner_id, message.journey_id, message.action_id, message.domain, day_of(each.occurred_at))
            counts[place][COLUMNS[each.kind]] += 1
            counts[place]["revenue_cents"] += each.revenue_cents
            latest[place] = max(latest.get(place, each.occurred_at), each.occurred_at)
    if not counts:
        return
    names = [*COLUMNS.values(), "revenue_cents"]
    arrays = ", ".join(f"CAST(:{name} AS bigint[])" for name in names)
    places = list(counts)
    await session.execute(
        text(
            "INSERT INTO counter_deltas (owner_id, journey_id, action_id, domain, counted_on, happened_at, "  # noqa: S608 (names of columns of ours)
            f"{', '.join(names)}) "
            "SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:journeys AS bigint[]), CAST(:actions AS bigint[]), "
            f"CAST(:domains AS text[]), CAST(:days AS date[]), CAST(:latest AS timestamptz[]), {arrays})"
        ),
        {
            "owners": [owner for owner, *_ in places],
            "journeys": [place[1] for place in places],
            "actions": [place[2] for place in places],
            "domains": [place[3] for place in places],
            "days": [place[4] for place in places],
            "latest": [latest[place] for place in places],
            **{name: [counts[place][name] for place in places] for name in names},
        },
    )


_MARK = text(
    """
WITH wanted AS (
    SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:actions AS bigint[]), CAST(:lists AS bigint[]),
                         CAST(:people AS bigint[]), CAST(:addresses AS text[]), CAST(:bits AS smallint[]))
        AS w(owner_id, action_id, list_id, subscriber_id, email_address, bits)
    ORDER BY owner_id, action_id, list_id, subscriber_id
), marked AS (
    UPDATE action_subscribers a SET activity = a.activity | w.bits FROM wanted w
    WHERE a.owner_id = w.owner_id AND a.action_id = w.action_id AND a.list_id = w.list_id
      AND a.subscriber_id = w.subscriber_id
    RETURNING a.owner_id, a.action_id, a.list_id, a.subscriber_id
)
INSERT INTO action_subscribers (owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at)
SELECT w.owner_id, w.action_id, w.list_id, w.subscriber_id, w.email_address, w.bits, :now
FROM wanted w LEFT JOIN marked m USING (owner_id, action_id, list_id, subscriber_id)
WHERE m.owner_id IS NULL AND w.email_address IS NOT NULL
ON CONFLICT (owner_id, action_id, list_id, subscriber_id)
DO UPDATE SET activity = action_subscribers.activity | excluded.activity
"""
)


async def mark_people(
    session: AsyncSession, people: Mapping[tuple[int, int, int, int], Change], *, now: datetime
) -> None:
    """Set what people did with the mails of an action, by (owner, action, list, subscriber).

    Somebody may open a mail before its sender has written down that it was sent; who is gone and was never written
    down stays so.
    """
    if people:
        await session.execute(
            _MARK,
            {
                "now": now,
                "owners": [place[0] for place in people],
                "actions": [place[1] for place in people],
                "lists": [place[2] for place in people],
                "people": [place[3] for place in people],
                "addresses": [change.email_address for change in people.values()],
                "bits": [change.bits for change in people.values()],
            },
        )


async def touch(session: AsyncSession, touched: Mapping[tuple[int, int], tuple[int, datetime]]) -> None:
    """Remember what (owner, subscriber) opened or clicked last; what is older than what is there changes nothing."""
    if touched:
        places = sorted(touched)
        await session.execute(
            text(
                "INSERT INTO message_touches (owner_id, subscriber_id, delivery_id, touched_at) "
                "SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:people AS bigint[]), "
                "CAST(:deliveries AS bigint[]), CAST(:instants AS timestamptz[])) "
                "ON CONFLICT (owner_id, subscriber_id) DO UPDATE "
                "SET delivery_id = excluded.delivery_id, touched_at = excluded.touched_at "
                "WHERE message_touches.touched_at <= excluded.touched_at"
            ),
            {
                "owners": [owner for owner, _ in places],
                "people": [person for _, person in places],
                "deliveries": [touched[place][0] for place in places],
                "instants": [touched[place][1] for place in places],
            },
        )


MOST_WAITING = 5_000
"""Visits not judged yet that are looked through for a touch: what comes in within seconds. More wait only where workers
are behind, and then nobody shall be held up by all of them."""
# Only its message knows whose a visit is, so the newest visits are read and their messages looked up one by one;
# the planner cannot know how few wait just now, and gets no choice to read all messages instead. A thousand visits of
# the account cost some milliseconds.
_LAST_TOUCH = text(
    f"""
WITH newest AS MATERIALIZED (
    SELECT * FROM tracking_hits WHERE hit_id > (SELECT max(hit_id) FROM tracking_hits) - {MOST_WAITING}
)
SELECT delivery_id, subscriber_id FROM (
    SELECT delivery_id, subscriber_id, touched_at FROM message_touches
    WHERE owner_id = :owner AND subscriber_id = ANY(CAST(:people AS bigint[]))
    UNION ALL
    SELECT h.delivery_id, d.subscriber_id, h.occurred_at
    FROM newest h CROSS JOIN LATERAL (SELECT * FROM deliveries WHERE delivery_id = h.delivery_id LIMIT 1) AS d
    WHERE h.owner_id = :owner AND h.automated IS NULL AND h.kind IN ('opened', 'clicked') AND d.owner_id = h.owner_id
      AND d.subscriber_id = ANY(CAST(:people AS bigint[])) AND d.kind = 'mail' AND d.journey_id IS NOT NULL
) AS touches WHERE touched_at >= :since
ORDER BY touched_at DESC, delivery_id DESC LIMIT 1
"""  # noqa: S608 (a number of ours)
)


async def last_touch(
    session: AsyncSession, *, owner_id: int, subscriber_ids: Collection[int], since: datetime
) -> Row[Any] | None:
    """Delivery and subscriber of what one of these opened or clicked last, if that was not before `since`.

    Visits that are not judged yet are touches, too, unless their visitor calls itself a machine.
    """
    asked = {"owner": owner_id, "people": list(subscriber_ids), "since": since}
    return (await session.execute(_LAST_TOUCH, asked)).one_or_none()


_MESSAGE = text(
    """
SELECT d.list_id, d.subscriber_id, s.email_address
FROM deliveries d LEFT JOIN subscribers s ON s.owner_id = d.owner_id AND s.subscriber_id = d.subscriber_id
WHERE d.delivery_id = :id AND d.owner_id = :owner AND d.kind = 'mail' AND d.journey_id IS NOT NULL
"""
)


async def message_of_journey(session: AsyncSession, *, owner_id: int, delivery_id: int) -> Row[Any] | None:
    """List, subscriber and address of a journey's mail; None: there is no such mail in this account."""
    return (await session.execute(_MESSAGE, {"id": delivery_id, "owner": owner_id})).one_or_none()
