"""user.login and admin.login, and what their sessions are good for."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text

from journeys_api.accounts.credentials import keyed_hash
from journeys_api.app import Application
from journeys_api.clock import FrozenClock, SystemClock
from journeys_api.models import ApiKey, LoginSession
from tests.accounts.answers import assert_refused, assert_unreadable
from tests.accounts.conftest import Call, caller, until_one_waits
from tests.conftest import ADMIN_KEY, PASSWORD, SECRET_KEY, Account, Client, Maker, codes_of

REFUSED = {"status": 200, "Success": False, "ErrorCode": [3], "ErrorText": ["Invalid login information"]}
UNAUTHENTICATED = 99998
FORBIDDEN = 99999


async def log_in(anyone: Call, account: Account, **parameters: Any) -> str:
    """A new session of the account."""
    body = await anyone("user.login", Username=account.username, Password=account.password, **parameters)
    assert body["Success"] is True, body
    session_id: str = body["SessionID"]
    return session_id


def account_of(client: Client) -> Account:
    assert client.account is not None
    return client.account


async def is_valid(anyone: Call, **credential: str) -> bool:
    body = await anyone("user.current", **credential)
    assert body["Success"] or body["ErrorCode"] == UNAUTHENTICATED, body
    return bool(body["Success"])


@pytest.mark.parametrize("spelling", [str, str.upper, "{}@Example.com".format])
async def test_a_user_logs_in_by_username_or_address_in_any_case(
    api: Client, anyone: Call, spelling: Callable[[str], str]
) -> None:
    account = account_of(api)

    body = await anyone("user.login", Username=spelling(account.username), Password=account.password)

    assert (body["Success"], body["ErrorCode"], body["ErrorText"]) == (True, 0, "")
    assert len(body["SessionID"]) >= 43
    information = body["UserInfo"]
    assert information["UserID"] == account.user_id
    assert information["Username"] == account.username
    assert information["AccountStatus"] == "Enabled"
    assert information["Password"] == "****** masked ******"
    assert information["GroupInformation"]["Permissions"] == "*"
    assert account.password not in str(body)


async def test_every_login_opens_a_session_of_its_own_whatever_session_is_sent_along(api: Client, anyone: Call) -> None:
    account = account_of(api)

    sessions = [await log_in(anyone, account, SessionID=sent) for sent in ("", "0", "stale", ADMIN_KEY)]

    assert len(set(sessions)) == 4
    assert not {"stale", "0"} & set(sessions)
    assert all([await is_valid(anyone, SessionID=session_id) for session_id in sessions])
    assert not await is_valid(anyone, SessionID="stale")


async def test_the_session_is_kept_as_a_hash(api: Client, anyone: Call, app: Application) -> None:
    session_id = await log_in(anyone, account_of(api))

    async with app.sessions() as session:
        kept = await session.get(LoginSession, keyed_hash(SECRET_KEY.encode(), session_id))

    assert kept is not None
    assert kept.user_id == account_of(api).user_id


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1, 2]),
        ({"Username": "", "Password": None}, [1, 2]),
        ({"Username": "somebody"}, [2]),
        ({"Password": "something"}, [1]),
        ({"PasswordEncrypted": True}, [1, 2]),
        ({"APIKey": ["x"]}, [3]),
        ({"APIKey": "nobody's"}, [3]),
        ({"APIKey": "ключ"}, [3]),
    ],
)
async def test_user_login_says_everything_that_is_missing(
    anyone: Call, parameters: dict[str, Any], codes: list[int]
) -> None:
    body = await anyone("user.login", **parameters)

    assert (body["status"], body["Success"], body["ErrorCode"]) == (200, False, codes)
    assert len(body["ErrorText"]) == len(codes)


@pytest.mark.parametrize("command", ["user.login", "admin.login"])
@pytest.mark.parametrize("value", [["a"], {"a": 1}, "a\x00"])
async def test_a_name_that_is_no_text_cannot_be_read(admin: Client, command: str, value: Any) -> None:
    await assert_unreadable(admin, command, "Username", AdminAPIKey=None, Username=value, Password="x")


@pytest.mark.parametrize("password", ["wrong", "x" * 5000, "\ud83d\ude00", 12345])
async def test_a_wrong_password_and_an_unknown_name_are_answered_alike(
    api: Client, anyone: Call, password: Any
) -> None:
    wrong = await anyone("user.login", Username=account_of(api).username, Password=password)
    unknown = await anyone("user.login", Username="nobody of this name", Password=password)

    assert wrong == unknown == REFUSED


async def test_a_disabled_user_is_answered_like_a_wrong_password(api: Client, admin: Client, anyone: Call) -> None:
    account = account_of(api)
    await admin.ok("user.update", UserID=account.user_id, AccountStatus="Disabled")

    by_password = await anyone("user.login", Username=account.username, Password=account.password)
    by_key = await anyone("user.login", APIKey=account.api_key)

    assert by_password == by_key == REFUSED


async def test_an_encrypted_password_is_refused_with_the_reason(api: Client, anyone: Call) -> None:
    account = account_of(api)

    body = await anyone("user.login", Username=account.username, Password=account.password, PasswordEncrypted="true")
    plain = await anyone("user.login", Username=account.username, Password=account.password, PasswordEncrypted=0)

    assert body["ErrorCode"] == [3]
    assert body["ErrorText"][0].startswith("Invalid login information: an encrypted password")
    assert plain["Success"] is True


async def test_a_key_logs_in_and_counts_it(api: Client, anyone: Call) -> None:
    account = account_of(api)

    body = await anyone("user.login", APIKey=account.api_key, Username="ignored", Password="ignored")
    await anyone("user.login", APIKey=account.api_key)

    assert body["UserInfo"]["UserID"] == account.user_id
    assert await is_valid(anyone, SessionID=body["SessionID"])
    (kept,) = (await api.ok("user.apikey.list"))["APIKeys"]
    assert (kept["RequestCount"], kept["LastUsedIP"]) == (2, "127.0.0.1")
    assert kept["LastUsedAt"] is not None


async def test_calls_with_a_key_are_not_counted(api: Client) -> None:
    (kept,) = (await api.ok("user.apikey.list"))["APIKeys"]

    assert (kept["RequestCount"], kept["LastUsedAt"], kept["LastUsedIP"]) == (0, None, None)


async def test_a_bound_key_and_its_sessions_work_from_its_address_only(api: Client, app: Application) -> None:
    made = await api.ok("user.apikey.create", Note="bound", BoundIPAddress="192.0.2.7")
    key = made["APIKey"]["APIKey"]

    async with caller(app, address="192.0.2.7") as there, caller(app, address="192.0.2.8") as elsewhere:
        refused = await elsewhere("user.login", APIKey=key)
        session_id = (await there("user.login", APIKey=key))["SessionID"]

        assert refused == REFUSED
        assert await is_valid(there, APIKey=key)
        assert await is_valid(there, SessionID=session_id)
        assert not await is_valid(elsewhere, APIKey=key)
        assert not await is_valid(elsewhere, SessionID=session_id)
    async with caller(app, address="::ffff:192.0.2.7") as mapped:
        assert await is_valid(mapped, APIKey=key)


async def test_the_sessions_of_a_key_end_with_it_and_others_do_not(api: Client, anyone: Call) -> None:
    made = await api.ok("user.apikey.create", Note="lost")
    of_key = (await anyone("user.login", APIKey=made["APIKey"]["APIKey"]))["SessionID"]
    of_password = await log_in(anyone, account_of(api))
    assert await is_valid(anyone, SessionID=of_key)

    await api.ok("user.apikey.delete", APIKeyID=made["APIKeyID"])

    assert not await is_valid(anyone, SessionID=of_key)
    assert await is_valid(anyone, SessionID=of_password)


async def test_a_new_password_ends_every_session_of_the_user(api: Client, make: Maker, anyone: Call) -> None:
    account, other = account_of(api), account_of(await make.client())
    mine = [await log_in(anyone, account), (await anyone("user.login", APIKey=account.api_key))["SessionID"]]
    others = await log_in(anyone, other)
    assert await is_valid(anyone, SessionID=mine[0])

    await api.ok("user.update", UserID=account.user_id, Password="another password")

    assert [await is_valid(anyone, SessionID=session_id) for session_id in mine] == [False, False]
    assert await is_valid(anyone, SessionID=others)
    assert await anyone("user.login", Username=account.username, Password=account.password) == REFUSED
    assert (await anyone("user.login", Username=account.username, Password="another password"))["Success"] is True


async def test_disabling_a_user_ends_sessions_and_stops_keys_at_once(api: Client, admin: Client, anyone: Call) -> None:
    account = account_of(api)
    session_id = await log_in(anyone, account)
    assert await is_valid(anyone, SessionID=session_id)
    assert await is_valid(anyone, APIKey=account.api_key)

    await admin.ok("user.update", UserID=account.user_id, AccountStatus="Disabled")
    while_disabled = [await is_valid(anyone, SessionID=session_id), await is_valid(anyone, APIKey=account.api_key)]
    await admin.ok("user.update", UserID=account.user_id, AccountStatus="Enabled")

    assert while_disabled == [False, False]
    assert not await is_valid(anyone, SessionID=session_id)
    assert await is_valid(anyone, APIKey=account.api_key)


async def test_a_session_expires_and_is_cleared_away(
    api: Client, another_application: Callable[..., Application]
) -> None:
    clock = FrozenClock(SystemClock().now() - timedelta(days=100))
    app = another_application(clock=clock, session_lifetime=timedelta(days=30))
    account = account_of(api)
    async with caller(app) as anyone:
        session_id = await log_in(anyone, account)
        clock.tick(timedelta(days=30) - timedelta(seconds=1))
        before = await is_valid(anyone, SessionID=session_id)
        app.principals.forget()
        clock.tick(timedelta(seconds=1))
        after = await is_valid(anyone, SessionID=session_id)
        await log_in(anyone, account)

    assert (before, after) == (True, False)
    async with app.sessions() as session:
        kept = await session.scalar(
            select(func.count()).select_from(LoginSession).where(LoginSession.user_id == account.user_id)
        )
    assert kept == 1


async def test_a_cookie_is_no_credential(api: Client, anyone: Call) -> None:
    session_id = await log_in(anyone, account_of(api))

    response = await api.http.post("/api.php?Command=user.current", headers={"Cookie": f"SessionID={session_id}"})

    assert response.json()["ErrorCode"] == UNAUTHENTICATED
    assert "set-cookie" not in response.headers


async def test_an_administrator_logs_in_by_name_and_password(anyone: Call, administrator: tuple[str, str]) -> None:
    username, password = administrator

    first = await anyone("admin.login", Username=username.upper(), Password=password)
    second = await anyone("admin.login", Username=username, Password=password)

    assert (first["Success"], first["ErrorCode"]) == (True, 0)
    information = first["AdminInfo"]
    assert list(information) == [
        "AdminID",
        "Username",
        "FirstName",
        "LastName",
        "EmailAddress",
        "2FA_Enabled",
        "CreatedOn",
        "LastLoginOn",
    ]
    assert (information["Username"], information["2FA_Enabled"]) == (username, "No")
    assert information["LastLoginOn"] == "0000-00-00 00:00:00"
    assert second["AdminInfo"]["LastLoginOn"] > information["CreatedOn"][:4]
    assert (await anyone("usergroups.get", SessionID=second["SessionID"]))["Success"] is True


@pytest.mark.parametrize(
    ("parameters", "codes"),
    [
        ({}, [1, 2]),
        ({"Username": "root"}, [2]),
        ({"Password": "x"}, [1]),
        ({"Username": "root", "Password": "wrong"}, [3]),
        ({"AdminAPIKey": "wrong"}, [3]),
        ({"AdminAPIKey": {"$ne": 1}}, [3]),
        ({"AdminAPIKey": "wrong", "Username": "root", "Password": "any"}, [3]),
        ({"Username": "root", "Password": "x", "PasswordEncrypted": 1}, [3]),
    ],
)
async def test_admin_login_refuses(admin: Client, parameters: dict[str, Any], codes: list[int]) -> None:
    await assert_refused(admin, "admin.login", codes, **{"AdminAPIKey": None, **parameters})


async def test_the_configured_key_opens_a_session_that_ends_when_another_is_configured(
    anyone: Call, another_application: Callable[..., Application]
) -> None:
    body = await anyone("admin.login", Username="admin", Password="any", AdminAPIKey=ADMIN_KEY)
    session_id = body["SessionID"]

    here = await anyone("usergroups.get", SessionID=session_id)
    async with caller(another_application(admin_api_key=SecretStr("a key of another day"))) as later:
        after = await later("usergroups.get", SessionID=session_id)

    assert body["AdminInfo"]["AdminID"] == 0
    assert here["Success"] is True
    assert after["ErrorCode"] == UNAUTHENTICATED


async def test_an_administrators_name_is_still_tried_beside_a_wrong_key(
    anyone: Call, administrator: tuple[str, str]
) -> None:
    username, password = administrator

    body = await anyone("admin.login", Username=username, Password=password, AdminAPIKey="wrong")

    assert body["AdminInfo"]["Username"] == username


async def test_sessions_of_one_scope_do_not_reach_the_other(
    api: Client, anyone: Call, administrator: tuple[str, str]
) -> None:
    username, password = administrator
    users = await log_in(anyone, account_of(api))
    admins = (await anyone("admin.login", Username=username, Password=password))["SessionID"]

    assert (await anyone("usergroups.get", SessionID=users))["ErrorCode"] == FORBIDDEN
    assert (await anyone("user.current", SessionID=admins))["ErrorCode"] == FORBIDDEN
    assert (await anyone("usergroups.get", SessionID=users, AdminAPIKey="wrong"))["ErrorCode"] == FORBIDDEN
    both = await anyone("usergroups.get", SessionID=users, AdminAPIKey=ADMIN_KEY)
    assert both["ErrorCode"] == UNAUTHENTICATED


async def test_a_name_is_closed_after_ten_failures_also_for_the_right_password(
    api: Client, make: Maker, another_application: Callable[..., Application]
) -> None:
    app, account, other = another_application(rate_limits="on"), account_of(api), account_of(await make.client())
    async with caller(app, address="192.0.2.1") as here, caller(app, address="192.0.2.2") as elsewhere:
        for _ in range(3):
            await log_in(here, account)
        for _ in range(10):
            assert await here("user.login", Username=account.username, Password="wrong") == REFUSED

        closed = await here("user.login", Username=account.username.upper(), Password=account.password)

        assert (closed["status"], closed["ErrorCode"]) == (429, 429)
        assert await log_in(here, other)
        assert await log_in(elsewhere, account)


async def test_an_administrators_name_and_a_key_are_closed_as_well(
    administrator: tuple[str, str], another_application: Callable[..., Application]
) -> None:
    username, password = administrator
    async with caller(another_application(rate_limits="on"), address="192.0.2.1") as here:
        for _ in range(10):
            await here("admin.login", Username=username, Password="wrong")
            await here("user.login", APIKey="wrong")

        by_name = await here("admin.login", Username=username, Password=password)
        by_key = await here("user.login", APIKey="wrong")

    assert (by_name["status"], by_key["status"]) == (429, 429)


async def test_guesses_sent_together_do_not_slip_past_the_limit(
    api: Client, another_application: Callable[..., Application]
) -> None:
    account = account_of(api)
    async with caller(another_application(rate_limits="on"), address="192.0.2.1") as here:
        bodies = await asyncio.gather(
            *(here("user.login", Username=account.username, Password=f"guess {number}") for number in range(20))
        )

    looked_at = [body for body in bodies if codes_of(body) == [3]]
    assert len(looked_at) == 10


async def test_an_account_is_guessed_at_by_one_count_whichever_of_its_names_is_used(
    api: Client, another_application: Callable[..., Application]
) -> None:
    name = account_of(api).username
    async with caller(another_application(rate_limits="on"), address="192.0.2.1") as here:
        for number in range(10):
            spelling = (name, f"{name}@example.com", name.upper())[number % 3]
            assert await here("user.login", Username=spelling, Password="wrong") == REFUSED

        closed = [await here("user.login", Username=each, Password=PASSWORD) for each in (name, f"{name}@EXAMPLE.com")]

    assert [each["status"] for each in closed] == [429, 429]


async def test_a_name_that_nobody_has_is_closed_just_as_one_that_somebody_has(
    api: Client, another_application: Callable[..., Application]
) -> None:
    async with caller(another_application(rate_limits="on"), address="192.0.2.1") as here:
        for name in (account_of(api).username, "nobody of this name"):
            for number in range(10):
                spelling = name.upper() if number % 2 else name
                assert await here("user.login", Username=spelling, Password="wrong") == REFUSED
            closed = await here("user.login", Username=name, Password="wrong")
            assert (closed["status"], closed["ErrorCode"]) == (429, 429)


async def test_logins_that_succeed_together_count_nowhere(
    api: Client, another_application: Callable[..., Application]
) -> None:
    account = account_of(api)
    async with caller(another_application(rate_limits="on"), address="192.0.2.1") as here:
        assert len({*await asyncio.gather(*(log_in(here, account) for _ in range(20)))}) == 20
        for _ in range(10):
            assert await here("user.login", Username=account.username, Password="wrong") == REFUSED


async def test_a_key_beside_a_name_is_guessed_no_oftener_than_alone(
    administrator: tuple[str, str], another_application: Callable[..., Application]
) -> None:
    username, password = administrator
    async with caller(another_application(rate_limits="on"), address="192.0.2.1") as here:
        for _ in range(12):
            body = await here("admin.login", Username=username, Password=password, AdminAPIKey="stale")
            assert body["Success"] is True
        for _ in range(10):
            await here("admin.login", Username=username, Password="wrong", AdminAPIKey="guess")

        by_name = await here("admin.login", Username=username, Password=password, AdminAPIKey="another guess")
        by_key = await here("admin.login", AdminAPIKey="guess")

    assert (by_name["status"], by_key["status"]) == (429, 429)


async def test_a_login_that_overlaps_a_change_of_the_password_opens_nothing(
    api: Client, anyone: Call, app: Application
) -> None:
    """The old password was right when it was looked at; a session made after the change would outlive it."""
    account = account_of(api)
    async with app.sessions.begin() as session:
        await session.execute(
            text("UPDATE users SET password_hash = 'another' WHERE user_id = :id"), {"id": account.user_id}
        )
        login = asyncio.ensure_future(anyone("user.login", Username=account.username, Password=account.password))
        await until_one_waits(app)

    assert await login == REFUSED


async def test_an_address_that_names_one_account_and_a_username_that_spells_it_do_not_meet(
    api: Client, make: Maker, admin: Client
) -> None:
    victim, thief = account_of(api), account_of(await make.client())

    await assert_refused(admin, "user.update", [6], UserID=thief.user_id, Username=f"{victim.username}@example.com")
    await assert_refused(admin, "user.update", [6], UserID=thief.user_id, Username=f"{victim.username}@EXAMPLE.com")


async def test_keys_are_kept_as_hashes(api: Client, app: Application) -> None:
    async with app.sessions() as session:
        kept = await session.scalar(select(ApiKey).where(ApiKey.owner_id == account_of(api).user_id))

    assert kept is not None
    assert kept.key_hash == keyed_hash(SECRET_KEY.encode(), account_of(api).api_key)
    assert account_of(api).api_key not in (kept.masked_key, kept.note)
