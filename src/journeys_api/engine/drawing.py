"""People of a list at random, at a cost that does not grow with the list.

A small list is read whole. Of a larger one, random ids between its first and its last are looked up in an index:
whoever has one of them is drawn, so that everybody is equally likely wherever the gaps are. On a list whose ids are too
sparse for that, whoever comes next after a random id makes up what is lacking.
"""

import random
from collections.abc import AsyncIterator
from math import ceil

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

READ_WHOLE = 5_000
"""A list of so many people is read and shuffled."""
MOST_PROBES = 20_000
"""How many ids one statement looks up."""
TRIES = 6
"""How many such statements one drawing costs at most, for every `MOST_PROBES` people wanted."""
A_BATCH = 1_000

# the inner limit bounds the cost: somebody may have unsubscribed everybody on a list of millions
_FIRST = f"""
SELECT subscriber_id, status = 'Subscribed' AS is_subscribed FROM (
    SELECT subscriber_id, status FROM subscribers WHERE list_id = :list ORDER BY subscriber_id LIMIT {READ_WHOLE + 1}
) AS first
"""  # noqa: S608 (a constant of ours)
_LAST = "SELECT subscriber_id FROM subscribers WHERE list_id = :list ORDER BY subscriber_id DESC LIMIT 1"
_PROBE = """
SELECT point, subscriber_id FROM unnest(CAST(:points AS bigint[])) AS p(point) CROSS JOIN LATERAL (
    SELECT subscriber_id, status FROM subscribers WHERE list_id = :list AND subscriber_id >= p.point
    ORDER BY subscriber_id LIMIT 1
) AS next
WHERE status = 'Subscribed'
"""


async def draw(session: AsyncSession, *, list_id: int, wanted: int) -> AsyncIterator[list[int]]:
    """Subscribed people of a list in random order, nobody twice, batch by batch, until nobody or no try is left.

    Ask for as many batches as are needed.

    Args:
        list_id: a list that is the caller's; nothing here asks whose it is.
        wanted: about how many the caller will ask for.
    """
    first = (await session.execute(text(_FIRST), {"list": list_id})).all()
    if len(first) <= READ_WHOLE:
        people = [row.subscriber_id for row in first if row.is_subscribed]
        random.shuffle(people)
        for start in range(0, len(people), A_BATCH):
            yield people[start : start + A_BATCH]
        return
    last = await session.scalar(text(_LAST), {"list": list_id})
    async for batch in _probe(session, list_id, first[0].subscriber_id, last or first[-1].subscriber_id, wanted):
        for start in range(0, len(batch), A_BATCH):
            yield batch[start : start + A_BATCH]


async def _probe(
    session: AsyncSession, list_id: int, lowest: int, highest: int, wanted: int
) -> AsyncIterator[list[int]]:
    drawn: set[int] = set()
    spare: dict[int, None] = {}
    probes = min(MOST_PROBES, max(64, 4 * wanted))
    looked_up = 0
    for _ in range(TRIES * ceil(max(1, wanted) / MOST_PROBES)):
        points = [random.randint(lowest, highest) for _ in range(probes)]  # noqa: S311 (a lottery, no secret)
        rows = (await session.execute(text(_PROBE), {"list": list_id, "points": points})).all()
        looked_up += probes
        hit = dict.fromkeys(row.subscriber_id for row in rows if row.subscriber_id == row.point)
        fresh = [each for each in hit if each not in drawn]
        drawn.update(fresh)
        spare.update(dict.fromkeys(row.subscriber_id for row in rows))
        if fresh:
            yield fresh
        # as many as the next ones need at the rate seen so far
        probes = min(MOST_PROBES, max(64, ceil(1.5 * wanted * looked_up / max(1, len(drawn)))))
    yield [each for each in spare if each not in drawn]
