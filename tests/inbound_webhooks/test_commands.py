"""`user.webhook.*` at both doors."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.lists import service as lists
from tests.conftest import Client, Maker, until_one_waits_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HASHED_ID = re.compile(r"[0-9a-f]{4}(-[0-9a-f]{4}){7}")
READ = ("user.webhook.get", "user.webhook.delete", "user.webhook.stats")


async def a_list(api: Client, name: str = "News") -> int:
    return int((await api.ok("list.create", SubscriberListName=name))["ListID"])


async def a_webhook(api: Client, list_id: int, **more: Any) -> dict[str, Any]:
    given = {"Name": "Shop", "RelListID": list_id, "Event": "Subscription", **more}
    return dict((await api.ok("user.webhook.create", **given))["Webhook"])


async def test_a_webhook_is_made_read_changed_and_deleted(api: Client, door: str) -> None:
    api = api.at(door)
    assert api.account
    list_id, other_id = await a_list(api), await a_list(api, "Other")

    made = await api.ok("user.webhook.create", Name="Shop", RelListID=str(list_id), Event="Subscription")
    webhook = made["Webhook"]
    assert isinstance(made["WebhookID"], int)
    secret_id = webhook["HashedID"]
    assert HASHED_ID.fullmatch(secret_id)
    assert webhook == {
        "WebhookID": str(made["WebhookID"]),
        "RelUserID": str(api.account.user_id),
        "RelListID": str(list_id),
        "Name": "Shop",
        "Event": "Subscription",
        "HashedID": secret_id,
        "URL": f"http://journeys.test/system/webhook/{secret_id}/",
        "Options": {"UnsubscribeAll": False},
    }
    assert (await api.ok("user.webhook.get", WebhookID=made["WebhookID"]))["Webhook"] == webhook

    changed = await api.ok(
        "user.webhook.update",
        WebhookID=webhook["WebhookID"],
        Name="Leavers",
        RelListID=other_id,
        Event="unsubscription",
        UnsubscribeAll="1",
    )
    expected = {
        **webhook,
        "RelListID": str(other_id),
        "Name": "Leavers",
        "Event": "Unsubscription",
        "Options": {"UnsubscribeAll": True},
    }
    assert changed["Webhook"] == {**expected, "RelListName": "Other"}
    assert (await api.ok("user.webhook.list"))["Webhooks"] == [{**expected, "RelListName": "Other"}]

    await api.ok("user.webhook.delete", WebhookID=made["WebhookID"])
    assert await api.codes("user.webhook.get", WebhookID=made["WebhookID"]) == [2]
    assert (await api.ok("user.webhook.list"))["Webhooks"] == []


async def test_a_webhook_goes_with_its_list_and_with_no_other(api: Client, make: Maker) -> None:
    stranger = await make.client()
    doomed, kept, theirs = await a_list(api), await a_list(api), await a_list(stranger)
    gone, stays = await a_webhook(api, doomed), await a_webhook(api, kept)
    foreign = await a_webhook(stranger, theirs)

    await api.ok("lists.delete", Lists=[doomed, theirs])

    assert await api.codes("user.webhook.get", WebhookID=gone["WebhookID"]) == [2]
    assert [each["WebhookID"] for each in (await api.ok("user.webhook.list"))["Webhooks"]] == [stays["WebhookID"]]
    assert (await stranger.ok("user.webhook.get", WebhookID=foreign["WebhookID"]))["Webhook"] == foreign


@pytest.mark.parametrize("command", ["user.webhook.create", "user.webhook.update"])
async def test_no_webhook_is_bound_to_a_list_that_is_being_deleted(app: Application, api: Client, command: str) -> None:
    assert api.account
    doomed = await a_list(api)
    own = {"WebhookID": (await a_webhook(api, await a_list(api)))["WebhookID"]} if command.endswith("update") else {}
    given = {**own, "Name": "Shop", "RelListID": doomed, "Event": "Subscription"}

    async with app.sessions.begin() as session:
        await lists.delete_lists(session, owner_id=api.account.user_id, list_ids=[doomed], now=NOW)
        binding = asyncio.create_task(api.codes(command, **given))
        await until_one_waits_for(session)

    assert await binding == [7 if own else 5]


async def test_a_call_that_meets_the_deletion_of_its_list_is_told_so(
    app: Application, api: Client, http: httpx.AsyncClient
) -> None:
    assert api.account
    doomed = await a_list(api)
    webhook = await a_webhook(api, doomed)

    async with app.sessions.begin() as session:
        await lists.delete_lists(session, owner_id=api.account.user_id, list_ids=[doomed], now=NOW)
        calling = asyncio.create_task(http.post(webhook["URL"], json={"email": "ada@example.com"}))
        await until_one_waits_for(session)

    assert ((await calling).status_code, [each["Code"] for each in (await calling).json()["Errors"]]) == (404, [4])


async def test_codes_of_create(api: Client, make: Maker, door: str) -> None:
    api = api.at(door)
    foreign = await a_list(await make.client())
    whole = {"Name": "Shop", "RelListID": await a_list(api), "Event": "Subscription"}

    assert await api.codes("user.webhook.create") == [1, 2, 3]
    assert await api.codes("user.webhook.create", **{**whole, "RelListID": "x", "Event": "Click"}) == [2, 4]
    assert await api.codes("user.webhook.create", **{**whole, "RelListID": foreign}) == [5]


async def test_codes_of_update(api: Client, make: Maker, door: str) -> None:
    api = api.at(door)
    stranger = await make.client()
    foreign_list = await a_list(stranger)
    foreign = (await a_webhook(stranger, foreign_list))["WebhookID"]
    own_list = await a_list(api)
    own = (await a_webhook(api, own_list))["WebhookID"]
    whole = {"WebhookID": own, "Name": "Shop", "RelListID": own_list, "Event": "Subscription"}

    assert await api.codes("user.webhook.update") == [1, 2, 3, 4]
    assert await api.codes("user.webhook.update", **{**whole, "WebhookID": "x", "Event": "Click"}) == [1, 5]
    assert await api.codes("user.webhook.update", **{**whole, "WebhookID": foreign}) == [6]
    assert await api.codes("user.webhook.update", **{**whole, "RelListID": foreign_list}) == [7]
    assert (await api.ok("user.webhook.get", WebhookID=own))["Webhook"]["RelListID"] == str(own_list)


@pytest.mark.parametrize("command", READ)
async def test_codes_of_one_webhook(api: Client, make: Maker, command: str, door: str) -> None:
    api = api.at(door)
    stranger = await make.client()
    foreign = (await a_webhook(stranger, await a_list(stranger)))["WebhookID"]

    assert await api.codes(command) == [1]
    assert await api.codes(command, WebhookID="x") == [1]
    assert await api.codes(command, WebhookID=foreign) == [2]
    assert (await stranger.ok("user.webhook.get", WebhookID=foreign))["Webhook"]["WebhookID"] == foreign


@pytest.mark.parametrize(("days", "answered"), [(None, 30), ("0", 1), (7, 7), ("9000", 365)])
async def test_days_of_the_statistics_stay_within_a_year(api: Client, days: object, answered: int, door: str) -> None:
    api = api.at(door)
    webhook = await a_webhook(api, await a_list(api))

    found = await api.ok("user.webhook.stats", WebhookID=webhook["WebhookID"], Days=days)

    assert (found["WebhookID"], found["Days"], found["Stats"]) == (int(webhook["WebhookID"]), answered, {})
    assert await api.codes("user.webhook.stats", WebhookID=webhook["WebhookID"], Days="soon") == [3]


async def test_no_two_webhooks_have_one_secret_and_the_database_has_none(api: Client, app: Any) -> None:
    list_id = await a_list(api)
    ids = {(await a_webhook(api, list_id))["HashedID"] for _ in range(3)}

    assert len(ids) == 3
    async with app.sessions() as session:
        rows = [str(row) for row in await session.scalars(text("SELECT w::text FROM inbound_webhooks w"))]
    digits = {each.replace("-", "") for each in ids}
    assert not any(each in row for row in rows for each in digits | ids)


async def test_they_need_the_permission_to_change_the_account(make: Maker, door: str) -> None:
    client = (await make.client(permissions=["List.Create"])).at(door)

    for command in ("user.webhook.list", "user.webhook.create", "user.webhook.update", *READ):
        assert (await client.call(command)).json()["ErrorCode"] == 99999
