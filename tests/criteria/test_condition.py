"""What the condition of given criteria picks, where the contract or a ruling says so."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.app import Application
from journeys_api.criteria import CriteriaNotEvaluable
from journeys_api.criteria.tree import MOST_RULES
from journeys_api.models import Enrollment, Subscriber
from tests.conftest import Maker
from tests.criteria.population import LONG_AGO, World, make_world, matched, put
from tests.criteria.reference import Person


def field(field_id: Any, operator: str, value: Any = "") -> dict[str, Any]:
    return {"type": "fields", "field_id": field_id, "operator": operator, "value": value}


def named(letters: str) -> list[Person]:
    """People whose addresses consist of the letters: `ab` → a@, b@, and one with both, ab@."""
    names = [*letters, letters]
    return [Person(number, f"{name}@x.test") for number, name in enumerate(names, start=1)]


@pytest.mark.parametrize(
    ("rules", "operator", "chosen"),
    [
        ([["a", "b"], ["c"]], "or", {3, 4}),
        ([["a", "b"], ["c"]], "and", {4}),
        ([["a"], ["b"]], "and", {4}),
        ([["a", "b"]], "and", {1, 2, 4}),
        ([["a", "b"]], "or", {4}),
        (["a", "b"], "and", {4}),
        (["a", "b"], "or", {1, 2, 4}),
        ([[["a", "b"], "c"]], "and", {3, 4}),
        ([[["a", "b"], "c"]], "or", {4}),
    ],
)
async def test_connectors_alternate_from_level_to_level(
    session: AsyncSession, world: World, rules: Any, operator: str, chosen: set[int]
) -> None:
    await put(session, world, named("abc"))

    def spelled(node: Any) -> Any:
        return [spelled(member) for member in node] if isinstance(node, list) else field("email", "contains", node)

    assert await matched(session, world, spelled(rules), operator) == chosen


async def test_no_rules_match_everybody(session: AsyncSession, world: World) -> None:
    await put(session, world, named("ab"))

    assert await matched(session, world, []) == {1, 2, 3}


@pytest.mark.parametrize(
    ("value", "chosen"), [("%", {1}), ("_", {2}), ("\\", {3}), ("100%", {1}), ("%%", set()), ("E", {4}), ("É", {4})]
)
async def test_wildcards_in_a_value_stand_for_themselves(
    session: AsyncSession, world: World, value: str, chosen: set[int]
) -> None:
    wanted = world.fields[0]
    held = {1: "100%", 2: "a_b", 3: "c:\\d", 4: "wie éÉ"}
    await put(session, world, [Person(n, f"{n}@x.test", custom={wanted: text}) for n, text in held.items()])

    assert await matched(session, world, [field(wanted, "contains", value)]) == chosen


@pytest.mark.parametrize(
    ("operator", "value", "matches"),
    [
        ("is", "x", False),
        ("is", "", True),
        ("is not", "x", True),
        ("is not", "", False),
        ("contains", "x", False),
        ("does not contain", "x", True),
        ("is set", "", False),
        ("is not set", "", True),
        ("is less than", "5", False),
        ("is greater than or equal to", "0", False),
        ("is before", "2024-01-01", False),
        ("not in the last X days", 3, True),
        ("not between", "1,2", True),
        ("is exactly X days ago", 0, False),
        ("does not match regex", "x", True),
    ],
)
@pytest.mark.parametrize("custom", [{}, {0: ""}], ids=["no value", "empty"])
async def test_who_has_no_value_matches_negations_only(
    session: AsyncSession, world: World, operator: str, value: Any, matches: bool, custom: dict[int, str]
) -> None:
    wanted = world.fields[0]
    await put(session, world, [Person(1, "a@x.test", custom=dict.fromkeys(custom and [wanted], ""))])

    assert await matched(session, world, [field(wanted, operator, value)]) == ({1} if matches else set())


@pytest.mark.parametrize(
    ("operator", "value", "chosen"),
    [
        ("is greater than", 9, {"10", "10.5", "+11", "abc"}),
        ("is less than", "9.5", {"9", "-2", "007"}),
        ("equals to", "7", {"007"}),
        ("is", "7", set()),
        ("is", "10.50", set()),
        ("equals to", "10.50", {"10.5"}),
        ("between", "7,10", {"9", "10", "007"}),
        ("is greater than", "b", set()),
        ("is less than or equal to", "ABC", {"9", "10", "10.5", "-2", "+11", "007", "abc"}),
    ],
)
async def test_numbers_are_compared_as_numbers_and_other_texts_by_letters(
    session: AsyncSession, world: World, operator: str, value: Any, chosen: set[str]
) -> None:
    held = ["9", "10", "10.5", "-2", "+11", "007", "abc"]
    await put(session, world, [Person(n, f"{n}@x.test", custom={world.fields[0]: v}) for n, v in enumerate(held)])

    found = await matched(session, world, [field(world.fields[0], operator, value)])

    assert {held[number] for number in found} == chosen


@pytest.mark.parametrize(
    ("operator", "value", "chosen"),
    [
        ("is", "2024-03-31", {"at midnight", "last second"}),
        ("is not", "2024-03-31", {"second before", "next day", "never"}),
        ("is before", "2024-03-31", {"second before"}),
        ("is after", "2024-03-31", {"next day"}),
        ("is", "2024-03-31 23:59:59", {"last second"}),
        ("in the last X days", 0, {"at midnight", "last second"}),
        ("in the last X days", 1, {"second before", "at midnight", "last second"}),
        ("not in the last X days", 1, {"next day", "never"}),
        ("in the next X days", "1", {"at midnight", "last second", "next day"}),
        ("is exactly X days from now", 1, {"next day"}),
        ("is exactly X days ago", 1, {"second before"}),
        ("between", {"start": "2024-03-30", "end": "2024-03-31"}, {"second before", "at midnight", "last second"}),
        ("is set", "", {"second before", "at midnight", "last second", "next day"}),
        ("is", "", {"never"}),
    ],
)
async def test_days_begin_and_end_in_the_owners_time_zone(
    session: AsyncSession, world: World, operator: str, value: Any, chosen: set[str]
) -> None:
    # 31 March 2024 has 23 hours in Berlin
    held = {
        "second before": datetime(2024, 3, 30, 22, 59, 59, tzinfo=UTC),
        "at midnight": datetime(2024, 3, 30, 23, tzinfo=UTC),
        "last second": datetime(2024, 3, 31, 21, 59, 59, tzinfo=UTC),
        "next day": datetime(2024, 3, 31, 22, tzinfo=UTC),
        "never": None,
    }
    names = list(held)
    await put(
        session,
        world,
        [Person(n, f"{n}@x.test", subscribed_at=held[name]) for n, name in enumerate(names)],
    )

    found = await matched(
        session,
        world,
        [field("SubscriptionDate", operator, value)],
        now=datetime(2024, 3, 31, 21, 30, tzinfo=UTC),
        time_zone="Europe/Berlin",
    )

    assert {names[number] for number in found} == chosen


@pytest.mark.parametrize(
    ("operator", "wanted", "chosen"),
    [
        ("has this tag", [0], {"a", "ab"}),
        ("does not have this tag", [0], {"", "b"}),
        ("has any of these tags", [0, 1], {"a", "b", "ab"}),
        ("has all of these tags", [0, 1], {"ab"}),
        ("has no tags", [], {""}),
    ],
)
async def test_tags(session: AsyncSession, world: World, operator: str, wanted: list[int], chosen: set[str]) -> None:
    held = ["", "a", "b", "ab"]
    carried = [frozenset(world.tags["ab".index(letter)] for letter in letters) for letters in held]
    await put(session, world, [Person(n, f"{n}@x.test", tags=tags) for n, tags in enumerate(carried)])
    rule = {"type": "tags", "operator": operator, "value": [world.tags[index] for index in wanted]}

    found = await matched(session, world, [{**rule, "value": ",".join(map(str, rule["value"]))}])

    assert {held[number] for number in found} == chosen


@pytest.mark.parametrize(
    ("operator", "chosen"),
    [
        ("in journey", {"active"}),
        ("not in journey", {"completed", "exited", "failed", "never"}),
        ("completed journey", {"completed"}),
    ],
)
async def test_journeys(session: AsyncSession, world: World, operator: str, chosen: set[str]) -> None:
    journey, other = world.journeys
    states = ["active", "completed", "exited", "failed"]
    people = [Person(n, f"{n}@x.test", journeys=frozenset({(journey, state)})) for n, state in enumerate(states)]
    await put(session, world, [*people, Person(9, "9@x.test", journeys=frozenset({(other, "active")}))])

    found = await matched(session, world, [{"type": "journeys", "operator": operator, "value": journey}])

    assert {states[number] if number < 9 else "never" for number in found} == chosen


async def test_a_clicked_email_was_opened(session: AsyncSession, world: World) -> None:
    action = world.actions[0]
    await put(session, world, [Person(1, "a@x.test", activity={action: 2}), Person(2, "b@x.test")])

    assert await matched(session, world, [{"type": "journeys", "operator": "opened", "value": action}]) == {1}
    assert await matched(session, world, [{"type": "journeys", "operator": "not opened", "value": action}]) == {2}


@pytest.mark.parametrize(
    ("scope", "is_suppressed"),
    [("list", True), ("account", True), ("everybody", True), ("other list", False), ("stranger", False)],
)
async def test_suppressions_count_as_they_do_for_sending(
    session: AsyncSession, world: World, scope: str, is_suppressed: bool
) -> None:
    await put(session, world, [Person(1, "Ann@X.test", suppressed=frozenset({scope}))])

    exist = await matched(session, world, [{"type": "suppressions", "operator": "exist"}])
    not_exist = await matched(session, world, [{"type": "suppressions", "operator": "not exist"}])

    assert (exist, not_exist) == (({1}, set()) if is_suppressed else (set(), {1}))


async def test_bounce_types_have_the_builders_names_too(session: AsyncSession, world: World) -> None:
    await put(session, world, [Person(1, "a@x.test", bounce="Hard"), Person(2, "b@x.test")])

    assert await matched(session, world, [field("BounceType", "Is", "Hard Bounced")]) == {1}


def evaluable(rules: Any, **about: Any) -> criteria.Criteria:
    parsed = criteria.parse(rules, operator="and")
    criteria.condition(parsed, **{"owner_id": 1, "list_id": 1, "now": LONG_AGO, "time_zone": "UTC", **about})
    return parsed


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "suppressions", "operator": "exists"},
        {"type": "campaign-events", "operator": "opened", "value": ""},
        {"type": "website-events", "event": "pageView", "operator": "has not happened"},
        {"type": "segments", "operator": "does not belong to", "value": 9},
        {"type": "moon-phase"},
    ],
)
def test_one_rule_that_cannot_be_evaluated_makes_all_of_them_so(rule: dict[str, Any]) -> None:
    with pytest.raises(CriteriaNotEvaluable, match=r"^\[0\]\[1\]: "):
        evaluable([[field("email", "is set"), rule]])


def test_an_unknown_time_zone_matters_to_dates_only() -> None:
    evaluable([field("email", "is set")], time_zone="Mars/Olympus")

    with pytest.raises(CriteriaNotEvaluable, match="time zone"):
        evaluable([field("OptInDate", "in the last X days", 1)], time_zone="Mars/Olympus")


def belongs_to(segment_id: int) -> dict[str, Any]:
    return {"type": "segments", "operator": "belongs to", "value": segment_id}


def test_segments_that_name_each_other_cannot_be_evaluated() -> None:
    segments = {
        1: criteria.parse([belongs_to(2)], operator="and"),
        2: criteria.parse([belongs_to(1)], operator="and"),
    }

    with pytest.raises(CriteriaNotEvaluable, match="segment 1 refers to itself"):
        evaluable([belongs_to(1)], segments=segments)


def test_segments_may_not_multiply_without_end() -> None:
    wide = {number: criteria.parse([[belongs_to(number + 1)] * 10], operator="and") for number in range(1, 8)} | {
        8: criteria.parse([field("email", "is set")], operator="and")
    }

    with pytest.raises(CriteriaNotEvaluable, match=f"more than {MOST_RULES} rules"):
        evaluable([belongs_to(1)], segments=wide)


async def test_the_largest_criteria_fit_into_one_statement(session: AsyncSession, world: World) -> None:
    await put(session, world, named("ab"))
    rules = [field(world.global_fields[0], "is greater than", "2024-01-01")] * MOST_RULES

    assert await matched(session, world, rules) == set()


async def test_the_statement_around_may_read_the_same_tables(session: AsyncSession, world: World) -> None:
    journey = world.journeys[0]
    inside = Person(1, "a@x.test", journeys=frozenset({(journey, "active")}))
    done = Person(2, "b@x.test", journeys=frozenset({(journey, "completed")}))
    await put(session, world, [inside, done])
    condition = criteria.condition(
        criteria.parse([{"type": "journeys", "operator": "in journey", "value": journey}], operator="and"),
        owner_id=world.owner_id,
        list_id=Enrollment.list_id.expression,
        now=LONG_AGO,
        time_zone="UTC",
    )

    stepping = (
        select(Enrollment.subscriber_id)
        .join(Subscriber, Subscriber.subscriber_id == Enrollment.subscriber_id)
        .where(Enrollment.owner_id == world.owner_id, Subscriber.owner_id == world.owner_id, condition)
    )

    assert list(await session.scalars(stepping)) == [1]


async def test_nothing_of_a_rule_gets_into_the_statement(session: AsyncSession, world: World) -> None:
    poison = "x' OR 1=1--"
    statements: list[str] = []
    connection = await session.connection()
    event.listen(
        connection.sync_connection, "before_cursor_execute", lambda *call: statements.append(str(call[2])), named=False
    )
    texts = ["is", "contains", "begins with", "is greater than", "matches regex"]
    rules = [field(world.fields[0], operator, poison) for operator in texts]

    await matched(session, world, rules)

    assert statements
    assert not any("1=1" in statement for statement in statements)


async def compiled(session: AsyncSession, world: World, rules: Any, **about: Any) -> Any:
    return await criteria.compile(
        session,
        criteria.parse(rules, operator="and"),
        owner_id=world.owner_id,
        list_id=world.list_id,
        now=LONG_AGO,
        time_zone="UTC",
        **about,
    )


@pytest.mark.parametrize("kind", ["field", "tag", "journey", "action", "segment"])
@pytest.mark.parametrize("whose", ["nobody's", "stranger's"])
async def test_a_record_that_is_not_the_accounts_cannot_be_judged_by(
    session: AsyncSession, make: Maker, world: World, kind: str, whose: str
) -> None:
    stranger = await make_world(session, (await make.account()).user_id)
    of_the_stranger = {
        "field": stranger.fields[0],
        "tag": stranger.tags[0],
        "journey": stranger.journeys[0],
        "action": stranger.actions[0],
    }
    record_id = of_the_stranger.get(kind, 5) if whose == "stranger's" else 2**62
    rule = {
        "field": field(record_id, "is not", "x"),
        "tag": {"type": "tags", "operator": "does not have this tag", "value": record_id},
        "journey": {"type": "journeys", "operator": "not in journey", "value": record_id},
        "action": {"type": "journeys", "operator": "not clicked", "value": record_id},
        "segment": {"type": "segments", "operator": "does not belong to", "value": record_id},
    }[kind]
    parsed = criteria.parse([rule], operator="and")

    assert await criteria.missing_records(session, parsed, owner_id=world.owner_id) == [f"no such {kind}: {record_id}"]
    with pytest.raises(CriteriaNotEvaluable, match=f"^no such {kind}: {record_id}$"):
        await compiled(session, world, [rule])


async def test_records_are_looked_up_in_one_statement_and_through_segments(session: AsyncSession, world: World) -> None:
    inner = [field(world.fields[0], "is", "x"), {"type": "tags", "operator": "has this tag", "value": 2**62}]
    rules = [[belongs_to(1), field(world.global_fields[0], "is", "x")], field(world.fields[1], "is set")]
    statements: list[str] = []
    connection = await session.connection()
    event.listen(
        connection.sync_connection, "before_cursor_execute", lambda *call: statements.append(str(call[2])), named=False
    )

    with pytest.raises(CriteriaNotEvaluable, match=f"no such tag: {2**62}"):
        await compiled(session, world, rules, segments={1: criteria.parse(inner, operator="and")})

    assert len(statements) == 1


async def test_global_fields_are_found_by_the_address_in_every_list(session: AsyncSession, world: World) -> None:
    wanted = world.global_fields[0]
    await put(session, world, [Person(1, "Ann@X.test", shared={wanted: "gold"}), Person(2, "b@x.test")])
    condition = await compiled(session, world, [field(wanted, "is", "Gold"), field(world.fields[0], "is not set")])

    found = await session.scalars(
        select(Subscriber.subscriber_id).where(Subscriber.owner_id == world.owner_id, condition)
    )

    assert list(found) == [1]


async def test_a_look_for_global_values_is_spared_where_none_is_named(session: AsyncSession, world: World) -> None:
    of_the_list = await compiled(session, world, [field(world.fields[0], "is", "x")])
    of_the_account = await compiled(session, world, [field(world.global_fields[0], "is", "x")])

    assert ("global_values" in str(of_the_list), "global_values" in str(of_the_account)) == (False, True)


async def test_other_accounts_people_do_not_matter(app: Application, session: AsyncSession, world: World) -> None:
    tag = world.tags[0]
    await put(session, world, [Person(1, "a@x.test", tags=frozenset({tag}))])
    foreign = criteria.condition(
        criteria.parse([{"type": "tags", "operator": "has this tag", "value": tag}], operator="and"),
        owner_id=world.owner_id + 1,
        list_id=world.list_id,
        now=LONG_AGO,
        time_zone="UTC",
    )

    assert list(await session.scalars(select(Subscriber.subscriber_id).where(foreign))) == []
