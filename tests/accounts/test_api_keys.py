"""user.apikey.create, user.apikey.list, user.apikey.delete."""

import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import insert, text

from journeys_api.accounts import service
from journeys_api.app import Application
from journeys_api.clock import SystemClock
from journeys_api.models import ApiKey
from tests.accounts.answers import assert_refused
from tests.accounts.conftest import Call, until_one_waits
from tests.conftest import Client, Maker


async def count(api: Client) -> int:
    return len((await api.ok("user.apikey.list"))["APIKeys"])


async def test_a_new_key_is_shown_once_and_works(api: Client, anyone: Call, door: str) -> None:
    body = await api.at(door).ok("user.apikey.create", Note="Shopify sync", BoundIPAddress="127.0.0.1")

    made = body["APIKey"]
    assert body["Success"] is True
    assert re.fullmatch("[0-9]+", body["APIKeyID"])
    assert re.fullmatch("([0-9A-F]{4}-){7}[0-9A-F]{4}", made["APIKey"])
    assert list(made) == [
        "APIKey",
        "Note",
        "IPAddress",
        "BoundIPAddress",
        "CreatedAt",
        "LastUsedAt",
        "LastUsedIP",
        "RequestCount",
    ]
    assert (made["Note"], made["IPAddress"], made["BoundIPAddress"]) == ("Shopify sync", "127.0.0.1", "127.0.0.1")
    assert (made["LastUsedAt"], made["LastUsedIP"], made["RequestCount"]) == (None, None, 0)
    assert (await anyone("user.current", APIKey=made["APIKey"]))["Success"] is True


async def test_the_list_shows_keys_masked_and_oldest_first(api: Client, make: Maker, door: str) -> None:
    await (await make.client()).ok("user.apikey.create", Note="a stranger's")
    first = await api.ok("user.apikey.create", Note="first")
    second = await api.ok("user.apikey.create", Note="second")

    keys = (await api.at(door).ok("user.apikey.list"))["APIKeys"]

    assert [key["Note"] for key in keys] == ["tests", "first", "second"]
    assert [key["APIKeyID"] for key in keys[1:]] == [int(first["APIKeyID"]), int(second["APIKeyID"])]
    clear = first["APIKey"]["APIKey"]
    assert keys[1]["APIKey"] == f"{clear[:4]}-****-****-****-****-****-****-{clear[-4:]}"
    assert keys[1]["BoundIPAddress"] == ""
    assert clear not in str(keys)


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1]),
        ({"Note": ""}, [1]),
        ({"Note": ["x"]}, [1]),
        ({"Note": "a\x00"}, [1]),
        ({"Note": "n" * 1001}, [1]),
        ({"Note": "n", "BoundIPAddress": "localhost"}, [3]),
        ({"Note": "n", "BoundIPAddress": ["192.0.2.1"]}, [3]),
        ({"BoundIPAddress": "10.0.0.0/8"}, [1, 3]),
    ],
)
async def test_a_key_that_cannot_be_made_is_refused(
    api: Client, door: str, parameters: dict[str, Any], codes: list[int]
) -> None:
    await assert_refused(api.at(door), "user.apikey.create", codes, **parameters)

    assert await count(api) == 1


async def test_an_account_has_at_most_a_thousand_keys(api: Client, app: Application) -> None:
    assert api.account is not None
    now = SystemClock().now()
    rows = [
        {
            "owner_id": api.account.user_id,
            "key_hash": f"{api.account.user_id} {number}".encode(),
            "masked_key": "",
            "note": "",
            "created_at": now,
        }
        for number in range(service.MOST_API_KEYS - 1)
    ]
    async with app.sessions.begin() as session:
        await session.execute(insert(ApiKey), rows)

    await assert_refused(api, "user.apikey.create", [3], Note="one too many")


async def test_a_key_of_an_account_that_goes_away_is_not_made(api: Client, app: Application) -> None:
    """The deletion cannot be seen yet when the key is inserted: the insert waits for it, and fails."""
    assert api.account is not None
    async with app.sessions.begin() as session:
        await session.execute(text("DELETE FROM users WHERE user_id = :id"), {"id": api.account.user_id})
        refused = asyncio.create_task(assert_refused(api, "user.apikey.create", [4], Note="too late"))
        await until_one_waits(app)

    await refused


async def test_a_deleted_key_is_refused_from_the_next_call_on(api: Client, anyone: Call, door: str) -> None:
    made = await api.ok("user.apikey.create", Note="short-lived")
    key = made["APIKey"]["APIKey"]
    before = await anyone("user.current", APIKey=key)

    body = await api.at(door).ok("user.apikey.delete", APIKeyID=made["APIKeyID"])

    assert before["Success"] is True
    assert body["Success"] is True
    assert (await anyone("user.current", APIKey=key))["ErrorCode"] == 99998
    assert await count(api) == 1


@pytest.mark.parametrize(
    ("api_key_id", "code"), [(None, 1), ("", 1), ("abc", 1), ([1], 1), (2**63, 1), (2**63 - 1, 2), (0, 2)]
)
async def test_a_key_that_is_not_there_is_not_deleted(api: Client, door: str, api_key_id: Any, code: int) -> None:
    await assert_refused(api.at(door), "user.apikey.delete", [code], APIKeyID=api_key_id)

    assert await count(api) == 1


async def test_a_strangers_key_is_as_good_as_absent(api: Client, make: Maker, door: str) -> None:
    stranger = await make.client()
    theirs = await stranger.ok("user.apikey.create", Note="theirs")

    await assert_refused(api.at(door), "user.apikey.delete", [2], APIKeyID=theirs["APIKeyID"])

    assert await count(stranger) == 2


@pytest.mark.parametrize("command", ["user.apikey.create", "user.apikey.list", "user.apikey.delete"])
async def test_keys_need_a_permission(make: Maker, door: str, command: str) -> None:
    api = await make.client(permissions=["Campaign.Create"])

    response = await api.at(door).call(command, Note="n", APIKeyID=1)

    assert response.status_code == (403 if door == "rest" else 200)
    assert response.json()["ErrorCode"] == 99999
