"""emails.get in both modes, and the service functions that other nouns copy and read emails with."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import update

from journeys_api.app import Application
from journeys_api.emails import service
from journeys_api.emails.errors import EmailNotFound
from journeys_api.models import Email
from tests.conftest import Client, Maker
from tests.emails.refusals import assert_refused

HTML = "<p>Hello</p>{{ Link:Unsubscribe }}"
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


async def named(api: Client, name: str, **changes: Any) -> int:
    email_id: int = (await api.ok("email.create"))["EmailID"]
    await api.ok("email.update", EmailID=email_id, ValidateScope="AutoResponder", EmailName=name, **changes)
    return email_id


async def test_all_emails_come_by_name_as_rows(api: Client, make: Maker) -> None:
    await named(await make.client(), "aaa")
    second = await named(api, "beta", HTMLContent=HTML)
    third = await named(api, "gamma")
    first = await named(api, "Alpha")
    deleted = await named(api, "Aaron")
    await api.ok("email.delete", EmailID=deleted)

    answer = await api.ok("emails.get")

    assert answer["ErrorText"] == ""
    assert answer["TotalEmailCount"] == 3
    assert [row["EmailID"] for row in answer["Emails"]] == [first, second, third]
    row = answer["Emails"][1]
    assert row["HTMLContent"] == HTML
    assert json.loads(row["Options"])["OpenTracking"] is True
    assert "Attachments" not in row
    assert len(row) == 24


async def test_emails_by_id_come_as_email_get_answers_them(api: Client, make: Maker) -> None:
    foreign = await named(await make.client(), "foreign")
    mine = [await named(api, "b", HTMLContent=HTML), await named(api, "a")]
    deleted = await named(api, "c")
    await api.ok("email.delete", EmailID=deleted)
    given = f" {mine[1]} ,,x,{mine[0]},{mine[0]},{foreign},{deleted},{2**63 - 1},{2**70}"

    answer = await api.ok("emails.get", EmailIDs=given)

    assert answer["TotalEmailCount"] == 2
    expected = [(await api.ok("email.get", EmailID=email_id))["EmailInformation"] for email_id in mine]
    assert answer["Emails"] == expected
    assert (await api.ok("emails.get", EmailIDs=[mine[0]]))["TotalEmailCount"] == 1
    assert (await api.ok("emails.get", EmailIDs=str(foreign)))["Emails"] == []


async def test_fields_are_chosen_without_case_and_the_id_is_always_there(api: Client) -> None:
    email_id = await named(api, "Welcome", HTMLContent=HTML)

    listed = await api.ok("emails.get", Fields="emailname, Nonsense,OPTIONS,Attachments")
    by_id = await api.ok("emails.get", EmailIDs=email_id, Fields=["Subject", "attachments"])
    unknown = await api.ok("emails.get", Fields="Nonsense")

    assert listed["Emails"][0].keys() == {"EmailID", "EmailName", "Options"}
    assert by_id["Emails"] == [{"EmailID": email_id, "Subject": "", "Attachments": []}]
    assert unknown["Emails"] == [{"EmailID": email_id}]


async def test_the_list_of_all_can_be_paged(api: Client) -> None:
    emails = [await named(api, f"Email {number}") for number in range(3)]

    page = await api.ok("emails.get", RecordsFrom=1, RecordsPerRequest=1, Fields="EmailID")
    beyond = await api.ok("emails.get", RecordsFrom=2**63 - 1)

    assert (page["TotalEmailCount"], page["Emails"]) == (3, [{"EmailID": emails[1]}])
    assert (beyond["TotalEmailCount"], beyond["Emails"]) == (3, [])


@pytest.mark.parametrize(
    ("ids", "codes"),
    [
        (" , ,", [1]),
        ("x,1.5,-1", [1]),
        ([], [1]),
        ({"a": 1}, [1]),
        ("1\x002", [1]),
        (",".join(str(number) for number in range(1, 102)), [3]),
    ],
)
async def test_ids_that_cannot_be_answered_are_refused(api: Client, ids: Any, codes: list[int]) -> None:
    await assert_refused(api, "emails.get", codes, EmailIDs=ids)


async def test_a_hundred_ids_are_not_too_many(api: Client) -> None:
    ids = ",".join(str(number) for number in [*range(1, 101), *range(1, 101)])

    assert (await api.ok("emails.get", EmailIDs=ids))["TotalEmailCount"] == 0


async def test_more_content_than_one_answer_holds_is_refused(api: Client, app: Application) -> None:
    emails = [await named(api, str(number)) for number in range(5)]
    async with app.sessions.begin() as session:
        await session.execute(update(Email).where(Email.email_id.in_(emails)).values(plain_content="x" * 14_000_000))

    await assert_refused(api, "emails.get", [4])
    await assert_refused(api, "emails.get", [4], EmailIDs=emails)

    assert len((await api.ok("emails.get", Fields="EmailName,UpdatedAt"))["Emails"]) == 5
    assert len((await api.ok("emails.get", RecordsPerRequest=1, Fields="PlainContent"))["Emails"]) == 1


async def test_copies_go_to_another_account_without_the_sender_domain(
    api: Client, make: Maker, app: Application
) -> None:
    assert api.account is not None
    target = await make.client()
    assert target.account is not None
    content = {"HTMLContent": HTML, "SenderDomain": "example.com", "OpenTracking": False, "FromEmail": "a@example.com"}
    sources = [await named(api, "One", **content), await named(api, "Two")]
    deleted = await named(api, "Three")
    await api.ok("email.delete", EmailID=deleted)
    foreign = await named(target, "Four")

    async with app.sessions.begin() as session:
        copies = await service.copy_emails(
            session,
            owner_id=api.account.user_id,
            email_ids=[*sources, sources[0], deleted, foreign, 2**63 - 1],
            to_owner_id=target.account.user_id,
            now=NOW,
        )

    assert sorted(copies) == sources
    assert len(set(copies.values())) == 2
    source = (await api.ok("email.get", EmailID=sources[0]))["EmailInformation"]
    copy = (await target.ok("email.get", EmailID=copies[sources[0]]))["EmailInformation"]
    assert copy == {
        **source,
        "EmailID": copies[sources[0]],
        "RelUserID": target.account.user_id,
        "CreatedAt": "2026-05-04 03:02:01",
        "UpdatedAt": "2026-05-04 03:02:01",
        "Options": {**source["Options"], "SenderDomain": ""},
    }
    assert (await target.ok("emails.get"))["TotalEmailCount"] == 3


async def test_emails_are_read_by_id_within_the_account(api: Client, make: Maker, app: Application) -> None:
    assert api.account is not None
    mine = [await named(api, "One"), await named(api, "Two")]
    foreign = await named(await make.client(), "Three")

    async with app.sessions.begin() as session:
        found = await service.emails_by_id(session, owner_id=api.account.user_id, email_ids=[*mine, foreign, 2**63 - 1])
        none = await service.emails_by_id(session, owner_id=api.account.user_id, email_ids=set())
        with pytest.raises(EmailNotFound):
            await service.get_email(session, owner_id=api.account.user_id, email_id=foreign)
        one = await service.get_email(session, owner_id=api.account.user_id, email_id=mine[0])

    assert {email_id: email.name for email_id, email in found.items()} == {mine[0]: "One", mine[1]: "Two"}
    assert none == {}
    assert one.name == "One"
