"""SQL of journeys."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CollectionAggregate,
    Select,
    Text,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.db import JSON_DIALECT
from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.journeys.trees import Row
from journeys_api.lanes import Lane, Prepared
from journeys_api.models import Journey, JourneyAction, JourneyStatus, SubscriberList


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


class NewJourney(NamedTuple):
    """What the database answers of a journey that it has just written."""

    journey_id: int
    name: str
    trigger: str
    status: str
    notes: str
    created_at: datetime
    updated_at: datetime


_SAID: dict[str, Any] = {
    "name": "",
    "notes": "",
    "run_criteria": [],
    "run_criteria_operator": "and",
    "rate_limit_per_hour": 0,
    "rate_limit_per_day": 0,
}
"""What is said of a new journey, and what counts where it is not."""
_GIVEN = ("owner_id", "trigger", "trigger_parameters", *_SAID)
_TABLE: Any = Journey.__table__
_COLUMNS = _TABLE.c
_NOW = bindparam("now", type_=_COLUMNS.created_at.type)
_INSERT = Prepared(
    insert(_TABLE)
    .values(
        {
            **{name: bindparam(f"new_{name}", type_=_COLUMNS[name].type) for name in _GIVEN},
            "status": JourneyStatus.DISABLED,
            "created_at": _NOW,
            "updated_at": _NOW,
        }
    )
    .returning(
        *(
            type_coerce(_COLUMNS[name], Text).label(name) if name == "status" else _COLUMNS[name]
            for name in NewJourney._fields
        )
    )
)


async def insert_journey(
    lane: Lane,
    *,
    owner_id: int,
    trigger: str,
    trigger_parameters: Mapping[str, Any],
    said: Mapping[str, Any],
    now: datetime,
) -> NewJourney:
    """Write a new, disabled journey.

    Args:
        said: some of name, notes, run_criteria, run_criteria_operator and the two rate limits.
    """
    rows = await lane.rows(
        _INSERT,
        new_owner_id=owner_id,
        new_trigger=trigger,
        new_trigger_parameters=trigger_parameters,
        now=now,
        **{f"new_{name}": said.get(name, otherwise) for name, otherwise in _SAID.items()},
    )
    return NewJourney(*rows[0])


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


async def action_counts(session: AsyncSession, *, owner_id: int, journey_ids: Collection[int]) -> dict[int, int]:
    """How many present actions each of these journeys has that is the account's."""
    statement = (
        owned_journeys(owner_id)
        .where(Journey.journey_id == _any_of(journey_ids))
        .outerjoin(
            JourneyAction,
            (JourneyAction.journey_id == Journey.journey_id)
            & (JourneyAction.owner_id == owner_id)
            & JourneyAction.removed_at.is_(None),
        )
        .group_by(Journey.journey_id)
        .with_only_columns(Journey.journey_id, func.count(JourneyAction.action_id).label("size"))
    )
    return {row.journey_id: row.size for row in await session.execute(statement)}


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


_ARRAYS = {
    "action_id": "bigint",
    "parent_action_id": "bigint",
    "branch": "text",
    "order_no": "bigint",
    "action": "text",
    "parameters": "text",
    "notes": "text",
    "is_published": "boolean",
    "next_action_id": "bigint",
    "true_action_id": "bigint",
    "false_action_id": "bigint",
}
"""The columns of a row, and the types that arrays of them are sent as."""
_WRITTEN = ", ".join(
    f"{name} = CAST(n.{name} AS json)" if name == "parameters" else f"{name} = n.{name}"
    for name in _ARRAYS
    if name != "action_id"
)
_SENT = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _ARRAYS.items())
# the pieces are names of columns of ours, never a caller's
_UPDATE_ACTIONS = text(
    f"UPDATE journey_actions a SET {_WRITTEN} FROM unnest({_SENT}) AS n({', '.join(_ARRAYS)}) "  # noqa: S608
    "WHERE a.action_id = n.action_id AND a.journey_id = :journey_id AND a.owner_id = :owner_id"
)


async def update_actions(session: AsyncSession, rows: Sequence[Row], *, owner_id: int, journey_id: int) -> None:
    """Write kept actions anew, whatever their number in one statement."""
    if not rows:
        return
    sent: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in _ARRAYS}
    sent["parameters"] = [JSON_DIALECT["json_serializer"](parameters) for parameters in sent["parameters"]]
    await session.execute(_UPDATE_ACTIONS, {**sent, "owner_id": owner_id, "journey_id": journey_id})


async def remove_actions(
    session: AsyncSession, *, owner_id: int, journey_id: int, successors: Mapping[int, int | None], now: datetime
) -> None:
    """Mark actions as removed; their rows stay for history and statistics.

    Args:
        successors: removed action → where its people go on; None: nowhere. Who was to go on at one of these from an
            action that was removed earlier, and has not gone yet, goes where its people go.
    """
    if successors:
        await session.execute(
            text(
                "UPDATE journey_actions a SET removed_at = coalesce(a.removed_at, :now), "
                "successor_action_id = w.successor "
                "FROM unnest(CAST(:removed AS bigint[]), CAST(:successors AS bigint[])) AS w(removed, successor) "
                "WHERE a.journey_id = :journey AND a.owner_id = :owner "
                "AND w.removed IN (a.action_id, a.successor_action_id)"
            ),
            {
                "owner": owner_id,
                "journey": journey_id,
                "removed": list(successors),
                "successors": list(successors.values()),
                "now": now,
            },
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
