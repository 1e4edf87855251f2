"""Lists with what hangs on them, for a picker: a constant number of statements, however many lists."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists import queries
from journeys_api.lists.errors import OverviewTooLarge
from journeys_api.lists.service import MOST_LISTS
from journeys_api.models import CustomField, Segment, SubscriberList, Tag

MOST_ROWS = 100_000
"""Fields, segments or tags of one answer, global fields counted once a list."""


@dataclass(frozen=True)
class Overview:
    """Some lists, and by list id what hangs on them; None where it was not asked for."""

    lists: Sequence[SubscriberList]
    total: int
    """How many lists pass the filter."""
    fields: Mapping[int, Sequence[CustomField]] | None
    """The account's global ones among them, first."""
    segments: Mapping[int, Sequence[Segment]] | None
    tags: Mapping[int, Sequence[Tag]] | None


async def overview(
    session: AsyncSession,
    *,
    owner_id: int,
    search: str,
    is_archived: bool | None,
    order_by: str,
    descending: bool,
    with_fields: bool,
    with_segments: bool,
    with_tags: bool,
) -> Overview:
    """The account's lists, `MOST_LISTS` at most, with fields and segments by id and tags by name.

    Args:
        search, is_archived, order_by, descending: as for `service.page_of_lists`.

    Raises:
        OverviewTooLarge: more than `MOST_ROWS` of a kind.
    """
    lists, total = await queries.page_of_lists(
        session,
        owner_id=owner_id,
        search=search,
        is_archived=is_archived,
        order_by=order_by,
        descending=descending,
        first=0,
        most=MOST_LISTS,
    )
    ids = [found.list_id for found in lists]
    fields = segments = tags = None
    if with_fields:
        found = _by_list(await queries.fields_of(session, owner_id=owner_id, list_ids=[0, *ids], most=MOST_ROWS + 1))
        shared = found.get(0, [])
        _judge(len(shared) * len(ids) + sum(map(len, found.values())))
        fields = {list_id: [*shared, *found.get(list_id, ())] for list_id in ids}
    if with_segments:
        segments = _by_list(await queries.segments_of(session, owner_id=owner_id, list_ids=ids, most=MOST_ROWS + 1))
        _judge(sum(map(len, segments.values())))
    if with_tags:
        tags = _by_list(await queries.tags_of(session, owner_id=owner_id, list_ids=ids, most=MOST_ROWS + 1))
        _judge(sum(map(len, tags.values())))
    return Overview(lists, total, fields, segments, tags)


def _by_list(rows: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.list_id].append(row)
    return found


def _judge(count: int) -> None:
    if count > MOST_ROWS:
        raise OverviewTooLarge
