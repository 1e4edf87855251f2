"""email.create, email.update, email.get, email.duplicate, email.delete."""

from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.models import User, UserGroup
from tests.conftest import Client, Maker, codes_of
from tests.emails.refusals import assert_refused

UNSUBSCRIBE = '<a href="{{ Link:Unsubscribe }}">Unsubscribe</a>'
HTML = f"<p>Hello {{{{ Subscriber:FirstName }}}}</p>{UNSUBSCRIBE}"
PLAIN = "Hello\n\n%Link:Unsubscribe%"


async def shell(api: Client) -> int:
    email_id: int = (await api.ok("email.create"))["EmailID"]
    return email_id


async def get(api: Client, email_id: int) -> dict[str, Any]:
    information: dict[str, Any] = (await api.ok("email.get", EmailID=email_id))["EmailInformation"]
    return information


async def update(api: Client, email_id: int, **changes: Any) -> None:
    await api.ok("email.update", **{"EmailID": email_id, "ValidateScope": "AutoResponder", **changes})


async def set_group(app: Application, api: Client, **attributes: Any) -> None:
    assert api.account is not None
    async with app.sessions.begin() as session:
        user = await session.get_one(User, api.account.user_id)
        group = await session.get_one(UserGroup, user.group_id)
        group.attributes = attributes


async def test_a_new_email_is_an_empty_shell(api: Client) -> None:
    email_id = await shell(api)

    information = await get(api, email_id)

    assert api.account is not None
    created_at = information.pop("CreatedAt")
    assert information.pop("UpdatedAt") == created_at
    assert information == {
        "EmailID": email_id,
        "RelUserID": api.account.user_id,
        "EmailName": "",
        "FromName": "",
        "FromEmail": "",
        "ReplyToName": "",
        "ReplyToEmail": "",
        "ContentType": "Both",
        "Mode": "Empty",
        "FetchURL": "",
        "FetchPlainURL": "",
        "Subject": "",
        "PlainContent": "",
        "HTMLContent": "",
        "ExtraContent1": "",
        "ExtraContent2": "",
        "ImageEmbedding": "Disabled",
        "RelTemplateID": 0,
        "PreHeaderText": "",
        "Options": {
            "SenderDomain": "",
            "OpenTracking": True,
            "LinkTracking": True,
            "UTMTracking": False,
            "UTMSource": "",
            "UTMMedium": "",
            "UTMCampaign": "",
            "UTMTerm": "",
            "UTMContent": "",
            "UTMMergeTags": False,
        },
        "IsEmailTemplate": 0,
        "DeletedAt": None,
        "Attachments": [],
    }


async def test_an_update_changes_what_it_names(api: Client) -> None:
    email_id = await shell(api)
    sent = {
        "EmailName": "Welcome",
        "Subject": "Grüße, {{ Subscriber:FirstName }}",
        "PreHeaderText": "Two lines\nare fine here",
        "FromName": "Shop",
        "FromEmail": "Shop@example.com",
        "ReplyToName": "Help",
        "ReplyToEmail": "help@example.com",
        "HTMLContent": HTML,
        "PlainContent": PLAIN,
        "Mode": "Stripo",
        "FetchURL": "https://example.com/a.html",
        "FetchPlainURL": "https://example.com/a.txt",
        "ExtraContent1": '{"design":1}',
        "ExtraContent2": "more",
    }

    await update(
        api,
        email_id,
        **sent,
        ImageEmbedding="Enabled",
        IsEmailTemplate=1,
        OpenTracking=False,
        LinkTracking="0",
        UTMTracking=True,
        UTMSource="news",
        UTMMedium="mail",
        UTMCampaign="autumn",
        UTMTerm="t",
        UTMContent="c",
        UTMMergeTags="yes",
    )

    information = await get(api, email_id)
    assert {key: information[key] for key in sent} == sent
    assert (information["ImageEmbedding"], information["IsEmailTemplate"]) == ("Enabled", 1)
    assert information["Options"] == {
        "SenderDomain": "",
        "OpenTracking": False,
        "LinkTracking": False,
        "UTMTracking": True,
        "UTMSource": "news",
        "UTMMedium": "mail",
        "UTMCampaign": "autumn",
        "UTMTerm": "t",
        "UTMContent": "c",
        "UTMMergeTags": True,
    }


async def test_an_update_keeps_what_it_leaves_out_and_empties_what_it_sends_empty(api: Client) -> None:
    email_id = await shell(api)
    await update(api, email_id, Subject="One", FromName="Shop", HTMLContent=HTML, PlainContent=PLAIN, OpenTracking=0)

    await update(api, email_id, FromName="", PlainContent="", ReplyToEmail=None, Mode="")

    information = await get(api, email_id)
    assert (information["Subject"], information["FromName"]) == ("One", "")
    assert (information["HTMLContent"], information["PlainContent"]) == (HTML, "")
    assert (information["ContentType"], information["Mode"]) == ("HTML", "Empty")
    assert information["Options"]["OpenTracking"] is False


@pytest.mark.parametrize(
    ("bodies", "content_type"),
    [
        ({"HTMLContent": HTML}, "HTML"),
        ({"PlainContent": PLAIN}, "Plain"),
        ({"HTMLContent": HTML, "PlainContent": PLAIN}, "Both"),
        ({"HTMLContent": HTML, "FetchPlainURL": "https://example.com/a.txt"}, "Both"),
        ({"FetchURL": "https://example.com/a.html"}, "HTML"),
    ],
)
async def test_the_bodies_decide_the_content_type(api: Client, bodies: dict[str, str], content_type: str) -> None:
    email_id = await shell(api)

    await update(api, email_id, **bodies)

    assert (await get(api, email_id))["ContentType"] == content_type


async def test_an_email_without_any_body_is_refused_when_the_call_touches_bodies(api: Client) -> None:
    email_id = await shell(api)
    await update(api, email_id, Subject="A shell may get its subject first")
    await update(api, email_id, HTMLContent=HTML)

    await assert_refused(api, "email.update", [8], EmailID=email_id, ValidateScope="AutoResponder", HTMLContent="")

    assert (await get(api, email_id))["HTMLContent"] == HTML


async def test_the_largest_documented_body_is_taken(api: Client) -> None:
    email_id = await shell(api)
    body = UNSUBSCRIBE + "x" * 15_000_000

    await update(api, email_id, HTMLContent=body)

    assert (await get(api, email_id))["HTMLContent"] == body
    too_large = await api.call("email.update", EmailID=email_id, HTMLContent="x" * 16 * 1024 * 1024)
    assert (too_large.status_code, too_large.json()["ErrorCode"]) == (413, 100000)


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1, 9]),
        ({"EmailID": "abc"}, [1, 9]),
        ({"EmailID": [1], "ValidateScope": "x"}, [1, 10]),
        ({"EmailID": 2**63, "ValidateScope": "OptIn"}, [1]),
        ({"EmailID": 2**63 - 1, "ValidateScope": "OptIn"}, [3]),
        ({"EmailID": 0, "ValidateScope": "OptIn"}, [3]),
        ({"EmailID": 1, "ValidateScope": ["OptIn"]}, [10]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "Mode": "Word"}, [4]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "Mode": "Template"}, [5]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "Mode": "template", "RelTemplateID": 0}, [5]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "RelTemplateID": "x"}, [5]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "FromEmail": "nobody", "ReplyToEmail": "a@b\x00.com"}, [6, 7]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "FromEmail": {"a": 1}, "ReplyToEmail": "a@b.com\r\nX: y"}, [6, 7]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "UTMTracking": True}, [18, 19, 20]),
        ({"EmailID": 1, "ValidateScope": "OptIn", "UTMTracking": 1, "UTMSource": "s", "UTMCampaign": ""}, [19, 20]),
    ],
)
async def test_an_update_is_refused_with_every_code_it_earns(
    api: Client, parameters: dict[str, Any], codes: list[int]
) -> None:
    await assert_refused(api, "email.update", codes, **parameters)


@pytest.mark.parametrize(
    "changes",
    [
        {"Subject": "Hello\r\nBcc: victim@example.com"},
        {"FromName": "A\nB"},
        {"ReplyToName": "A\u2028B"},
        {"EmailName": "x" * 2001},
        {"HTMLContent": ["<p>"]},
        {"PlainContent": "\x00"},
        {"UTMSource": {"a": "b"}},
        {"OpenTracking": []},
    ],
)
async def test_a_text_that_cannot_be_kept_is_refused_by_name(api: Client, changes: dict[str, Any]) -> None:
    email_id = await shell(api)

    answer = await api.call("email.update", EmailID=email_id, ValidateScope="AutoResponder", **changes)

    assert answer.status_code == 400
    assert answer.json()["ErrorCode"] == 100000
    assert next(iter(changes)) in answer.json()["ErrorText"]


@pytest.mark.parametrize("scope", ["Campaign", "AutoResponder"])
@pytest.mark.parametrize(
    ("bodies", "codes"),
    [
        ({"HTMLContent": "<p>Hello</p>"}, [11]),
        ({"PlainContent": "Hello"}, [12]),
        ({"HTMLContent": "<p>Hello</p>", "PlainContent": "Link:Unsubscribe"}, [11, 12]),
        ({"HTMLContent": HTML, "PlainContent": "%link:unsubscribe%"}, [12]),
        ({"HTMLContent": "{{ Link:UnsubscribeNot }}"}, [11]),
    ],
)
async def test_what_is_sent_unasked_needs_an_unsubscribe_link_in_each_body(
    api: Client, scope: str, bodies: dict[str, str], codes: list[int]
) -> None:
    email_id = await shell(api)

    await assert_refused(api, "email.update", codes, EmailID=email_id, ValidateScope=scope, Subject="New", **bodies)

    information = await get(api, email_id)
    assert (information["Subject"], information["HTMLContent"], information["PlainContent"]) == ("", "", "")


@pytest.mark.parametrize(
    "tag",
    [
        "{{ Link:Unsubscribe }}",
        "{{Link:Unsubscribe}}",
        "{{{ Link:Unsubscribe }}}",
        "{{ link:unsubscribe }}",
        '{{ Link:Unsubscribe|"#" }}',
        "{{ urlEncode Link:Unsubscribe }}",
        "%Link:Unsubscribe%",
    ],
)
async def test_every_spelling_of_the_unsubscribe_tag_counts(api: Client, tag: str) -> None:
    email_id = await shell(api)

    await update(api, email_id, HTMLContent=f'<a href="{tag}">Unsubscribe</a>')


async def test_an_opt_in_mail_needs_a_confirm_link_and_no_unsubscribe_link(api: Client) -> None:
    email_id = await shell(api)
    bodies = {"HTMLContent": HTML, "PlainContent": "{{{ Link:Reject }}}"}

    await assert_refused(api, "email.update", [13, 14], EmailID=email_id, ValidateScope="OptIn", **bodies)

    bodies = {"HTMLContent": "{{ Link:Confirm }}", "PlainContent": "%Link:Confirm%"}
    await update(api, email_id, ValidateScope="optin", **bodies)


async def test_a_group_may_ask_for_the_reject_link_and_for_no_unsubscribe_link(api: Client, app: Application) -> None:
    await set_group(app, api, ForceRejectOptLink="Enabled", ForceUnsubscriptionLink="Disabled")
    email_id = await shell(api)
    bodies = {"HTMLContent": "{{ Link:Confirm }}", "PlainContent": "%Link:Confirm%"}

    await assert_refused(api, "email.update", [15, 16], EmailID=email_id, ValidateScope="OptIn", **bodies)
    await update(api, email_id, HTMLContent="<p>Hello</p>")


async def test_a_stored_body_is_judged_for_the_scope_of_the_call(api: Client) -> None:
    email_id = await shell(api)
    await update(api, email_id, HTMLContent=HTML)

    await assert_refused(api, "email.update", [13], EmailID=email_id, ValidateScope="OptIn", Subject="New")

    assert (await get(api, email_id))["Subject"] == ""


async def test_utm_tracking_cannot_lose_its_source(api: Client) -> None:
    email_id = await shell(api)
    await update(api, email_id, UTMTracking=True, UTMSource="s", UTMMedium="m", UTMCampaign="c")

    await assert_refused(api, "email.update", [18], EmailID=email_id, ValidateScope="OptIn", UTMSource="")


async def test_a_campaign_wants_an_enabled_sender_domain_of_the_account(api: Client, make: Maker) -> None:
    stranger = await make.client()
    await stranger.ok("user.senderdomain.create", SenderDomain="foreign.example.com")
    deleted = await api.ok("user.senderdomain.create", SenderDomain="gone.example.com")
    await api.ok("user.senderdomain.delete", DomainID=deleted["DomainID"])
    await api.ok("user.senderdomain.create", SenderDomain="münchen.example.com")
    email_id = await shell(api)

    for name in ["unknown.example.com", "foreign.example.com", "gone.example.com", "no domain"]:
        await assert_refused(
            api, "email.update", [17], EmailID=email_id, ValidateScope="Campaign", SenderDomain=name, Subject="New"
        )

    assert (await get(api, email_id))["Subject"] == ""
    await update(api, email_id, ValidateScope="Campaign", SenderDomain="MÜNCHEN.example.com")
    await update(api, email_id, ValidateScope="AutoResponder", SenderDomain="unknown.example.com")
    assert (await get(api, email_id))["Options"]["SenderDomain"] == "unknown.example.com"


async def test_a_duplicate_is_a_new_email_of_the_same_content(api: Client) -> None:
    email_id = await shell(api)
    await update(api, email_id, EmailName="Newsletter", HTMLContent=HTML, SenderDomain="example.com", LinkTracking=0)

    copy = await api.ok("email.duplicate", EmailID=email_id)

    assert copy["EmailName"] == "Copy of Newsletter"
    source, duplicate = await get(api, email_id), await get(api, copy["EmailID"])
    assert duplicate["EmailID"] != email_id
    assert duplicate["EmailName"] == "Copy of Newsletter"
    different = {"EmailID", "EmailName", "CreatedAt", "UpdatedAt"}
    assert {key: duplicate[key] for key in duplicate.keys() - different} == {
        key: source[key] for key in source.keys() - different
    }
    # the id was drawn from the sequence: the next email must not meet it
    assert await shell(api) > copy["EmailID"]


async def test_a_deleted_email_is_not_found(api: Client) -> None:
    email_id = await shell(api)
    await api.ok("email.delete", EmailID=email_id)

    await assert_refused(api, "email.get", [2], EmailID=email_id)
    await assert_refused(api, "email.update", [3], EmailID=email_id, ValidateScope="OptIn")
    await assert_refused(api, "email.duplicate", [2], EmailID=email_id)
    await assert_refused(api, "email.delete", [1], EmailID=email_id)


@pytest.mark.parametrize(("command", "code"), [("email.get", 2), ("email.duplicate", 2), ("email.delete", 1)])
async def test_another_accounts_email_is_like_none(api: Client, make: Maker, command: str, code: int) -> None:
    stranger = await make.client()
    foreign = await shell(stranger)

    answers = [await assert_refused(api, command, [code], EmailID=email_id) for email_id in (foreign, 2**63 - 1)]

    assert answers[0] == answers[1]
    assert (await get(stranger, foreign))["EmailID"] == foreign


async def test_another_accounts_email_cannot_be_updated(api: Client, make: Maker) -> None:
    stranger = await make.client()
    foreign = await shell(stranger)

    await assert_refused(api, "email.update", [3], EmailID=foreign, ValidateScope="OptIn", Subject="Mine")

    assert (await get(stranger, foreign))["Subject"] == ""


@pytest.mark.parametrize("command", ["email.get", "email.duplicate", "email.delete"])
@pytest.mark.parametrize("parameters", [{}, {"EmailID": ""}, {"EmailID": "1 "}, {"EmailID": {}}, {"EmailID": 2**63}])
async def test_a_missing_or_unreadable_id_is_code_1(api: Client, command: str, parameters: dict[str, Any]) -> None:
    await assert_refused(api, command, [1], **parameters)


async def test_emails_need_no_permission(make: Maker) -> None:
    api = await make.client(permissions=["Nothing.Else"])

    email_id = await shell(api)

    assert codes_of((await api.call("user.senderdomain.list")).json()) == [99999]
    assert (await get(api, email_id))["EmailID"] == email_id
