"""SQL of what comes back of mails. Every statement takes arrays: their number does not grow with the mails."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

SOFT_MAKE_HARD = 3
"""Soft bounces in a row (AC 7.1)."""

_MAILS = text(
    """
SELECT d.delivery_id, d.owner_id, d.list_id, d.subscriber_id, d.created_at, d.recipient, a.parameters
FROM deliveries d LEFT JOIN journey_actions a ON a.action_id = d.action_id AND a.owner_id = d.owner_id
WHERE d.delivery_id = ANY(CAST(:ids AS bigint[])) AND d.kind IN ('mail', 'confirmation') AND d.attempts > 0
"""
)


async def mails(session: AsyncSession, ids: Collection[int]) -> dict[int, Row[Any]]:
    """Mails that were tried, by delivery, with their action's parameters."""
    if not ids:
        return {}
    rows = await session.execute(_MAILS, {"ids": sorted(ids)})
    return {row.delivery_id: row for row in rows}


async def recipient_of(session: AsyncSession, *, owner_id: int, delivery_id: int | None) -> str | None:
    """The address that an account's mail went to, in lower case; None: there is no such mail, or it is not known."""
    found = await session.scalar(
        text("SELECT recipient FROM deliveries WHERE delivery_id = :id AND owner_id = :owner"),
        {"id": delivery_id, "owner": owner_id},
    )
    return None if found is None else str(found)


_LOCK_PEOPLE = text(
    f"""
WITH wanted AS (
    SELECT * FROM unnest(CAST(:owners AS bigint[]), CAST(:people AS bigint[]), CAST(:recipients AS text[]),
                         CAST(:hard AS boolean[])) AS w(owner_id, subscriber_id, recipient, is_hard)
), addresses AS MATERIALIZED (
    SELECT DISTINCT w.owner_id, coalesce(w.recipient, lower(p.email_address)) AS address
    FROM wanted w LEFT JOIN subscribers p USING (owner_id, subscriber_id)
    WHERE w.is_hard OR p.soft_bounce_count + 1 >= {SOFT_MAKE_HARD}
), everybody AS (
    SELECT owner_id, subscriber_id FROM wanted
    UNION
    SELECT l.owner_id, s.subscriber_id FROM addresses a JOIN lists l USING (owner_id)
    -- the LIMIT, of an address that a list has once, makes it one look-up a list whatever the planner believes
    CROSS JOIN LATERAL (
        SELECT subscriber_id FROM subscribers s
        WHERE s.owner_id = l.owner_id AND s.list_id = l.list_id AND lower(s.email_address) = a.address LIMIT 1
    ) AS s
)
SELECT s.owner_id, s.subscriber_id, lower(s.email_address) AS address, s.status = 'Unsubscribed' AS has_left
FROM subscribers s JOIN everybody USING (owner_id, subscriber_id) ORDER BY s.subscriber_id FOR UPDATE OF s
"""  # noqa: S608 (a number of ours)
)


async def lock_people(
    session: AsyncSession, wanted: Sequence[tuple[Row[Any], bool]]
) -> dict[tuple[int, int], Row[Any]]:
    """Lock the subscribers of mails until the transaction ends, in one order: also those of other lists whom a hard
    bounce will mark, since another mail to the same address may come back at the same moment.

    Args:
        wanted: mails, each with whether it bounced hard.

    Returns:
        `address`, in lower case, and `has_left` by (owner, subscriber); nothing of those who are gone.
    """
    rows = await session.execute(
        _LOCK_PEOPLE,
        {
            "owners": [row.owner_id for row, _ in wanted],
            "people": [row.subscriber_id for row, _ in wanted],
            "recipients": [row.recipient for row, _ in wanted],
            "hard": [is_hard for _, is_hard in wanted],
        },
    )
    return {(row.owner_id, row.subscriber_id): row for row in rows}


_COUNT_SOFT = text(
    f"""
WITH counted AS (
    SELECT s.owner_id, s.subscriber_id, w.times
        + CASE WHEN t.touched_at > s.soft_bounced_at OR s.bounce_type = 'Not Bounced' THEN 0
          ELSE s.soft_bounce_count END AS soft_count
    FROM unnest(CAST(:owners AS bigint[]), CAST(:people AS bigint[]), CAST(:times AS bigint[]))
        AS w(owner_id, subscriber_id, times)
    JOIN subscribers s USING (owner_id, subscriber_id)
    LEFT JOIN message_touches t ON t.owner_id = s.owner_id AND t.subscriber_id = s.subscriber_id
)
UPDATE subscribers s SET soft_bounce_count = c.soft_count, soft_bounced_at = :now, updated_at = :now,
    bounce_type = CASE WHEN s.bounce_type = 'Hard' OR c.soft_count >= {SOFT_MAKE_HARD} THEN 'Hard' ELSE 'Soft' END
FROM counted c WHERE s.owner_id = c.owner_id AND s.subscriber_id = c.subscriber_id
RETURNING s.owner_id, lower(s.email_address) AS address, s.bounce_type
"""  # noqa: S608 (a number of ours)
)


async def count_soft(session: AsyncSession, times: Mapping[tuple[int, int], int], *, now: datetime) -> list[Row[Any]]:
    """Count soft bounces of locked (owner, subscriber)s; account and lower-case address of who is hard bounced now.

    What was opened or clicked since the last one ends the row; so does an operator who takes the mark off.
    """
    if not times:
        return []
    places = sorted(times)
    rows = await session.execute(
        _COUNT_SOFT,
        {
            "now": now,
            "owners": [owner for owner, _ in places],
            "people": [person for _, person in places],
            "times": [times[place] for place in places],
        },
    )
    return [row for row in rows if row.bounce_type == "Hard"]


_MARK_HARD = text(
    """
WITH hit AS MATERIALIZED (
    SELECT s.owner_id, s.subscriber_id
    FROM unnest(CAST(:owners AS bigint[]), CAST(:addresses AS text[])) AS w(owner_id, address)
    JOIN lists l USING (owner_id)
    -- as above: one look-up a list
    CROSS JOIN LATERAL (
        SELECT owner_id, subscriber_id FROM subscribers s
        WHERE s.owner_id = l.owner_id AND s.list_id = l.list_id AND lower(s.email_address) = w.address LIMIT 1
    ) AS s
)
UPDATE subscribers s SET bounce_type = 'Hard', updated_at = :now
FROM hit WHERE s.owner_id = hit.owner_id AND s.subscriber_id = hit.subscriber_id AND s.bounce_type <> 'Hard'
"""
)


async def mark_hard(session: AsyncSession, hard: Mapping[int, Collection[str]], *, now: datetime) -> None:
    """Mark addresses in lower case, by account, as hard bounced on every list of it, by the index of each list."""
    pairs = [(owner_id, address) for owner_id, addresses in hard.items() for address in addresses]
    if pairs:
        owners, addresses = zip(*pairs, strict=True)
        await session.execute(_MARK_HARD, {"owners": list(owners), "addresses": list(addresses), "now": now})


_LATEST = text(
    """
SELECT w.address, d.delivery_id
FROM (SELECT DISTINCT lower(a) AS address FROM unnest(CAST(:addresses AS text[])) AS a) w CROSS JOIN LATERAL (
    SELECT delivery_id FROM deliveries WHERE kind = 'mail' AND recipient = w.address ORDER BY delivery_id DESC LIMIT 1
) AS d
"""
)


async def latest_mails(session: AsyncSession, addresses: Collection[str]) -> dict[str, int]:
    """The last mail of a journey that was handed over for each address, in lower case, of whichever account.

    One index entry an address, however many mails, lists and accounts there are.
    """
    rows = await session.execute(_LATEST, {"addresses": sorted(addresses)})
    return {row.address: row.delivery_id for row in rows}
