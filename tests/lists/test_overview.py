"""`lists.overview`: what pickers show, in one call."""

from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.lists import overview
from journeys_api.models import SubscriberList
from tests.conftest import Client, Maker
from tests.journeys.test_statements import counted
from tests.lists.rows import NOW, make_list

ALL = {"IncludeCustomFields": True, "IncludeSegments": "true", "IncludeSubscriberTags": 1}


async def names(api: Client, **parameters: Any) -> list[str]:
    return [row["Name"] for row in (await api.ok("lists.overview", **parameters))["Lists"]]


async def test_lists_come_by_name_with_nothing_else_unless_asked(api: Client, make: Maker, door: str) -> None:
    api = api.at(door)
    ids = {name: await make_list(api, name) for name in ("beta", "Alpha")}
    await make_list(await make.client(), "A stranger's")

    found = await api.ok("lists.overview")

    assert found["TotalListCount"] == 2
    assert found["Lists"] == [{"ListID": ids["Alpha"], "Name": "Alpha"}, {"ListID": ids["beta"], "Name": "beta"}]


async def test_each_list_shows_its_fields_segments_and_tags(api: Client, make: Maker, door: str) -> None:
    api = api.at(door)
    list_id, other_id = await make_list(api, "News"), await make_list(api, "Other")
    choice = await api.ok(
        "customfield.create",
        SubscriberListID=list_id,
        FieldName="Tier",
        FieldType="Drop down",
        OptionLabel=["Bronze", "Gold"],
        OptionValue=["bronze", "gold"],
        MergeTagAlias="Tier",
    )
    shared = await api.ok(
        "customfield.create", SubscriberListID=list_id, FieldName="Shared", FieldType="Single line", IsGlobal="Yes"
    )
    segment = await api.ok(
        "segment.create", SubscriberListID=list_id, SegmentName="Active", SegmentOperator="and", RulesJson="[]"
    )
    tags = [
        (await api.ok("subscriber.tags.create", ListID=list_id, TagName=name))["TagID"] for name in ("vip", "Active")
    ]
    stranger = await make.client()
    await stranger.ok("subscriber.tags.create", ListID=await make_list(stranger), TagName="theirs")

    news, other = (await api.ok("lists.overview", **ALL))["Lists"]

    by_id = {field["CustomFieldID"]: field for field in news["CustomFields"]}
    assert list(by_id) == [shared["CustomFieldID"], choice["CustomFieldID"]]
    assert by_id[choice["CustomFieldID"]]["MergeTagAlias"] == "Tier"
    assert [each["value"] for each in by_id[choice["CustomFieldID"]]["Options"]] == ["bronze", "gold"]
    assert by_id[shared["CustomFieldID"]] == {
        "CustomFieldID": shared["CustomFieldID"],
        "RelListID": 0,
        "FieldName": "Shared",
        "FieldType": "Single line",
        "ValidationMethod": "Disabled",
        "MergeTagAlias": "",
        "Options": [],
        "SQLDataType": None,
        "SQLDataTypeValues": None,
    }
    assert news["Segments"] == [
        {
            "SegmentID": segment["SegmentID"],
            "RelListID": list_id,
            "SegmentName": "Active",
            "SegmentOperator": "and",
        }
    ]
    assert news["SubscriberTags"] == [{"TagID": tags[1], "Tag": "Active"}, {"TagID": tags[0], "Tag": "vip"}]
    assert other == {
        "ListID": other_id,
        "Name": "Other",
        "CustomFields": [by_id[shared["CustomFieldID"]]],
        "Segments": [],
        "SubscriberTags": [],
    }


async def test_lists_are_filtered_and_ordered(api: Client, app: Application) -> None:
    ids = {name: await make_list(api, name) for name in ("Old news", "New news", "Shop")}
    async with app.sessions.begin() as session:
        archived = await session.get_one(SubscriberList, ids["Old news"])
        archived.archived_at = NOW

    assert await names(api) == ["New news", "Shop"]
    assert await names(api, Archived="archived") == ["Old news"]
    assert await names(api, Archived="ALL", OrderField="ListID") == ["Old news", "New news", "Shop"]
    assert await names(api, Archived="all", OrderField="CreatedOn", OrderType="DESC", Search="NEWS") == [
        "New news",
        "Old news",
    ]


async def test_the_number_of_statements_does_not_grow_with_the_lists(api: Client, app: Application) -> None:
    await make_list(api)
    async with counted(app) as one:
        await api.ok("lists.overview", **ALL)
    for _ in range(5):
        await make_list(api)
    async with counted(app) as six:
        await api.ok("lists.overview", **ALL)

    assert len(six) == len(one) <= 6


@pytest.mark.parametrize("asked", ["IncludeSubscriberTags", "IncludeCustomFields"])
async def test_more_than_fits_an_answer_is_refused_and_not_cut_off(
    api: Client, monkeypatch: pytest.MonkeyPatch, asked: str, door: str
) -> None:
    api = api.at(door)
    monkeypatch.setattr(overview, "MOST_ROWS", 3)
    for name in ("a", "b"):
        list_id = await make_list(api, name)
        for number in range(2):
            await api.ok("subscriber.tags.create", ListID=list_id, TagName=f"tag {number}")
            await api.ok("customfield.create", SubscriberListID=list_id, FieldName="Field", FieldType="Single line")

    assert await api.codes("lists.overview", **{asked: True}) == [1]
    await api.ok("lists.overview", **{asked: True}, Search="a")


async def test_it_needs_the_permission_of_the_list_of_lists(make: Maker, door: str) -> None:
    client = (await make.client(permissions=["List.Create"])).at(door)

    assert (await client.call("lists.overview")).json()["ErrorCode"] == 99999
