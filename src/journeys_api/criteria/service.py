"""Conditions over subscribers, from checked criteria."""

import functools
import operator
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.criteria import queries
from journeys_api.criteria.errors import CriteriaNotEvaluable
from journeys_api.criteria.reading import problems
from journeys_api.criteria.tree import MOST_SEGMENTS, Criteria, References, Scope

_NO_SEGMENTS: Mapping[int, Criteria] = {}
_Records = Sequence[tuple[str, int, int]]
"""Kind, id and list of records."""


def condition(
    criteria: Criteria,
    *,
    owner_id: int,
    list_id: int | ColumnElement[int],
    now: datetime,
    time_zone: str,
    segments: Mapping[int, Criteria] | None = None,
    global_field_ids: frozenset[int] | None = None,
) -> ColumnElement[bool]:
    """The criteria as one SQL condition over `models.Subscriber`; TRUE or FALSE for every row, never NULL.

    For `select(Subscriber.subscriber_id).where(Subscriber.owner_id == owner_id, condition(…))`, and any other statement
    that has `subscribers` among its tables. Empty criteria match everybody. Records that a rule names are taken as they
    are named; whether they exist is told by `compile`.

    Args:
        list_id: the list that the people are on, or a column that says so; journeys and suppressions are judged by it.
        now: what "the last X days" count back from.
        time_zone: whose days count.
        segments: the criteria of the segments that rules may name, by id; one that is missing cannot be evaluated.
        global_field_ids: which of the named custom fields are account-wide, where the caller knows.

    Raises:
        CriteriaNotEvaluable: a rule cannot be evaluated; whoever asks decides what then (rulings 7).
    """
    return criteria.condition(
        Scope(
            owner_id=owner_id,
            list_id=list_id,
            now=now,
            time_zone=time_zone,
            segments=_NO_SEGMENTS if segments is None else segments,
            global_field_ids=global_field_ids,
        )
    )


async def compile(
    session: AsyncSession,
    criteria: Criteria,
    *,
    owner_id: int,
    list_id: int | ColumnElement[int],
    now: datetime,
    time_zone: str,
    segments: Mapping[int, Criteria] | None = None,
) -> ColumnElement[bool]:
    """As `condition`, and only when every record that a rule names is there: one statement, whatever the rules.

    A rule about a record that is gone would not match "has this tag", and would match everybody by "does not have this
    tag"; so it cannot be evaluated.

    Raises:
        CriteriaNotEvaluable: as `condition`, or a record that is not there or not the account's.
    """
    missing, global_field_ids = await _look_up(session, criteria, owner_id=owner_id, segments=segments)
    if missing:
        raise CriteriaNotEvaluable(missing[0])
    return condition(
        criteria,
        owner_id=owner_id,
        list_id=list_id,
        now=now,
        time_zone=time_zone,
        segments=segments,
        global_field_ids=global_field_ids,
    )


async def compile_many(
    session: AsyncSession,
    many: Mapping[int, Criteria],
    *,
    owner_id: int,
    list_id: int | ColumnElement[int],
    now: datetime,
    time_zone: str,
    segments: Mapping[int, Criteria] | None = None,
) -> dict[int, ColumnElement[bool] | CriteriaNotEvaluable]:
    """As `compile`, for several criteria at once and in one statement; the error of those that cannot be evaluated."""
    known_segments = segments or _NO_SEGMENTS
    named = {key: _all_references(criteria, known_segments) for key, criteria in many.items()}
    rows = await _known_records(
        session, functools.reduce(operator.or_, named.values(), References()), owner_id=owner_id
    )
    global_field_ids = _global_fields(rows)
    compiled: dict[int, ColumnElement[bool] | CriteriaNotEvaluable] = {}
    for key, criteria in many.items():
        try:
            for missing in _missing(named[key], rows, known_segments):
                raise CriteriaNotEvaluable(missing)
            compiled[key] = condition(
                criteria,
                owner_id=owner_id,
                list_id=list_id,
                now=now,
                time_zone=time_zone,
                segments=segments,
                global_field_ids=global_field_ids,
            )
        except CriteriaNotEvaluable as error:
            compiled[key] = error
    return compiled


async def missing_records(
    session: AsyncSession, criteria: Criteria, *, owner_id: int, segments: Mapping[int, Criteria] | None = None
) -> list[str]:
    """The records that rules name and the account does not have, as warnings: `no such tag: 7`. One statement."""
    missing, _ = await _look_up(session, criteria, owner_id=owner_id, segments=segments)
    return missing


async def problems_of_many(
    session: AsyncSession, many: Mapping[int, Criteria], *, owner_id: int, segments: Mapping[int, Criteria]
) -> dict[int, list[str]]:
    """What keeps each of several criteria from being evaluated: rules, records, and the segments named. One statement.

    Unlike `compile_many` it names everything, and makes no SQL of the rules.
    """
    named = {key: _all_references(criteria, segments) for key, criteria in many.items()}
    rows = await _known_records(
        session, functools.reduce(operator.or_, named.values(), References()), owner_id=owner_id
    )
    found: dict[int, list[str]] = {}
    for key, criteria in many.items():
        of_segments = [
            f"segment {segment_id} {problem}"
            for segment_id in sorted(named[key].segment_ids & segments.keys())
            for problem in problems(segments[segment_id])
        ]
        found[key] = [*problems(criteria), *of_segments, *_missing(named[key], rows, segments)]
    return found


async def _look_up(
    session: AsyncSession, criteria: Criteria, *, owner_id: int, segments: Mapping[int, Criteria] | None
) -> tuple[list[str], frozenset[int]]:
    """What is missing of the named records, those of named segments included, and which of the fields are global."""
    named = _all_references(criteria, segments or _NO_SEGMENTS)
    rows = await _known_records(session, named, owner_id=owner_id)
    return _missing(named, rows, segments or _NO_SEGMENTS), _global_fields(rows)


async def _known_records(session: AsyncSession, named: References, *, owner_id: int) -> _Records:
    if named == References():
        return []
    return [
        (row.kind, row.id, row.list_id)
        for row in await session.execute(queries.named_records(named, owner_id=owner_id))
    ]


def _missing(named: References, rows: _Records, segments: Mapping[int, Criteria]) -> list[str]:
    wanted = {
        "field": named.field_ids,
        "tag": named.tag_ids,
        "journey": named.journey_ids,
        "action": named.action_ids,
        "segment": named.segment_ids,
    }
    there = {(kind, record_id) for kind, record_id, _ in rows} | {("segment", known) for known in segments}
    return [
        f"no such {kind}: {record_id}"
        for kind, ids in wanted.items()
        for record_id in sorted(ids)
        if (kind, record_id) not in there
    ]


def _global_fields(rows: _Records) -> frozenset[int]:
    return frozenset(record_id for kind, record_id, list_id in rows if kind == "field" and list_id == 0)


def _all_references(criteria: Criteria, segments: Mapping[int, Criteria]) -> References:
    found = criteria.references
    for _ in range(MOST_SEGMENTS):
        wider = found
        for segment_id in found.segment_ids & segments.keys():
            wider |= segments[segment_id].references
        if wider == found:
            break
        found = wider
    return found
