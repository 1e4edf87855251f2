"""Many people coming to a list at once: what a file says of them, written set by set.

The number of statements does not depend on the number of people, and every statement takes its rows in the order of
their addresses, so that two that bring the same people wait for each other and never in a circle.

Source: AC 2.5 `subscribers.import.post`; rulings 7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ARRAY, BigInteger, Select, func, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import trigger_events
from journeys_api.accounts import service as accounts
from journeys_api.models import SubscriberList, SubscriptionStatus
from journeys_api.subscribers import movements
from journeys_api.subscribers.subscriptions import SUBSCRIBED, room_for_newcomers, status_of_newcomers
from journeys_api.tags import service as tags

NO_ROOM = "the subscriber limit of the account is reached"


@dataclass(slots=True)
class Arrival:
    """One person of a file."""

    line: int
    email_address: str
    listed: dict[str, str] = field(default_factory=dict)
    """Values of the list's fields, by id; what has no value is absent."""
    shared: dict[str, str] = field(default_factory=dict)
    """Values of fields of the whole account."""
    tags: tuple[str, ...] = ()
    """Names of tags to get besides those of everybody."""
    all_tags: tuple[str, ...] | None = None
    """Names of all the tags to have besides those of everybody; None: whichever they are."""

    def take_over(self, later: "Arrival") -> None:
        """What a later line says of the same person counts."""
        self.listed |= later.listed
        self.shared |= later.shared
        self.tags += later.tags
        self.all_tags = later.all_tags if later.all_tags is not None else self.all_tags


@dataclass(frozen=True)
class Manner:
    """How people come."""

    updates: bool
    """Whether values and tags also go to those who are on the list already."""
    triggers: bool
    """Whether journeys are told, and people asked to confirm where the list wants it."""
    tags: tuple[str, ...]
    """Names of the tags that everybody gets; made where the list lacks them."""
    defaults: Mapping[str, str]
    """What newcomers have in fields of the list that nothing is said of: field id → value."""
    source_ref: str


@dataclass(frozen=True)
class Arrived:
    """What became of people."""

    newcomers: int
    known: int
    """Who was on the list already."""
    refused: list[Arrival]
    """For whom the account has no room."""


# A line each: neither an address nor JSON has a line feed in it, and one text is several times quicker to hand over
# than an array of thousands. So are the ids as one array.
_INSERT = text(
    """
WITH came AS (
    INSERT INTO subscribers (owner_id, list_id, email_address, status, subscribed_at, source, source_ref,
                             custom_values, created_at, updated_at)
    SELECT :owner, :list, given.address, :status, :now, 'CSVImport', :source_ref,
           CAST(:defaults AS jsonb) || CAST(given.custom_values AS jsonb), :now, :now
    FROM unnest(string_to_array(:addresses, chr(10)), string_to_array(:values, chr(10)))
         AS given(address, custom_values)
    ORDER BY lower(given.address)
    ON CONFLICT DO NOTHING
    RETURNING subscriber_id
)
SELECT array_agg(subscriber_id) FROM came
"""
)
_FIND = text(
    """
SELECT given.place - 1, s.subscriber_id
FROM unnest(string_to_array(:addresses, chr(10))) WITH ORDINALITY AS given(address, place)
JOIN subscribers s ON s.owner_id = :owner AND s.list_id = :list AND lower(s.email_address) = lower(given.address)
ORDER BY given.place
"""
)
_UPDATE = text(
    """
WITH given AS (
    SELECT * FROM unnest(CAST(:people AS bigint[]), CAST(:values AS text[])) AS given(subscriber_id, custom_values)
), locked AS MATERIALIZED (
    SELECT s.subscriber_id, CAST(given.custom_values AS jsonb) AS custom_values
    FROM subscribers s JOIN given USING (subscriber_id)
    WHERE s.owner_id = :owner AND NOT s.custom_values @> CAST(given.custom_values AS jsonb)
    ORDER BY lower(s.email_address) FOR NO KEY UPDATE OF s
)
UPDATE subscribers s SET custom_values = s.custom_values || locked.custom_values, updated_at = :now
FROM locked WHERE s.owner_id = :owner AND s.subscriber_id = locked.subscriber_id
"""
)
_SHARE = text(
    """
INSERT INTO global_values (owner_id, email_address, custom_values)
SELECT DISTINCT ON (lower(given.address)) :owner, lower(given.address), CAST(given.custom_values AS jsonb)
FROM unnest(CAST(:addresses AS text[]), CAST(:values AS text[])) AS given(address, custom_values)
ORDER BY lower(given.address)
ON CONFLICT (owner_id, email_address)
DO UPDATE SET custom_values = global_values.custom_values || excluded.custom_values
"""
)


async def arrive(
    session: AsyncSession, arrivals: Sequence[Arrival], *, found: SubscriberList, manner: Manner, now: datetime
) -> Arrived:
    """Put people on a list; who is on it, in whatever status, keeps that status.

    Newcomers are subscribed, or pending where the list or the group wants a confirmation.

    Args:
        arrivals: each address once.
    """
    _, group = await accounts.account_of(session, user_id=found.owner_id)
    status = status_of_newcomers(found, group)
    room = await room_for_newcomers(session, owner_id=found.owner_id, group=group)
    before: dict[int, int] = {}
    if room is not None or manner.updates or any(each.shared for each in arrivals):
        before = await _places(session, arrivals, found)
    candidates = [each for place, each in enumerate(arrivals) if place not in before]
    refused = candidates[room:] if room is not None else []
    newcomers = candidates[: len(candidates) - len(refused)]
    newcomer_ids = await _insert(session, newcomers, found, status, manner, now)
    updated = [arrivals[place] for place in before] if manner.updates else []
    if updated:
        await _update(session, updated, list(before.values()), found.owner_id, now)
    await _share(session, [*newcomers, *updated], found.owner_id)
    touched = [*newcomer_ids, *(before.values() if manner.updates else ())]
    await _tag(session, [*newcomers, *updated], touched, found, manner, now)
    if manner.triggers and newcomer_ids:
        await _tell(session, newcomer_ids, found, status, now)
    return Arrived(len(newcomer_ids), len(arrivals) - len(newcomer_ids) - len(refused), list(refused))


async def _places(session: AsyncSession, arrivals: Sequence[Arrival], found: SubscriberList) -> dict[int, int]:
    """Who of them is on the list: place → subscriber."""
    parameters = {
        "owner": found.owner_id,
        "list": found.list_id,
        "addresses": "\n".join([each.email_address for each in arrivals]),
    }
    return {row[0]: row[1] for row in await session.execute(_FIND, parameters)}


async def _insert(
    session: AsyncSession,
    newcomers: Sequence[Arrival],
    found: SubscriberList,
    status: SubscriptionStatus,
    manner: Manner,
    now: datetime,
) -> list[int]:
    if not newcomers:
        return []
    ids = await session.scalar(
        _INSERT,
        {
            "owner": found.owner_id,
            "list": found.list_id,
            "status": status.value,
            "now": now,
            "source_ref": manner.source_ref,
            "defaults": _json(manner.defaults),
            "addresses": "\n".join([each.email_address for each in newcomers]),
            "values": "\n".join([_json(each.listed) for each in newcomers]),
        },
    )
    return ids or []


async def _update(
    session: AsyncSession, updated: Sequence[Arrival], people: Sequence[int], owner_id: int, now: datetime
) -> None:
    values = [_json(each.listed) for each in updated]
    await session.execute(_UPDATE, {"owner": owner_id, "people": list(people), "values": values, "now": now})


async def _share(session: AsyncSession, arrivals: Sequence[Arrival], owner_id: int) -> None:
    sharing = [each for each in arrivals if each.shared]
    if sharing:
        addresses = [each.email_address for each in sharing]
        values = [_json(each.shared) for each in sharing]
        await session.execute(_SHARE, {"owner": owner_id, "addresses": addresses, "values": values})


async def _tag(
    session: AsyncSession,
    arrivals: Sequence[Arrival],
    touched: Sequence[int],
    found: SubscriberList,
    manner: Manner,
    now: datetime,
) -> None:
    wanted = {*manner.tags, *(name for each in arrivals for name in (*each.tags, *(each.all_tags or ())))}
    if not touched or not (wanted or any(each.all_tags is not None for each in arrivals)):
        return
    ids = await tags.ensure_tags(session, owner_id=found.owner_id, list_id=found.list_id, names=wanted, now=now)
    for_all = [ids[name] for name in manner.tags]
    depth = 0 if manner.triggers else None
    if any(each.tags or each.all_tags is not None for each in arrivals):
        places = await _places(session, arrivals, found)
        own = {person: arrivals[place] for place, person in places.items()}
        pairs = [(ids[name], person) for person, each in own.items() for name in (*each.tags, *(each.all_tags or ()))]
        synced = [person for person, each in own.items() if each.all_tags is not None]
        keeping = [*pairs, *((tag_id, person) for tag_id in for_all for person in synced)]
        await tags.untag_others(
            session, owner_id=found.owner_id, subscriber_ids=synced, keeping=keeping, now=now, depth=depth
        )
        await tags.tag_pairs(session, owner_id=found.owner_id, pairs=pairs, now=now, depth=depth)
    if for_all:
        await tags.tag_subscribers(
            session, owner_id=found.owner_id, tag_ids=for_all, subscriber_ids=touched, now=now, depth=depth
        )


async def _tell(
    session: AsyncSession, newcomer_ids: Sequence[int], found: SubscriberList, status: SubscriptionStatus, now: datetime
) -> None:
    await trigger_events.wake(session)
    if status is SubscriptionStatus.SUBSCRIBED:
        person = _rows(newcomer_ids)
        people = select(literal(found.list_id, BigInteger), person.c.subscriber_id, literal(0, BigInteger))
        await session.execute(trigger_events.recording(SUBSCRIBED, people, owner_id=found.owner_id, now=now))
        return
    asking = movements.asking(
        select(_rows(newcomer_ids).c.subscriber_id),
        owner_id=found.owner_id,
        list_id=found.list_id,
        email_id=found.opt_in_confirmation_email_id,
        now=now,
    )
    await session.execute(asking)


def _rows(ids: Sequence[int]) -> Any:
    given = func.unnest(literal(list(ids), ARRAY(BigInteger)), type_=BigInteger).column_valued("person")
    chosen: Select[int] = select(given.label("subscriber_id"))
    return chosen.subquery()


def _json(values: Mapping[str, str]) -> str:
    return orjson.dumps(values).decode() if values else "{}"
