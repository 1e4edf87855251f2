"""People in the queue, page by page and one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.models import SHARDS

LOOKED_AT = 2_000
"""So many of those whose turn it is are listed at most."""
FOUND = 100
"""How many passes of one person are told at most."""


class TouchState(StrEnum):
    """What an entry waits for."""

    NEVER_TOUCHED = "never_touched"
    """Entered, and not looked at yet."""
    WAITING = "waiting"
    """On its way, and to go on with the next pass."""
    OVERDUE = "overdue"
    """What it waited for is over."""
    SNOOZED = "snoozed"
    """It waits for a later instant."""


def touch_state(row: Any, *, now: datetime) -> TouchState:
    """The state of an active enrollment (`seq`, `created_at`, `entered_at`, `due_at`)."""
    if row.due_at > now:
        return TouchState.SNOOZED
    if row.seq == 0 and row.due_at == row.created_at:
        return TouchState.NEVER_TOUCHED
    return TouchState.WAITING if row.due_at == row.entered_at else TouchState.OVERDUE


@dataclass(frozen=True)
class Wanted:
    """Which entries, in which order, and which page of them."""

    journey_id: int | None = None
    action_id: int | None = None
    state: TouchState | None = None
    keyword: str | None = None
    by_due: bool = False
    """Whether ordered by due instant; otherwise by id, which is the order of entry too."""
    is_descending: bool = False
    count: int = 25
    offset: int = 0


_COLUMNS = """
e.enrollment_id, e.owner_id, e.journey_id, e.list_id, e.subscriber_id, e.email_address, e.action_id, e.seq,
e.created_at, e.entered_at, e.due_at
"""
_SHOWN = """
SELECT e.*, j.name AS journey_name, j.status AS journey_status, a.action, a.order_no FROM ({entries}) AS e
JOIN journeys j ON j.journey_id = e.journey_id LEFT JOIN journey_actions a ON a.action_id = e.action_id
ORDER BY e.{order}
"""
# journeys where people are, from the counters
_PLACES = """
SELECT owner_id, journey_id FROM (
    SELECT owner_id, journey_id, active_count FROM journey_totals WHERE {one} true
    UNION ALL
    SELECT owner_id, journey_id, active_count FROM counter_deltas WHERE {one} action_id = 0
) AS c GROUP BY owner_id, journey_id HAVING sum(active_count) > 0
"""
_OF_JOURNEY = "(owner_id, journey_id) = (SELECT owner_id, journey_id FROM journeys WHERE journey_id = :journey) AND"
_OF_ACTION = "(owner_id, journey_id) = (SELECT owner_id, journey_id FROM journey_actions WHERE action_id = :action) AND"
_BY_ID = """
SELECT found.* FROM ({places}) AS p CROSS JOIN LATERAL (
    SELECT {columns} FROM enrollments e
    WHERE e.owner_id = p.owner_id AND e.journey_id = p.journey_id AND e.state = 'active' {conditions}
    ORDER BY e.enrollment_id {direction} LIMIT {most}
) AS found ORDER BY {order} OFFSET {offset} LIMIT {count}
"""
# timers name their journey, so that a person is one look-up in whichever index is taken: in that of a journey's people
# the journey comes before the id, and without it everybody of the account would be read for each timer
_BY_DUE = """
SELECT found.* FROM ({places}) AS p
CROSS JOIN generate_series(0, {last_shard}) AS s(shard) CROSS JOIN LATERAL (
    SELECT {columns} FROM timers t JOIN enrollments e USING (owner_id, journey_id, enrollment_id)
    WHERE t.shard = s.shard AND t.journey_id = p.journey_id AND t.owner_id = p.owner_id
      AND e.state = 'active' AND e.due_at = t.due_at {conditions}
    ORDER BY t.due_at {direction} LIMIT {most}
) AS found ORDER BY {order} OFFSET {offset} LIMIT {count}
"""
_DUE = """
SELECT {columns} FROM (
    SELECT due.* FROM runnable_journeys r CROSS JOIN LATERAL (
        SELECT owner_id, journey_id, enrollment_id, due_at FROM timers t
        WHERE t.shard = r.shard AND t.journey_id = r.journey_id AND t.due_at <= :now LIMIT {looked_at}
    ) AS due WHERE {of_journey} r.next_due_at <= :now LIMIT {looked_at}
) AS t JOIN enrollments e USING (owner_id, journey_id, enrollment_id)
WHERE e.state = 'active' AND e.due_at = t.due_at {conditions} ORDER BY {order}
"""


def _order(wanted: Wanted) -> str:
    direction = "DESC" if wanted.is_descending else "ASC"
    return f"due_at {direction}, e.enrollment_id {direction}" if wanted.by_due else f"enrollment_id {direction}"


async def page(session: AsyncSession, wanted: Wanted, *, now: datetime) -> tuple[list[Row[Any]], int | None]:
    """A page of entries, and how many there are of them where this had to count them; None: counters know.

    By id each journey with people costs a page's worth of index entries, and an action's people are found among their
    journey's; those whose turn it is are read up to `LOOKED_AT`. A piece of an address is looked for by reading the
    addresses of everybody in question.
    """
    parameters: dict[str, Any] = {"now": now}
    if wanted.journey_id is not None:
        parameters["journey"] = wanted.journey_id
    if wanted.action_id is not None:
        parameters["action"] = wanted.action_id
    if wanted.keyword:
        parameters["keyword"] = wanted.keyword
    if wanted.state in (None, TouchState.SNOOZED):
        rows = (await session.execute(text(_walk(wanted)), parameters)).all()
        if not wanted.keyword:
            return list(rows), None
        return list(rows), await session.scalar(text(_counted(wanted)), parameters)
    due = (await session.execute(text(_due(wanted)), parameters)).all()
    of_state = [row for row in due if touch_state(row, now=now) is wanted.state]
    return of_state[wanted.offset : wanted.offset + wanted.count], len(of_state)


def _conditions(wanted: Wanted) -> str:
    """Constants of ours; what callers send goes in as parameters."""
    return " ".join(
        (
            "AND e.due_at > :now" if wanted.state is TouchState.SNOOZED else "",
            "AND e.action_id = :action" if wanted.action_id is not None else "",
            "AND position(lower(:keyword) IN lower(e.email_address)) > 0" if wanted.keyword else "",
        )
    )


def _places(wanted: Wanted) -> str:
    of_action = _OF_ACTION if wanted.action_id is not None else ""
    return _PLACES.format(one=f"{_OF_JOURNEY if wanted.journey_id is not None else ''} {of_action}")


def _walk(wanted: Wanted) -> str:
    entries = (_BY_DUE if wanted.by_due else _BY_ID).format(
        places=_places(wanted),
        columns=_COLUMNS,
        conditions=_conditions(wanted),
        direction="DESC" if wanted.is_descending else "ASC",
        most=wanted.offset + wanted.count,
        offset=wanted.offset,
        count=wanted.count,
        order=_order(wanted).replace("e.", ""),
        last_shard=SHARDS - 1,
    )
    return _SHOWN.format(entries=entries, order=_order(wanted))


def _counted(wanted: Wanted) -> str:
    return (
        f"SELECT count(*) FROM ({_places(wanted)}) AS p JOIN enrollments e ON e.owner_id = p.owner_id "  # noqa: S608
        "AND e.journey_id = p.journey_id AND e.state = 'active' " + _conditions(wanted)
    )


def _due(wanted: Wanted) -> str:
    entries = _DUE.format(
        columns=_COLUMNS,
        looked_at=LOOKED_AT,
        of_journey="r.journey_id = :journey AND" if wanted.journey_id is not None else "",
        conditions=_conditions(wanted),
        order=_order(wanted) if not wanted.by_due else _order(wanted).replace("due_at", "e.due_at", 1),
    )
    return _SHOWN.format(entries=entries, order=_order(wanted))


@dataclass(frozen=True)
class Sought:
    """Whose entries: one of the three."""

    entry_id: int | None = None
    subscriber_id: int | None = None
    email_address: str | None = None
    list_id: int | None = None
    """With an address, the list that it is on."""
    journey_id: int | None = None


# ids alone do not lead the keys: each account is asked once, by index
_BY_KEY = """
SELECT {columns} FROM users u CROSS JOIN LATERAL (
    SELECT * FROM enrollments WHERE owner_id = u.user_id AND {key} = :key AND state = 'active' {of_journey}
) AS e
"""
_BY_ADDRESS = """
SELECT {columns} FROM lists l
JOIN subscribers s ON s.owner_id = l.owner_id AND s.list_id = l.list_id AND lower(s.email_address) = lower(:address)
JOIN enrollments e ON e.owner_id = s.owner_id AND e.subscriber_id = s.subscriber_id AND e.state = 'active' {of_journey}
WHERE l.list_id = :list
"""


async def sought(session: AsyncSession, whose: Sought) -> Sequence[Row[Any]]:
    """The active entries of somebody, at most `FOUND`, in order of entry."""
    parameters: dict[str, Any] = {
        "key": whose.entry_id if whose.entry_id is not None else whose.subscriber_id,
        "list": whose.list_id,
        "address": whose.email_address,
        "journey": whose.journey_id,
    }
    key = "enrollment_id" if whose.entry_id is not None else "subscriber_id"
    statement = _BY_ADDRESS if whose.entry_id is None and whose.subscriber_id is None else _BY_KEY
    of_journey = "AND journey_id = :journey" if whose.journey_id is not None else ""
    entries = statement.format(columns=_COLUMNS, key=key, of_journey=of_journey)
    shown = _SHOWN.format(entries=f"{entries} ORDER BY e.enrollment_id LIMIT {FOUND}", order="enrollment_id")
    return (await session.execute(text(shown), parameters)).all()
