"""Deep pages of an action's people are those that counting through everybody would find, whatever changes meanwhile."""

import random
from typing import Any

import pytest

from journeys_api.models import Activity
from tests.conftest import Client
from tests.engine.conftest import Work, work
from tests.journeys.records import a_journey, actions_of

__all__ = ["work"]

PEOPLE = 3_500
FILTERS = {"opened": Activity.OPENED, "clicked": Activity.CLICKED, "bounced": Activity.BOUNCED}


class Crowd:
    """Thousands of people at an action, and the same people in a list of the test's own."""

    def __init__(self, api: Client, work: Work, journey_id: int, action_id: int) -> None:
        self.api, self.work = api, work
        self.journey_id, self.action_id = journey_id, action_id
        self.people: dict[int, tuple[str, int]] = {}
        """Subscriber → address, activity. Several lists may have one address."""

    @property
    def _place(self) -> dict[str, int]:
        assert self.api.account
        return {"owner": self.api.account.user_id, "journey": self.journey_id, "action": self.action_id}

    async def arrive(self, people: dict[int, tuple[str, int]]) -> None:
        """People reach the action, as a batch writes it."""
        self.people |= people
        await self.work.change(
            "WITH reached AS (INSERT INTO action_subscribers "
            "(owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at) "
            "SELECT :owner, :action, 1, person, address, bits, now() FROM unnest(CAST(:people AS bigint[]), "
            "CAST(:addresses AS text[]), CAST(:bits AS int[])) AS w(person, address, bits)) "
            "INSERT INTO counter_deltas (owner_id, journey_id, action_id, total_count) "
            "VALUES (:owner, :journey, :action, 1)",
            **self._place,
            people=list(people),
            addresses=[address for address, _ in people.values()],
            bits=[bits for _, bits in people.values()],
        )

    async def open(self, person: int) -> None:
        """Somebody opens the mail, as a fact writes it."""
        address, bits = self.people[person]
        self.people[person] = (address, bits | Activity.OPENED)
        await self.work.change(
            "WITH marked AS (UPDATE action_subscribers SET activity = activity | 1 WHERE owner_id = :owner "
            "AND action_id = :action AND subscriber_id = :person) "
            "INSERT INTO counter_deltas (owner_id, journey_id, action_id, domain, counted_on, open_count) "
            "VALUES (:owner, :journey, :action, 'example.com', current_date, 1)",
            **self._place,
            person=person,
        )

    def expected(self, filters: list[str], operator: str, *, descending: bool) -> list[str]:
        """Ids of those under the filter, in order."""
        wanted = [FILTERS[name] for name in filters]

        def meets(bits: int) -> bool:
            met = [bool(bits & each) for each in wanted]
            return not wanted or (any(met) if operator == "OR" else all(met))

        found = sorted((address, person) for person, (address, bits) in self.people.items() if meets(bits))
        return [str(person) for _, person in (reversed(found) if descending else found)]

    async def page(self, filters: list[str], operator: str, offset: int, *, descending: bool) -> tuple[list[str], int]:
        """Ids and total of a page."""
        answer = await self.api.ok(
            "journey.action.subscribers",
            JourneyID=self.journey_id,
            ActionID=self.action_id,
            FilterJSON=filters,
            Operator=operator,
            RecordsFrom=offset,
            OrderType="DESC" if descending else "ASC",
        )
        return [row["SubscriberID"] for row in answer["Subscribers"]], answer["TotalSubscribers"]


@pytest.fixture
async def crowd(api: Client, work: Work) -> Crowd:
    """3,500 people with addresses in no order, some of them twice."""
    journey_id = await a_journey(api)
    saved = await actions_of(api, journey_id, {"Action": "Debug"})
    made = Crowd(api, work, journey_id, int(saved[0]["ActionID"]))
    chance = random.Random(7)
    await made.arrive(
        {
            10**9 + n: (f"p{chance.randrange(PEOPLE)}@example.com", chance.choice((0, 1, 1, 3, 64, 65)))
            for n in range(PEOPLE)
        }
    )
    return made


ASKED: list[tuple[list[str], str]] = [
    ([], "AND"),
    (["opened"], "AND"),
    (["opened", "clicked"], "AND"),
    (["clicked", "bounced"], "OR"),
]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("filters", "operator"), ASKED)
async def test_every_page_is_the_one_that_counting_finds(
    filters: list[str], operator: str, descending: bool, crowd: Crowd
) -> None:
    expected = crowd.expected(filters, operator, descending=descending)

    for offset in sorted({0, 990, 1001, 1500, len(expected) - 30, len(expected) - 1, len(expected), 10**12}):
        rows, total = await crowd.page(filters, operator, offset, descending=descending)
        assert (rows, total) == (expected[offset : offset + 25], len(expected)), offset


async def test_whoever_comes_later_moves_the_pages(crowd: Crowd) -> None:
    asked: dict[str, Any] = {"filters": ["opened"], "operator": "AND"}
    await crowd.page(**asked, offset=1200, descending=False)

    await crowd.arrive({5: ("aaa@example.com", 1)})
    await crowd.open(next(person for person, (_, bits) in crowd.people.items() if bits == 0))
    expected = crowd.expected(**asked, descending=False)

    assert await crowd.page(**asked, offset=1200, descending=False) == (expected[1200:1225], len(expected))
    await crowd.work.move()  # folded, the same changes are no new ones
    [kept] = await crowd.work.rows("SELECT * FROM people_counts WHERE action_id = :a", a=crowd.action_id)
    assert await crowd.page(**asked, offset=1200, descending=False) == (expected[1200:1225], len(expected))
    [still] = await crowd.work.rows("SELECT * FROM people_counts WHERE action_id = :a", a=crowd.action_id)
    assert still == kept


async def test_what_is_remembered_of_an_account_is_bounded(crowd: Crowd) -> None:
    await crowd.work.change(
        "INSERT INTO people_counts (owner_id, action_id, bits, is_any, version, people_count, has_fences, built_at) "
        "SELECT :owner, n, 0, false, 0, 0, true, now() - interval '1 day' FROM generate_series(1000000, 1000099) AS n",
        owner=crowd._place["owner"],
    )
    await crowd.work.change(
        "INSERT INTO people_fences SELECT :owner, n, 0, false, 0, 'a', 1 FROM generate_series(1000000, 1000099) AS n",
        owner=crowd._place["owner"],
    )

    await crowd.page([], "AND", 2000, descending=False)

    for table in ("people_counts", "people_fences"):
        rows = await crowd.work.rows(
            f"SELECT DISTINCT action_id FROM {table} WHERE owner_id = :owner", owner=crowd._place["owner"]
        )
        assert len(rows) == 64, table
    expected = crowd.expected([], "AND", descending=False)
    assert (await crowd.page([], "AND", 2000, descending=False))[0] == expected[2000:2025]
