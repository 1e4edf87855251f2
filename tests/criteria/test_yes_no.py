"""The YesNo action's vocabulary, as criteria of one rule."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import criteria
from journeys_api.models import Subscriber
from tests.criteria.population import LONG_AGO, World, put
from tests.criteria.reference import Person


@pytest.mark.parametrize(
    ("left", "operator", "right", "matches"),
    [
        ("EmailAddress", "Contains", "@GMAIL", True),
        ("EmailAddress", "Does not contain", "@gmail", False),
        ("EmailAddress", "Begins with", "ann", True),
        ("EmailAddress", "Ends with", ".org", False),
        ("CustomField:{field}", "Equals to", "7.0", True),
        ("CustomField:{field}", "Is greater than", "6", True),
        ("CustomField:{field}", "Is smaller than", "6", False),
        ("customfield:{field}", "is set", "", True),
        ("SubscriptionDate", "Is before", "2024-01-02", True),
        ("SubscriptionDate", "Is after", "2024-01-01", False),
        ("OptInDate", "Is not set", "", True),
        ("BounceType", "Is", "Not Bounced", True),
        ("SubscriptionStatus", "Is not", "Subscribed", False),
        ("SubscriberID", "Equals to", 1, True),
        ("SubscriptionIP", "Is", "1.2.3.4", False),
    ],
)
async def test_one_comparison_of_one_field(
    session: AsyncSession, world: World, left: str, operator: str, right: Any, matches: bool
) -> None:
    held = world.fields[0]
    ann = Person(1, "Ann@gmail.com", subscribed_at=datetime(2024, 1, 1, 12, tzinfo=UTC), custom={held: "7"})
    await put(session, world, [ann])
    asked = criteria.from_yes_no(left.format(field=held), operator, right, "")

    condition = criteria.condition(asked, owner_id=world.owner_id, list_id=world.list_id, now=LONG_AGO, time_zone="UTC")

    assert criteria.problems(asked) == []
    answer = await session.scalar(select(condition).where(Subscriber.owner_id == world.owner_id))
    assert answer is matches


@pytest.mark.parametrize("left", ["", None, 0])
def test_a_left_side_that_is_not_chosen_makes_no_rule(left: Any) -> None:
    assert criteria.from_yes_no(left, "Contains", "x", "any").is_empty


@pytest.mark.parametrize(
    ("left", "operator", "right", "reason"),
    [
        ("Opens", "At least", ["c100"], "campaigns and autoresponders are not kept by this server"),
        ("clicks", "Only", ["a1"], "campaigns and autoresponders are not kept by this server"),
        ("EmailAddress", "At most", "3", 'unknown operator "At most"'),
        ("EmailAddress", "", "3", 'unknown operator ""'),
        ("EmailAddress", "Between", "1,2", 'unknown operator "Between"'),
        ("Shoesize", "Is", "3", 'unknown field "Shoesize"'),
        ("EmailAddress", "Contains", ["a"], "the value must be a text or a number"),
        ({}, "Contains", "a", "the value must be a text or a number"),
    ],
)
def test_what_cannot_be_told_is_kept_and_named(left: Any, operator: Any, right: Any, reason: str) -> None:
    assert criteria.problems(criteria.from_yes_no(left, operator, right, "any")) == [f"[0]: {reason}"]
