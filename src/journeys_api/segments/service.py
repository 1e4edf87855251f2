"""Rules of segments."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.criteria import Criteria, CriteriaInvalid
from journeys_api.criteria.tree import MOST_SEGMENTS
from journeys_api.segments import queries


async def criteria_of_segments(session: AsyncSession, *, owner_id: int, of: Criteria) -> Mapping[int, Criteria]:
    """The criteria of every segment of the account that `of` names, and of those that these name, and so on.

    One statement for each level of segments that name segments. A segment that is gone is left out, and so is one
    whose rules cannot be read any more: whoever evaluates `of` is told then.
    """
    found: dict[int, Criteria] = {}
    wanted = of.references.segment_ids
    for _ in range(MOST_SEGMENTS + 1):
        if not wanted:
            break
        level: dict[int, Criteria] = {}
        for segment in await queries.segments_by_id(session, owner_id=owner_id, segment_ids=wanted):
            try:
                level[segment.segment_id] = criteria.parse(segment.rules, operator=segment.operator)
            except CriteriaInvalid:
                continue
        found.update(level)
        named = {named for each in level.values() for named in each.references.segment_ids}
        wanted = frozenset(named - found.keys())
    return found
