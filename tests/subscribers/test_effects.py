"""What journeys do to groups of subscribers: rows, and the events that let people into other journeys."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from journeys_api.app import Application
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import Delivery, Journey, Subscriber, TriggerEvent
from journeys_api.subscribers import effects
from tests.conftest import Client, Maker
from tests.subscribers.people import create, get, limit_subscribers, make_field, make_list, make_tag, scopes, statuses

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
DEPTH = 3
LEFT = {"Status": "Unsubscribed", "UnsubscriptionDate": "2026-02-03 04:05:06", "UnsubscriptionIP": "203.0.113.9"}


def owner(client: Client) -> int:
    assert client.account
    return client.account.user_id


@pytest.fixture
async def api(app: Application, make: Maker) -> Client:
    """A client whose account has an enabled journey for each kind of thing that effects tell of."""
    client = await make.client()
    await listen(app, client, ["ListSubscription", "ListUnsubscription", "Tag", "UnTag", "CustomFieldValueChanged"])
    return client


async def listen(app: Application, client: Client, kinds: Sequence[str]) -> None:
    """Have enabled journeys wait for these kinds."""
    async with app.sessions.begin() as session:
        session.add_all(
            Journey(owner_id=owner(client), name=kind, trigger=kind, status="Enabled", created_at=NOW, updated_at=NOW)
            for kind in kinds
        )


async def events(app: Application, client: Client) -> list[tuple[str, int, int, int, dict[str, Any], int]]:
    """What was recorded for the client's account, in order: kind, list, subscriber, subject, payload, depth."""
    async with app.sessions.begin() as session:
        found = await session.scalars(
            select(TriggerEvent).where(TriggerEvent.owner_id == owner(client)).order_by(TriggerEvent.event_id)
        )
        return [
            (each.kind, each.list_id, each.subscriber_id, each.subject_id, each.payload, each.depth) for each in found
        ]


async def call(app: Application, effect: Any, client: Client, **arguments: Any) -> Any:
    async with app.sessions.begin() as session:
        return await effect(session, owner_id=owner(client), now=NOW, depth=DEPTH, **arguments)


async def person(app: Application, client: Client, list_id: int, address: str) -> Subscriber:
    async with app.sessions.begin() as session:
        found = await session.scalars(
            select(Subscriber).where(
                Subscriber.owner_id == owner(client),
                Subscriber.list_id == list_id,
                func.lower(Subscriber.email_address) == address,
            )
        )
        return found.one()


async def test_newcomers_and_those_who_left_are_subscribed_and_told_of(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, DefaultValue="blue")
    here = await create(api, list_id, "here@example.com")
    gone = await create(api, list_id, "gone@example.com", **LEFT)
    pending = await create(api, list_id, "pending@example.com", Status="Opt-In Pending")

    came = await call(
        app,
        effects.subscribe_many,
        api,
        list_id=list_id,
        addresses=["New@Example.com", "new@example.COM", "here@example.com", "GONE@example.com", "pending@example.com"],
    )

    assert came == {"new@example.com", "gone@example.com"}
    assert sorted((await statuses(api, list_id)).values()) == ["Opt-In Pending", *["Subscribed"] * 3]
    new = await person(app, api, list_id, "new@example.com")
    assert (new.source, new.custom_values) == ("API", {str(field_id): "blue"})
    told = await events(app, api)
    assert sorted(event[2] for event in told) == sorted([gone, new.subscriber_id])
    assert all(
        (kind, at, subject, payload, depth) == ("ListSubscription", list_id, 0, {}, DEPTH)
        for kind, at, _, subject, payload, depth in told
    )
    assert here not in [event[2] for event in told]
    assert pending not in [event[2] for event in told]


async def test_a_double_opt_in_list_asks_those_who_come_to_confirm(app: Application, api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double")
    await create(api, list_id, "gone@example.com", **LEFT)

    came = await call(
        app, effects.subscribe_many, api, list_id=list_id, addresses=["gone@example.com", "new@example.com"]
    )

    assert came == {"gone@example.com", "new@example.com"}
    assert set((await statuses(api, list_id)).values()) == {"Opt-In Pending"}
    assert await events(app, api) == []
    async with app.sessions.begin() as session:
        owed = (await session.scalars(select(Delivery).where(Delivery.owner_id == owner(api)))).all()
    assert [
        (each.kind.value, each.state.value, each.list_id, each.email_id, each.next_attempt_at) for each in owed
    ] == [("confirmation", "pending", list_id, None, NOW)] * 2


async def test_who_comes_goes_on_to_what_the_list_says(app: Application, api: Client) -> None:
    other, left = await make_list(api), await make_list(api)
    list_id = await make_list(api, OptInSubscribeTo=other, OptInUnsubscribeFrom=left)
    leaver = await create(api, left, "ann@example.com")

    await call(app, effects.subscribe_many, api, list_id=list_id, addresses=["ann@example.com"])

    assert await statuses(api, other) == {"ann@example.com": "Subscribed"}
    assert await statuses(api, left) == {"ann@example.com": "Unsubscribed"}
    told = await events(app, api)
    assert sorted(event[:2] for event in told) == sorted(
        [("ListSubscription", list_id), ("ListSubscription", other), ("ListUnsubscription", left)]
    )
    assert ("ListUnsubscription", left, leaver, 0, {}, DEPTH) in told


async def test_who_is_there_already_takes_no_room(app: Application, api: Client, admin: Client) -> None:
    list_id = await make_list(api)
    await create(api, list_id, "here@example.com")
    await limit_subscribers(admin, api, 2)

    came = await call(
        app,
        effects.subscribe_many,
        api,
        list_id=list_id,
        addresses=["here@example.com", "one@example.com", "two@example.com"],
    )

    assert len(came) == 1
    assert len(await statuses(api, list_id)) == 2


async def test_people_of_another_list_leave_a_list_by_its_rules(app: Application, api: Client) -> None:
    third = await make_list(api)
    await create(api, third, "ann@example.com")
    list_id = await make_list(api, OptOutUnsubscribeFrom=third, OptOutAddToSuppressionList="Yes")
    own = await make_list(api)
    ann = await create(api, own, "Ann@example.com")
    bob = await create(api, own, "bob@example.com")
    there = await create(api, list_id, "ann@EXAMPLE.com")

    left = await call(app, effects.unsubscribe_many, api, list_id=list_id, subscriber_ids=[ann, bob])

    assert left == {ann}
    assert await statuses(api, list_id) == {"ann@EXAMPLE.com": "Unsubscribed"}
    assert await statuses(api, third) == {"ann@example.com": "Unsubscribed"}
    assert await statuses(api, own) == {"Ann@example.com": "Subscribed", "bob@example.com": "Subscribed"}
    assert await scopes(api, "ann@example.com", ListID=list_id) == ["PerList"]
    told = await events(app, api)
    assert ("ListUnsubscription", list_id, there, 0, {}, DEPTH) in told
    assert sorted(event[1] for event in told) == sorted([third, list_id])
    assert await call(app, effects.unsubscribe_many, api, list_id=list_id, subscriber_ids=[ann, bob]) == set()


async def test_a_list_of_another_account_takes_and_loses_nobody(app: Application, api: Client, make: Maker) -> None:
    stranger = await make.client()
    theirs = await make_list(stranger)
    await create(stranger, theirs, "ann@example.com")
    ann = await create(api, await make_list(api), "ann@example.com")

    with pytest.raises(ListNotFound):
        await call(app, effects.subscribe_many, api, list_id=theirs, addresses=["new@example.com"])
    with pytest.raises(ListNotFound):
        await call(app, effects.unsubscribe_many, api, list_id=theirs, subscriber_ids=[ann])

    assert await statuses(stranger, theirs) == {"ann@example.com": "Subscribed"}


async def test_only_own_people_are_deleted_and_nothing_is_told(app: Application, api: Client, make: Maker) -> None:
    stranger = await make.client()
    list_id, theirs = await make_list(api), await make_list(stranger)
    ann = await create(api, list_id, "ann@example.com")
    bob = await create(stranger, theirs, "bob@example.com")

    async with app.sessions.begin() as session:
        await effects.delete_many(session, owner_id=owner(api), subscriber_ids=[ann, bob])

    assert await statuses(api, list_id) == {}
    assert await statuses(stranger, theirs) == {"bob@example.com": "Subscribed"}
    assert await events(app, api) == []


async def test_values_of_a_list_field_change_for_its_people_only(app: Application, api: Client) -> None:
    list_id, elsewhere = await make_list(api), await make_list(api)
    field_id, other_id = await make_field(api, list_id), await make_field(api, list_id)
    field, other = f"CustomField{field_id}", f"CustomField{other_id}"
    ann = await create(api, list_id, "ann@example.com", CustomFields={field_id: "red", other_id: "kept"})
    bob = await create(api, list_id, "bob@example.com", CustomFields={field_id: "blue"})
    eve = await create(api, list_id, "eve@example.com", CustomFields={field_id: "old"})
    dan = await create(api, elsewhere, "dan@example.com")

    changed = await call(
        app, effects.set_values, api, field_id=field_id, values={ann: "blue", bob: "blue", eve: "", dan: "blue"}
    )

    assert changed == {ann, eve}
    assert (
        (await get(api, list_id, "ann@example.com"))[field],
        (await get(api, list_id, "ann@example.com"))[other],
    ) == (
        "blue",
        "kept",
    )
    assert (await person(app, api, list_id, "eve@example.com")).custom_values == {}
    assert await events(app, api) == [
        ("CustomFieldValueChanged", list_id, ann, field_id, {"value": "blue", "before": "red"}, DEPTH),
        ("CustomFieldValueChanged", list_id, eve, field_id, {"value": "", "before": "old"}, DEPTH),
    ]


async def test_values_of_a_global_field_follow_the_address(app: Application, api: Client) -> None:
    list_id, elsewhere = await make_list(api), await make_list(api)
    field_id = await make_field(api, list_id, IsGlobal="Yes")
    name = f"CustomField{field_id}"
    ann = await create(api, list_id, "ann@example.com")
    await create(api, elsewhere, "ANN@example.com")
    bob = await create(api, elsewhere, "bob@example.com", CustomFields={field_id: "old"})

    first = await call(app, effects.set_values, api, field_id=field_id, values={ann: "a\x00b", bob: ""})
    again = await call(app, effects.set_values, api, field_id=field_id, values={ann: "ab", bob: ""})

    assert (first, again) == ({ann, bob}, set())
    assert (await get(api, elsewhere, "ANN@example.com"))[name] == "ab"
    assert not (await get(api, elsewhere, "bob@example.com")).get(name)
    assert await events(app, api) == [
        ("CustomFieldValueChanged", list_id, ann, field_id, {"value": "ab", "before": ""}, DEPTH),
        ("CustomFieldValueChanged", elsewhere, bob, field_id, {"value": "", "before": "old"}, DEPTH),
    ]


async def test_tags_reach_the_people_of_their_list_and_are_told_of_once(app: Application, api: Client) -> None:
    list_id, elsewhere = await make_list(api), await make_list(api)
    tag_id = await make_tag(api, list_id, "vip")
    ann = await create(api, list_id, "ann@example.com")
    dan = await create(api, elsewhere, "dan@example.com")
    people = {"tag_id": tag_id, "subscriber_ids": [ann, dan]}

    results = [
        await call(app, effect, api, **people)
        for effect in (effects.tag_many, effects.tag_many, effects.untag_many, effects.untag_many)
    ]

    assert results == [{ann}, set(), {ann}, set()]
    assert await events(app, api) == [
        ("Tag", list_id, ann, tag_id, {}, DEPTH),
        ("UnTag", list_id, ann, tag_id, {}, DEPTH),
    ]


async def test_what_no_journey_waits_for_is_not_told(app: Application, make: Maker) -> None:
    client = await make.client()
    list_id = await make_list(client)
    tag_id = await make_tag(client, list_id, "vip")
    field_id = await make_field(client, list_id)
    person_id = await create(client, list_id, "ann@example.com")
    await listen(app, client, ["UnTag"])

    assert await call(app, effects.tag_many, client, tag_id=tag_id, subscriber_ids=[person_id]) == {person_id}
    assert await call(app, effects.set_values, client, field_id=field_id, values={person_id: "red"}) == {person_id}
    assert await call(app, effects.untag_many, client, tag_id=tag_id, subscriber_ids=[person_id]) == {person_id}

    assert await events(app, client) == [("UnTag", list_id, person_id, tag_id, {}, DEPTH)]
