"""Numbers of some of a journey's mails: those of an action, those to a domain, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Select, Text, and_, bindparam, literal_column, or_, select

from journeys_api.lanes import Lane, Prepared
from journeys_api.models import ActionDay, ActionDayTotals, CounterDelta
from journeys_api.stats.queries import COUNTERS, DayCounted, added, by_first, columns, sums, within
from journeys_api.stats.windows import Window

_ACTION = bindparam("action_id", type_=BigInteger)
_DOMAIN = bindparam("domain", type_=Text)


@dataclass(frozen=True)
class Slice:
    """Which mails of a journey are counted."""

    action_id: int | None = None
    domain: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether all of them are."""
        return self.action_id is None and self.domain is None


def _sources(days: Any, names: Sequence[str], *conditions: Any) -> list[Select[Any]]:
    """Columns of a rollup by day, and of what is not folded into it; of a domain if the rollup has domains."""

    def counts(table: Any) -> Any:
        action = or_(literal_column("0") == _ACTION, table.action_id == _ACTION)
        return and_(
            table.owner_id == bindparam("owner_id", type_=BigInteger),
            table.journey_id == bindparam("journey_id", type_=BigInteger),
            table.action_id != literal_column("0"),
            table.counted_on.is_not(None),
            action,
            *(condition(table) for condition in conditions),
        )

    return [select(*columns(table, names)).where(counts(table)) for table in (days, CounterDelta)]


def _of_domain(table: Any) -> Any:
    return table.domain == _DOMAIN


_TOTALS = {
    False: Prepared(sums(*_sources(ActionDayTotals, ("journey_id", *COUNTERS)), by=("journey_id",), counters=COUNTERS)),
    True: Prepared(
        sums(*_sources(ActionDay, ("journey_id", *COUNTERS), _of_domain), by=("journey_id",), counters=COUNTERS)
    ),
}
"""By whether a domain is asked for; so are the next."""
_DAY_NAMES = ("action_id", "counted_on", *COUNTERS)
_DAYS = {
    False: Prepared(sums(*_sources(ActionDayTotals, _DAY_NAMES, within), by=_DAY_NAMES[:2], counters=COUNTERS)),
    True: Prepared(sums(*_sources(ActionDay, _DAY_NAMES, _of_domain, within), by=_DAY_NAMES[:2], counters=COUNTERS)),
}
_DOMAINS = Prepared(sums(*_sources(ActionDay, ("domain", *COUNTERS), within), by=("domain",), counters=COUNTERS))


def _given(of: Slice, **more: Any) -> dict[str, Any]:
    return {"action_id": of.action_id or 0, **({"domain": of.domain} if of.domain is not None else {}), **more}


async def slice_totals(lane: Lane, *, owner_id: int, journey_id: int, of: Slice) -> Any:
    """All-time numbers of a slice's mails; None: there is nothing yet."""
    given = _given(of, owner_id=owner_id, journey_id=journey_id)
    rows = await lane.rows(_TOTALS[of.domain is not None], **given)
    return rows[0] if rows else None


async def action_days(
    lane: Lane, *, owner_id: int, journey_id: int, window: Window, of: Slice
) -> dict[int, dict[date, DayCounted]]:
    """Numbers of a slice's mails by action and day over the window; days without a row are left out."""
    given = _given(of, owner_id=owner_id, journey_id=journey_id, start_on=window.start_on, end_on=window.end_on)
    rows = await lane.rows(_DAYS[of.domain is not None], **given)
    return by_first((action_id, counted_on, 0, *counters) for action_id, counted_on, *counters in rows)


def together(actions: Mapping[int, Mapping[date, DayCounted]]) -> dict[date, DayCounted]:
    """The days of several actions, added up."""
    days: dict[date, DayCounted] = {}
    for of_action in actions.values():
        for counted_on, counted in of_action.items():
            known = days.get(counted_on)
            days[counted_on] = counted if known is None else added(known, counted)
    return days


async def domains(lane: Lane, *, owner_id: int, journey_id: int, window: Window, of: Slice) -> Sequence[Any]:
    """Numbers by recipient domain over the window: the most sent to first."""
    given = _given(of, owner_id=owner_id, journey_id=journey_id, start_on=window.start_on, end_on=window.end_on)
    rows = await lane.rows(_DOMAINS, **given)
    return sorted(rows, key=lambda row: (-row.send_count, row.domain))
