"""The commands of tag definitions, at `/api.php`, where alone they are."""

import asyncio
from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.models import SubscriberTag, Tag
from tests.conftest import Client, Maker
from tests.lists.rows import (
    LARGEST_ID,
    NOW,
    count,
    insert,
    make_list,
    make_people,
    owner_of,
    refused,
    unreadable,
)


async def _make(api: Client, list_id: int, name: str = "VIP", **parameters: Any) -> int:
    tag_id: int = (await api.ok("subscriber.tags.create", ListID=list_id, TagName=name, **parameters))["TagID"]
    return tag_id


async def _names(api: Client, list_id: int, **parameters: Any) -> list[str]:
    return [tag["TagName"] for tag in (await api.ok("subscriber.tags.get", ListID=list_id, **parameters))["Tags"]]


async def test_a_tag_is_made_and_read_with_the_documented_keys(api: Client) -> None:
    list_id = await make_list(api)

    body = (
        await api.call("subscriber.tags.create", ListID=list_id, TagName=" VIP Customer ", TagDescription="High value")
    ).json()

    assert body == {"Success": True, "ErrorCode": 0, "ErrorText": "", "TagID": body["TagID"]}
    assert await api.ok("subscriber.tags.get", ListID=list_id) == {
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "TagCount": 1,
        "Tags": [
            {
                "TagID": body["TagID"],
                "TagName": "VIP Customer",
                "TagDescription": "High value",
                "SubscriberCount": 0,
            }
        ],
    }


async def test_the_older_spellings_are_taken_too(api: Client) -> None:
    list_id = await make_list(api)
    made = await api.ok("subscriber.tags.create", SubscriberListID=list_id, Tag="Old")

    await api.ok("subscriber.tags.update", SubscriberListID=list_id, TagID=made["TagID"], Tag="Older")

    assert await _names(api, list_id) == ["Older"]
    await api.ok("subscriber.tags.delete", ListID=list_id, TagIDs=made["TagID"])
    assert (await api.ok("subscriber.tags.get", SubscriberListID=list_id))["TagCount"] == 0


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1, 2]),
        ({"TagName": ""}, [1, 2]),
        ({"TagName": " \t "}, [1, 2]),
        ({"ListID": 1}, [2]),
        ({"ListID": "x", "TagName": "a!"}, [3, 4]),
        ({"ListID": "x", "TagName": "a,b"}, [3, 4]),
        ({"ListID": "x", "TagName": ["a"]}, [3, 4]),
        ({"ListID": "x", "TagName": "a\nb"}, [3, 4]),
        ({"ListID": "x", "TagName": "a\x00b"}, [3, 4]),
        ({"ListID": "x", "TagName": "a" * 251}, [3, 4]),
        ({"ListID": "x", "TagName": "a"}, [4]),
        ({"ListID": [1], "TagName": "a"}, [4]),
        ({"ListID": 2**63, "TagName": "a"}, [4]),
        ({"ListID": LARGEST_ID, "TagName": "a"}, [4]),
    ],
)
async def test_a_tag_that_cannot_be_made_is_refused(
    api: Client, parameters: dict[str, object], codes: list[int]
) -> None:
    assert await refused(api, "subscriber.tags.create", **parameters) == codes


@pytest.mark.parametrize("name", ["a", "A-b_c 9 100%", "Käufer", "a" * 250])
async def test_a_name_is_kept_as_sent(api: Client, name: str) -> None:
    list_id = await make_list(api)
    await _make(api, list_id, name)

    assert await _names(api, list_id) == [name]


async def test_names_are_compared_without_case_on_one_list(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    await _make(api, list_id, "Vip")

    assert await refused(api, "subscriber.tags.create", ListID=list_id, TagName="VIP ") == [5]
    assert await _names(api, list_id) == ["Vip"]
    assert await _make(api, other, "VIP")


async def test_of_two_calls_at_once_one_gets_the_name(api: Client) -> None:
    list_id = await make_list(api)

    answers = await asyncio.gather(
        *(api.call("subscriber.tags.create", ListID=list_id, TagName="Race") for _ in range(4))
    )

    assert sorted(answer.json()["ErrorCode"] == [5] for answer in answers) == [False, True, True, True]


async def test_another_accounts_list_is_answered_like_a_missing_one(app: Application, api: Client, make: Maker) -> None:
    stranger = await make.client()
    theirs = await make_list(stranger)
    tag_id = await _make(stranger, theirs)

    assert await refused(api, "subscriber.tags.create", ListID=theirs, TagName="Mine") == [4]
    assert await refused(api, "subscriber.tags.get", ListID=theirs) == [2]
    assert await refused(api, "subscriber.tags.update", ListID=theirs, TagID=tag_id, TagName="Mine") == [4]
    assert await refused(api, "subscriber.tags.delete", SubscriberListID=theirs, TagIDs=tag_id) == [4]
    assert await _names(stranger, theirs) == ["VIP"]
    assert await count(app, Tag, Tag.list_id == theirs) == 1


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"ListID": None}, [1]),
        ({"ListID": "", "TagID": ""}, [1, 2]),
        ({"TagID": None, "TagName": "a!"}, [2, 3]),
        ({"TagName": "a!"}, [3]),
        ({"TagName": "a" * 251}, [3]),
        ({"TagName": {}}, [3]),
        ({"TagName": "   "}, [4]),
        ({"ListID": "x"}, [4]),
        ({"ListID": LARGEST_ID}, [4]),
        ({"TagID": "x"}, [4]),
        ({"TagID": 2**63}, [4]),
        ({"TagID": LARGEST_ID}, [4]),
        ({"TagName": "taken"}, [5]),
    ],
)
async def test_a_refused_update_changes_nothing(api: Client, changes: dict[str, object], codes: list[int]) -> None:
    list_id = await make_list(api)
    await _make(api, list_id, "Taken")
    given = {"ListID": list_id, "TagID": await _make(api, list_id, "Old"), "TagDescription": "New", **changes}

    assert await refused(api, "subscriber.tags.update", **given) == codes
    tags = (await api.ok("subscriber.tags.get", ListID=list_id))["Tags"]
    assert [(tag["TagName"], tag["TagDescription"]) for tag in tags] == [("Old", ""), ("Taken", "")]


async def test_a_tag_of_another_list_is_not_updated_or_deleted(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api, "Other")
    tag_id = await _make(api, other)

    assert await refused(api, "subscriber.tags.update", ListID=list_id, TagID=tag_id, TagName="X") == [4]
    await api.ok("subscriber.tags.delete", SubscriberListID=list_id, TagIDs=tag_id)
    assert await _names(api, other) == ["VIP"]


async def test_a_tag_is_renamed_and_described_apart(api: Client) -> None:
    list_id = await make_list(api)
    tag_id = await _make(api, list_id, "vip", TagDescription="Old")

    async def row() -> tuple[str, str]:
        [tag] = (await api.ok("subscriber.tags.get", ListID=list_id))["Tags"]
        return tag["TagName"], tag["TagDescription"]

    answer = (await api.call("subscriber.tags.update", ListID=list_id, TagID=tag_id, TagName=" VIP ")).json()
    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert await row() == ("VIP", "Old")
    await api.ok("subscriber.tags.update", ListID=list_id, TagID=tag_id, TagDescription="")
    assert await row() == ("VIP", "")
    await api.ok("subscriber.tags.update", ListID=list_id, TagID=tag_id)
    assert await row() == ("VIP", "")


@pytest.mark.parametrize(
    ("list_id", "codes"), [(None, [1]), ("", [1]), ("x", [2]), ({}, [2]), (2**63, [2]), (LARGEST_ID, [2])]
)
async def test_tags_of_what_is_no_list_are_refused(api: Client, list_id: object, codes: list[int]) -> None:
    assert await refused(api, "subscriber.tags.get", ListID=list_id) == codes


async def test_tags_come_by_name_or_as_asked_with_the_people_who_carry_them(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    first, second, third = [await _make(api, list_id, name) for name in ("b", "C", "a")]
    people = await make_people(app, api, list_id, "x@example.com", "y@example.com")
    for person, tag_id in ((people[0], first), (people[1], first), (people[0], third)):
        await insert(
            app,
            SubscriberTag(owner_id=owner_of(api).user_id, subscriber_id=person, tag_id=tag_id, tagged_at=NOW),
        )

    body = await api.ok("subscriber.tags.get", ListID=list_id)

    assert [(tag["TagID"], tag["SubscriberCount"]) for tag in body["Tags"]] == [(third, 1), (first, 2), (second, 0)]
    assert await _names(api, list_id, OrderType="desc") == ["C", "b", "a"]
    assert await _names(api, list_id, OrderField="TagID") == ["b", "C", "a"]
    assert await _names(api, list_id, OrderField="nonsense") == ["a", "b", "C"]
    bare = await api.ok("subscriber.tags.get", ListID=list_id, DisableSubscriberCount=1)
    assert all("SubscriberCount" not in tag for tag in bare["Tags"])


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [2, 5]),
        ({"TagIDs": "1"}, [2]),
        ({"SubscriberListID": "x", "TagIDs": "1"}, [4]),
        ({"SubscriberListID": LARGEST_ID, "TagIDs": "1"}, [4]),
        ({"SubscriberListID": 1}, [5]),
        ({"SubscriberListID": 1, "TagIDs": ","}, [5]),
        ({"SubscriberListID": 1, "TagIDs": "a,b,0,-1"}, [5]),
        ({"SubscriberListID": 1, "TagIDs": []}, [5]),
        ({"SubscriberListID": 1, "TagIDs": 2**63}, [5]),
        ({"SubscriberListID": "x", "TagIDs": "x"}, [4, 5]),
    ],
)
async def test_a_deletion_needs_a_list_and_ids(api: Client, parameters: dict[str, object], codes: list[int]) -> None:
    assert await refused(api, "subscriber.tags.delete", **parameters) == codes


async def test_a_tag_is_taken_off_everybody_with_its_deletion(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id = await make_list(api)
    doomed, kept = await _make(api, list_id, "Doomed"), await _make(api, list_id, "Kept")
    [person] = await make_people(app, api, list_id, "a@example.com")
    for tag_id in (doomed, kept):
        await insert(app, SubscriberTag(owner_id=owner_id, subscriber_id=person, tag_id=tag_id, tagged_at=NOW))

    answer = (await api.call("subscriber.tags.delete", SubscriberListID=list_id, TagIDs=f"{doomed}, x")).json()

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert await _names(api, list_id) == ["Kept"]
    assert await count(app, SubscriberTag, SubscriberTag.owner_id == owner_id) == 1


async def test_odd_values_are_unreadable(api: Client) -> None:
    list_id = await make_list(api)

    await unreadable(api, "subscriber.tags.create", ListID=list_id, TagName="a", TagDescription=["b"])
    await unreadable(api, "subscriber.tags.get", ListID=list_id, OrderField="\x00")
    assert await _names(api, list_id) == []


@pytest.mark.parametrize("command", [f"subscriber.tags.{verb}" for verb in ("create", "update", "get", "delete")])
async def test_tag_definitions_ask_for_the_permission_to_update_lists(make: Maker, command: str) -> None:
    allowed = await make.client(permissions=["List.Update"])
    barred = await make.client(permissions=["List.Get", "Subscriber.Update"])

    assert (await barred.call(command)).json()["ErrorCode"] == 99999
    assert (await allowed.call(command)).json()["ErrorCode"] != 99999
