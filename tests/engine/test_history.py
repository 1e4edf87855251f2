"""`subscriber.get.activity`: what journeys, mails, links and tags did, told of one person."""

from datetime import UTC, datetime
from typing import Any

import pytest

from journeys_api.activities import service as activities
from journeys_api.activities.service import Fact
from journeys_api.models import ActivityKind
from tests.conftest import Client, Maker
from tests.engine.conftest import Audience, Work, running


async def told(api: Client, audience: Audience, person: int, **more: Any) -> list[dict[str, Any]]:
    answer = await api.ok("subscriber.get.activity", SubscriberID=person, SubscriberListID=audience.list_id, **more)
    return list(answer["SubscriberActivity"])


async def test_everything_that_happened_is_told_the_latest_first(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, door: str
) -> None:
    api = api.at(door)
    assert api.account
    tag_id = await audience.tag("vip")
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id})
    other_id = await running(
        api, {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"}, {"Action": "ExitThisJourney"}
    )
    person, bystander = await audience.subscribe(address), await audience.subscribe(f"by.{address}")
    await api.ok("subscriber.tag", SubscriberID=person, ListID=audience.list_id, TagID=tag_id)
    for who in (person, bystander):
        await audience.enter(journey_id, who)
    await audience.enter(other_id, person)
    await work.run()
    await work.run(days=1, minutes=1)
    deliveries = await work.rows(
        "SELECT delivery_id, subscriber_id FROM deliveries WHERE journey_id = :j", j=journey_id
    )
    delivery = {row.subscriber_id: row.delivery_id for row in deliveries}
    now = datetime.now(UTC)
    facts = [
        Fact(
            api.account.user_id, delivery[person], ActivityKind.CLICKED, now, detail={"target": "https://x.example/a"}
        ),
        Fact(api.account.user_id, delivery[person], ActivityKind.CLICKED, now, automated="a scanner"),
        Fact(api.account.user_id, delivery[bystander], ActivityKind.OPENED, now),
    ]
    async with work.worker.sessions.begin() as session:
        await activities.record_facts(session, facts, now=now)
    await api.ok("subscriber.unsubscribe", ListID=audience.list_id, EmailAddress=address, IPAddress="203.0.113.9")

    found = await told(api, audience, person)

    kinds = [row["ActivityType"] for row in found]
    assert sorted(kinds) == sorted(
        [
            *["subscription", "tagged", "unsubscription", "transactional email delivery", "email open"],
            *["email link click", "journey start", "journey start", "journey end", "journey exit"],
        ]
    )
    dates = [row["ActivityDate"] for row in found]
    assert dates == sorted(dates, reverse=True)
    assert {(row["UserID"], row["ListID"], row["SubscriberID"]) for row in found} == {
        (str(api.account.user_id), str(audience.list_id), str(person))
    }
    by_kind = {row["ActivityType"]: row["Parameters"] for row in found}
    assert by_kind["tagged"] == {"TagID": str(tag_id), "TagName": "vip"}
    assert by_kind["unsubscription"] == {"ip_address": "203.0.113.9"}
    assert by_kind["journey exit"]["journey_id"] == str(other_id)
    assert by_kind["journey end"] == {"journey_id": str(journey_id), "journey_name": "Welcome"}
    click = by_kind["email link click"]
    assert (click["link_url"], click["email_id"], click["journey_id"]) == (
        "https://x.example/a",
        str(email_id),
        str(journey_id),
    )
    assert by_kind["transactional email delivery"]["email_subject"] == "Hello {{ Subscriber:EmailAddress }}"


async def test_kinds_are_chosen_and_paged(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, door: str
) -> None:
    api = api.at(door)
    person = await audience.subscribe(address)
    for _ in range(3):
        await audience.enter(await running(api, {"Action": "SendEmail", "EmailID": email_id}), person)
    await work.run()

    async def page(**more: Any) -> tuple[list[str], str]:
        answer = await api.ok(
            "subscriber.get.activity", SubscriberID=person, ListID=audience.list_id, Operator="or", **more
        )
        return [row["ActivityType"] for row in answer["SubscriberActivity"]], answer["TotalSubscriberActivity"]

    assert await page(FilterJson='["Journey Start", "tagged"]') == (["journey start"] * 3, "3")
    assert await page(FilterJson=["journey start"], RecordsPerRequest=2) == (["journey start"] * 2, "3")
    assert await page(FilterJson=["journey start"], RecordsPerRequest=2, RecordsFrom=2) == (["journey start"], "3")
    assert await page(FilterJson=["journey start"], RecordsFrom=9) == ([], "3")
    assert await page(FilterJson=["untagged"]) == ([], "0")
    everything = await api.ok("subscriber.get.activity", SubscriberID=person, SubscriberListID=audience.list_id)
    assert everything["TotalSubscriberActivity"] == "10"
    short = {(row["ActivityType"], row["EmailID"], row["CampaignID"]) for row in everything["Activity"]}
    assert short == {
        ("Subscription", 0, 0),
        ("JourneyStart", 0, 0),
        ("JourneyEnd", 0, 0),
        ("TransactionalEmailDelivery", email_id, 0),
    }


@pytest.mark.parametrize("kinds", ["x", ["click"], [["tagged"]], [1]])
async def test_codes(api: Client, audience: Audience, make: Maker, address: str, kinds: object, door: str) -> None:
    api = api.at(door)
    person = await audience.subscribe(address)
    command = "subscriber.get.activity"
    whole = {"SubscriberID": person, "SubscriberListID": audience.list_id}

    assert await api.codes(command) == [1, 2]
    assert await api.codes(command, **{**whole, "FilterJson": kinds, "Operator": "AND"}) == [4, 5]
    assert await api.codes(command, **{**whole, "SubscriberID": person + 1_000_000}) == [3]
    stranger = await make.client()
    assert await stranger.at(door).codes(command, **whole) == [3]
