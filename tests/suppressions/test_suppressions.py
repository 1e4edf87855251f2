"""The commands of suppressions: import, browse, check, delete (AC 2.11, 7.5)."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from journeys_api.app import Application
from journeys_api.commands.registry import COMMANDS
from journeys_api.models import User
from tests.conftest import Client, Maker


async def suppress(client: Client, *addresses: str, **more: Any) -> dict[str, Any]:
    """Import addresses."""
    return await client.ok("suppression.import", EmailAddresses=json.dumps(addresses), **more)


async def browsed(client: Client, **more: Any) -> list[str]:
    """The addresses of a scope, in the order answered."""
    return list((await client.ok("suppression.browse", **more))["SuppressedEmails"])


async def a_list(client: Client) -> int:
    """A list of the client's account."""
    answer = await client.ok("list.create", SubscriberListName="Customers")
    return int(answer["ListID"])


async def scopes_of(client: Client, address: str, **more: Any) -> list[str]:
    """The scopes that suppress an address, as `suppression.check` tells them."""
    answer = await client.ok("suppression.check", EmailAddresses=[address], **more)
    return [match["Scope"] for match in answer["Results"][address]["MatchedScopes"]]


REFUSED: list[tuple[str, dict[str, Any], list[int]]] = [
    ("suppression.import", {}, [1, 2]),
    ("suppression.import", {"EmailAddresses": "", "EmailAddressesBulk": None}, [1, 2]),
    ("suppression.import", {"EmailAddresses": "not json"}, [2]),
    ("suppression.import", {"EmailAddresses": '"a@example.com"'}, [2]),
    ("suppression.import", {"EmailAddressesBulk": "a@example.com\x00"}, [2]),
    ("suppression.import", {"EmailAddresses": '["a\\u0000@example.com"]'}, [2]),
    ("suppression.import", {"EmailAddressesBulk": ["a@example.com"]}, [2]),
    ("suppression.import", {"EmailAddressesBulk": "a@example.com", "SuppressionSource": "Whim"}, [3]),
    ("suppression.import", {"EmailAddressesBulk": "a@example.com", "ListID": "abc"}, [4]),
    ("suppression.import", {"EmailAddressesBulk": "a@example.com", "ListID": 2**63}, [4]),
    ("suppression.import", {"EmailAddressesBulk": "a@example.com", "ListID": 2**63 - 1}, [4]),
    ("suppression.import", {"EmailAddresses": "x", "SuppressionSource": "x", "ListID": "x"}, [2, 3, 4]),
    ("suppression.browse", {"SuppressionSource": "User,Whim"}, [1]),
    ("suppression.browse", {"SuppressionSource": "Whim", "ListID": []}, [1, 4]),
    ("suppression.browse", {"ListID": 2**63 - 1}, [4]),
    ("suppression.check", {}, [1]),
    ("suppression.check", {"EmailAddresses": "[1"}, [2]),
    ("suppression.check", {"EmailAddresses": ["nobody"]}, [2]),
    ("suppression.check", {"EmailAddresses": ["a@example.com"], "ListID": 2**63 - 1}, [4]),
    ("suppression.check", {"EmailAddresses": "[1", "ListID": "abc"}, [2, 4]),
    ("suppression.check", {"EmailAddresses": [f"a{number}@example.com" for number in range(501)]}, [5]),
    ("suppression.delete", {}, [1]),
    ("suppression.delete", {"EmailAddress": "nobody"}, [2]),
    ("suppression.delete", {"EmailAddress": ["a@example.com"]}, [2]),
    ("suppression.delete", {"EmailAddress": "unlisted@example.com"}, [2]),
    ("suppression.delete", {"EmailAddresses": "not json"}, [2]),
    ("suppression.delete", {"EmailAddress": "a@example.com", "ListID": "-1"}, [4]),
    ("suppression.delete", {"EmailAddress": "a@example.com", "ListID": 2**63 - 1}, [4]),
]


@pytest.mark.parametrize(("command", "parameters", "codes"), REFUSED)
async def test_what_is_missing_or_invalid_is_refused_with_every_code(
    api: Client, command: str, parameters: dict[str, Any], codes: list[int]
) -> None:
    answer = await api.call(command, **parameters)

    body = answer.json()
    assert (answer.status_code, body["Success"], body["ErrorCode"]) == (200, False, codes)
    declared = COMMANDS[command].refusals
    for code, message in zip(codes, body["ErrorText"], strict=True):
        assert message in {refusal.message for refusal in declared if refusal.code == code}
    assert await browsed(api) == []


async def test_an_import_counts_what_is_new_and_names_what_is_no_address(api: Client) -> None:
    await suppress(api, "old@example.com")

    answer = await api.ok(
        "suppression.import",
        EmailAddresses='["old@example.com", "new@example.com", "NEW@example.com", "not-an-email", 7]',
        EmailAddressesBulk="bulk@example.com\r\n\n  spaced@example.com  \nnobody@\n",
        SuppressionSource="hard bounced",
        Reason="Bounce: 550",
    )

    assert (answer["TotalImported"], answer["TotalFailed"]) == (3, 3)
    assert answer["FailedEmailAddresses"] == ["not-an-email", "7", "nobody@"]
    page = await api.ok("suppression.browse")
    assert page["TotalRecords"] == 4
    assert list(page["SuppressedEmails"]) == [
        "bulk@example.com",
        "new@example.com",
        "old@example.com",
        "spaced@example.com",
    ]
    row = page["SuppressedEmails"]["new@example.com"]
    assert row.pop("SuppressionID").isdigit()
    assert row == {
        "RelListID": "0",
        "RelOwnerUserID": str(api.account.user_id if api.account else 0),
        "EmailAddress": "new@example.com",
        "SuppressionSource": "Hard Bounced",
        "Reason": "Bounce: 550",
    }


async def test_an_import_without_more_is_the_users_own_with_the_documented_reason(api: Client) -> None:
    await suppress(api, "a@example.com")

    row = (await api.ok("suppression.browse"))["SuppressedEmails"]["a@example.com"]

    assert (row["SuppressionSource"], row["Reason"]) == ("User", "Suppression List Import")


async def test_a_long_reason_is_cut_after_250_characters(api: Client) -> None:
    await suppress(api, "a@example.com", Reason="é" * 300)

    row = (await api.ok("suppression.browse"))["SuppressedEmails"]["a@example.com"]

    assert row["Reason"] == "é" * 250


async def test_an_empty_array_imports_nobody(api: Client) -> None:
    answer = await suppress(api)

    assert (answer["TotalImported"], answer["TotalFailed"]) == (0, 0)


async def test_a_hundred_thousand_addresses_are_one_import(api: Client) -> None:
    lines = "\n".join(f"person{number}@example.com" for number in range(100_000))

    answer = await api.ok("suppression.import", EmailAddressesBulk=lines)

    assert answer["TotalImported"] == 100_000
    assert (await api.ok("suppression.browse", RetrieveCount=1))["TotalRecords"] == 100_000
    gone = await api.ok("suppression.delete", EmailAddressesBulk=lines[:500_000])
    assert gone["TotalDeleted"] > 10_000


async def test_browsing_finds_by_pattern_and_source_and_pages_in_order(api: Client) -> None:
    await suppress(api, "b@one.example", "a_1@one.example", "ab1@one.example")
    await suppress(api, "c@two.example", SuppressionSource="SPAM complaint")

    assert await browsed(api, SearchPattern="*@ONE.example") == ["a_1@one.example", "ab1@one.example", "b@one.example"]
    assert await browsed(api, SearchPattern="a_1@*") == ["a_1@one.example"]
    assert await browsed(api, SearchPattern="b@one.example") == ["b@one.example"]
    assert await browsed(api, SearchPattern="100%\\*") == []
    assert await browsed(api, SuppressionSource="spam complaint, Unsubscribe") == ["c@two.example"]
    page = await api.ok("suppression.browse", StartFrom=1, RetrieveCount=2)
    assert (page["TotalRecords"], list(page["SuppressedEmails"])) == (4, ["ab1@one.example", "b@one.example"])
    assert await browsed(api, StartFrom=2**63 - 1, RetrieveCount=2**63 - 1) == []
    assert (await api.ok("suppression.browse", SearchPattern="z*"))["SuppressedEmails"] == {}


async def test_a_scope_is_browsed_and_deleted_exactly(api: Client) -> None:
    list_id = await a_list(api)
    await suppress(api, "account@example.com", "both@example.com")
    await suppress(api, "list@example.com", "both@example.com", ListID=list_id)

    await api.ok("suppression.delete", EmailAddress="BOTH@example.com", ListID=list_id)

    assert await browsed(api, ListID=list_id) == ["list@example.com"]
    assert await browsed(api) == ["account@example.com", "both@example.com"]


async def test_a_bulk_deletion_counts_and_leaves_the_rest(api: Client) -> None:
    await suppress(api, "a@example.com", "b@example.com", "c@example.com", "d@example.com")

    answer = await api.ok(
        "suppression.delete",
        EmailAddress="d@example.com",
        EmailAddresses='["A@example.com", "unlisted@example.com", "junk"]',
        EmailAddressesBulk="b@example.com\n",
    )

    assert (answer["TotalDeleted"], answer["TotalFailed"]) == (3, 1)
    assert answer["FailedEmailAddresses"] == ["junk"]
    assert await browsed(api) == ["c@example.com"]


async def test_a_single_deletion_answers_no_counts(api: Client) -> None:
    await suppress(api, "a@example.com")

    answer = await api.ok("suppression.delete", EmailAddress="a@example.com")

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert await api.codes("suppression.delete", EmailAddress="a@example.com") == [2]


async def test_a_check_heeds_every_scope_narrowest_first(api: Client, admin: Client) -> None:
    list_id, other_list_id = await a_list(api), await a_list(api)
    address = f"everywhere{list_id}@example.com"
    await suppress(api, address, ListID=list_id, SuppressionSource="Unsubscribe", Reason="left")
    await suppress(api, address)
    await suppress(admin, address, SuppressionSource="Administrator")

    answer = await api.ok(
        "suppression.check", EmailAddresses=[address, "free@example.com", "junk"], ListID=str(list_id)
    )

    assert (answer["ListID"], answer["TotalChecked"], answer["TotalFailed"]) == (list_id, 2, 1)
    assert (answer["SuppressionCheckDisabled"], answer["FailedEmailAddresses"]) == (False, ["junk"])
    assert answer["Results"] == {
        address: {
            "IsSuppressed": True,
            "MatchedScopes": [
                {"Scope": "PerList", "SuppressionSource": "Unsubscribe", "Reason": "left"},
                {"Scope": "AccountWide", "SuppressionSource": "User", "Reason": "Suppression List Import"},
                {"Scope": "SystemWide", "SuppressionSource": "Administrator", "Reason": "Suppression List Import"},
            ],
            "IsPatternSuppressed": False,
        },
        "free@example.com": {"IsSuppressed": False, "MatchedScopes": [], "IsPatternSuppressed": False},
    }
    assert await scopes_of(api, address) == ["AccountWide", "SystemWide"]
    assert await scopes_of(api, address, ListID=other_list_id) == ["AccountWide", "SystemWide"]


async def test_a_check_keeps_the_spelling_and_ignores_case(api: Client) -> None:
    await suppress(api, "mixed@example.com")

    answer = await api.ok("suppression.check", EmailAddressesBulk="Mixed@Example.com\nmixed@example.com")

    assert answer["TotalChecked"] == 2
    assert [each["IsSuppressed"] for each in answer["Results"].values()] == [True, True]
    assert list(answer["Results"]) == ["Mixed@Example.com", "mixed@example.com"]


async def test_a_refused_check_says_what_it_was_given(api: Client) -> None:
    too_many = await api.call("suppression.check", EmailAddresses=[f"a{number}@example.com" for number in range(640)])
    none_valid = await api.call("suppression.check", EmailAddressesBulk="junk")

    assert (too_many.json()["MaxEmailAddresses"], too_many.json()["TotalSubmitted"]) == (500, 640)
    assert (none_valid.json()["TotalFailed"], none_valid.json()["FailedEmailAddresses"]) == (1, ["junk"])


async def test_an_administrators_list_0_is_everybody_and_no_user_can_touch_it(
    api: Client, admin: Client, make: Maker
) -> None:
    address = f"system{api.account.user_id if api.account else 0}@example.com"
    await suppress(admin, address, SuppressionSource="Administrator")
    other = await make.client()

    assert await scopes_of(other, address) == ["SystemWide"]
    assert await browsed(api) == []
    assert await api.codes("suppression.delete", EmailAddress=address) == [2]
    assert (await api.ok("suppression.delete", EmailAddresses=[address]))["TotalDeleted"] == 0
    assert await scopes_of(api, address) == ["SystemWide"]


async def test_an_administrator_sees_and_lifts_what_is_suppressed_for_everybody(api: Client, admin: Client) -> None:
    prefix = f"everybody{api.account.user_id if api.account else 0}"
    complained, kept, own = (f"{prefix}{name}@example.com" for name in ("a", "b", "c"))
    await suppress(admin, complained, kept, SuppressionSource="SPAM complaint")
    await suppress(api, complained, own)

    seen = await browsed(admin, SearchPattern=f"{prefix}*", SuppressionSource="SPAM complaint")
    before = [await scopes_of(admin, address) for address in (complained, own)]
    await admin.ok("suppression.delete", EmailAddress=complained.upper())

    assert seen == [complained, kept]
    assert before == [["SystemWide"], []]
    assert await browsed(admin, SearchPattern=f"{prefix}*") == [kept]
    assert await scopes_of(api, complained) == ["AccountWide"]
    assert await admin.codes("suppression.delete", EmailAddress=complained) == [2]
    assert (await admin.ok("suppression.delete", EmailAddressesBulk=f"{kept}\n{own}"))["TotalDeleted"] == 1


async def test_an_administrator_acts_on_any_accounts_list(api: Client, admin: Client) -> None:
    list_id = await a_list(api)
    await suppress(api, "account@example.com")

    await suppress(admin, "a@example.com", ListID=list_id)

    assert await browsed(api, ListID=list_id) == await browsed(admin, ListID=list_id) == ["a@example.com"]
    assert await scopes_of(admin, "account@example.com", ListID=list_id) == ["AccountWide"]
    await admin.ok("suppression.delete", EmailAddress="a@example.com", ListID=list_id)
    assert await browsed(api, ListID=list_id) == []
    unknown = {"EmailAddresses": ["a@example.com"], "ListID": 2**63 - 1}
    for command in ("import", "browse", "check", "delete"):
        assert await admin.codes(f"suppression.{command}", **unknown) == [4]


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        ("suppression.import", {"EmailAddresses": ["a@example.com"]}),
        ("suppression.browse", {}),
        ("suppression.check", {"EmailAddresses": ["a@example.com"]}),
        ("suppression.delete", {"EmailAddresses": ["a@example.com"]}),
    ],
)
async def test_another_accounts_list_is_answered_like_a_missing_one(
    api: Client, make: Maker, command: str, parameters: dict[str, Any]
) -> None:
    foreign_list_id = await a_list(await make.client())

    foreign = await api.call(command, ListID=foreign_list_id, **parameters)
    absent = await api.call(command, ListID=2**63 - 1, **parameters)

    assert foreign.json() == absent.json()
    assert foreign.json()["ErrorCode"] == [4]


async def test_another_accounts_suppressions_stay_its_own(api: Client, make: Maker) -> None:
    stranger = await make.client()
    await suppress(stranger, "a@example.com")

    assert await scopes_of(api, "a@example.com") == []
    assert await browsed(api) == []
    assert (await api.ok("suppression.delete", EmailAddresses=["a@example.com"]))["TotalDeleted"] == 0
    assert await browsed(stranger) == ["a@example.com"]


@pytest.mark.parametrize(
    "address",
    [
        "plain@example.com",
        "first.last+tag@sub.example.co.uk",
        "o'hara_x@example.com",
        "用户@例子.example",
        "a@xn--fsqu00a.example",
        "x" * 64 + "@example.com",
    ],
)
async def test_an_address_that_can_be_written_to_can_be_suppressed(api: Client, address: str) -> None:
    assert (await suppress(api, address))["TotalImported"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "@example.com",
        "a@",
        "a@localhost",
        "a b@example.com",
        "a@b@example.com",
        ".a@example.com",
        "a..b@example.com",
        "a@-example.com",
        "a@example-.com",
        "a@example.com.",
        '"quoted"@example.com',
        "x" * 65 + "@example.com",
        "a@" + "x" * 250 + ".example",
        ["nested@example.com"],
        True,
    ],
)
async def test_what_is_no_address_fails_and_is_named(api: Client, text: Any) -> None:
    answer = await suppress(api, text)

    assert (answer["TotalImported"], answer["TotalFailed"]) == (0, 1)
    assert await browsed(api) == []


async def whitelist(client: Client, *lines: str) -> None:
    """Let the client's account have addresses that are never suppressed."""
    assert client.account
    text = "\n".join(lines)
    await client.ok("user.update", UserID=client.account.user_id, WhiteListedEmailAddresses=text)


WHITELISTED = [
    ("boss@example.com", {"boss@example.com"}),
    ("  BOSS@Example.com  ", {"boss@example.com"}),
    ("a+b@example.com", {"a+b@example.com"}),
    ("a.b@example.com", {"a.b@example.com"}),
    (r"@Example\.NET$", {"x@example.net"}),
    (r"/^BOSS@/i", {"boss@example.com"}),
    ("sales.+@example.com", {"sales-1@example.com", "sales.2@example.com"}),
    ("a.b*@example.com", {"a.b@example.com", "a+b@example.com", "axb@example.com"}),
    ("^(boss|axb)@", {"boss@example.com", "axb@example.com"}),
]


@pytest.mark.parametrize(("line", "spared"), WHITELISTED)
async def test_a_whitelisted_address_is_not_added_and_counts_nowhere(api: Client, line: str, spared: set[str]) -> None:
    await whitelist(api, "somebody@example.org", "", line)
    everybody = {
        "boss@example.com",
        "a+b@example.com",
        "a.b@example.com",
        "axb@example.com",
        "sales-1@example.com",
        "sales.2@example.com",
        "x@example.net",
        "y@sub.example.net",
    }

    answer = await suppress(api, *(address.title() for address in everybody))

    assert set(await browsed(api)) == everybody - spared
    assert (answer["TotalImported"], answer["TotalFailed"]) == (len(everybody) - len(spared), 0)


async def test_a_whitelist_is_of_its_account_and_spares_from_what_is_added_later(
    api: Client, admin: Client, make: Maker
) -> None:
    list_id = await a_list(api)
    address = f"boss{list_id}@example.com"
    await suppress(api, address)
    await whitelist(api, address)
    stranger = await make.client()

    await suppress(api, address, ListID=list_id)
    await suppress(admin, address, ListID=list_id)
    await suppress(stranger, address)
    assert await scopes_of(api, address, ListID=list_id) == ["AccountWide"]
    assert await scopes_of(stranger, address) == ["AccountWide"]

    await suppress(admin, address)
    assert await scopes_of(api, address, ListID=list_id) == ["AccountWide", "SystemWide"]


async def test_a_hundred_thousand_addresses_pass_a_long_whitelist(api: Client) -> None:
    singles = [f"person{number}@example.com" for number in range(0, 4000, 2)]
    await whitelist(api, *singles, *(rf"^person\d*{number}@example\.com$" for number in (11, 13, 17)))

    answer = await api.ok(
        "suppression.import", EmailAddressesBulk="\n".join(f"person{number}@example.com" for number in range(100_000))
    )

    assert answer["TotalImported"] == 100_000 - 2000 - 3 * 1000


@pytest.mark.parametrize(
    "line",
    ["*@example.com", "(a", r"(?=a)b@", r"(a)\1", "x" * 513 + ".*", "((a{99}){99})", "//", "a||b"],
)
async def test_a_line_that_is_neither_address_nor_pattern_is_refused(api: Client, line: str) -> None:
    assert api.account
    await whitelist(api, "boss@example.com")

    answer = await api.call(
        "user.update", UserID=api.account.user_id, WhiteListedEmailAddresses=f"late@example.com\n{line}"
    )

    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 100000)
    assert "WhiteListedEmailAddresses" in answer.json()["ErrorText"]
    await suppress(api, "boss@example.com", "late@example.com")
    assert await browsed(api) == ["late@example.com"]


async def test_patterns_beyond_what_one_statement_may_look_for_are_refused(api: Client) -> None:
    assert api.account
    lines = "\n".join(f"^person{number}.*@example" for number in range(200))

    answer = await api.call("user.update", UserID=api.account.user_id, WhiteListedEmailAddresses=lines)

    assert answer.json()["ErrorCode"] == 100000


async def test_lines_kept_from_before_that_nobody_can_read_hold_for_nobody(api: Client, app: Application) -> None:
    assert api.account
    async with app.sessions.begin() as session:
        await session.execute(
            update(User)
            .where(User.user_id == api.account.user_id)
            .values(profile={"WhiteListedEmailAddresses": "*@example.com\nboss@example.com"})
        )

    await suppress(api, "boss@example.com", "a@example.com")

    assert await browsed(api) == ["a@example.com"]
