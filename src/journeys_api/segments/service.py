"""Rules of segments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.accounts import service as accounts
from journeys_api.criteria import Criteria, CriteriaInvalid, CriteriaNotEvaluable
from journeys_api.criteria.tree import MOST_RULES, MOST_SEGMENTS
from journeys_api.lists import service as lists
from journeys_api.models import Segment, Subscriber
from journeys_api.segments import queries
from journeys_api.segments.errors import SegmentNotFound
from journeys_api.segments.sampling import Sampled

MOST_RULES_AT_ONCE = 4 * MOST_RULES
"""Rules of segments that one statement counts, of which each may take ten of its 32,767 parameters."""

log = structlog.get_logger()


@dataclass(frozen=True)
class SegmentChanges:
    """What an update sets; None: as it is."""

    name: str
    list_id: int | None = None
    operator: str | None = None
    rules: Sequence[Any] | None = None
    randomness: tuple[bool, int] | None = None
    """Whether only a sample belongs, and how many."""


async def create_segment(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    name: str,
    operator: str,
    rules: Sequence[Any],
    randomness: tuple[bool, int],
    now: datetime,
) -> Segment:
    """Make a segment of a list. Names may repeat.

    Args:
        operator: `and` or `or`.
        rules: RulesJson that `criteria.parse` accepts.

    Raises:
        ListNotFound: no such list in this account.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id, for_update=True)
    is_random, size = randomness
    made = Segment(
        owner_id=owner_id,
        list_id=list_id,
        name=name,
        operator=operator,
        rules=list(rules),
        is_random=is_random,
        random_size=size,
        created_at=now,
        updated_at=now,
    )
    session.add(made)
    await session.flush()
    return made


async def get_segment(session: AsyncSession, *, owner_id: int, list_id: int, segment_id: int) -> Segment:
    """The segment of a list.

    Raises:
        SegmentNotFound: no such segment on this list of this account.
    """
    for found in await queries.segments_by_id(session, owner_id=owner_id, segment_ids=[segment_id]):
        if found.list_id == list_id:
            return found
    raise SegmentNotFound


async def update_segment(
    session: AsyncSession, *, owner_id: int, segment_id: int, changes: SegmentChanges, now: datetime
) -> Segment:
    """Change a segment; it may move to another list.

    Raises:
        SegmentNotFound: no such segment in this account.
        ListNotFound: no such list in this account.
    """
    changed = await queries.segment_for_update(session, owner_id=owner_id, segment_id=segment_id)
    if changed is None:
        raise SegmentNotFound
    if changes.list_id is not None:
        await lists.get_list(session, owner_id=owner_id, list_id=changes.list_id, for_update=True)
        changed.list_id = changes.list_id
    changed.name = changes.name
    if changes.operator is not None:
        changed.operator = changes.operator
    if changes.rules is not None:
        changed.rules = list(changes.rules)
    if changes.randomness is not None:
        changed.is_random, changed.random_size = changes.randomness
    changed.updated_at = now
    changed.subscriber_count = changed.counted_at = None  # it counted other people
    await session.flush()
    return changed


async def delete_segments(session: AsyncSession, *, owner_id: int, segment_ids: Sequence[int]) -> None:
    """Remove segments; ids that are not the account's are skipped. Rules that name one cannot be evaluated any more."""
    await queries.delete_segments(session, owner_id=owner_id, segment_ids=segment_ids)


async def segments_of_list(
    session: AsyncSession,
    *,
    owner_id: int,
    list_id: int,
    segment_id: int | None,
    counts: bool,
    order_by: str,
    descending: bool,
    now: datetime,
) -> list[Segment]:
    """The segments of a list.

    Args:
        segment_id: only this one; None: all.
        counts: whether people are counted now; otherwise the numbers are those of the last time. Counting reads the
            list once for each `MOST_RULES_AT_ONCE` rules. A segment that cannot be evaluated has nobody.
        order_by: `name`, `segment_id`, `operator`, `subscriber_count` or `counted_at`; ties by id.

    Raises:
        ListNotFound: no such list in this account.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    arguments: dict[str, Any] = {
        "owner_id": owner_id,
        "list_id": list_id,
        "segment_id": segment_id,
        "order_by": order_by,
        "descending": descending,
    }
    found = await queries.segments_of_list(session, **arguments)
    if not counts or not found:
        return found
    people: dict[int, int] = {}
    for conditions in await _conditions(session, found, owner_id=owner_id, list_id=list_id, now=now):
        people |= await queries.count_matching(session, owner_id=owner_id, list_id=list_id, conditions=conditions)
    counted = {each.segment_id: people.get(each.segment_id, 0) for each in found}
    await queries.keep_counts(session, owner_id=owner_id, counts=counted, now=now)
    # again, because the numbers are new, and so may the order be
    return await queries.segments_of_list(session, **arguments)


async def segments_with(session: AsyncSession, *, subscriber: Subscriber, now: datetime) -> list[Segment]:
    """The segments of a subscriber's list that the subscriber belongs to, by id."""
    owner_id, list_id = subscriber.owner_id, subscriber.list_id
    found = await queries.segments_of_list(
        session, owner_id=owner_id, list_id=list_id, segment_id=None, order_by="segment_id", descending=False
    )
    belonging: set[int] = set()
    for conditions in await _conditions(session, found, owner_id=owner_id, list_id=list_id, now=now):
        belonging.update(
            await queries.segments_holding(session, owner_id=owner_id, subscriber=subscriber, conditions=conditions)
        )
    return [each for each in found if each.segment_id in belonging]


def criteria_of(segment: Segment) -> Criteria:
    """The criteria that people of a segment meet.

    Raises:
        CriteriaInvalid: the rules cannot be read any more.
    """
    parsed = criteria.parse(segment.rules, operator=segment.operator)
    if not segment.is_random or not segment.random_size:
        return parsed
    return Sampled(
        parsed.groups,
        parsed.is_or,
        segment_id=segment.segment_id,
        list_id=segment.list_id,
        size=segment.random_size,
    )


async def criteria_of_segments(session: AsyncSession, *, owner_id: int, of: Criteria) -> Mapping[int, Criteria]:
    """The criteria of every segment of the account that `of` names, and of those that these name, and so on.

    One statement for each level of segments that name segments. A segment that is gone is left out, and so is one
    whose rules cannot be read any more: whoever evaluates `of` is told then.
    """
    return await _named_segments(session, of.references.segment_ids, owner_id=owner_id)


async def _named_segments(session: AsyncSession, segment_ids: frozenset[int], *, owner_id: int) -> dict[int, Criteria]:
    found: dict[int, Criteria] = {}
    asked: frozenset[int] = frozenset()
    wanted = segment_ids
    for _ in range(MOST_SEGMENTS + 1):
        if not wanted:
            break
        asked |= wanted
        level = dict(_parsed(await queries.segments_by_id(session, owner_id=owner_id, segment_ids=wanted)))
        found.update(level)
        wanted = frozenset(named for each in level.values() for named in each.references.segment_ids) - asked
    return found


def _parsed(segments: Sequence[Segment]) -> Iterator[tuple[int, Criteria]]:
    for segment in segments:
        try:
            yield segment.segment_id, criteria_of(segment)
        except CriteriaInvalid:
            log.warning("segment_not_readable", segment_id=segment.segment_id)


async def _conditions(
    session: AsyncSession, found: Sequence[Segment], *, owner_id: int, list_id: int, now: datetime
) -> list[dict[int, ColumnElement[bool]]]:
    """Segment → who belongs to it, in portions that one statement can hold; without those that match nobody."""
    parsed = dict(_parsed(found))
    named = frozenset(each for one in parsed.values() for each in one.references.segment_ids)
    segments = await _named_segments(session, named, owner_id=owner_id)
    account, _ = await accounts.account_of(session, user_id=owner_id)
    compiled = await criteria.compile_many(
        session, parsed, owner_id=owner_id, list_id=list_id, now=now, time_zone=account.time_zone, segments=segments
    )
    portions: list[dict[int, ColumnElement[bool]]] = [{}]
    room, known = MOST_RULES_AT_ONCE, dict[int, int]()
    for segment_id, condition in compiled.items():
        if isinstance(condition, CriteriaNotEvaluable):
            log.info("segment_not_evaluable", segment_id=segment_id)
            continue
        size = _size(parsed[segment_id], segments, known)
        if size > room:
            portions.append({})
            room = MOST_RULES_AT_ONCE
        portions[-1][segment_id] = condition
        room -= size
    return portions


def _size(of: Criteria, segments: Mapping[int, Criteria], known: dict[int, int]) -> int:
    """How many rules the condition has, those of named segments included."""
    total = 1
    for _, rule in of.rules():
        total += 1
        for named in rule.references.segment_ids & segments.keys():
            if named not in known:
                known[named] = 0  # a circle is not evaluated
                known[named] = _size(segments[named], segments, known)
            total += known[named]
    return min(total, MOST_RULES + 1)
