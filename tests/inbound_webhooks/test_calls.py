"""The public address of an inbound webhook, called as another system would."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from journeys_api.app import Application, create_app
from journeys_api.settings import Settings
from tests.conftest import Client, Maker
from tests.inbound_webhooks.test_commands import a_list, a_webhook
from tests.undone import undone


async def day(api: Client, webhook: dict[str, Any]) -> tuple[int, int, int]:
    """Today's calls of a webhook: received, failed, successful."""
    stats = (await api.ok("user.webhook.stats", WebhookID=webhook["WebhookID"], Days=2))["Stats"]
    rows = [
        tuple(int(row[f"{name}Requests"]) for name in ("Received", "Failed", "Successful")) for row in stats.values()
    ]
    return (sum(row[0] for row in rows), sum(row[1] for row in rows), sum(row[2] for row in rows))


async def statuses(api: Client, list_id: int, address: str) -> str:
    """The status of an address on a list; "" where it is not."""
    answer = (await api.call("subscriber.get", ListID=list_id, EmailAddress=address)).json()
    return str(answer["SubscriberInformation"]["SubscriptionStatus"]) if answer.get("SubscriberInformation") else ""


@pytest.mark.parametrize(
    "request_of",
    [
        {"json": {"EmailAddress": "ada@example.com"}},
        {"json": {"email": "ada@example.com", "event": "order", "items": [{"sku": 1}]}},
        {"data": {"e-mail": "ada@example.com", "ip": "203.0.113.9"}},
        {"files": {"User_Email": (None, "ada@example.com")}},
        {"params": {"mail": "ada@example.com"}},
    ],
)
async def test_an_address_is_read_from_json_forms_and_queries(
    api: Client, http: httpx.AsyncClient, request_of: dict[str, Any]
) -> None:
    list_id = await a_list(api)
    webhook = await a_webhook(api, list_id)

    answer = await http.post(webhook["URL"], **request_of)

    assert answer.status_code == 200, answer.text
    found = (await api.ok("subscriber.get", ListID=list_id, EmailAddress="ada@example.com"))["SubscriberInformation"]
    assert answer.json() == {
        "Success": True,
        "SubscriberID": int(found["SubscriberID"]),
        "SubscriptionStatus": "Subscribed",
    }
    assert found["SubscriptionIP"] == ("203.0.113.9" if "data" in request_of else "127.0.0.1")
    assert await day(api, webhook) == (1, 0, 1)


async def test_whatever_stands_behind_the_id_is_the_same_address(api: Client, http: httpx.AsyncClient) -> None:
    list_id = await a_list(api)
    webhook = await a_webhook(api, list_id)
    url = f"/system/webhook/{webhook['HashedID']}"

    for number, path in enumerate([url, f"{url}/", f"{url}/shop/orders"]):
        assert (await http.post(path, json={"email": f"{number}@example.com"})).status_code == 200
    assert (await http.post(url.upper(), json={"email": "ada@example.com"})).status_code == 404
    assert await day(api, webhook) == (3, 0, 3)


async def test_saying_it_twice_changes_nothing_and_is_no_trouble(api: Client, http: httpx.AsyncClient) -> None:
    list_id = await a_list(api)
    coming = await a_webhook(api, list_id)
    leaving = await a_webhook(api, list_id, Event="Unsubscription")
    person = {"email": "Ada@example.com"}

    first = await http.post(coming["URL"], json=person)
    again = await http.post(coming["URL"], json={"email": "ada@EXAMPLE.com"})
    assert first.json() == again.json()

    for _ in range(2):
        gone = await http.post(leaving["URL"], json=person)
        assert (gone.status_code, gone.json()["SubscriptionStatus"]) == (200, "Unsubscribed")
    assert await day(api, coming) == await day(api, leaving) == (2, 0, 2)

    back = await http.post(coming["URL"], json=person)
    assert back.json() == first.json()


async def test_a_double_opt_in_list_asks_first(api: Client, http: httpx.AsyncClient) -> None:
    made = await api.ok("list.create", SubscriberListName="Double", OptInMode="Double")
    webhook = await a_webhook(api, int(made["ListID"]))

    assert (await http.post(webhook["URL"], json={"email": "ada@example.com"})).json()[
        "SubscriptionStatus"
    ] == "Opt-In Pending"


async def test_leaving_goes_as_far_as_the_webhook_says(api: Client, http: httpx.AsyncClient, make: Maker) -> None:
    stranger = await make.client()
    foreign = await a_list(stranger)
    ids = [await a_list(api, name) for name in ("one", "two", "three")]
    for client, list_id in ((stranger, foreign), *((api, each) for each in ids)):
        for who in ("ada", "bob"):
            await client.ok(
                "subscriber.subscribe", ListID=list_id, EmailAddress=f"{who}@example.com", IPAddress="127.0.0.1"
            )
    here = await a_webhook(api, ids[0], Event="Unsubscription")
    everywhere = await a_webhook(api, ids[0], Event="Unsubscription", UnsubscribeAll=True)

    await http.post(here["URL"], json={"email": "ada@example.com"})
    assert [await statuses(api, each, "ada@example.com") for each in ids] == [
        "Unsubscribed",
        "Subscribed",
        "Subscribed",
    ]
    # somebody who has left the bound list leaves the others all the same
    assert (await http.post(everywhere["URL"], json={"email": "ADA@example.com"})).status_code == 200
    assert [await statuses(api, each, "ada@example.com") for each in ids] == ["Unsubscribed"] * 3
    assert [await statuses(api, each, "bob@example.com") for each in ids] == ["Subscribed"] * 3
    assert await statuses(stranger, foreign, "ada@example.com") == "Subscribed"
    # and again, when nothing is left to do
    assert (await http.post(everywhere["URL"], json={"email": "ada@example.com"})).status_code == 200


async def test_values_of_fields_come_along(api: Client, http: httpx.AsyncClient) -> None:
    list_id = await a_list(api)
    field = await api.ok(
        "customfield.create",
        SubscriberListID=list_id,
        FieldName="Age",
        FieldType="Single line",
        ValidationMethod="Numbers",
    )
    webhook = await a_webhook(api, list_id)
    name = f"CustomField{field['CustomFieldID']}"

    bad = await http.post(webhook["URL"], json={"email": "ada@example.com", name: "old"})
    good = await http.post(webhook["URL"], json={"email": "bob@example.com", name: "7"})

    assert (bad.status_code, [each["Code"] for each in bad.json()["Errors"]]) == (422, [6])
    assert await statuses(api, list_id, "ada@example.com") == ""
    assert good.status_code == 200
    assert await day(api, webhook) == (2, 1, 1)


async def test_what_is_refused_is_told_why_and_counted(api: Client, http: httpx.AsyncClient) -> None:
    list_id = await a_list(api)
    webhook = await a_webhook(api, list_id)
    leaving = await a_webhook(api, list_id, Event="Unsubscription")

    async def refused(url: str, **request: Any) -> tuple[int, list[int]]:
        answer = await http.post(url, **request)
        assert answer.json()["Success"] is False
        return answer.status_code, [each["Code"] for each in answer.json()["Errors"]]

    assert await refused(webhook["URL"], json={"name": "Ada"}) == (422, [1])
    assert await refused(webhook["URL"], json={"email": "not an address"}) == (422, [2])
    assert await refused(webhook["URL"], json={"email": ["ada@example.com"]}) == (422, [2])
    assert await refused(webhook["URL"], content=b"{", headers={"Content-Type": "application/json"}) == (400, [100000])
    assert await refused(webhook["URL"], content=b"<x/>", headers={"Content-Type": "text/xml"}) == (400, [100000])
    assert await refused(leaving["URL"], json={"email": "nobody@example.com"}) == (404, [5])
    assert await refused("/system/webhook/" + "0" * 32, json={"email": "ada@example.com"}) == (404, [3])
    assert await refused(webhook["URL"], content=b"x" * 70_000) == (413, [100000])
    assert await day(api, webhook) == (5, 5, 0)
    assert await day(api, leaving) == (1, 1, 0)

    await api.ok("user.webhook.delete", WebhookID=webhook["WebhookID"])
    assert await refused(webhook["URL"], json={"email": "ada@example.com"}) == (404, [3])
    await api.ok("lists.delete", Lists=str(list_id))
    assert await refused(leaving["URL"], json={"email": "ada@example.com"}) == (404, [3])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_only_a_post_does_anything(api: Client, http: httpx.AsyncClient, method: str) -> None:
    webhook = await a_webhook(api, await a_list(api))

    answer = await http.request(method, webhook["URL"], params={"email": "ada@example.com"})

    assert answer.status_code == 405
    assert await day(api, webhook) == (0, 0, 0)


async def test_calls_side_by_side_are_all_counted_and_nobody_comes_twice(api: Client, http: httpx.AsyncClient) -> None:
    list_id = await a_list(api)
    webhook = await a_webhook(api, list_id)
    people = [f"{number % 3}@example.com" for number in range(8)]

    answers = await asyncio.gather(*(http.post(webhook["URL"], json={"email": person}) for person in people))

    assert {answer.status_code for answer in answers} == {200}
    assert await day(api, webhook) == (8, 0, 8)
    found = await api.ok("subscribers.get", SubscriberListID=list_id, SubscriberSegment="Active")
    assert int(found["TotalSubscribers"]) == 3


async def test_the_list_tells_how_often_each_was_called(api: Client, http: httpx.AsyncClient) -> None:
    list_id = await a_list(api)
    called, quiet = await a_webhook(api, list_id), await a_webhook(api, list_id)
    before = datetime.now(UTC).date()
    await http.post(called["URL"], json={"email": "ada@example.com"})

    rows = {row["WebhookID"]: row for row in (await api.ok("user.webhook.list", IncludeStats=True))["Webhooks"]}

    stats = rows[called["WebhookID"]]["ReceivedRequestsStats"]
    assert list(stats.values()) == [1]
    [midnight] = (datetime.fromtimestamp(int(each), UTC) for each in stats)
    assert midnight.date() in (before, datetime.now(UTC).date())
    assert midnight.time().isoformat() == "00:00:00"
    assert rows[quiet["WebhookID"]]["ReceivedRequestsStats"] == {}


async def test_journeys_start_by_it(api: Client, http: httpx.AsyncClient, app: Application) -> None:
    list_id = await a_list(api)
    webhook = await a_webhook(api, list_id)
    await http.post(webhook["URL"], json={"email": "ada@example.com"})

    async with app.sessions() as session:
        kinds = list(
            await session.scalars(text("SELECT kind FROM trigger_events WHERE list_id = :list"), {"list": list_id})
        )
    assert kinds == ["ListSubscription"]


async def test_an_address_that_tries_ids_is_stopped(settings: Settings) -> None:
    limited = create_app(settings.model_copy(update={"rate_limits": "on"}))
    transport = httpx.ASGITransport(app=limited, client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as client:
        found = [
            (await client.post(f"/system/webhook/{number:032x}", json={"email": "a@example.com"})).status_code
            for number in range(301)
        ]
        last = await client.post("/system/webhook/x", json={"email": "a@example.com"})
    await limited.close()

    assert found == [404] * 300 + [429]
    assert (last.status_code, last.json()["ErrorCode"]) == (429, 429)
    assert int(last.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("state", "status"), [("40P01", 200), ("42703", 500), ("53300", 503)])
async def test_what_the_database_undoes_is_done_again_and_what_is_wrong_is_a_fault(
    api: Client, http: httpx.AsyncClient, app: Application, state: str, status: int
) -> None:
    assert api.account
    webhook = await a_webhook(api, await a_list(api))

    with capture_logs() as logs:
        async with undone(app.sessions, table="subscribers", owner_id=api.account.user_id, state=state):
            answer = await http.post(webhook["URL"], json={"email": "ada@example.com"})

    assert answer.status_code == status
    assert await day(api, webhook) == ((1, 0, 1) if status == 200 else (0, 0, 0))
    told = [line["log_level"] for line in logs if line["event"] in ("inbound_call_failed", "database_away")]
    assert told == {200: [], 500: ["error"], 503: ["warning"]}[status]
