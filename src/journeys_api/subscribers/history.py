"""What happened to one person of a list, read together from where each kind of it is kept. Source: AC 2.5."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import Subscriber


class Happening(StrEnum):
    """The vendor's words for it."""

    SUBSCRIPTION = "subscription"
    UNSUBSCRIPTION = "unsubscription"
    CAMPAIGN_DELIVERY = "email campaign delivery"
    TRANSACTIONAL_DELIVERY = "transactional email delivery"
    RESPONDER_DELIVERY = "auto responder delivery"
    OPEN = "email open"
    CLICK = "email link click"
    HARD_BOUNCE = "hard bounce"
    JOURNEY_START = "journey start"
    JOURNEY_END = "journey end"
    JOURNEY_EXIT = "journey exit"
    TAGGED = "tagged"
    UNTAGGED = "untagged"


class Happened(NamedTuple):
    """One thing that happened."""

    happened_at: datetime
    kind: Happening
    email_id: int
    """The email it is about; 0: none."""
    parameters: dict[str, Any]


# Each part goes by an index that leads with the subscriber; one person has some hundred rows of all kinds together.
_HAPPENED = """
WITH happened AS (
    SELECT subscribed_at AS happened_at, 'subscription' AS kind, NULL::bigint AS email_id,
           jsonb_build_object('ip_address', subscription_ip, 'source', source) AS parameters
    FROM subscribers WHERE owner_id = :owner AND subscriber_id = :person AND subscribed_at IS NOT NULL
    UNION ALL
    SELECT unsubscribed_at, 'unsubscription', NULL, jsonb_build_object('ip_address', unsubscription_ip)
    FROM subscribers WHERE owner_id = :owner AND subscriber_id = :person AND unsubscribed_at IS NOT NULL
    UNION ALL
    SELECT s.tagged_at, 'tagged', NULL, jsonb_build_object('TagID', s.tag_id::text, 'TagName', t.name)
    FROM subscriber_tags s JOIN tags t ON t.owner_id = s.owner_id AND t.tag_id = s.tag_id
    WHERE s.owner_id = :owner AND s.subscriber_id = :person
    UNION ALL
    SELECT at, what, NULL, jsonb_build_object('journey_id', e.journey_id::text, 'journey_name', j.name)
           || CASE WHEN what = 'journey exit' AND e.reason IS NOT NULL
              THEN jsonb_build_object('reason', e.reason) ELSE '{}' END
    FROM enrollments e JOIN journeys j ON j.owner_id = e.owner_id AND j.journey_id = e.journey_id
    CROSS JOIN LATERAL (VALUES
        (e.created_at, 'journey start'),
        (e.ended_at, CASE e.state WHEN 'completed' THEN 'journey end' ELSE 'journey exit' END)
    ) AS ends(at, what)
    WHERE e.owner_id = :owner AND e.subscriber_id = :person AND at IS NOT NULL
    UNION ALL
    SELECT d.ended_at, 'transactional email delivery', d.email_id,
           jsonb_build_object('journey_id', d.journey_id::text, 'action_id', d.action_id::text)
    FROM enrollments e JOIN deliveries d ON d.owner_id = e.owner_id AND d.enrollment_id = e.enrollment_id
    WHERE e.owner_id = :owner AND e.subscriber_id = :person AND d.kind = 'mail' AND d.state = 'sent'
    UNION ALL
    SELECT a.occurred_at,
           CASE a.kind WHEN 'opened' THEN 'email open' WHEN 'clicked' THEN 'email link click' ELSE 'hard bounce' END,
           d.email_id,
           jsonb_strip_nulls(jsonb_build_object(
               'journey_id', a.journey_id::text, 'action_id', a.action_id::text,
               'link_url', a.detail ->> 'target', 'ip_address', a.detail ->> 'ip'
           ))
    FROM message_activities a
    LEFT JOIN deliveries d ON d.owner_id = a.owner_id AND d.delivery_id = a.delivery_id
    WHERE a.owner_id = :owner AND a.subscriber_id = :person AND a.automated IS NULL
      AND (a.kind IN ('opened', 'clicked') OR (a.kind = 'bounced' AND a.detail ->> 'type' ILIKE 'hard%'))
), chosen AS (
    SELECT * FROM happened WHERE kind = ANY(CAST(:kinds AS text[]))
)
"""
_PAGE = text(
    f"""{_HAPPENED}
SELECT c.happened_at, c.kind, coalesce(c.email_id, 0) AS email_id,
       c.parameters || CASE WHEN c.email_id IS NULL THEN '{{}}'
           ELSE jsonb_build_object('email_id', c.email_id::text, 'email_subject', coalesce(e.subject, '')) END
       AS parameters
FROM (SELECT * FROM chosen ORDER BY happened_at DESC, kind, email_id, parameters::text LIMIT :most OFFSET :first) c
LEFT JOIN emails e ON e.owner_id = :owner AND e.email_id = c.email_id
ORDER BY c.happened_at DESC, c.kind, c.email_id, c.parameters::text
"""  # noqa: S608 (constants)
)
_COUNT = text(f"{_HAPPENED} SELECT count(*) FROM chosen")  # noqa: S608 (constants)


async def history_of(
    session: AsyncSession, *, subscriber: Subscriber, kinds: Collection[Happening], first: int, most: int
) -> tuple[int, Sequence[Happened]]:
    """How much of these kinds happened to somebody, and a page of it, the latest first.

    Visits of machines are left out. What is not kept is not told: tags that were taken off, earlier subscriptions.
    """
    known = {
        "owner": subscriber.owner_id,
        "person": subscriber.subscriber_id,
        "kinds": [kind.value for kind in kinds],
    }
    total = await session.scalar(_COUNT, known)
    rows = await session.execute(_PAGE, {**known, "first": first, "most": most})
    return total or 0, [Happened(row.happened_at, Happening(row.kind), row.email_id, row.parameters) for row in rows]


async def revenue_of(session: AsyncSession, *, owner_id: int, subscriber_ids: Collection[int]) -> dict[int, int]:
    """What people's conversions brought that count for a message, in cents by subscriber; without any: left out.

    One look-up for each person in each month that is kept.
    """
    rows = await session.execute(
        text(
            "SELECT subscriber_id, CAST(sum(revenue_cents) AS bigint) FROM message_activities "
            "WHERE owner_id = :owner AND subscriber_id = ANY(CAST(:people AS bigint[])) AND revenue_cents > 0 "
            "GROUP BY subscriber_id"
        ),
        {"owner": owner_id, "people": list(subscriber_ids)},
    )
    return {person: int(cents) for person, cents in rows.all()}
