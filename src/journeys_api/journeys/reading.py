"""Journeys as they are answered: each of these reads is one statement, and stored JSON stays text on its way out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, cast, func, select, type_coerce

from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.lanes import Lane, Prepared
from journeys_api.models import Journey, JourneyAction
from journeys_api.stats import queries as stats
from journeys_api.stats.windows import Window

_OWNER = bindparam("owner_id", type_=BigInteger)
_JOURNEY = bindparam("journey_id", type_=BigInteger)


class ReadJourney(NamedTuple):
    """A journey's columns; JSON as the text that is stored."""

    journey_id: int
    name: str
    trigger: str
    trigger_parameters: str
    status: str
    notes: str
    run_criteria: str
    run_criteria_operator: str
    rate_limit_per_hour: int
    rate_limit_per_day: int
    created_at: datetime
    updated_at: datetime


class ReadAction(NamedTuple):
    """An action's columns; JSON as the text that is stored."""

    action_id: int
    parent_action_id: int | None
    branch: str
    order_no: int
    action: str
    parameters: str
    notes: str
    is_published: bool


class WithNumbers(NamedTuple):
    """A journey, its present actions in order, and the numbers of all."""

    journey: ReadJourney
    actions: Sequence[ReadAction]
    totals: stats.Totals
    days: stats.Days


def _plain(column: Any) -> Any:
    """A column as the driver gives it, whoever runs the statement."""
    kind = column.type.__class__.__name__
    if kind == "JSON":
        return cast(column, Text).label(column.key)
    return type_coerce(column, Text).label(column.key) if kind == "Enum" else column


def _rows(table: Any, fields: Sequence[str]) -> list[Any]:
    return [_plain(getattr(table, name)) for name in fields]


def _list_of(statement: Any) -> Any:
    """A whole result as one value: an array of its rows."""
    return func.array(statement.scalar_subquery())


def _as_row(statement: Any) -> Any:
    """The statement with one composite column in place of its several."""
    inner = statement.subquery()
    return select(func.row(*inner.c))


_ACTIONS = (
    select(func.row(*_rows(JourneyAction, ReadAction._fields)))
    .where(
        JourneyAction.journey_id == Journey.journey_id,
        JourneyAction.owner_id == Journey.owner_id,
        JourneyAction.removed_at.is_(None),
    )
    .order_by(JourneyAction.order_no)
    .correlate(Journey)
)
_OWNED = select(*_rows(Journey, ReadJourney._fields)).where(Journey.owner_id == _OWNER, Journey.deleted_at.is_(None))
_ONE = Prepared(
    _OWNED.add_columns(
        _list_of(_ACTIONS).label("actions"),
        _list_of(_as_row(stats.totals_of_one(_OWNER, _JOURNEY))).label("totals"),
        _list_of(_as_row(stats.days_of_one(_OWNER, _JOURNEY))).label("days"),
    ).where(Journey.journey_id == _JOURNEY)
)
_ALL = Prepared(_OWNED.order_by(Journey.journey_id))


async def read_journey(lane: Lane, *, owner_id: int, journey_id: int, window: Window) -> WithNumbers:
    """The account's journey with its actions and numbers, in one statement.

    Raises:
        JourneyNotFound: no such journey in this account.
    """
    rows = await lane.rows(
        _ONE, owner_id=owner_id, journey_id=journey_id, start_on=window.start_on, end_on=window.end_on
    )
    if not rows:
        raise JourneyNotFound
    *journey, actions, totals, days = rows[0]
    return WithNumbers(
        ReadJourney(*journey),
        [ReadAction(*action) for action in actions],
        stats.totals_of(totals),
        stats.days_found(days),
    )


async def read_journeys(lane: Lane, *, owner_id: int) -> Sequence[ReadJourney]:
    """All journeys of the account, ascending by id."""
    return [ReadJourney(*row) for row in await lane.rows(_ALL, owner_id=owner_id)]
