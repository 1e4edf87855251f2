"""`list.create`: documented codes, the confirmation email that comes with a list, the limits of the user group."""

import asyncio

import pytest
from sqlalchemy import update

from journeys_api.app import Application
from journeys_api.models import ContentType, Email, SubscriberList, UserGroup
from tests.conftest import Client, Maker
from tests.lists.rows import count, make_list, owner_of, refused, rows, unreadable

CONFIRMATION = {
    "Subject": "Please confirm",
    "FromName": "Acme",
    "FromEmail": "hello@acme.example",
    "ContentType": "Both",
    "HTMLContent": "<a href='%Link:Confirm%'>yes</a>",
    "PlainContent": "%Link:Confirm%",
}


async def _set_group(app: Application, api: Client, **values: object) -> None:
    async with app.sessions.begin() as session:
        group_id = owner_of(api).group_id
        await session.execute(update(UserGroup).where(UserGroup.group_id == group_id).values(**values))


async def test_a_list_needs_only_a_name(api: Client) -> None:
    body = (await api.call("list.create", SubscriberListName="Newsletter")).json()

    found = (await api.ok("list.get", ListID=body["ListID"]))["List"]
    assert body == {"Success": True, "ErrorCode": 0, "ErrorText": "", "ListID": body["ListID"]}
    assert (found["Name"], found["OptInMode"], found["RelOwnerUserID"]) == (
        "Newsletter",
        "Single",
        owner_of(api).user_id,
    )
    assert (found["OptOutAddToSuppressionList"], found["OptOutScope"], found["ArchivedAt"]) == ("No", "This list", None)


async def test_a_list_keeps_what_it_is_made_with(api: Client) -> None:
    list_id = await make_list(
        api,
        "Ünïcode ❤",
        Description="Spring",
        OptInMode="double",
        SenderName="Acme",
        SenderEmailAddress="a@acme.example",
        SenderCompany="Acme Inc.",
        SenderAddress="1 Main St",
    )

    found = (await api.ok("list.get", ListID=str(list_id)))["List"]
    assert [found[key] for key in ("Name", "Description", "OptInMode", "SenderName", "SenderAddress")] == [
        "Ünïcode ❤",
        "Spring",
        "Double",
        "Acme",
        "1 Main St",
    ]


async def test_names_may_repeat(api: Client) -> None:
    assert await make_list(api, "Twin") != await make_list(api, "Twin")


@pytest.mark.parametrize("name", [None, "", {}])
async def test_a_list_without_a_name_is_refused(api: Client, name: object) -> None:
    if name == {}:
        await unreadable(api, "list.create", SubscriberListName=name)
    else:
        assert await refused(api, "list.create", SubscriberListName=name) == [1]
    assert (await api.ok("lists.get"))["TotalListCount"] == 0


async def test_every_bad_parameter_is_named_at_once(api: Client) -> None:
    assert await refused(api, "list.create", OptInMode="Triple", ConfirmationEmail={"ContentType": "RTF"}) == [
        1,
        20,
        21,
        22,
    ]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"Subject": ""}, [21]),
        ({"FromName": None}, [21]),
        ({"FromEmail": ["a"]}, [21]),
        ({"ContentType": ""}, [21]),
        ({"ContentType": "Markdown"}, [22]),
        ({"ContentType": {}}, [22]),
        ({"HTMLContent": ""}, [23]),
        ({"ContentType": "HTML", "HTMLContent": None}, [23]),
        ({"PlainContent": None}, [24]),
        ({"ContentType": "Plain", "PlainContent": ""}, [24]),
        ({"HTMLContent": "", "PlainContent": ""}, [23, 24]),
        ({"Mode": "Word"}, [25]),
        ({"Mode": "Template"}, [26]),
        ({"Mode": "Template", "RelTemplateID": "x"}, [26]),
        ({"Mode": "Template", "RelTemplateID": 2**63}, [26]),
        ({"Mode": "Template", "RelTemplateID": 2**63 - 1}, [30]),
    ],
)
async def test_a_bad_confirmation_email_leaves_neither_list_nor_email(
    app: Application, api: Client, changes: dict[str, object], codes: list[int]
) -> None:
    confirmation = {**CONFIRMATION, **changes}

    assert await refused(api, "list.create", SubscriberListName="L", ConfirmationEmail=confirmation) == codes

    owner_id = owner_of(api).user_id
    assert await count(app, SubscriberList, SubscriberList.owner_id == owner_id) == 0
    assert await count(app, Email, Email.owner_id == owner_id) == 0


@pytest.mark.parametrize("confirmation", [{}, [], "{}", "no object", 7])
async def test_an_empty_confirmation_email_is_refused_and_not_overlooked(api: Client, confirmation: object) -> None:
    assert await refused(api, "list.create", SubscriberListName="L", ConfirmationEmail=confirmation) == [21]


async def test_a_value_of_the_confirmation_email_without_a_code_is_unreadable(api: Client) -> None:
    confirmation = {**CONFIRMATION, "ReplyToName": ["a"]}

    await unreadable(api, "list.create", SubscriberListName="L", ConfirmationEmail=confirmation)


async def test_a_list_and_its_confirmation_email_are_made_together(app: Application, api: Client) -> None:
    confirmation = {**CONFIRMATION, "Mode": "editor", "PreHeaderText": "Soon"}

    body = await api.ok("list.create", SubscriberListName="L", OptInMode="Single", ConfirmationEmail=confirmation)

    [email] = await rows(app, Email, Email.email_id == body["ConfirmationEmailID"])
    found = (await api.ok("list.get", ListID=body["ListID"]))["List"]
    assert (found["OptInMode"], found["RelOptInConfirmationEmailID"]) == ("Double", email.email_id)
    assert (email.owner_id, email.name, email.mode, email.content_type, email.pre_header_text) == (
        owner_of(api).user_id,
        f"Confirmation email: {body['ListID']}",
        "Editor",
        ContentType.BOTH,
        "Soon",
    )


async def test_a_plain_confirmation_email_needs_no_html(api: Client) -> None:
    confirmation = {**CONFIRMATION, "ContentType": "plain", "HTMLContent": None, "EmailName": "Mine"}

    assert (await api.ok("list.create", SubscriberListName="L", ConfirmationEmail=confirmation))["ConfirmationEmailID"]


async def test_a_template_is_taken_from_the_own_account_only(api: Client, make: Maker) -> None:
    stranger = await make.client()
    own = (await api.ok("list.create", SubscriberListName="L", ConfirmationEmail=CONFIRMATION))["ConfirmationEmailID"]
    confirmation = {**CONFIRMATION, "Mode": "Template", "RelTemplateID": own}

    assert await refused(stranger, "list.create", SubscriberListName="L", ConfirmationEmail=confirmation) == [30]
    assert await api.ok("list.create", SubscriberListName="L", ConfirmationEmail=confirmation)


async def test_a_group_may_force_double_opt_in(app: Application, api: Client) -> None:
    await _set_group(app, api, force_opt_in_list=True)
    list_id = await make_list(api, OptInMode="Single")

    updated = await api.ok("list.update", SubscriberListID=list_id, OptInMode="Single")

    assert (await api.ok("list.get", ListID=list_id))["List"]["OptInMode"] == "Double"
    assert updated["List"]["OptInMode"] == "Double"


async def test_the_limit_of_the_group_ends_the_making_of_lists(app: Application, api: Client) -> None:
    await _set_group(app, api, limit_lists=1)
    await make_list(api)

    assert await refused(api, "list.create", SubscriberListName="One too many") == [3]
    assert (await api.ok("lists.get"))["TotalListCount"] == 1


async def test_calls_at_once_do_not_pass_the_limit_together(app: Application, api: Client) -> None:
    await _set_group(app, api, limit_lists=2)

    answers = await asyncio.gather(*(api.call("list.create", SubscriberListName=f"L{n}") for n in range(5)))

    assert sorted(answer.json()["Success"] for answer in answers) == [False, False, False, True, True]


async def test_nul_is_refused(api: Client) -> None:
    await unreadable(api, "list.create", SubscriberListName="a\x00b")


async def test_a_form_with_bracket_names_makes_a_confirmation_email(api: Client) -> None:
    form = {
        "Command": "List.Create",
        "APIKey": owner_of(api).api_key,
        "SubscriberListName": "Form",
        **{f"ConfirmationEmail[{name}]": value for name, value in CONFIRMATION.items()},
    }

    body = (await api.http.post("/api.php", data=form)).json()

    assert body["Success"] is True
    assert body["ConfirmationEmailID"] > 0
