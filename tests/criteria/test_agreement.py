"""Whatever the rules and the people: PostgreSQL picks whom the contract, read without SQL, picks."""

from collections.abc import Awaitable, Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journeys_api import criteria
from journeys_api.app import Application
from tests.criteria.population import World, matched_by_each, put
from tests.criteria.reference import Circumstances
from tests.criteria.reference import matches as is_meant
from tests.criteria.strategies import NOWS, ZONES, field_rules, other_rules, people, trees

QUICK = settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
LONG = settings(QUICK, max_examples=2_000, derandomize=False)
OPERATORS = st.sampled_from(["and", "or", "Or", ""])
Check = Callable[[st.DataObject], Awaitable[None]]


@pytest.fixture(params=["fields", "memberships", "trees"])
def check(request: pytest.FixtureRequest, app: Application, world: World) -> Check:
    """Compares some drawn cases: single rules about fields or memberships, or trees of all kinds of rules."""

    async def compare(data: st.DataObject) -> None:
        now, zone = data.draw(st.sampled_from(NOWS)), data.draw(st.sampled_from(ZONES))
        crowd = data.draw(people(world, now))
        rules = {"fields": field_rules(world, now), "memberships": other_rules(world)}
        rules["trees"] = st.one_of(*rules.values())
        drawn = trees(rules["trees"]) if request.param == "trees" else rules[request.param].map(lambda rule: [rule])
        number = {"fields": 25, "memberships": 12, "trees": 4}[request.param]
        asked = data.draw(st.lists(st.tuples(drawn, OPERATORS), min_size=number, max_size=number))
        inner = st.tuples(trees(rules["trees"]).map(_without_segments), OPERATORS)
        segments = {segment_id: data.draw(inner) for segment_id in (1, 2)} if request.param != "fields" else {}
        around = Circumstances(now=now, zone=ZoneInfo(zone), actions_of=world.actions_of, segments=segments)
        async with app.sessions() as session:
            await put(session, world, crowd)
            parsed = {key: criteria.parse(tree, operator=operator) for key, (tree, operator) in segments.items()}
            chosen = await matched_by_each(session, world, asked, now=now, time_zone=zone, segments=parsed)
            await session.rollback()
        for (tree, operator), found in zip(asked, chosen, strict=True):
            assert found == {person.subscriber_id for person in crowd if is_meant(tree, operator, person, around)}

    return compare


def _without_segments(rules: list[Any]) -> list[Any]:
    """The same tree in which segments are told by suppressions, so that no segment names itself."""
    return [
        _without_segments(rule)
        if isinstance(rule, list)
        else ({"type": "suppressions", "operator": "exist"} if rule["type"] == "segments" else rule)
        for rule in rules
    ]


@QUICK
@given(data=st.data())
async def test_sql_and_the_plain_reading_pick_the_same_people(check: Check, data: st.DataObject) -> None:
    await check(data)


@pytest.mark.fuzz
@LONG
@given(data=st.data())
async def test_sql_and_the_plain_reading_agree_for_long(check: Check, data: st.DataObject) -> None:
    await check(data)
