"""What calls about subscribers tell journeys: events in the transaction of the call, or none."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from journeys_api.app import Application
from journeys_api.models import TriggerEvent
from journeys_api.trigger_events import shard_of
from tests.conftest import Client
from tests.subscribers.people import (
    IP,
    anonymous,
    create,
    get,
    make_field,
    make_list,
    make_tag,
    newcomer,
    refused,
    rule,
    statuses,
)

ANN = "ann@example.com"
Event = tuple[str, int, int, int, dict[str, Any]]


async def events(app: Application, client: Client) -> list[Event]:
    """Kind, list, subscriber, subject and payload of what was recorded for the client's account, in order."""
    assert client.account
    async with app.sessions.begin() as session:
        found = (
            await session.scalars(
                select(TriggerEvent)
                .where(TriggerEvent.owner_id == client.account.user_id)
                .order_by(TriggerEvent.event_id)
            )
        ).all()
    assert {each.depth for each in found} <= {0}
    assert all(each.shard == shard_of(each.subscriber_id) for each in found)
    return [(each.kind, each.list_id, each.subscriber_id, each.subject_id, each.payload) for each in found]


async def subscribe(client: Client, list_ids: object, address: str = ANN, **more: Any) -> int:
    given = {"ListID": list_ids, "EmailAddress": address, "IPAddress": IP, **more}
    answer = await anonymous(client, "subscriber.subscribe", **given)
    assert answer["Success"] is True, answer
    return int(answer["SubscriberID"])


async def test_a_subscription_is_told_for_each_list_that_it_counts_on(app: Application, api: Client) -> None:
    first, second, linked = await make_list(api), await make_list(api), await make_list(api)
    double = await make_list(api, OptInMode="Double")
    await api.ok("list.update", SubscriberListID=second, OptInSubscribeTo=linked)

    await subscribe(api, f"{first},{second},{double}")

    ids = {list_id: (await get(api, list_id, ANN))["SubscriberID"] for list_id in (first, second, linked)}
    assert sorted(await events(app, api)) == sorted(
        ("ListSubscription", list_id, subscriber_id, 0, {}) for list_id, subscriber_id in ids.items()
    )
    assert (await statuses(api, double)) == {ANN: "Opt-In Pending"}


async def test_who_comes_back_is_told_again_and_who_is_there_is_not(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    ann = await subscribe(api, list_id)
    await api.ok("subscriber.unsubscribe", ListID=list_id, SubscriberID=ann, IPAddress=IP)
    await subscribe(api, list_id)

    again = await anonymous(api, "subscriber.subscribe", ListID=list_id, EmailAddress=ANN, IPAddress=IP)

    assert again["ErrorCode"] == [9]
    assert [event[:3] for event in await events(app, api)] == [
        (kind, list_id, ann) for kind in ("ListSubscription", "ListUnsubscription", "ListSubscription")
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, 0),
        ({"TriggerAutoResponders": True}, 1),
        ({"ApplyBehaviors": True}, 1),
        ({"ApplyBehaviors": True, "TriggerAutoResponders": True}, 1),
        ({"TriggerAutoResponders": True, "Status": "Opt-In Pending"}, 0),
    ],
)
async def test_create_tells_only_when_it_is_told_to(
    app: Application, api: Client, more: dict[str, Any], told: int, door: str
) -> None:
    api = api.at(door)
    list_id = await make_list(api)

    ann = await create(api, list_id, ANN, **more)
    await create(api, list_id, ANN, **{**more, "UpdateIfDuplicate": True})

    assert await events(app, api) == [("ListSubscription", list_id, ann, 0, {})] * told


async def test_everybody_who_leaves_is_told_on_every_list(app: Application, api: Client) -> None:
    elsewhere, linked = await make_list(api), await make_list(api)
    list_id = await make_list(api, OptOutScope="All lists", OptOutSubscribeTo=linked)
    people = {each: await create(api, list_id, each) for each in ("ann@a.example", "amy@a.example", "bob@b.example")}
    also = await create(api, elsewhere, "ANN@a.example")

    await api.ok(
        "subscriber.unsubscribe",
        ListID=list_id,
        RulesJSON=rule("EmailAddress", "contains", "a.example"),
        RulesOperator="and",
        IPAddress=IP,
    )

    came = [(await get(api, linked, each))["SubscriberID"] for each in ("ann@a.example", "amy@a.example")]
    assert sorted(await events(app, api)) == sorted(
        [
            ("ListUnsubscription", list_id, people["ann@a.example"], 0, {}),
            ("ListUnsubscription", list_id, people["amy@a.example"], 0, {}),
            ("ListUnsubscription", elsewhere, also, 0, {}),
            *(("ListSubscription", linked, subscriber_id, 0, {}) for subscriber_id in came),
        ]
    )


async def test_a_preview_tells_nothing_and_a_deletion_that_journeys_end(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    ann = await create(api, list_id, ANN)

    await api.ok("subscriber.unsubscribe", ListID=list_id, EmailAddress=ANN, IPAddress=IP, Preview=1)
    assert await events(app, api) == []
    await api.ok("subscribers.delete", SubscriberListID=list_id, Subscribers=str(ann))

    assert await events(app, api) == [("Exit", list_id, ann, 0, {"reason": "subscriber deleted"})]


async def test_only_new_and_removed_tags_are_told(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    vip, new = await make_tag(api, list_id, "vip"), await make_tag(api, list_id, "new")
    ann, bob = await create(api, list_id, ANN), await create(api, list_id, "bob@example.com")
    at = {"SubscriberListID": list_id}

    await api.ok("subscriber.tag", **at, TagID=vip, SubscriberID=ann)
    await api.ok("subscriber.tag", **at, TagID=f"{vip},{new}", SubscriberID=ann)
    await api.ok("subscriber.untag", **at, TagID=vip, SubscriberID=f"{ann},{bob}")
    await api.ok("subscriber.untag", **at, TagID=vip, SubscriberID=ann)

    assert await events(app, api) == [
        ("Tag", list_id, ann, vip, {}),
        ("Tag", list_id, ann, new, {}),
        ("UnTag", list_id, ann, vip, {}),
    ]


async def test_tags_of_a_selection_are_told_for_everybody(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    vip = await make_tag(api, list_id, "vip")
    people = [await create(api, list_id, f"person{number}@example.com") for number in range(5)]
    await create(api, list_id, "bob@b.example")

    await api.ok(
        "subscriber.tag",
        SubscriberListID=list_id,
        TagID=vip,
        RulesJSON=rule("EmailAddress", "begins with", "person"),
        RulesOperator="and",
    )

    assert sorted(await events(app, api)) == sorted(("Tag", list_id, each, vip, {}) for each in people)


async def test_tags_are_not_told_when_the_call_says_so(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    vip = await make_tag(api, list_id, "vip")
    ann = await create(api, list_id, ANN)
    given = {"SubscriberListID": list_id, "TagID": vip, "SubscriberID": ann, "TriggerEvents": "false"}

    await api.ok("subscriber.tag", **given)
    await api.ok("subscriber.untag", **given)

    assert await events(app, api) == []


async def test_only_really_changed_values_are_told(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    colour, size = await make_field(api, list_id), await make_field(api, list_id)
    shared = await make_field(api, list_id, IsGlobal="Yes")
    ann = await create(api, list_id, ANN, CustomFields={colour: "red", size: "M"})
    at = {"SubscriberID": ann, "SubscriberListID": list_id}

    await api.ok("subscriber.update", **at, Fields={f"CustomField{colour}": "blue", f"CustomField{size}": "M"})
    await api.ok("subscriber.update", **at, Fields={str(colour): "blue", str(size): "", str(shared): "yes"})
    await api.ok("subscriber.update", **at, SubscriptionStatus="Unsubscribed")

    changed = "CustomFieldValueChanged"
    assert await events(app, api) == [
        (changed, list_id, ann, colour, {"value": "blue", "before": "red"}),
        (changed, list_id, ann, size, {"value": "", "before": "M"}),
        (changed, list_id, ann, shared, {"value": "yes", "before": ""}),
    ]


async def test_values_are_not_told_when_the_call_says_so(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    colour = await make_field(api, list_id)
    ann = await create(api, list_id, ANN)

    await api.ok(
        "subscriber.update",
        SubscriberID=ann,
        SubscriberListID=list_id,
        Fields=json.dumps({str(colour): "blue"}),
        TriggerEvents=0,
    )

    assert (await get(api, list_id, ANN))[f"CustomField{colour}"] == "blue"
    assert await events(app, api) == []


async def test_a_refused_call_tells_nothing(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    colour = await make_field(api, list_id)
    ann = await create(api, list_id, ANN)
    await create(api, list_id, "bob@example.com")
    at = {"SubscriberID": ann, "SubscriberListID": list_id}

    assert await refused(api, "subscriber.update", **at, Fields={colour: "x", "999": "y"}) == [11]
    assert await refused(api, "subscriber.update", **at, Fields={colour: "x"}, EmailAddress="bob@example.com") == [7]
    assert await refused(api, "subscriber.create", **newcomer(list_id, ANN, TriggerAutoResponders=True)) == [20]

    assert await events(app, api) == []
