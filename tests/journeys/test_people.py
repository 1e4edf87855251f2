"""The people of an action: filters, order, pages."""

from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.models import Activity
from tests.conftest import Client
from tests.journeys.records import a_journey, a_list, actions_of

OPENED, CLICKED = Activity.OPENED.value, Activity.CLICKED.value


@pytest.fixture
async def action(api: Client, app: Application) -> dict[str, Any]:
    """An action that three people reached: ada opened, bob opened and clicked, cyd did nothing and is suppressed."""
    assert api.account
    list_id = await a_list(api)
    journey_id = await a_journey(api)
    saved = await actions_of(api, journey_id, {"Action": "Debug"})
    for name, activity in (("cyd", 0), ("ada", OPENED), ("bob", OPENED | CLICKED)):
        address = f"{name}@example.com"
        made = await api.ok("subscriber.subscribe", ListID=list_id, EmailAddress=address, IPAddress="127.0.0.1")
        async with app.engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO action_subscribers "
                    "(owner_id, action_id, list_id, subscriber_id, email_address, activity, reached_at) "
                    "VALUES (:owner, :action, :list, :person, :address, :activity, now())"
                ),
                {
                    "owner": api.account.user_id,
                    "action": int(saved[0]["ActionID"]),
                    "list": list_id,
                    "person": int(made["SubscriberID"]),
                    "address": address,
                    "activity": activity,
                },
            )
    await api.ok("suppression.import", EmailAddresses='["cyd@example.com"]', ListID=0)
    return {"JourneyID": journey_id, "ActionID": saved[0]["ActionID"]}


async def names(api: Client, **parameters: Any) -> list[str]:
    answer = await api.ok("journey.action.subscribers", **parameters)
    return [row["EmailAddress"].partition("@")[0] for row in answer["Subscribers"]]


async def test_everybody_who_reached_the_action_is_listed_by_address(
    api: Client, action: dict[str, Any], door: str
) -> None:
    answer = await api.at(door).ok("journey.action.subscribers", **action)

    assert [row["EmailAddress"] for row in answer["Subscribers"]] == [
        "ada@example.com",
        "bob@example.com",
        "cyd@example.com",
    ]
    assert answer["TotalSubscribers"] == 3
    assert (answer["Success"], answer["ErrorCode"], answer["ErrorText"]) == (True, 0, "")
    assert [row["Suppressed"] for row in answer["Subscribers"]] == [False, False, True]
    assert all(isinstance(row["SubscriberID"], str) for row in answer["Subscribers"])


async def test_a_changed_address_is_shown_and_judged_as_it_is_now(api: Client, action: dict[str, Any]) -> None:
    ada, bob, cyd = (await api.ok("journey.action.subscribers", **action))["Subscribers"]
    (list_id,) = [each["ListID"] for each in (await api.ok("lists.get"))["Lists"]]
    for person, address in ((ada, "zoe@example.com"), (cyd, "free@example.com")):
        await api.ok(
            "subscriber.update", SubscriberListID=list_id, SubscriberID=person["SubscriberID"], EmailAddress=address
        )
    await api.ok("suppression.import", EmailAddresses='["zoe@example.com"]', ListID=0)
    await api.ok("subscribers.delete", SubscriberListID=list_id, Subscribers=[int(bob["SubscriberID"])])

    rows = (await api.ok("journey.action.subscribers", **action))["Subscribers"]

    assert [(row["EmailAddress"], row["Suppressed"]) for row in rows] == [
        ("zoe@example.com", True),
        ("bob@example.com", False),
        ("free@example.com", False),
    ]


@pytest.mark.parametrize(
    ("filters", "operator", "expected"),
    [
        ('["opened"]', None, ["ada", "bob"]),
        ('["opened","clicked"]', None, ["bob"]),
        ('["opened","clicked"]', "AND", ["bob"]),
        ('["opened","clicked"]', "or", ["ada", "bob"]),
        (["clicked"], "OR", ["bob"]),
        ('["bounced"]', None, []),
        ("[]", None, ["ada", "bob", "cyd"]),
    ],
)
async def test_people_are_filtered_by_what_they_did(
    filters: Any, operator: str | None, expected: list[str], api: Client, action: dict[str, Any]
) -> None:
    assert await names(api, **action, FilterJSON=filters, Operator=operator) == expected


async def test_the_total_counts_before_paging_and_under_the_filter(api: Client, action: dict[str, Any]) -> None:
    answer = await api.ok(
        "journey.action.subscribers", **action, FilterJSON='["opened"]', RecordsPerRequest=1, RecordsFrom=1
    )

    assert [row["EmailAddress"] for row in answer["Subscribers"]] == ["bob@example.com"]
    assert answer["TotalSubscribers"] == 2


async def test_people_are_ordered_as_asked(api: Client, action: dict[str, Any]) -> None:
    assert await names(api, **action, OrderType="DESC") == ["cyd", "bob", "ada"]
    assert await names(api, **action, OrderField="SubscriberID") == ["cyd", "ada", "bob"]


@pytest.mark.parametrize("field", ["EmailAddress;select pg_sleep(5)--", "1", "(select 1/0)", "\u0130", "CASE WHEN 1=1"])
async def test_an_unknown_order_sorts_by_address(field: str, api: Client, action: dict[str, Any]) -> None:
    assert await names(api, **action, OrderField=field, OrderType=field) == ["ada", "bob", "cyd"]


@pytest.mark.parametrize("count", ["-1", "25abc", [1], 2**63])
async def test_a_page_size_that_is_no_number_is_refused(count: Any, api: Client, action: dict[str, Any]) -> None:
    response = await api.call("journey.action.subscribers", **action, RecordsPerRequest=count)

    assert (response.status_code, response.json()["ErrorCode"]) == (400, 100000)


async def test_a_page_of_zero_is_the_default_and_a_huge_offset_is_empty(api: Client, action: dict[str, Any]) -> None:
    assert len(await names(api, **action, RecordsPerRequest=0)) == 3
    assert await names(api, **action, RecordsFrom=2**62) == []


async def test_people_of_the_action_of_another_journey_are_not_shown(api: Client, action: dict[str, Any]) -> None:
    other = await a_journey(api)

    assert await api.codes("journey.action.subscribers", JourneyID=other, ActionID=action["ActionID"]) == [6]
