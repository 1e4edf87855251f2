"""`personalization.gettags` and `email.personalizationtags`: what is offered is what mails fill in."""

import re
from typing import Any

import pytest

from journeys_api.delivery import personalization
from tests.conftest import Client, Maker

TAG = re.compile(r"\{\{ (\w+):([^}]+) \}\}|%(\w+):([^%]+)%")


async def catalog(api: Client, list_id: int, **more: Any) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = (
        await api.ok("personalization.gettags", SubscriberListID=list_id, **more)
    )["Tags"]
    return found


async def a_list(api: Client) -> int:
    return int((await api.ok("list.create", SubscriberListName="News"))["ListID"])


async def a_field(api: Client, **more: Any) -> int:
    made = await api.ok("customfield.create", FieldType="Single line", **more)
    return int(made["CustomFieldID"])


async def test_the_catalog_has_the_fields_of_the_list_and_the_forms_of_the_vendor(api: Client, door: str) -> None:
    api = api.at(door)
    list_id, other_id = await a_list(api), await a_list(api)
    await a_field(api, SubscriberListID=list_id, FieldName="Home town", MergeTagAlias="Town")
    plain = await a_field(api, SubscriberListID=list_id, FieldName="Shared", IsGlobal="Yes")
    await a_field(api, SubscriberListID=other_id, FieldName="Of another list")

    tags = await catalog(api, list_id)

    assert list(tags) == ["Subscriber", "Link", "User"]
    assert all(entry.keys() == {"Tag", "Label", "Description"} for entries in tags.values() for entry in entries)
    subscriber = {entry["Tag"]: entry["Label"] for entry in tags["Subscriber"]}
    assert subscriber["{{ Subscriber:EmailAddress }}"] == "Email Address"
    assert subscriber["%Subscriber:HashedSubscriberID%"] == "Hashed Subscriber ID"
    assert subscriber["{{ Subscriber:Town }}"] == "Home town"
    assert subscriber[f"{{{{ Subscriber:CustomField{plain} }}}}"] == "Shared"
    assert "Of another list" not in subscriber.values()
    assert {"%Link:Confirm%", "%Link:Reject%", "%Link:Unsubscribe%"} <= {entry["Tag"] for entry in tags["Link"]}
    assert {"%User:FirstName%", "%User:EmailAddress%"} <= {entry["Tag"] for entry in tags["User"]}


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        ("", ["Subscriber", "Link", "User"]),
        (" , ", ["Subscriber", "Link", "User"]),
        ("user, LINK", ["Link", "User"]),
        (["Subscriber"], ["Subscriber"]),
    ],
)
async def test_categories_that_are_not_asked_for_are_absent(
    api: Client, categories: object, expected: list[str], door: str
) -> None:
    assert list(await catalog(api.at(door), await a_list(api), Categories=categories)) == expected


async def test_codes_of_the_catalog(api: Client, make: Maker, door: str) -> None:
    api = api.at(door)
    foreign = await a_list(await make.client())

    assert await api.codes("personalization.gettags") == [1]
    assert await api.codes("personalization.gettags", SubscriberListID="x", Categories="Subscriber,Planet") == [2, 3]
    assert await api.codes("personalization.gettags", SubscriberListID=foreign) == [2]


async def test_tags_by_scope_are_each_there_once(api: Client, door: str) -> None:
    api = api.at(door)
    list_id = await a_list(api)
    await a_field(api, SubscriberListID=list_id, FieldName="Home town", MergeTagAlias="Town")

    found = (
        await api.ok(
            "email.personalizationtags", Scope=["subscriber", "OptLinks", "AllLinks", "User"], ListID=str(list_id)
        )
    )["PersonalizationTags"]

    tags = [entry["Tag"] for entry in found]
    assert len(tags) == len(set(tags))
    assert {"Tag": "%Subscriber:Town%", "Description": "Home town", "Category": "Subscriber"} in found
    assert {"Tag": "%Link:Confirm%", "Description": "Opt-In Confirmation Link", "Category": "Links"} in found
    assert {entry["Category"] for entry in found} == {"Subscriber", "Links", "User"}
    only = (await api.ok("email.personalizationtags", Scope="OptLinks"))["PersonalizationTags"]
    assert [entry["Tag"] for entry in only] == ["%Link:Confirm%", "%Link:Reject%"]


async def test_codes_of_tags_by_scope(api: Client, make: Maker, door: str) -> None:
    api = api.at(door)
    foreign = await a_list(await make.client())

    assert await api.codes("email.personalizationtags") == [1]
    assert await api.codes("email.personalizationtags", Scope=["Subscriber", "Planet"]) == [1, 2]
    assert await api.codes("email.personalizationtags", Scope=" , ") == [1]
    assert await api.codes("email.personalizationtags", Scope="Subscriber", ListID="x") == [2]
    assert await api.codes("email.personalizationtags", Scope="User", ListID=foreign) == [2]


async def test_every_tag_is_one_that_texts_know(api: Client) -> None:
    list_id = await a_list(api)
    await a_field(api, SubscriberListID=list_id, FieldName="Home town", MergeTagAlias="Town")
    tags = await catalog(api, list_id)
    by_scope = await api.ok("email.personalizationtags", Scope=["Subscriber", "AllLinks", "User"], ListID=list_id)
    listed = [entry["Tag"] for entries in tags.values() for entry in entries]

    for tag in [*listed, *(entry["Tag"] for entry in by_scope["PersonalizationTags"])]:
        template = personalization.compile(tag)
        assert len(template.names) == 1, tag
        assert not template.unreadable_tags(), tag
