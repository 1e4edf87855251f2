"""People of the reference evaluator, put into the tables, and asked for by a condition."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.models import (
    ActionSubscriber,
    CustomField,
    Enrollment,
    GlobalValues,
    Journey,
    JourneyAction,
    Subscriber,
    SubscriberList,
    SubscriberTag,
    Suppression,
    Tag,
)
from tests.criteria.reference import Person

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """One account with the records that rules name."""

    owner_id: int
    list_id: int
    other_list_id: int
    tags: tuple[int, ...]
    journeys: tuple[int, ...]
    actions: tuple[int, ...]
    """Two of the first journey, then one of the second."""
    fields: tuple[int, ...]
    global_fields: tuple[int, ...]

    @property
    def actions_of(self) -> dict[int, set[int]]:
        """Journey → its actions."""
        return {self.journeys[0]: set(self.actions[:2]), self.journeys[1]: set(self.actions[2:])}


async def make_world(session: AsyncSession, owner_id: int) -> World:
    """A list with three tags and two fields, two global fields, two journeys with three actions."""
    dates = {"created_at": LONG_AGO}
    lists = [SubscriberList(owner_id=owner_id, name=name, updated_at=LONG_AGO, **dates) for name in ("A", "B")]
    journeys = [Journey(owner_id=owner_id, name=name, updated_at=LONG_AGO, **dates) for name in ("J", "K")]
    session.add_all([*lists, *journeys])
    await session.flush()
    tags = [Tag(owner_id=owner_id, list_id=lists[0].list_id, name=f"tag {n}", **dates) for n in range(3)]
    fields = [
        CustomField(owner_id=owner_id, list_id=list_id, field_name=f"field {n}", field_type="Single line", **dates)
        for n, list_id in enumerate([lists[0].list_id, lists[0].list_id, 0, 0])
    ]
    actions = [
        JourneyAction(owner_id=owner_id, journey_id=journey.journey_id, order_no=n, action="SendEmail", **dates)
        for n, journey in enumerate([journeys[0], journeys[0], journeys[1]])
    ]
    session.add_all([*tags, *fields, *actions])
    await session.flush()
    return World(
        owner_id=owner_id,
        list_id=lists[0].list_id,
        other_list_id=lists[1].list_id,
        tags=tuple(tag.tag_id for tag in tags),
        journeys=tuple(journey.journey_id for journey in journeys),
        actions=tuple(action.action_id for action in actions),
        fields=tuple(field.field_id for field in fields[:2]),
        global_fields=tuple(field.field_id for field in fields[2:]),
    )


async def put(session: AsyncSession, world: World, people: Iterable[Person]) -> None:
    """Insert the people, each table in one statement."""
    rows: dict[type[Any], list[dict[str, Any]]] = {
        kind: [] for kind in (Subscriber, GlobalValues, SubscriberTag, Enrollment, ActionSubscriber, Suppression)
    }
    for person in people:
        for kind, found in _rows(world, person).items():
            rows[kind].extend(found)
    for kind, found in rows.items():
        if found:
            await session.execute(insert(kind), found)


def _rows(world: World, person: Person) -> dict[type[Any], list[dict[str, Any]]]:
    owned = {"owner_id": world.owner_id}
    key = {**owned, "list_id": world.list_id, "subscriber_id": person.subscriber_id}
    scopes = {
        "list": (world.owner_id, world.list_id),
        "other list": (world.owner_id, world.other_list_id),
        "account": (world.owner_id, 0),
        "stranger": (world.owner_id + 1_000_000, 0),
        "everybody": (0, 0),
    }
    address = {"email_address": person.email.lower()}
    subscriber = {
        **key,
        "email_address": person.email,
        "status": person.status,
        "bounce_type": person.bounce,
        "subscribed_at": person.subscribed_at,
        "unsubscribed_at": person.unsubscribed_at,
        "opted_in_at": person.opted_in_at,
        "subscription_ip": person.subscription_ip,
        "unsubscription_ip": person.unsubscription_ip,
        "source": person.source,
        "source_ref": person.source_ref,
        "custom_values": {str(field_id): value for field_id, value in person.custom.items()},
        "created_at": LONG_AGO,
        "updated_at": LONG_AGO,
    }
    shared = {str(field_id): value for field_id, value in person.shared.items()}
    return {
        Subscriber: [subscriber],
        GlobalValues: [{**owned, **address, "custom_values": shared}] if shared else [],
        SubscriberTag: [
            {**owned, "subscriber_id": person.subscriber_id, "tag_id": tag_id, "tagged_at": LONG_AGO}
            for tag_id in person.tags
        ],
        Enrollment: [
            {
                **key,
                **address,
                "journey_id": journey_id,
                "state": state,
                "entered_at": LONG_AGO,
                "created_at": LONG_AGO,
                "ended_at": None if state == "active" else LONG_AGO,
                "due_at": LONG_AGO if state == "active" else None,
            }
            for journey_id, state in person.journeys
        ],
        ActionSubscriber: [
            {**key, **address, "action_id": action_id, "activity": bits, "reached_at": LONG_AGO}
            for action_id, bits in person.activity.items()
        ],
        Suppression: [
            {
                **address,
                "owner_id": scopes[scope][0],
                "list_id": scopes[scope][1],
                "source": "User",
                "created_at": LONG_AGO,
            }
            for scope in person.suppressed
        ],
    }


async def matched(session: AsyncSession, world: World, rules: Any, operator: str = "and", **about: Any) -> set[int]:
    """Whom of the account the criteria match; `about` is as for `matched_by_each`."""
    return (await matched_by_each(session, world, [(rules, operator)], **about))[0]


async def matched_by_each(
    session: AsyncSession,
    world: World,
    asked: Sequence[tuple[Any, str]],
    *,
    now: datetime = LONG_AGO,
    time_zone: str = "UTC",
    segments: dict[int, criteria.Criteria] | None = None,
) -> list[set[int]]:
    """Whom of the account each of the criteria (rules, operator) match, in one statement.

    Each row is asked, and not only those found: a NULL would be missing from the yes and from the no.
    """
    conditions = [
        criteria.condition(
            criteria.parse(rules, operator=operator),
            owner_id=world.owner_id,
            list_id=world.list_id,
            now=now,
            time_zone=time_zone,
            segments=segments,
        ).label(f"answer_{number}")
        for number, (rules, operator) in enumerate(asked)
    ]
    everybody = select(Subscriber.subscriber_id, *conditions).where(Subscriber.owner_id == world.owner_id)
    chosen: list[set[int]] = [set() for _ in asked]
    for subscriber_id, *answers in await session.execute(everybody):
        assert None not in answers, "a condition must be TRUE or FALSE"
        for people, answer in zip(chosen, answers, strict=True):
            if answer:
                people.add(subscriber_id)
    return chosen
