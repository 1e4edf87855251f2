"""The outbox: claiming what is owed under a lease, and recording how it ended under the lease's token.

A worker that lost its lease changes nothing, however late it wakes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.models import DeliveryKind
from journeys_api.trigger_events import wake

log = structlog.get_logger()

_MINUTES = (1, 5, 15, 60)
MAIL_LADDER = tuple(timedelta(minutes=each) for each in _MINUTES)
MAIL_STEP = timedelta(hours=4)
MAIL_LIFETIME = timedelta(hours=72)
"""Mail is tried after 1, 5, 15 and 60 minutes, then every 4 hours, up to 72 hours after the first try (rulings 7)."""
HTTP_LADDER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
)
"""Webhooks and SMS gateways."""

MOST_ACCOUNTS = 64
"""How many accounts share a claim."""

# From account to account within the index of what is pending, one look-up each, however much an account has waiting.
_ACCOUNTS_OWED = """
WITH RECURSIVE owed(owner_id, next_attempt_at) AS (
    (SELECT owner_id, next_attempt_at FROM deliveries
     WHERE kind = :kind AND state = 'pending' AND owner_id > :after ORDER BY owner_id, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT next.* FROM owed o, LATERAL (
        SELECT owner_id, next_attempt_at FROM deliveries d
        WHERE d.kind = :kind AND d.state = 'pending' AND d.owner_id > o.owner_id
        ORDER BY owner_id, next_attempt_at LIMIT 1
    ) AS next
)
SELECT owner_id FROM owed
WHERE next_attempt_at <= CAST(:now AS timestamptz) AND owner_id <> ALL(CAST(:full AS bigint[])) LIMIT {limit}
"""

# What is not wanted any more is withdrawn in the statement that would have claimed it: between judging and marking
# there is no moment in which somebody could unsubscribe.
_CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT each.delivery_id FROM unnest(CAST(:owners AS bigint[])) AS o(owner_id), LATERAL (
        SELECT delivery_id FROM deliveries
        WHERE kind = :kind AND owner_id = o.owner_id AND state = 'pending'
          AND next_attempt_at <= CAST(:now AS timestamptz) AND destination <> ALL(CAST(:busy AS text[]))
        ORDER BY next_attempt_at LIMIT {share} FOR UPDATE SKIP LOCKED
    ) AS each LIMIT {limit}
), judged AS MATERIALIZED (
    SELECT d.delivery_id, t.email_address, CASE
        -- a notice is about nobody (`notices.NOBODY`)
        WHEN s.subscriber_id IS NULL AND d.subscriber_id <> 0 AND d.deleted_subscriber IS NULL
            THEN 'the subscriber is gone'
        WHEN d.journey_id IS NOT NULL AND (j.journey_id IS NULL OR j.deleted_at IS NOT NULL) THEN 'journey deleted'
        WHEN j.status = 'Disabled' THEN 'held'
        -- withdrawn when its recipient was removed, unless it was under way; EXISTS might read all enrollments at once
        WHEN d.next_attempt_at > d.created_at AND d.enrollment_id IS NOT NULL AND (
            SELECT enrollment_id FROM enrollments e
            WHERE e.owner_id = d.owner_id AND e.enrollment_id = d.enrollment_id
        ) IS NULL THEN 'removed from the journey'
        WHEN d.kind = 'confirmation' AND s.status <> 'Opt-In Pending' THEN 'not pending any more'
        WHEN d.kind IN ('mail', 'sms') AND s.status <> 'Subscribed' THEN 'not subscribed'
        WHEN d.kind IN ('mail', 'confirmation') AND s.bounce_type = 'Hard' THEN 'hard bounced'
        WHEN d.kind IN ('mail', 'confirmation', 'forward') AND EXISTS (
            SELECT FROM suppressions x WHERE x.email_address = lower(t.email_address)
            AND x.owner_id IN (0, d.owner_id) AND x.list_id IN (0, d.list_id)
        ) THEN 'suppressed'
    END AS why_not
    FROM picked JOIN deliveries d USING (delivery_id)
    LEFT JOIN journeys j ON j.journey_id = d.journey_id
    LEFT JOIN subscribers s ON s.owner_id = d.owner_id AND s.subscriber_id = d.subscriber_id
    -- what is sent on goes to somebody else
    CROSS JOIN LATERAL (
        SELECT CASE WHEN d.kind = 'forward' THEN d.payload ->> 'To' ELSE s.email_address END AS email_address
    ) AS t
)
UPDATE deliveries d SET
    state = CASE WHEN why_not IS NULL THEN 'sending' WHEN why_not = 'held' THEN 'held' ELSE 'withdrawn' END,
    reason = CASE WHEN why_not <> 'held' THEN why_not END,
    ended_at = CASE WHEN why_not <> 'held' THEN CAST(:now AS timestamptz) END,
    deleted_subscriber = CASE WHEN why_not <> 'held' THEN NULL ELSE d.deleted_subscriber END,
    domain = coalesce(lower(split_part(email_address, '@', 2)), d.domain),
    attempts = d.attempts + CASE WHEN why_not IS NULL THEN 1 ELSE 0 END,
    first_attempt_at = coalesce(d.first_attempt_at, CASE WHEN why_not IS NULL THEN CAST(:now AS timestamptz) END),
    lease_token = CASE WHEN why_not IS NULL THEN CAST(:token AS uuid) END,
    lease_expires_at = CASE WHEN why_not IS NULL THEN CAST(:now AS timestamptz) + CAST(:lease AS interval) END
FROM judged WHERE d.delivery_id = judged.delivery_id
RETURNING d.state, d.delivery_id, d.owner_id, d.kind, d.enrollment_id, d.action_id, d.journey_id, d.list_id,
          d.subscriber_id, d.email_id, d.payload, CAST(:now AS timestamptz) AS dated, d.destination, d.attempts,
          d.created_at, d.first_attempt_at, d.domain, d.deleted_subscriber IS NOT NULL, coalesce(email_address, '')
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What a delivery is about: enough to write its message."""

    delivery_id: int
    owner_id: int
    kind: str
    enrollment_id: int | None
    action_id: int | None
    journey_id: int | None
    list_id: int
    subscriber_id: int
    email_id: int | None
    payload: dict[str, Any]
    dated: datetime
    """The instant that its texts are of: this attempt's, or when it was sent."""


@dataclass(frozen=True, slots=True)
class Claimed(Message):
    """A delivery that is this worker's until its lease ends."""

    destination: str
    attempts: int
    """This one is counted."""
    created_at: datetime
    first_attempt_at: datetime
    domain: str | None
    is_of_deleted: bool
    """Its subscriber was deleted by a journey since, and lies beside it."""
    email_address: str
    """Whom it goes to; empty for notices, which are about nobody."""


@dataclass(frozen=True)
class Claims:
    """Deliveries that are this worker's until the lease ends."""

    token: UUID
    rows: Sequence[Claimed]
    looked_at: int
    """How many were looked at, those withdrawn and held among them; 0: nothing is due."""
    served: int
    """The account that had its turn last."""


async def claim(
    session: AsyncSession,
    kind: DeliveryKind,
    *,
    limit: int,
    lease: timedelta,
    now: datetime,
    busy: Collection[str] = (),
    full: Collection[int] = (),
    most_of_account: int | None = None,
    after: int = 0,
) -> Claims:
    """Take what is due, as much of one account as of another, the oldest of each; what is not wanted any more is
    withdrawn, what is frozen held.

    Args:
        lease: longer than the slowest attempt.
        busy: destinations that have enough under way.
        full: accounts that have enough under way.
        most_of_account: how much is taken of one account at once.
        after: the account that had its turn last; the others come first.
    """
    token = uuid4()
    owners = await _accounts_in_turn(session, kind, after=after, full=full, now=now)
    if not owners:
        return Claims(token, [], 0, after)
    share = min(-(-limit // len(owners)), most_of_account or limit)
    rows = (
        await session.execute(
            text(_CLAIM.format(share=int(share), limit=int(limit))),
            {"kind": kind.value, "token": token, "lease": lease, "now": now, "owners": owners, "busy": list(busy)},
        )
    ).all()
    # with less room than accounts, the last of them had no turn yet
    served = owners[max((owners.index(owner_id) for owner_id in {row.owner_id for row in rows}), default=-1)]
    ours = [Claimed(*columns) for state, *columns in rows if state == "sending"]
    return Claims(token, ours, len(rows), served)


async def _accounts_in_turn(
    session: AsyncSession, kind: DeliveryKind, *, after: int, full: Collection[int], now: datetime
) -> list[int]:
    """Accounts that something is due for: those that come after the one served last, then the first."""
    statement = text(_ACCOUNTS_OWED.format(limit=MOST_ACCOUNTS))
    parameters = {"kind": kind.value, "now": now, "full": list(full)}
    found = list(await session.scalars(statement, {**parameters, "after": after}))
    if len(found) < MOST_ACCOUNTS and after:
        before = await session.scalars(statement, {**parameters, "after": 0})
        found += [owner_id for owner_id in before if owner_id <= after][: MOST_ACCOUNTS - len(found)]
    return found


@dataclass(frozen=True)
class Finished:
    """How an attempt at a claimed delivery ended."""

    token: UUID
    """Of the lease under which it was made."""
    row: Claimed
    outcome: Outcome


@dataclass(frozen=True)
class _Next:
    """What an outcome makes of a delivery."""

    state: str
    next_attempt_at: datetime | None
    unknowns: int


def _next(finished: Finished, now: datetime) -> _Next:
    row, outcome = finished.row, finished.outcome
    if outcome.ending is Ending.ACCEPTED:
        return _Next("sent", None, 0)
    if outcome.ending is Ending.REFUSED:
        return _Next("refused", None, 0)
    if outcome.ending is Ending.POSTPONED:
        return _Next("pending", outcome.until or now, 0)
    unknowns = 1 if outcome.ending is Ending.UNKNOWN else 0
    if unknowns and row.kind == DeliveryKind.SMS.value:
        # each costs money and nobody can tell a second one from the first: it is not sent again
        return _Next("refused", None, unknowns)
    again = retry_at(row.kind, attempts=row.attempts, first_at=row.first_attempt_at, now=now)
    if again is None:
        return _Next("refused", None, unknowns)
    if outcome.retry_after:
        again = max(again, now + timedelta(seconds=outcome.retry_after))
    return _Next("pending", again, unknowns)


def is_given_up(finished: Finished, *, now: datetime) -> bool:
    """Whether a delivery ended without being taken: refused for good, or put off too long."""
    return _next(finished, now).state == "refused"


def retry_at(kind: str, *, attempts: int, first_at: datetime, now: datetime) -> datetime | None:
    """When a delivery that failed its n-th attempt is tried again; None: never (rulings 7).

    Args:
        first_at: when it was tried for the first time: what waited behind others, or in a journey that was disabled,
            has its time all the same.
    """
    if kind in (DeliveryKind.MAIL.value, DeliveryKind.CONFIRMATION.value, DeliveryKind.FORWARD.value):
        again = now + (MAIL_LADDER[attempts - 1] if attempts <= len(MAIL_LADDER) else MAIL_STEP)
        return again if again <= first_at + MAIL_LIFETIME else None
    return now + HTTP_LADDER[attempts - 1] if attempts <= len(HTTP_LADDER) else None


_RETURNED = frozenset({DeliveryKind.MAIL.value, DeliveryKind.CONFIRMATION.value})
"""Kinds that bounces and complaints come back of."""

# locked in order of their ids, as whoever records what became of mails locks them
_FINISH = text(
    """
WITH w AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:again AS timestamptz[]),
                         CAST(:reasons AS text[]), CAST(:references AS text[]), CAST(:unknowns AS smallint[]),
                         CAST(:untried AS smallint[]), CAST(:recipients AS text[]), CAST(:tokens AS uuid[]))
        AS w(delivery_id, state, next_attempt_at, reason, reference, unknowns, untried, recipient, token)
), held AS MATERIALIZED (
    SELECT h.delivery_id, o.token FROM (SELECT delivery_id, token FROM w ORDER BY delivery_id) AS o, LATERAL (
        SELECT delivery_id FROM deliveries WHERE delivery_id = o.delivery_id AND lease_token = o.token FOR UPDATE
    ) AS h
)
UPDATE deliveries d SET state = w.state, next_attempt_at = coalesce(w.next_attempt_at, d.next_attempt_at),
    reason = w.reason, reference = coalesce(w.reference, d.reference), unknowns = d.unknowns + w.unknowns,
    attempts = d.attempts - w.untried,
    first_attempt_at = CASE WHEN d.attempts > w.untried THEN d.first_attempt_at END,
    lease_token = NULL, lease_expires_at = NULL,
    recipient = coalesce(lower(w.recipient), d.recipient),
    deleted_subscriber = CASE WHEN w.state = 'pending' THEN d.deleted_subscriber END,
    ended_at = CASE WHEN w.state = 'pending' THEN NULL ELSE CAST(:now AS timestamptz) END
FROM held JOIN w USING (delivery_id, token) WHERE d.delivery_id = held.delivery_id
RETURNING d.delivery_id, w.token
"""
)


async def finish(session: AsyncSession, finished: Sequence[Finished], *, now: datetime) -> list[Finished]:
    """Record how attempts ended; those whose lease was still ours. The others change nothing: somebody else has them by
    now, or they were recorded before and the news of it was lost.
    """
    if not finished:
        return []
    each = [_next(one, now) for one in finished]
    recorded = await session.execute(
        _FINISH,
        {
            "now": now,
            "tokens": [one.token for one in finished],
            "ids": [one.row.delivery_id for one in finished],
            "states": [after.state for after in each],
            "again": [after.next_attempt_at for after in each],
            "reasons": [one.outcome.reason or None for one in finished],
            "references": [one.outcome.reference or None for one in finished],
            "unknowns": [after.unknowns for after in each],
            "untried": [int(one.outcome.ending is Ending.POSTPONED) for one in finished],
            "recipients": [one.row.email_address if one.row.kind in _RETURNED else None for one in finished],
        },
    )
    # a delivery can be here twice, when its first lease ended before the attempt did
    ours = {(row.delivery_id, row.token) for row in recorded}
    kept = [one for one in finished if (one.row.delivery_id, one.token) in ours]
    for one in finished:
        if (one.row.delivery_id, one.token) not in ours:
            log.warning("lease_lost", delivery_id=one.row.delivery_id)
    return kept


_RESCUE = text(
    """
WITH lost AS MATERIALIZED (
    SELECT delivery_id FROM deliveries WHERE state = 'sending' AND lease_expires_at < CAST(:now AS timestamptz)
    ORDER BY lease_expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET
    state = CASE WHEN d.kind = 'sms' THEN 'refused' ELSE 'pending' END,
    reason = 'the sender was lost; the outcome is unknown', unknowns = d.unknowns + 1,
    ended_at = CASE WHEN d.kind = 'sms' THEN CAST(:now AS timestamptz) END,
    next_attempt_at = CAST(:now AS timestamptz), lease_token = NULL, lease_expires_at = NULL
FROM lost WHERE d.delivery_id = lost.delivery_id
RETURNING d.delivery_id
"""
)


# A claim that read a journey as disabled commits after whoever enabled or deleted the journey looked for what is held.
# One look-up for each journey that holds messages, however many those are.
_FORGOTTEN = text(
    """
WITH RECURSIVE held AS (
    (SELECT journey_id FROM deliveries WHERE state = 'held' ORDER BY journey_id LIMIT 1)
    UNION ALL
    SELECT next.journey_id FROM held, LATERAL (
        SELECT journey_id FROM deliveries d WHERE d.state = 'held' AND d.journey_id > held.journey_id
        ORDER BY d.journey_id LIMIT 1
    ) AS next
)
INSERT INTO journey_jobs (owner_id, journey_id, kind, created_at)
SELECT j.owner_id, j.journey_id, CASE WHEN j.deleted_at IS NULL THEN 'release' ELSE 'end' END, :now
FROM held JOIN journeys j USING (journey_id)
WHERE (j.status = 'Enabled' OR j.deleted_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM journey_jobs b WHERE b.journey_id = j.journey_id)
RETURNING journey_id
"""
)


async def rescue(session: AsyncSession, *, now: datetime) -> int:
    """Give back what lost workers held: an attempt that nobody knows the end of. Short messages are not sent again.

    What is held of a journey that is enabled or deleted meanwhile is handed to a job of that journey.
    """
    rescued = (await session.execute(_RESCUE, {"now": now})).all()
    if rescued:
        log.warning("deliveries_rescued", count=len(rescued))
    forgotten = (await session.execute(_FORGOTTEN, {"now": now})).all()
    if forgotten:
        log.info("held_deliveries_found", journeys=len(forgotten))
        await wake(session)
    return len(rescued)


# The webhooks of a person are found by the passes that owed them, and locked in order of their ids, as `_FINISH` does.
# LATERAL with OFFSET cannot be planned but as one look-up for each.
_KEEP = text(
    """
WITH owed AS MATERIALIZED (
    SELECT d.delivery_id, e.subscriber_id FROM unnest(CAST(:people AS bigint[])) AS p(subscriber_id), LATERAL (
        SELECT enrollment_id, subscriber_id FROM enrollments
        WHERE owner_id = :owner AND subscriber_id = p.subscriber_id OFFSET 0
    ) AS e, LATERAL (
        SELECT delivery_id FROM deliveries
        WHERE owner_id = :owner AND enrollment_id = e.enrollment_id
          AND kind = 'webhook' AND state IN ('pending', 'held', 'sending') OFFSET 0
    ) AS d
), kept AS MATERIALIZED (
    SELECT l.delivery_id, o.subscriber_id FROM (SELECT * FROM owed ORDER BY delivery_id) AS o, LATERAL (
        SELECT delivery_id FROM deliveries
        WHERE delivery_id = o.delivery_id AND state IN ('pending', 'held', 'sending') FOR UPDATE
    ) AS l
)
UPDATE deliveries d SET deleted_subscriber = (
    SELECT to_json(s) FROM subscribers s WHERE s.owner_id = :owner AND s.subscriber_id = kept.subscriber_id
)
FROM kept WHERE d.delivery_id = kept.delivery_id
"""
)


async def keep_for_webhooks(session: AsyncSession, *, owner_id: int, subscriber_ids: Sequence[int]) -> None:
    """Have the webhooks that people's journeys owe already say who these were, however late they are called.

    For whoever is about to delete the people. Nothing else that they are owed is sent then.
    """
    await session.execute(_KEEP, {"owner": owner_id, "people": list(subscriber_ids)})


async def next_attempt(session: AsyncSession) -> datetime | None:
    """The earliest instant that something pending is due at."""
    found = await session.scalar(
        text(
            "SELECT min(next_attempt_at) FROM ("
            "  SELECT (SELECT next_attempt_at FROM deliveries d WHERE d.kind = k.kind AND d.state = 'pending'"
            "          ORDER BY next_attempt_at LIMIT 1) AS next_attempt_at"
            "  FROM (VALUES ('mail'), ('confirmation'), ('forward'), ('sms'), ('webhook')) AS k(kind)) AS each_kind"
        )
    )
    return found if isinstance(found, datetime) else None
