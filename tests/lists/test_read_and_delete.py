"""`list.get`, `lists.get` and `lists.delete`."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from journeys_api.app import Application
from journeys_api.lists import service as lists
from journeys_api.models import (
    BounceType,
    CustomField,
    GlobalValues,
    Subscriber,
    SubscriberList,
    SubscriberTag,
    SubscriptionStatus,
    Suppression,
    SuppressionSource,
    Tag,
)
from tests.conftest import Client, Maker, until_one_waits_for
from tests.lists.rows import LARGEST_ID, NOW, count, insert, make_list, make_people, owner_of, refused, unreadable


async def _names(api: Client, **parameters: Any) -> list[str]:
    return [row["Name"] for row in (await api.ok("lists.get", **parameters))["Lists"]]


async def _archive(app: Application, list_id: int) -> None:
    async with app.sessions.begin() as session:
        await session.execute(update(SubscriberList).where(SubscriberList.list_id == list_id).values(archived_at=NOW))


@pytest.mark.parametrize("list_id", [None, "", "x", "1.0", -1, [1], {}, 2**63, LARGEST_ID])
async def test_what_is_no_list_is_answered_with_1(api: Client, list_id: object) -> None:
    assert await refused(api, "list.get", ListID=list_id) == [1]


async def test_another_accounts_list_is_answered_like_a_missing_one(api: Client, make: Maker) -> None:
    list_id = await make_list(await make.client())

    theirs, missing = [(await api.call("list.get", ListID=each)).json() for each in (list_id, LARGEST_ID)]

    assert theirs == missing


async def test_a_list_is_found_under_both_names_of_the_parameter(api: Client) -> None:
    list_id = await make_list(api, "Both")

    assert (await api.ok("list.get", SubscriberListID=list_id))["List"]["Name"] == "Both"


async def test_a_list_has_the_documented_keys(api: Client) -> None:
    found = (await api.ok("list.get", ListID=await make_list(api)))["List"]

    documented = {"ListID", "Name", "RelOwnerUserID", "EventListTrackerID", "EventUserTrackerID", "LastEventTrackedAt"}
    assert documented <= found.keys()
    assert (found["EventTrackerVariables"], found["EventTrackerProperties"]) == ({}, [])
    assert "SubscriberCount" not in found


async def test_active_subscribers_are_those_subscribed_and_not_hard_bounced(app: Application, api: Client) -> None:
    list_id, empty = await make_list(api, "Full"), await make_list(api, "Empty")
    await make_people(app, api, list_id, "a@example.com", "b@example.com")
    await make_people(app, api, list_id, "c@example.com", bounce_type=BounceType.SOFT)
    await make_people(app, api, list_id, "d@example.com", bounce_type=BounceType.HARD)
    await make_people(app, api, list_id, "e@example.com", status=SubscriptionStatus.UNSUBSCRIBED)
    await make_people(app, api, list_id, "f@example.com", status=SubscriptionStatus.OPT_IN_PENDING)

    page = (await api.ok("lists.get"))["Lists"]
    one = (await api.ok("list.get", ListID=list_id, GetStats="true"))["List"]

    counts = {row["ListID"]: (row["SubscriberCount"], row["ActiveSubscriberCount"]) for row in page}
    assert counts == {list_id: (3, 3), empty: (0, 0)}
    assert (one["SubscriberCount"], one["ActiveSubscriberCount"]) == (3, 3)


async def test_lists_come_with_the_documented_keys(api: Client) -> None:
    await make_list(api, "Only", Description="Text")

    body = await api.ok("lists.get")

    [row] = body["Lists"]
    assert body["TotalListCount"] == 1
    assert (row["Name"], row["Description"], row["SegmentCount"], row["LastActivityAt"]) == ("Only", "Text", 0, None)
    assert {"EncryptedSaltedListID", "SyncLastDateTime", "Options", "EventTrackerJS", "ArchivedAt"} <= row.keys()


async def test_pages_follow_each_other_without_gap_or_overlap(api: Client) -> None:
    for name in "ABCDE":
        await make_list(api, name)

    pages = [await _names(api, RecordsPerRequest=2, RecordsFrom=first) for first in (0, 2, 4, 6)]

    assert pages == [["A", "B"], ["C", "D"], ["E"], []]
    assert (await api.ok("lists.get", RecordsPerRequest=2, RecordsFrom=6))["TotalListCount"] == 5
    assert await _names(api, RecordsPerRequest=0) == list("ABCDE")
    assert await _names(api, RecordsPerRequest=LARGEST_ID) == list("ABCDE")
    assert await _names(api, RecordsFrom=LARGEST_ID) == []


async def test_lists_are_ordered_as_asked_and_by_id_otherwise(app: Application, api: Client) -> None:
    full = await make_list(api, "b")
    await make_list(api, "C")
    await make_list(api, "a")
    await make_people(app, api, full, "x@example.com")

    assert await _names(api) == ["b", "C", "a"]
    assert await _names(api, OrderType="desc") == ["a", "C", "b"]
    assert await _names(api, OrderField="name") == ["a", "b", "C"]
    assert await _names(api, OrderField="Name", OrderType="DESC") == ["C", "b", "a"]
    assert await _names(api, OrderField="ActiveSubscriberCount") == ["C", "a", "b"]
    assert await _names(api, OrderField="ActiveSubscriberCount", OrderType="DESC", RecordsPerRequest=1) == ["b"]
    assert await _names(api, OrderField="list_id; DROP TABLE lists", OrderType="sideways") == ["b", "C", "a"]
    for field in ("CreatedOn", "ArchivedAt", "SegmentCount", "LastActivityAt"):
        assert len(await _names(api, OrderField=field)) == 3


async def test_search_is_a_part_of_name_or_description_taken_literally(api: Client) -> None:
    await make_list(api, "100% Müller")
    await make_list(api, "Other", Description="has an under_score")

    assert await _names(api, Search="müLLER") == ["100% Müller"]
    assert await _names(api, Search="UNDER_") == ["Other"]
    assert await _names(api, Search="%") == ["100% Müller"]
    assert await _names(api, Search="_") == ["Other"]
    assert await _names(api, Search="\\") == []
    assert (await api.ok("lists.get", Search="other"))["TotalListCount"] == 1


async def test_archived_lists_are_hidden_unless_asked_for(app: Application, api: Client) -> None:
    await make_list(api, "Active")
    await _archive(app, await make_list(api, "Archived"))

    assert await _names(api) == ["Active"]
    assert await _names(api, Archived="true") == ["Archived"]
    assert await _names(api, Archived=True) == ["Archived"]
    assert await _names(api, Archived="all") == ["Active", "Archived"]
    assert await _names(api, Archived="nonsense") == ["Active"]


async def test_lists_of_others_are_not_seen(api: Client, make: Maker) -> None:
    await make_list(await make.client())

    assert await api.ok("lists.get") == {
        "Success": True,
        "ErrorCode": 0,
        "ErrorText": "",
        "TotalListCount": 0,
        "Lists": [],
    }


@pytest.mark.parametrize(
    "parameters", [{"RecordsPerRequest": -1}, {"RecordsFrom": 2**63}, {"Search": ["a"]}, {"OrderField": "a\x00"}]
)
async def test_odd_pages_are_unreadable(api: Client, parameters: dict[str, Any]) -> None:
    await unreadable(api, "lists.get", **parameters)


@pytest.mark.parametrize("lists", [None, "", ",", "abc", "0", "-1", [], {}, 2**63])
async def test_a_deletion_without_a_single_id_is_refused(api: Client, lists: object) -> None:
    await make_list(api)

    assert await refused(api, "lists.delete", Lists=lists) == [1]
    assert (await api.ok("lists.get"))["TotalListCount"] == 1


async def test_a_list_goes_with_all_that_is_its_own(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    doomed, kept = await make_list(api, "Doomed"), await make_list(api, "Kept")
    for list_id in (doomed, kept):
        [person] = await make_people(app, api, list_id, "a@example.com")
        tag = await api.ok("subscriber.tags.create", ListID=list_id, TagName="VIP")
        await api.ok("customfield.create", SubscriberListID=list_id, FieldName="F", FieldType="Single line")
        await insert(app, SubscriberTag(owner_id=owner_id, subscriber_id=person, tag_id=tag["TagID"], tagged_at=NOW))
        await insert(
            app,
            Suppression(
                owner_id=owner_id,
                list_id=list_id,
                email_address="a@example.com",
                source=SuppressionSource.USER,
                created_at=NOW,
            ),
        )
    await api.ok("customfield.create", SubscriberListID=kept, FieldName="G", FieldType="Single line", IsGlobal="Yes")
    await insert(app, GlobalValues(owner_id=owner_id, email_address="a@example.com", custom_values={"1": "x"}))

    answer = (await api.call("lists.delete", Lists=f" {doomed} ,0,x,{LARGEST_ID}")).json()

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    left = [
        await count(app, table, table.owner_id == owner_id)
        for table in (SubscriberList, Subscriber, Tag, SubscriberTag, CustomField, Suppression, GlobalValues)
    ]
    assert left == [1, 1, 1, 1, 2, 1, 1]
    assert await refused(api, "list.get", ListID=doomed) == [1]


LINKS = ("OptOutSubscribeTo", "OptOutUnsubscribeFrom", "OptInSubscribeTo", "OptInUnsubscribeFrom")


async def test_other_lists_forget_that_they_lead_to_a_deleted_one(api: Client) -> None:
    doomed, kept, leading = await make_list(api), await make_list(api), await make_list(api)
    for link in LINKS:
        await api.ok("list.update", SubscriberListID=leading, **{link: doomed})
    await api.ok("list.update", SubscriberListID=leading, OptInSubscribeTo=kept)

    await api.ok("lists.delete", Lists=doomed)

    found = (await api.ok("list.get", ListID=leading))["List"]
    assert [int(found[link]) for link in LINKS] == [0, 0, kept, 0]


async def test_no_list_leads_to_one_that_is_being_deleted(app: Application, api: Client) -> None:
    doomed, leading = await make_list(api), await make_list(api)

    async with app.sessions.begin() as session:
        await lists.delete_lists(session, owner_id=owner_of(api).user_id, list_ids=[doomed], now=NOW)
        linking = asyncio.create_task(refused(api, "list.update", SubscriberListID=leading, OptOutSubscribeTo=doomed))
        await until_one_waits_for(session)

    assert await linking == [25]


async def test_another_accounts_list_is_not_deleted(app: Application, api: Client, make: Maker) -> None:
    stranger = await make.client()
    theirs = await make_list(stranger)
    await make_people(app, stranger, theirs, "a@example.com")

    await api.ok("lists.delete", Lists=[theirs])

    assert (await stranger.ok("list.get", ListID=theirs, GetStats=1))["List"]["SubscriberCount"] == 1


async def test_tens_of_thousands_of_ids_are_one_statement(api: Client) -> None:
    list_id = await make_list(api)

    await api.ok("lists.delete", Lists=",".join(str(number) for number in range(list_id, list_id + 40_000)))

    assert (await api.ok("lists.get"))["TotalListCount"] == 0


@pytest.mark.parametrize(
    ("command", "permission"),
    [
        ("list.create", "List.Create"),
        ("list.get", "List.Get"),
        ("list.update", "List.Update"),
        ("lists.get", "Lists.Get"),
        ("lists.delete", "List.Delete"),
    ],
)
async def test_each_command_asks_for_its_own_permission(make: Maker, command: str, permission: str) -> None:
    allowed = await make.client(permissions=[permission])
    others = {"List.Create", "List.Get", "List.Update", "Lists.Get", "List.Delete"} - {permission}
    barred = await make.client(permissions=sorted(others))

    assert (await barred.call(command)).json()["ErrorCode"] == 99999
    assert (await allowed.call(command)).json()["ErrorCode"] != 99999
