"""SQL of journeys."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CollectionAggregate,
    Select,
    any_,
    bindparam,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.journeys.trees import Row
from journeys_api.models import Journey, JourneyAction, SubscriberList


def owned_journeys(owner_id: int) -> Select[Journey]:
    """The only way to a journey: whatever is built on this stays within one account, and without the deleted."""
    return select(Journey).where(Journey.owner_id == owner_id, Journey.deleted_at.is_(None))


def _any_of(ids: Collection[int]) -> CollectionAggregate[Any]:
    # one parameter however many ids a caller sends: the driver takes no more than 32,767
    return any_(literal(list(ids), ARRAY(BigInteger)))


def owned_actions(owner_id: int, journey_id: int) -> Select[JourneyAction]:
    """The present actions of a journey, in `OrderNo` order."""
    return (
        select(JourneyAction)
        .where(
            JourneyAction.journey_id == journey_id,
            JourneyAction.owner_id == owner_id,
            JourneyAction.removed_at.is_(None),
        )
        .order_by(JourneyAction.order_no)
        # trees are written past the session's own objects
        .execution_options(populate_existing=True)
    )


async def journey(session: AsyncSession, *, owner_id: int, journey_id: int) -> Journey:
    """The account's journey, or JourneyNotFound."""
    statement = owned_journeys(owner_id).where(Journey.journey_id == journey_id)
    found = await session.scalar(statement.execution_options(populate_existing=True))
    if found is None:
        raise JourneyNotFound
    return found


async def journey_for_update(session: AsyncSession, *, owner_id: int, journey_id: int) -> Journey:
    """The account's journey, locked until the transaction ends, or JourneyNotFound."""
    found = await session.scalar(owned_journeys(owner_id).where(Journey.journey_id == journey_id).with_for_update())
    if found is None:
        raise JourneyNotFound
    return found


async def journeys_among(session: AsyncSession, *, owner_id: int, journey_ids: Collection[int]) -> Sequence[Journey]:
    """The account's journeys among these, ascending by id."""
    statement = owned_journeys(owner_id).where(Journey.journey_id == _any_of(journey_ids)).order_by(Journey.journey_id)
    return (await session.scalars(statement)).all()


async def journeys_for_update(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int]
) -> Sequence[Journey]:
    """The account's journeys among these, ascending by id, locked in this order until the transaction ends."""
    statement = owned_journeys(owner_id).where(Journey.journey_id == _any_of(journey_ids)).order_by(Journey.journey_id)
    return (await session.scalars(statement.with_for_update())).all()


async def actions(session: AsyncSession, *, owner_id: int, journey_id: int) -> Sequence[JourneyAction]:
    """The present actions of a journey, in `OrderNo` order."""
    return (await session.scalars(owned_actions(owner_id, journey_id))).all()


async def actions_of(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int]
) -> dict[int, list[JourneyAction]]:
    """The present actions of journeys of the account, each journey's in `OrderNo` order."""
    statement = (
        select(JourneyAction)
        .where(
            JourneyAction.journey_id == _any_of(journey_ids),
            JourneyAction.owner_id == owner_id,
            JourneyAction.removed_at.is_(None),
        )
        .order_by(JourneyAction.journey_id, JourneyAction.order_no)
    )
    found: dict[int, list[JourneyAction]] = {}
    for action in await session.scalars(statement):
        found.setdefault(action.journey_id, []).append(action)
    return found


async def new_action_ids(session: AsyncSession, count: int) -> list[int]:
    """Ids for actions that will be written, so that they can point at each other."""
    if not count:
        return []
    sequence = text(
        "SELECT nextval(pg_get_serial_sequence('journey_actions', 'action_id')) FROM generate_series(1, :n)"
    )
    return list(await session.scalars(sequence, {"n": count}))


async def insert_actions(
    session: AsyncSession, rows_of: Mapping[int, Sequence[Row]], *, owner_id: int, now: datetime
) -> None:
    """Write new actions by journey, whatever their number in one statement."""
    values = [
        {**vars(row), "owner_id": owner_id, "journey_id": journey_id, "created_at": now}
        for journey_id, rows in rows_of.items()
        for row in rows
    ]
    if values:
        await session.execute(insert(JourneyAction), values)


async def update_actions(session: AsyncSession, rows: Sequence[Row], *, owner_id: int, journey_id: int) -> None:
    """Write kept actions anew, in one round trip (at most 500 rows)."""
    if not rows:
        return
    table = JourneyAction.__table__
    columns = [name for name in vars(rows[0]) if name != "action_id"]
    statement = (
        update(table)  # type: ignore[arg-type]
        .where(
            table.c.action_id == bindparam("_action_id"),
            table.c.journey_id == journey_id,
            table.c.owner_id == owner_id,
        )
        .values({name: bindparam(f"_{name}") for name in columns})
    )
    connection = await session.connection()
    await connection.execute(statement, [{f"_{name}": value for name, value in vars(row).items()} for row in rows])


async def remove_actions(
    session: AsyncSession, *, owner_id: int, journey_id: int, action_ids: Collection[int], now: datetime
) -> None:
    """Mark actions as removed; their rows stay for history and statistics."""
    if action_ids:
        await session.execute(
            update(JourneyAction)
            .where(
                JourneyAction.journey_id == journey_id,
                JourneyAction.owner_id == owner_id,
                JourneyAction.action_id == _any_of(action_ids),
            )
            .values(removed_at=now),
            execution_options={"synchronize_session": False},
        )


async def delete_journeys(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int], now: datetime
) -> list[int]:
    """Mark the account's journeys among these as deleted; the ids of those that were there."""
    statement = (
        update(Journey)
        .where(Journey.owner_id == owner_id, Journey.deleted_at.is_(None), Journey.journey_id == _any_of(journey_ids))
        .values(deleted_at=now, status="Disabled")
        .returning(Journey.journey_id)
        .execution_options(synchronize_session=False)
    )
    return list(await session.scalars(statement))


async def known_list_ids(session: AsyncSession, *, owner_id: int, list_ids: Collection[int]) -> set[int]:
    """Those of the ids that are lists of the account."""
    if not list_ids:
        return set()
    statement = select(SubscriberList.list_id).where(
        SubscriberList.owner_id == owner_id, SubscriberList.list_id == _any_of(list_ids)
    )
    return set(await session.scalars(statement))
