"""SQL of what the engine owes people: rows of the outbox, which only `delivery` sends."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine.people import Origin, Owed


@dataclass(frozen=True, slots=True)
class OwedAt:
    """What people are owed by one action."""

    owed: Owed
    action_id: int
    visits: Sequence[int]
    """Each one's visit of it."""


class _Shared(NamedTuple):
    """What messages have in common: nearly all of a batch are of one action, and differ in their person only."""

    owner_id: int
    kind: str
    action_id: int
    journey_id: int
    list_id: int
    email_id: int | None
    payload: str
    destination: str
    not_before: datetime | None


# Arrays of groups, subscripted with each message's; what is each one's own comes as text, which is several times
# quicker to make than the driver's arrays of thousands.
_INSERT = text(
    """
INSERT INTO deliveries (owner_id, kind, enrollment_id, action_id, visit, journey_id, list_id, subscriber_id, email_id,
                        payload, destination, next_attempt_at, created_at)
SELECT (CAST(:owners AS bigint[]))[g], (CAST(:kinds AS text[]))[g], enrollment_id, (CAST(:actions AS bigint[]))[g],
       visit, (CAST(:journeys AS bigint[]))[g], (CAST(:lists AS bigint[]))[g], subscriber_id,
       (CAST(:emails AS bigint[]))[g], CAST((CAST(:payloads AS text[]))[g] AS json),
       (CAST(:destinations AS text[]))[g], coalesce((CAST(:not_before AS timestamptz[]))[g], :now), :now
FROM unnest(CAST(CAST(:enrollments AS text) AS bigint[]), CAST(CAST(:visits AS text) AS bigint[]),
            CAST(CAST(:people AS text) AS bigint[]), CAST(CAST(:groups AS text) AS int[]))
     AS w(enrollment_id, visit, subscriber_id, g)
ON CONFLICT DO NOTHING
"""
)


async def insert_deliveries(session: AsyncSession, owed: Sequence[OwedAt], *, now: datetime) -> None:
    """Write what is owed into the outbox; twice the same is once."""
    if not owed:
        return
    groups: dict[_Shared, int] = {}
    numbers: list[int] = []
    for each in owed:
        # people come cohort by cohort: those of one origin stand together
        for origin, people in groupby(each.owed.people, attrgetter("origin")):
            number = groups.setdefault(_shared(each, origin), len(groups) + 1)
            numbers += [number for _ in people]
    everybody = [person for each in owed for person in each.owed.people]
    own = {
        "enrollments": _as_array(person.enrollment_id for person in everybody),
        "visits": _as_array(visit for each in owed for visit in each.visits),
        "people": _as_array(person.subscriber_id for person in everybody),
        "groups": _as_array(numbers),
    }
    await session.execute(_INSERT, own | _arrays_of(groups) | {"now": now})


def _shared(each: OwedAt, origin: Origin) -> _Shared:
    owed = each.owed
    return _Shared(
        origin.owner_id,
        owed.kind.value,
        each.action_id,
        origin.journey_id,
        origin.list_id,
        owed.email_id,
        orjson.dumps(owed.payload).decode() if owed.payload else "{}",
        owed.destination,
        owed.not_before,
    )


def _arrays_of(groups: Mapping[_Shared, int]) -> dict[str, Any]:
    return {
        "owners": [each.owner_id for each in groups],
        "kinds": [each.kind for each in groups],
        "actions": [each.action_id for each in groups],
        "journeys": [each.journey_id for each in groups],
        "lists": [each.list_id for each in groups],
        "emails": [each.email_id for each in groups],
        "payloads": [each.payload for each in groups],
        "destinations": [each.destination for each in groups],
        "not_before": [each.not_before for each in groups],
    }


def _as_array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"
