"""user.current, user.create, user.get, user.update, users.get, users.delete."""

import asyncio
import json
import secrets
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, text

from journeys_api.accounts import service
from journeys_api.accounts.errors import PasswordUnfit, UsernameTaken, UserNotFound
from journeys_api.app import Application
from journeys_api.clock import SystemClock
from journeys_api.models import Base, User
from tests.accounts.answers import assert_refused, assert_unreadable
from tests.accounts.conftest import Call, until_one_waits
from tests.conftest import Account, Client, Maker

NewUser = Callable[..., dict[str, Any]]
USER_INFO = {
    "UserID",
    "RelUserGroupID",
    "EmailAddress",
    "Username",
    "ReputationLevel",
    "UserSince",
    "FirstName",
    "LastName",
    "CompanyName",
    "Website",
    "Street",
    "Street2",
    "City",
    "State",
    "Zip",
    "Country",
    "VAT",
    "Phone",
    "PhoneVerified",
    "Fax",
    "TimeZone",
    "LastActivityDateTime",
    "AccountStatus",
    "AvailableCredits",
    "2FA_Enabled",
    "2FA_RecoveryKey",
    "SSOID",
    "GroupInfo",
    "MFA_QRCode",
    "MFA_SecretKey",
    "SubscriptionID",
}
TEXTS_OF_NUMBERS = [
    "LimitSubscribers",
    "LimitLists",
    "LimitCampaignSendPerPeriod",
    "LimitEmailSendPerPeriod",
    "LimitEmailSendPerDay",
    "LimitEmailSendLifetime",
    "LimitEmailGatewaySenderDomains",
]


def account_of(client: Client) -> Account:
    assert client.account is not None
    return client.account


async def get(admin: Client, user_id: int) -> dict[str, Any]:
    information: dict[str, Any] = (await admin.ok("user.get", UserID=user_id))["UserInformation"]
    return information


async def test_a_user_reads_the_own_account(api: Client) -> None:
    body = await api.ok("user.current")

    information = body["UserInfo"]
    assert set(information) >= USER_INFO
    assert information["UserID"] == account_of(api).user_id
    assert (information["2FA_Enabled"], information["SubscriptionID"]) == ("No", False)
    group = information["GroupInfo"]
    assert set(group) == {
        *TEXTS_OF_NUMBERS,
        *["UserGroupID", "GroupName", "GroupPlanName", "DefaultSenderDomain", "Permissions", "ForceUnsubscriptionLink"],
        *["ForceRejectOptLink", "ForceOptInList", "LimitCampaignSendPeriod", "LimitEmailSendPeriod"],
        *["SenderDomainManagement", "EnableSenderInfo", "ForcedSenderInfo", "DefaultSenderDomainActivate"],
    }
    assert {group[name] for name in TEXTS_OF_NUMBERS} == {"0"}
    assert (group["Permissions"], group["DefaultSenderDomain"]) == ("*", None)
    assert body["Usage"] == {
        "EmailGateway_TotalSentThisMonth": 0,
        "EmailGateway_TotalSentAllTime": 0,
        "Limit_Monthly": 0,
        "Limit_Lifetime": 0,
    }
    assert set(body["SendRateLimits"]) == {"EmailGateway", "DefaultSenderDomain"}


async def test_an_administrator_has_no_account_to_read(admin: Client) -> None:
    assert (await admin.call("user.current")).json()["ErrorCode"] == 99999


async def test_an_administrator_makes_a_user_who_can_log_in(admin: Client, anyone: Call, new_user: NewUser) -> None:
    parameters = new_user(
        TimeZone="america/new_york",
        Language="pt-BR",
        ReputationLevel="untrusted",
        AvailableCredits="7",
        PhoneVerified="yes",
        LastName="Lovelace",
        OtherEmailAddresses="a@example.com",
    )

    body = await admin.ok("user.create", **parameters)

    assert isinstance(body["UserID"], int)
    kept = await get(admin, body["UserID"])
    assert kept["EmailAddress"] == parameters["EmailAddress"]
    assert (kept["TimeZone"], kept["Language"]) == ("America/New_York", "pt-BR")
    assert (kept["ReputationLevel"], kept["AccountStatus"], kept["AvailableCredits"]) == ("Untrusted", "Enabled", 7)
    assert (kept["FirstName"], kept["LastName"], kept["PhoneVerified"]) == ("Ada", "Lovelace", 1)
    assert kept["OtherEmailAddresses"] == "a@example.com"
    assert kept["GroupInformation"]["UserGroupID"] == 1
    assert parameters["Password"] not in json.dumps(kept)
    login = await anyone("user.login", Username=parameters["Username"], Password=parameters["Password"])
    assert login["Success"] is True


async def test_the_password_is_kept_as_an_argon2id_hash(admin: Client, app: Application, new_user: NewUser) -> None:
    made = await admin.ok("user.create", **new_user())

    async with app.sessions() as session:
        kept = await session.get_one(User, made["UserID"])

    assert kept.password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        (
            dict.fromkeys(
                ("RelUserGroupID", "EmailAddress", "Username", "Password", "TimeZone", "Language", "FirstName")
            ),
            [1, 2, 3, 4, 6, 8, 9],
        ),
        ({"FirstName": "", "Password": ""}, [4, 6]),
        ({"EmailAddress": "nonsense"}, [10]),
        ({"EmailAddress": ["a@example.com"]}, [10]),
        ({"RelUserGroupID": "one"}, [11]),
        ({"RelUserGroupID": 2**63}, [11]),
        ({"RelUserGroupID": 2**63 - 1}, [11]),
        ({"Language": "english"}, [14]),
        ({"Language": "e1"}, [14]),
        ({"ReputationLevel": "Great"}, [15]),
        ({"Username": "n" * 251}, [17]),
        ({"Username": "a\x00"}, [17]),
        ({"Password": "é" * 513}, [18]),
        ({"Password": ["x"]}, [18]),
        ({"TimeZone": "Middle-earth/Shire"}, [19]),
        ({"TimeZone": "../../etc/passwd"}, [19]),
        ({"EmailAddress": "nonsense", "Language": None, "RelUserGroupID": None}, [1, 9, 10]),
    ],
)
async def test_a_user_that_cannot_be_made_is_refused(
    admin: Client, new_user: NewUser, changes: dict[str, Any], codes: list[int]
) -> None:
    before = (await admin.ok("users.get", RecordsPerRequest=1))["TotalUsers"]

    await assert_refused(admin, "user.create", codes, **new_user(**changes))

    assert (await admin.ok("users.get", RecordsPerRequest=1))["TotalUsers"] == before


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("AccountStatus", "Asleep"), ("AvailableCredits", -1), ("AvailableCredits", 2**63), ("City", "c" * 1001)],
)
async def test_a_value_without_a_code_of_its_own_cannot_be_read(
    admin: Client, new_user: NewUser, parameter: str, value: Any
) -> None:
    await assert_unreadable(admin, "user.create", parameter, **new_user(**{parameter: value}))


async def test_a_company_stands_for_a_first_name(admin: Client, new_user: NewUser) -> None:
    await admin.ok("user.create", **new_user(FirstName=None, CompanyName="Analytical Engines"))


@pytest.mark.parametrize(
    ("parameter", "other", "code"),
    [
        ("Username", "Username", 12),
        ("EmailAddress", "EmailAddress", 13),
        ("Username", "EmailAddress", 12),
    ],
)
async def test_names_are_unique_without_case(
    admin: Client, new_user: NewUser, parameter: str, other: str, code: int
) -> None:
    taken = new_user()
    await admin.ok("user.create", **taken)

    await assert_refused(admin, "user.create", [code], **new_user(**{parameter: taken[other].upper()}))


async def test_of_two_users_made_at_once_with_one_name_one_is_refused(
    admin: Client, app: Application, new_user: NewUser
) -> None:
    name = new_user()["Username"]
    now = SystemClock().now()
    async with app.sessions.begin() as session:
        await session.execute(
            insert(User).values(
                group_id=1, username=name, email_address=name, password_hash="", created_at=now, updated_at=now
            )
        )
        refused = asyncio.create_task(assert_refused(admin, "user.create", [12], **new_user(Username=name.upper())))
        await until_one_waits(app)

    await refused


async def test_a_name_taken_while_an_account_changes_is_refused(
    api: Client, app: Application, new_user: NewUser
) -> None:
    name = new_user()["Username"]
    now = SystemClock().now()
    async with app.sessions.begin() as session:
        await session.execute(
            insert(User).values(
                group_id=1, username=name, email_address=name, password_hash="", created_at=now, updated_at=now
            )
        )
        refused = asyncio.create_task(
            assert_refused(api, "user.update", [6], UserID=account_of(api).user_id, Username=name, City="Lost")
        )
        await until_one_waits(app)

    await refused
    assert (await api.ok("user.current"))["UserInfo"]["City"] == ""


async def test_user_get_finds_by_id_or_address_and_tells_what_is_used(
    admin: Client, api: Client, app: Application
) -> None:
    account = account_of(api)
    await own_something(app, account)

    by_id = await admin.ok("user.get", UserID=str(account.user_id), EmailAddress="ignored@example.com")
    by_address = await admin.ok("user.get", EmailAddress=f"{account.username.upper()}@EXAMPLE.com")

    assert by_id == by_address
    assert by_id["UserInformation"]["Username"] == account.username
    assert by_id["LimitUtilization"] == {"Subscribers": {"Used": 2, "Limit": 0}, "Lists": {"Used": 1, "Limit": 0}}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, 1),
        ({"UserID": "", "EmailAddress": ""}, 1),
        ({"UserID": "x"}, 1),
        ({"UserID": [1]}, 1),
        ({"UserID": 2**63}, 1),
        ({"UserID": 2**63 - 1}, 3),
        ({"UserID": 0}, 3),
        ({"EmailAddress": "nobody@example.com"}, 3),
    ],
)
async def test_user_get_refuses(admin: Client, parameters: dict[str, Any], code: int) -> None:
    await assert_refused(admin, "user.get", [code], **parameters)


async def test_a_user_changes_the_own_account_and_clears_texts(api: Client, door: str) -> None:
    user_id = account_of(api).user_id
    await api.at(door).ok("user.update", UserID=user_id, FirstName="Grace", City="Arlington", TimeZone="utc")

    await api.at(door).ok("user.update", UserID=user_id, City="", LastName="Hopper", Zip=None)

    information = (await api.ok("user.current"))["UserInfo"]
    assert [information[name] for name in ("FirstName", "LastName", "City", "TimeZone")] == [
        "Grace",
        "Hopper",
        "",
        "UTC",
    ]


async def test_what_is_the_administrators_is_passed_over_from_a_user(api: Client, admin: Client) -> None:
    user_id = account_of(api).user_id

    await api.ok(
        "user.update",
        UserID=user_id,
        City="Arlington",
        AccountStatus="Disabled",
        AvailableCredits=1000,
        RelUserGroupID=1,
        ReputationLevel="Untrusted",
        SignUpIPAddress="192.0.2.1",
    )

    kept = await get(admin, user_id)
    assert (kept["AccountStatus"], kept["AvailableCredits"], kept["ReputationLevel"]) == ("Enabled", 0, "Trusted")
    assert kept["RelUserGroupID"] == account_of(api).group_id
    assert (kept["SignUpIPAddress"], kept["City"]) == ("", "Arlington")


async def test_an_administrator_changes_all_of_it(api: Client, admin: Client) -> None:
    user_id = account_of(api).user_id

    await admin.ok(
        "user.update",
        UserID=user_id,
        AvailableCredits=1000,
        RelUserGroupID=1,
        ReputationLevel="Untrusted",
        SignUpIPAddress="192.0.2.1",
        RateLimits='{"emailgateway":{"minute":"5"}}',
    )

    kept = await get(admin, user_id)
    assert (kept["AvailableCredits"], kept["ReputationLevel"], kept["RelUserGroupID"]) == (1000, "Untrusted", 1)
    assert kept["SignUpIPAddress"] == "192.0.2.1"
    assert kept["RateLimits"]["EmailGateway"] == {
        "Minute": 5,
        "Hour": -1,
        "Day": -1,
        "Week": -1,
        "Month": -1,
        "Year": -1,
    }
    await admin.ok("user.update", UserID=user_id, RateLimits="")
    assert (await get(admin, user_id))["RateLimits"] == ""


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({"UserID": None}, [1]),
        ({"UserID": "abc"}, [1]),
        ({"Enable2FA": "true"}, [4]),
        ({"EmailAddress": "nonsense"}, [10]),
        ({"RelUserGroupID": "x"}, [11]),
        ({"Language": "english"}, [14]),
        ({"ReputationLevel": "x"}, [15]),
        ({"Username": ["x"]}, [17]),
        ({"Password": "x" * 1025}, [18]),
        ({"TimeZone": "Shire"}, [19]),
        ({"UserID": None, "TimeZone": "Shire", "Enable2FA": 1}, [1, 4, 19]),
    ],
)
async def test_user_update_refuses_and_changes_nothing(
    api: Client, parameters: dict[str, Any], codes: list[int]
) -> None:
    given = {"UserID": account_of(api).user_id, "City": "Lost", **parameters}

    await assert_refused(api, "user.update", codes, **given)

    assert (await api.ok("user.current"))["UserInfo"]["City"] == ""


async def test_a_user_has_no_say_over_another_account_whether_or_not_it_exists(api: Client, make: Maker) -> None:
    stranger = await make.client()

    theirs = await assert_refused(api, "user.update", [2], UserID=account_of(stranger).user_id, City="Lost")
    nobodys = await assert_refused(api, "user.update", [2], UserID=2**63 - 1, City="Lost")

    assert theirs == nobodys
    assert (await stranger.ok("user.current"))["UserInfo"]["City"] == ""


async def test_an_administrator_is_told_what_is_not_there_or_taken(api: Client, admin: Client, make: Maker) -> None:
    user_id, other = account_of(api).user_id, account_of(await make.client())

    await assert_refused(admin, "user.update", [5], UserID=2**63 - 1)
    await assert_refused(admin, "user.update", [11], UserID=user_id, RelUserGroupID=2**63 - 1)
    await assert_refused(admin, "user.update", [6], UserID=user_id, Username=other.username.upper())
    await assert_refused(admin, "user.update", [6], UserID=user_id, EmailAddress=f"{other.username}@Example.com")
    await admin.ok("user.update", UserID=user_id, Username=account_of(api).username.upper())


async def test_an_own_account_needs_a_permission_to_change(make: Maker) -> None:
    api = await make.client(permissions=["Campaign.Create"])

    assert (await api.call("user.update", UserID=account_of(api).user_id)).json()["ErrorCode"] == 99999
    assert (await api.ok("user.current"))["UserInfo"]["GroupInfo"]["Permissions"] == "Campaign.Create"


@pytest.mark.parametrize(
    "command", ["user.create", "user.get", "users.get", "users.delete", "usergroup.create", "usergroup.patch"]
)
async def test_what_is_the_administrators_is_forbidden_to_users(api: Client, command: str) -> None:
    response = await api.call(command, UserID=account_of(api).user_id, Users=account_of(api).user_id)

    assert (response.status_code, response.json()["ErrorCode"]) == (200, 99999)


async def group_of_three(admin: Client, new_user: NewUser) -> tuple[int, list[int]]:
    """A group of its own with three users: b, c and a, made in this order, the last of them disabled."""
    group_id = (await admin.ok("usergroup.create", GroupName="Three"))["UserGroupID"]
    made = []
    for first_name, status in (("b", "Enabled"), ("c", "Enabled"), ("a%", "Disabled")):
        parameters = new_user(RelUserGroupID=group_id, FirstName=first_name, AccountStatus=status)
        made.append((await admin.ok("user.create", **parameters))["UserID"])
    return group_id, made


async def test_users_are_listed_by_pages_in_a_total_order(admin: Client, new_user: NewUser) -> None:
    group_id, (first, second, third) = await group_of_three(admin, new_user)

    async def ids(**parameters: Any) -> list[int]:
        body = await admin.ok("users.get", **{"RelUserGroupID": group_id, **parameters})
        assert body["TotalUsers"] == 3
        return [user["UserID"] for user in body["Users"]]

    assert await ids() == [first, second, third]
    assert await ids(RecordsPerRequest=0, OrderType="desc") == [third, second, first]
    assert await ids(RecordsPerRequest=2, RecordsFrom=1) == [second, third]
    assert await ids(RecordsFrom=2**63 - 1) == []
    assert await ids(RecordsPerRequest=2**63 - 1, OrderField="firstname") == [third, first, second]
    assert await ids(OrderField="AccountStatus|UserID", OrderType="ASC|DESC") == [third, second, first]
    assert await ids(RelUserGroupID=[str(group_id), 2**62]) == [first, second, third]


@pytest.mark.parametrize(
    ("field", "direction"),
    [
        ("Bogus", "DESC"),
        ("UserID; --", "DESC"),
        ("UserID", "SIDEWAYS"),
        ("UserID|", "DESC"),
        ("|".join(["UserID"] * 6), "DESC"),
    ],
)
async def test_an_order_that_cannot_be_used_is_reset(
    admin: Client, new_user: NewUser, field: str, direction: str
) -> None:
    group_id, made = await group_of_three(admin, new_user)

    body = await admin.ok("users.get", RelUserGroupID=group_id, OrderField=field, OrderType=direction)

    assert [user["UserID"] for user in body["Users"]] == made


async def test_users_are_found_by_state_and_by_words(admin: Client, new_user: NewUser) -> None:
    _, (first, second, third) = await group_of_three(admin, new_user)

    async def found(**parameters: Any) -> set[int]:
        body = await admin.ok("users.get", RecordsPerRequest=1000, **parameters)
        assert body["TotalUsers"] == len(body["Users"])
        return {user["UserID"] for user in body["Users"]} & {first, second, third}

    address = (await get(admin, second))["EmailAddress"]
    assert await found(RelUserGroupID="enabled") == {first, second}
    assert await found(RelUserGroupID="Disabled") == {third}
    assert await found(RelUserGroupID="Trusted") == {first, second, third}
    assert await found(RelUserGroupID="Untrusted") == set()
    assert await found(RelUserGroupID="Online") == set()
    assert await found(RelUserCategoryID=-1) == {first, second, third}
    assert await found(RelUserCategoryID=5) == set()
    assert await found(SearchKeyword=address.upper()) == {second}
    assert await found(SearchField="FirstName", SearchKeyword="%") == {third}
    assert await found(SearchField="password_hash", SearchKeyword="argon2id") == set()
    assert await found(SearchField="ReputationLevel", SearchKeyword="rust") == {first, second, third}


async def test_a_list_of_users_may_tell_what_they_use(admin: Client, api: Client, app: Application) -> None:
    account = account_of(api)
    await own_something(app, account)

    (user,) = (await admin.ok("users.get", RelUserGroupID=account.group_id, IncludeLimitUtilization=True))["Users"]
    (plain,) = (await admin.ok("users.get", RelUserGroupID=account.group_id))["Users"]

    assert user["LimitUtilization"]["Subscribers"] == {"Used": 2, "Limit": 0}
    assert user["GroupInformation"]["UserGroupID"] == account.group_id
    assert "LimitUtilization" not in plain


@pytest.mark.parametrize(
    ("parameter", "value"), [("RecordsPerRequest", "many"), ("RelUserGroupID", "Sleeping"), ("SearchKeyword", "a\x00")]
)
async def test_a_list_of_users_that_cannot_be_asked_for(admin: Client, parameter: str, value: Any) -> None:
    await assert_unreadable(admin, "users.get", parameter, **{parameter: value})


PARENTS = {
    "lists": "list_id",
    "journeys": "journey_id",
    "tags": "tag_id",
    "subscribers": "subscriber_id",
    "inbound_webhooks": "webhook_id",
    "jobs": "job_id",
}


def of_accounts() -> list[Table]:
    """The tables that hold rows of accounts, parents first."""
    found = [table for table in Base.metadata.sorted_tables if {"owner_id", "journey_id"} & set(table.c.keys())]
    return [*(Base.metadata.tables[name] for name in PARENTS), *(table for table in found if table.name not in PARENTS)]


def filled(table: Table, known: dict[str, Any]) -> dict[str, Any]:
    """A row with a value for every column that needs one: the known one, or any of its type."""
    now = SystemClock().now()
    any_of = {
        int: 0,
        bool: False,
        object: {},
        str: "x",
        datetime: now,
        date: now.date(),
        dict: {},
        bytes: secrets.token_bytes(8),
    }
    row = {}
    for column in table.c:
        if column.name in known:
            row[column.name] = known[column.name]
        elif not (column.nullable or column.server_default is not None or column.identity is not None):
            kind = column.type.python_type
            row[column.name] = next(iter(kind)) if issubclass(kind, Enum) else any_of[kind]
    return row


async def own_something(app: Application, account: Account) -> None:
    """Give the account a row in every table that holds rows of accounts, and a second subscriber."""
    own: dict[str, Any] = {"owner_id": account.user_id, "field_type": "Single line", "due_at": SystemClock().now()}
    kinds = {"journey_jobs": "end", "deliveries": "mail", "website_events": "pageView"}
    kinds |= {"jobs": "import", "tracking_hits": "opened", "message_activities": "opened"}
    states = {"subscribers": "Subscribed", "sender_domains": "Enabled"}
    async with app.sessions.begin() as session:
        for table in of_accounts():
            known = {**own, "kind": kinds.get(table.name, "x"), "source": "User", "email_address": "s@example.com"}
            if table.name in states:
                known["status"] = states[table.name]
            key = table.primary_key.columns or table.c
            made = (await session.execute(insert(table).values(**filled(table, known)).returning(*key))).one()
            if table.name in PARENTS:
                own[PARENTS[table.name]] = made._mapping[PARENTS[table.name]]
            if table.name == "subscribers":
                await session.execute(
                    insert(table).values(**filled(table, {**known, "email_address": "t@example.com"}))
                )


async def rows_of(app: Application, user_id: int) -> dict[str, int]:
    """How many rows each table holds of the account, empty ones left out."""
    counts = {}
    journeys = Base.metadata.tables["journeys"]
    async with app.sessions() as session:
        of_them = (await session.scalars(select(journeys.c.journey_id).where(journeys.c.owner_id == user_id))).all()
        for table in of_accounts():
            mine = table.c.owner_id == user_id if "owner_id" in table.c else table.c.journey_id.in_(of_them)
            counts[table.name] = await session.scalar(select(func.count()).select_from(table).where(mine)) or 0
        for table in (Base.metadata.tables["users"], Base.metadata.tables["login_sessions"]):
            mine = table.c.user_id == user_id
            counts[table.name] = await session.scalar(select(func.count()).select_from(table).where(mine)) or 0
    return {name: count for name, count in counts.items() if count}


async def test_deleting_a_user_destroys_all_of_it_and_nothing_else(
    admin: Client, make: Maker, app: Application, anyone: Call
) -> None:
    doomed, other = account_of(await make.client()), account_of(await make.client())
    await own_something(app, doomed)
    await own_something(app, other)
    await anyone("user.login", Username=doomed.username, Password=doomed.password)
    spared, before = await rows_of(app, other.user_id), await rows_of(app, doomed.user_id)

    body = await admin.ok("users.delete", Users=f" {doomed.user_id} , 9223372036854775807")

    assert set(before) == {table.name for table in of_accounts()} | {"users", "login_sessions"}
    assert (body["Success"], body["ErrorCode"], body["ErrorText"]) == (True, 0, "")
    assert await rows_of(app, doomed.user_id) == {}
    assert await rows_of(app, other.user_id) == spared
    assert (await anyone("user.current", APIKey=doomed.api_key))["ErrorCode"] == 99998
    assert (await anyone("user.current", APIKey=other.api_key))["Success"] is True


@pytest.mark.parametrize("users", [None, "", " , ", "5,abc", {"a": 1}, "-1", 2**63])
async def test_users_delete_needs_ids(admin: Client, api: Client, users: Any) -> None:
    await assert_refused(admin, "users.delete", [1], Users=users)


async def test_thousands_of_ids_are_one_call(admin: Client, api: Client) -> None:
    await admin.ok("users.delete", Users=list(range(2**40, 2**40 + 40_000)))
    await admin.ok("usergroup.delete", UserGroupID=list(range(2**40, 2**40 + 40_000)))
    body = await admin.ok("users.get", RelUserGroupID=list(range(2**40, 2**40 + 40_000)))

    assert body["TotalUsers"] == 0
    await api.ok("user.current")


async def test_the_services_that_others_call_say_what_is_wrong(app: Application, new_user: NewUser) -> None:
    now, name = SystemClock().now(), new_user()["Username"]
    person = {"username": name, "email_address": "root@example.com", "now": now}

    async with app.sessions.begin() as session:
        with pytest.raises(UserNotFound):
            await service.get_user(session, user_id=2**62)
        with pytest.raises(PasswordUnfit):
            await service.create_administrator(session, **person, password="")
        with pytest.raises(PasswordUnfit):
            await service.create_user(session, group_id=1, **person, password="x" * 1025)
        made = await service.create_administrator(session, **person, password="x")
        with pytest.raises(UsernameTaken):
            await service.create_administrator(session, **{**person, "username": name.upper()}, password="x")
        kept = await session.scalar(
            text("SELECT username FROM administrators WHERE administrator_id = :id"), {"id": made.administrator_id}
        )

    assert kept == name
