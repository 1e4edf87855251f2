"""SQL of what the engine owes people: rows of the outbox, which only `delivery` sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine.people import Owed


@dataclass(frozen=True, slots=True)
class OwedAt:
    """What a person is owed by one visit of one action."""

    owed: Owed
    action_id: int
    visit: int
    payload: str
    """JSON text of `Owed.payload`."""


async def insert_deliveries(session: AsyncSession, owed: Sequence[OwedAt], *, now: datetime) -> None:
    """Write what is owed into the outbox; twice the same is once."""
    if owed:
        await session.execute(
            text(
                "INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, "
                "subscriber_id, email_id, payload, destination, next_attempt_at, created_at) "
                "SELECT owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id, "
                "CAST(payload AS json), destination, coalesce(not_before, :now), :now "
                "FROM unnest(CAST(:owners AS bigint[]), CAST(:kinds AS text[]), CAST(:enrollments AS bigint[]), "
                "CAST(:actions AS bigint[]), CAST(:visits AS bigint[]), CAST(:journeys AS bigint[]), "
                "CAST(:lists AS bigint[]), CAST(:people AS bigint[]), CAST(:emails AS bigint[]), "
                "CAST(:payloads AS text[]), CAST(:destinations AS text[]), CAST(:not_before AS timestamptz[])) "
                "AS w(owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id, "
                "payload, destination, not_before) ON CONFLICT DO NOTHING"
            ),
            {
                "now": now,
                "owners": [each.owed.person.owner_id for each in owed],
                "kinds": [each.owed.kind.value for each in owed],
                "enrollments": [each.owed.person.enrollment_id for each in owed],
                "actions": [each.action_id for each in owed],
                "visits": [each.visit for each in owed],
                "journeys": [each.owed.person.journey_id for each in owed],
                "lists": [each.owed.person.list_id for each in owed],
                "people": [each.owed.person.subscriber_id for each in owed],
                "emails": [each.owed.email_id for each in owed],
                "payloads": [each.payload for each in owed],
                "destinations": [each.owed.destination for each in owed],
                "not_before": [each.owed.not_before for each in owed],
            },
        )
