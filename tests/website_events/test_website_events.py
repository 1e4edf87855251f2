"""Website events at both doors: whose they are, what is kept, what journeys are told, and what criteria may name."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql

from journeys_api.app import Application
from journeys_api.commands.registry import COMMANDS
from journeys_api.models import Subscriber, TriggerEvent, WebsiteEvent
from journeys_api.subscribers import visitors
from tests.conftest import Client, Maker
from tests.subscribers.people import LARGEST_ID, create, get, limit_subscribers, make_field, make_list, statuses

ANN = "Ann@example.com"
SALE = {"conversion-id": "order-1", "conversion-name": "Order", "conversion-value": "19.90"}
NO_AMOUNTS: tuple[object, ...] = (
    *("a lot", "-1", -0.01, "1,50", "NaN", "Infinity", "1e400", 10**10 + 1, 2**63, [1], {"a": 1}, True),
    *("1_000", "\u0661\u0662", "\uff11", "1e2", "+5", "0x10", "1.5.0", ".", "10000000000.01", "9" * 5000),
)
Told = tuple[str, int, dict[str, Any]]


async def told(app: Application, client: Client) -> list[Told]:
    """Kind, subscriber and payload of what was recorded for the client's account, in order."""
    assert client.account
    statement = select(TriggerEvent).where(TriggerEvent.owner_id == client.account.user_id)
    async with app.sessions.begin() as session:
        found = list(await session.scalars(statement.order_by(TriggerEvent.event_id)))
    return [(each.kind, each.subscriber_id, each.payload) for each in found]


async def kept(app: Application, client: Client) -> list[tuple[str, str, int | None, str]]:
    """Kind, name, subscriber and visitor id of the account's events, in order."""
    assert client.account
    statement = select(WebsiteEvent).where(WebsiteEvent.owner_id == client.account.user_id)
    async with app.sessions.begin() as session:
        found = list(await session.scalars(statement.order_by(WebsiteEvent.event_id)))
    return [(each.kind.value, each.name, each.subscriber_id, each.uuid) for each in found]


async def refused(client: Client, command: str, **parameters: Any) -> list[int]:
    """The codes of a refusal, after a look at its envelope and messages."""
    response = await client.call(command, **parameters)
    body = response.json()
    declared = COMMANDS[command]
    for error in body["Errors"]:
        assert any(
            error["Message"].startswith(each.message) for each in declared.refusals if each.code == error["Code"]
        )
    codes = [error["Code"] for error in body["Errors"]]
    if client.door == "rest":
        assert set(body) == {"Errors"}
        assert response.status_code == min(each.status for each in declared.refusals if each.code == codes[0])
    else:
        assert response.status_code == 200
        assert body["ErrorCode"] == codes
    return codes


async def test_an_event_of_a_subscriber_is_kept_and_told(app: Application, api: Client, door: str) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, ANN)

    answer = await api.at(door).ok(
        "event.track", ListID=list_id, Event="page_view", Email=ANN.lower(), UUID="v-1", Properties={"$pageTitle": "Ü"}
    )

    documented = {"status": "success", "uuid": "v-1", "external_id": "", "identify_event_sent": False}
    assert {key: answer[key] for key in documented} == documented
    assert door == "legacy" or answer == documented
    assert await kept(app, api) == [("pageView", "pageView", subscriber_id, "v-1")]
    payload = {"Event": {"name": "pageView", "Property": {"$pageTitle": "Ü"}}}
    assert await told(app, api) == [("WebsiteEvent_pageView", subscriber_id, payload)]


@pytest.mark.parametrize(
    ("event", "kind", "name"),
    [
        ("page_view", "pageView", "pageView"),
        ("PageView", "pageView", "pageView"),
        ("Identify", "identify", "identify"),
        ("Cart Opened", "customEvent", "Cart Opened"),
        ("page view", "customEvent", "page view"),
    ],
)
async def test_names_become_kinds(app: Application, api: Client, event: str, kind: str, name: str) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, ANN)

    await api.ok("event.track", ListID=list_id, Event=event, Email=ANN)

    assert await kept(app, api) == [(kind, name, subscriber_id, "")]
    ((told_kind, _, payload),) = await told(app, api)
    assert told_kind == f"WebsiteEvent_{kind}"
    own = {"eventName": name} if kind == "customEvent" else {}
    assert payload == {"Event": {"name": name, "Property": own}}


async def test_a_new_address_becomes_a_subscriber_with_an_identify_event(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, MergeTagAlias="City")

    answer = await api.ok(
        "event.track", ListID=list_id, Event="signup", Email=ANN, IdentifyProperties={"CITY": "Ulm", "x": 1}
    )
    again = await api.ok("event.track", ListID=list_id, Event="signup", Email=ANN)

    assert (answer["identify_event_sent"], again["identify_event_sent"]) == (True, False)
    columns = await get(api, list_id, ANN)
    assert (columns["SubscriptionStatus"], columns[f"CustomField{field_id}"]) == ("Subscribed", "Ulm")
    kinds = [kind for kind, _, _ in await told(app, api)]
    assert kinds == [
        "ListSubscription",
        "WebsiteEvent_identify",
        "WebsiteEvent_customEvent",
        "WebsiteEvent_customEvent",
    ]


async def test_identify_changes_values_by_alias_or_id(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    city = await make_field(api, list_id, MergeTagAlias="City")
    size = await make_field(api, list_id)
    subscriber_id = await create(api, list_id, ANN)

    answer = await api.ok(
        "event.track",
        ListID=list_id,
        Event="identify",
        Email=ANN,
        IdentifyProperties={
            "city": "Ulm",
            f"CustomField{city}": "Bonn",
            f"customfield{size}": 42,
            "CustomField1": "x",
            "nothing": {"of": "ours"},
        },
    )

    assert answer["identify_event_sent"] is True
    columns = await get(api, list_id, ANN)
    assert (columns[f"CustomField{city}"], columns[f"CustomField{size}"]) == ("Ulm", "42")
    found = await told(app, api)
    assert [(kind, who) for kind, who, _ in found] == [
        ("CustomFieldValueChanged", subscriber_id),
        ("CustomFieldValueChanged", subscriber_id),
        ("WebsiteEvent_identify", subscriber_id),
    ]


async def test_values_that_do_not_fit_and_events_that_do_not_identify_change_nothing(api: Client) -> None:
    list_id = await make_list(api)
    name = await make_field(api, list_id, MergeTagAlias="Name", IsRequired="Yes")
    await create(api, list_id, ANN, CustomFields={f"CustomField{name}": "Ann"})

    for event, value in (("identify", ""), ("identify", [["deep"]]), ("page_view", "Bob")):
        await api.ok("event.track", ListID=list_id, Event=event, Email=ANN, IdentifyProperties={"Name": value})

    assert (await get(api, list_id, ANN))[f"CustomField{name}"] == "Ann"


async def test_somebody_who_unsubscribed_stays_so(api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, ANN)
    await api.ok(
        "subscriber.update",
        SubscriberID=subscriber_id,
        SubscriberListID=list_id,
        SubscriptionStatus="Unsubscribed",
    )

    await api.ok("event.track", ListID=list_id, Event="identify", Email=ANN)

    assert await statuses(api, list_id) == {ANN: "Unsubscribed"}


async def test_a_list_with_double_opt_in_asks_first(app: Application, api: Client) -> None:
    list_id = await make_list(api, OptInMode="Double")

    await api.ok("event.track", ListID=list_id, Event="identify", Email=ANN)

    assert await statuses(api, list_id) == {ANN: "Opt-In Pending"}
    assert [kind for kind, _, _ in await told(app, api)] == ["WebsiteEvent_identify"]


async def test_a_visitor_is_known_by_a_hash_or_the_identifier_field(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    await make_field(api, list_id)
    number = await make_field(api, list_id, UniqueIdentifier="Yes")
    ann, bob = await create(api, list_id, ANN), await create(api, list_id, "bob@example.com")
    await api.ok(
        "subscriber.update", SubscriberID=bob, SubscriberListID=list_id, Fields={f"CustomField{number}": "b-7"}
    )
    hashed = hashlib.sha256(ANN.encode()).hexdigest()

    answer = await api.ok("event.track", ListID=list_id, Event="x", ID=hashed.upper())
    await api.ok("event.track", Event="x", ID=hashed)
    await api.ok("event.track", ListID=list_id, Event="x", ID="b-7")

    assert (answer["external_id"], answer["uuid"]) == (hashed.upper(), "")
    assert [who for _, _, who, _ in await kept(app, api)] == [ann, ann, bob]


async def test_a_hash_is_looked_up_in_its_index(app: Application) -> None:
    # the planner takes an index of an expression only when both are written alike
    statement = select(Subscriber.subscriber_id).where(visitors.has_address_hash(b"x" * 32))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    query = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})

    async with app.sessions.begin() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        connection = await session.connection()
        plan = (await connection.exec_driver_sql(f"EXPLAIN {query}")).scalars().all()

    assert "ix_subscribers_address_sha256" in "".join(plan)


async def test_a_hash_makes_nobody(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    hashed = hashlib.sha256(ANN.encode()).hexdigest()

    answer = await api.ok("event.track", ListID=list_id, Event="identify", ID=hashed)

    assert answer["identify_event_sent"] is False
    assert await statuses(api, list_id) == {}
    assert (await kept(app, api), await told(app, api)) == ([], [])


async def test_a_visitor_id_stands_for_who_was_identified_with_it(app: Application, api: Client, make: Maker) -> None:
    first, second, stranger = await make_list(api), await make_list(api), await make.client()
    ann, ann_too = await create(api, first, ANN), await create(api, second, ANN)

    for client, given in (
        (api, {"UUID": "v-1"}),
        (api, {"UUID": "v-1", "Email": ANN, "ListID": first}),
        (api, {"UUID": "v-1"}),
        (api, {"UUID": "v-1", "ListID": second}),
        (stranger, {"UUID": "v-1"}),
    ):
        await client.ok("event.track", Event="x", **given)

    assert [who for _, _, who, _ in await kept(app, api)] == [None, ann, ann, ann_too]
    assert [who for _, _, who, _ in await kept(app, stranger)] == [None]
    assert [who for _, who, _ in await told(app, api)] == [ann, ann, ann_too]


async def test_nobody_known_gets_a_visitor_id_and_starts_nothing(app: Application, api: Client) -> None:
    answer = await api.ok("event.track", Event="x")
    other = await api.ok("event.track", Event="x")

    assert len(answer["uuid"]) == 36
    assert answer["uuid"] != other["uuid"]
    assert [uuid for _, _, _, uuid in await kept(app, api)] == [answer["uuid"], other["uuid"]]
    assert await told(app, api) == []


async def test_without_a_list_an_address_is_looked_for_on_all(app: Application, api: Client, door: str) -> None:
    first, second = await make_list(api), await make_list(api)
    subscriber_id = await create(api, first, ANN)
    api, hashed = api.at(door), hashlib.sha256(ANN.encode()).hexdigest()

    answers = [await api.ok("event.track", Event="x", Email=ANN)]
    await create(api, second, ANN)
    for given in ({"Email": ANN}, {"Email": ANN, "UUID": "v-1"}, {"ID": hashed}, {"Email": "nobody@example.com"}):
        answers.append(await api.ok("event.track", Event="x", **given))

    assert [len(answer["uuid"]) for answer in answers] == [0, 36, 3, 36, 36]
    # nothing says which of the two it is
    visitors = [(subscriber_id, ""), *((None, answer["uuid"]) for answer in answers[1:])]
    assert [(who, uuid) for _, _, who, uuid in await kept(app, api)] == visitors
    assert [who for _, who, _ in await told(app, api)] == [subscriber_id]


@pytest.mark.parametrize("true", [True, "true", 1, "Yes"])
async def test_a_test_event_changes_nothing(app: Application, api: Client, true: object) -> None:
    list_id = await make_list(api)

    answer = await api.ok("event.track", ListID=list_id, Event="identify", Email=ANN, Properties={"isTest": true})

    assert (answer["status"], answer["identify_event_sent"]) == ("success", False)
    assert await statuses(api, list_id) == {}
    assert (await kept(app, api), await told(app, api)) == ([], [])


async def test_a_silent_event_is_kept_and_told_to_nobody(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id)

    for event in ("x", "identify"):
        await api.ok(
            "event.track",
            ListID=list_id,
            Event=event,
            Email=ANN,
            Properties={"issilent": "1", "a": "b"},
            IdentifyProperties={f"CustomField{field_id}": event},
        )

    assert [kind for kind, _, _, _ in await kept(app, api)] == ["identify", "customEvent", "identify"]
    assert (await get(api, list_id, ANN))[f"CustomField{field_id}"] == "identify"
    assert await told(app, api) == []
    names = (await api.ok("website_events.properties", ListID=list_id))["Properties"]
    assert names == {"identify": ["a", "emailAddress"], "x": ["a", "eventName"]}


async def test_a_conversion_counts_once_and_brings_revenue(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    ann, bob = await create(api, list_id, ANN), await create(api, list_id, "bob@example.com")
    odd = {"conversionId": "order-1", "conversionName": "Order", "conversion_value": " 0.00 "}

    for address, properties in ((ANN, SALE), (ANN, {**SALE, "conversion-value": 3}), ("bob@example.com", odd)):
        await api.ok("event.track", ListID=list_id, Event="conversion", Email=address, Properties=properties)

    assert [(kind, who) for kind, _, who, _ in await kept(app, api)] == [("conversion", ann), ("conversion", bob)]
    found = await told(app, api)
    assert [(kind, who) for kind, who, _ in found] == [
        ("WebsiteEvent_conversion", ann),
        ("RevenueHit", ann),
        ("WebsiteEvent_conversion", bob),
        ("RevenueHit", bob),
    ]
    assert [payload["revenue_cents"] for kind, _, payload in found if kind == "RevenueHit"] == [1990, 0]


async def test_events_that_come_at_once_make_one_subscriber_and_one_conversion(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    call = {"ListID": list_id, "Event": "conversion", "Email": ANN, "Properties": SALE}

    answers = await asyncio.gather(*(api.ok("event.track", **call) for _ in range(4)))

    assert await statuses(api, list_id) == {ANN: "Subscribed"}
    kinds = [kind for kind, _, _ in await told(app, api)]
    once = ("WebsiteEvent_conversion", "WebsiteEvent_identify", "ListSubscription")
    assert [kinds.count(kind) for kind in once] == [1, 1, 1]
    assert [answer["identify_event_sent"] for answer in answers].count(True) == 1


@pytest.mark.parametrize("event", ["identify", "signup"])
async def test_values_of_events_that_come_at_once_with_a_new_address_are_all_kept(api: Client, event: str) -> None:
    list_id = await make_list(api)
    named = [await make_field(api, list_id) for _ in range(4)]
    call = {"ListID": list_id, "Event": event, "Email": ANN}

    await asyncio.gather(
        *(api.ok("event.track", **call, IdentifyProperties={f"CustomField{each}": "x"}) for each in named)
    )

    (ann,) = (await api.ok("subscribers.get", SubscriberListID=list_id, SubscriberSegment="Active"))["Subscribers"]
    assert [ann.get(f"CustomField{each}") for each in named] == ["x"] * 4


async def test_where_the_limit_leaves_no_room_nobody_is_made(app: Application, admin: Client, api: Client) -> None:
    list_id = await make_list(api)
    await create(api, list_id, ANN)
    await limit_subscribers(admin, api, 1)

    answer = await api.ok("event.track", ListID=list_id, Event="identify", Email="bob@example.com", UUID="v")

    assert answer["identify_event_sent"] is False
    assert await statuses(api, list_id) == {ANN: "Subscribed"}
    assert await kept(app, api) == [("identify", "identify", None, "v")]


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({}, [5]),
        ({"Event": ""}, [5]),
        ({"Event": ["x"]}, [5]),
        ({"Event": "x" * 256}, [5]),
        ({"Event": "x", "ListID": "abc"}, [4]),
        ({"Event": "x", "ListID": 2**63}, [4]),
        ({"Event": "x", "ListID": LARGEST_ID}, [4]),
        ({"Event": "identify"}, [6]),
        ({"Event": "x", "Email": "ann"}, [7]),
        ({"Event": "x", "Email": hashlib.sha256(b"a").hexdigest()}, [7]),
        ({"Event": "conversion"}, [8, 9, 10]),
        ({"Event": "conversion", "Properties": {**SALE, "conversion-name": None}}, [9]),
        ({"Event": "conversion", "ListID": "-1", "Email": "a", "Properties": {"conversion-id": 7}}, [4, 7, 9, 10]),
        ({"Event": "conversion", "Properties": {**SALE, "conversion-id": "x" * 256}}, [8]),
        *(({"Event": "conversion", "Properties": {**SALE, "conversion-value": odd}}, [10]) for odd in NO_AMOUNTS),
        ({"ListID": [], "Email": "a\x00b"}, [4, 5, 7]),
    ],
)
async def test_what_is_missing_or_malformed_is_refused(
    app: Application, api: Client, door: str, given: dict[str, Any], codes: list[int]
) -> None:
    assert await refused(api.at(door), "event.track", **given) == codes

    assert await kept(app, api) == []


async def test_another_accounts_list_is_no_list(app: Application, api: Client, make: Maker, door: str) -> None:
    stranger = await make.client()
    list_id = await make_list(stranger)

    assert await refused(api.at(door), "event.track", Event="identify", Email=ANN, ListID=list_id) == [4]
    assert await refused(api.at(door), "website_events.properties", ListID=list_id) == [3]

    assert await statuses(stranger, list_id) == {}


@pytest.mark.parametrize("name", ["Properties", "IdentifyProperties"])
@pytest.mark.parametrize(
    "value",
    [
        "text",
        {f"p{number}": 1 for number in range(101)},
        {"p": "x" * 65536},
        {"p" * 256: 1},
        {"p": "a\x00b"},
        {"p\x00": 1},
        7,
    ],
)
async def test_properties_are_bounded(app: Application, api: Client, name: str, value: object) -> None:
    answer = await api.call("event.track", Event="x", UUID="v", **{name: value})

    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 100000)
    assert await kept(app, api) == []


async def test_odd_properties_are_kept(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, ANN)
    properties: dict[str, Any] = {
        "a": 2**63,
        "A": -1.5e300,
        "": None,
        "ü": [[{"x": []}]],
        "b": False,
        "p" * 255: "x" * 60000,
    }

    await api.ok("event.track", ListID=list_id, Event="x", Email=ANN, Properties=properties)
    await api.ok("event.track", ListID=list_id, Event="x", Email=ANN, Properties=json.dumps({"c": 1, "C": 2}))

    (_, who, payload), (_, _, of_a_text) = await told(app, api)
    assert who == subscriber_id
    assert payload["Event"]["Property"] == {**properties, "eventName": "x"}
    assert of_a_text["Event"]["Property"] == {"c": 1, "C": 2, "eventName": "x"}


async def test_identify_properties_are_named_without_case(app: Application, api: Client) -> None:
    for given in ({"City": 1, "city": 2}, '{"City":1,"city":2}'):
        answer = await api.call("event.track", Event="identify", UUID="v", Email=ANN, IdentifyProperties=given)
        assert answer.json()["ErrorCode"] == 100000
    assert await kept(app, api) == []


async def test_names_of_properties_are_listed_in_order(api: Client, door: str) -> None:
    list_id, other = await make_list(api), await make_list(api)
    for event, properties in (("page_view", {"z": 1, "a": 2}), ("Cart", {"z": 1}), ("page_view", {"$b": 1, "a": 1})):
        await api.ok("event.track", ListID=list_id, Event=event, UUID="v", Properties=properties)

    answer = await api.at(door).ok("website_events.properties", ListID=str(list_id))
    empty = await api.at(door).ok("website_events.properties", ListID=other)

    assert answer["ListID"] == list_id
    assert answer["Properties"] == {"Cart": ["eventName", "z"], "pageView": ["$b", "a", "z"]}
    assert list(answer["Properties"]) == ["Cart", "pageView"]
    assert empty["Properties"] == {}


@pytest.mark.parametrize(("given", "code"), [({}, 1), ({"ListID": "x"}, 2), ({"ListID": LARGEST_ID}, 3)])
async def test_a_list_must_be_named(api: Client, door: str, given: dict[str, Any], code: int) -> None:
    assert await refused(api.at(door), "website_events.properties", **given) == [code]


async def test_only_who_may_see_subscribers_sees_the_names(make: Maker, door: str) -> None:
    client = (await make.client(permissions=["List.Get"])).at(door)

    assert await client.codes("website_events.properties", ListID=1) == [99999]


async def test_events_go_with_their_subscriber_and_their_list(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, ANN)
    for given in ({"Email": ANN}, {"UUID": "v"}):
        await api.ok("event.track", ListID=list_id, Event="x", **given)

    await api.ok("subscribers.delete", SubscriberListID=list_id, Subscribers=str(subscriber_id))
    without = await kept(app, api)
    await api.ok("lists.delete", Lists=str(list_id))

    assert without == [("customEvent", "x", None, "v")]
    assert await kept(app, api) == []


async def test_events_go_with_the_account(app: Application, admin: Client, api: Client) -> None:
    list_id = await make_list(api)
    await api.ok("event.track", ListID=list_id, Event="x", Email=ANN, UUID="v")
    assert api.account

    await admin.ok("users.delete", Users=str(api.account.user_id))

    assert await kept(app, api) == []
