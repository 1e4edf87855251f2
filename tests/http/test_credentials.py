"""Who may call: every place of a credential, what two of them mean, and what none of them means."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from journeys_api.app import Application, create_app
from journeys_api.clock import FrozenClock, SystemClock
from journeys_api.settings import Settings
from tests.conftest import ADMIN_KEY, Account, Client, Maker
from tests.http.conftest import Wired

REFUSED = {
    "Success": False,
    "ErrorCode": 99998,
    "ErrorText": "Authentication failure or session expired",
    "Errors": [{"Code": 99998, "Message": "Authentication failure or session expired"}],
}
FORBIDDEN = {
    "Success": False,
    "ErrorCode": 99999,
    "ErrorText": "Not enough privileges",
    "Errors": [{"Code": 99999, "Message": "Not enough privileges"}],
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
async def account(app: Application, http: httpx.AsyncClient) -> Account:
    """An account with a key, for tests that change nothing of it."""
    return await Maker(app, http).account()


@pytest.fixture(scope="module")
async def other(app: Application, http: httpx.AsyncClient) -> Account:
    """Another one."""
    return await Maker(app, http).account()


async def _login(http: httpx.AsyncClient, account: Account) -> str:
    body = {"Username": account.username, "Password": account.password}
    answer = await http.post("/api.php", json={"Command": "user.login", **body})
    session: str = answer.json()["SessionID"]
    return session


async def _ask(
    wired: Wired, command: str, *, door: str = "rest", json: dict[str, Any] | None = None, **more: Any
) -> httpx.Response:
    path = f"/api/v1/{command}" if door == "rest" else "/api.php"
    if door == "legacy":
        json = {"Command": command, **(json or {})}
    return await wired.json("POST", path, json or {}, **more)


def _is_refused(answer: httpx.Response, door: str) -> bool:
    if door == "rest":
        return (answer.status_code, answer.json()) == (401, REFUSED) and answer.headers["www-authenticate"] == "Bearer"
    return (answer.status_code, answer.json()) == (200, REFUSED)


def _is_forbidden(answer: httpx.Response, door: str) -> bool:
    return (answer.status_code, answer.json()) == (403 if door == "rest" else 200, FORBIDDEN)


PLACES = ["query", "json", "form", "multipart", "header", "bearer", "lower-case query", "lower-case bearer"]


def _placed(place: str, name: str, value: str) -> dict[str, Any]:
    """What httpx needs to send a credential in one of the places."""
    match place:
        case "query":
            return {"params": {name: value}}
        case "lower-case query":
            return {"params": {name.lower(): value}}
        case "json":
            return {"json": {name: value}}
        case "form":
            return {"data": {name: value}}
        case "multipart":
            part = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--x--\r\n'
            return {"content": part, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}
        case "header":
            return {"headers": {name: value}}
        case "bearer":
            return {"headers": {"Authorization": f"Bearer {value}"}}
        case "lower-case bearer":
            return {"headers": {"authorization": f"bearer  {value}"}}
    raise KeyError(place)


@pytest.mark.parametrize("place", PLACES)
async def test_a_key_is_found_in_every_place(wired: Wired, account: Account, door: str, place: str) -> None:
    sent = _placed(place, "APIKey", account.api_key)
    if door == "legacy":
        sent["params"] = {**sent.get("params", {}), "Command": "test.for.user"}

    answer = await wired.http.post("/api/v1/test.for.user" if door == "rest" else "/api.php", **sent)

    assert answer.json()["Caller"] == f"user:{account.user_id}"


@pytest.mark.parametrize("place", PLACES)
async def test_the_administrators_key_is_found_in_every_place(wired: Wired, place: str) -> None:
    for name in ("AdminAPIKey", "APIKey"):
        answer = await wired.http.post("/api/v1/test.for.admin", **_placed(place, name, ADMIN_KEY))

        assert answer.json()["Caller"] == "admin", name


@pytest.mark.parametrize("place", ["query", "json", "form", "multipart"])
async def test_a_session_is_found_in_every_parameter(
    wired: Wired, http: httpx.AsyncClient, account: Account, place: str
) -> None:
    session = await _login(http, account)

    answer = await wired.http.post("/api/v1/test.for.user", **_placed(place, "SessionID", session))

    assert answer.json()["Caller"] == f"user:{account.user_id}"


async def test_a_get_takes_its_key_from_a_json_body(wired: Wired, account: Account) -> None:
    answer = await wired.json("GET", "/api/v1/test.for.user", {"apikey": account.api_key})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"APIKey": ""},
        {"APIKey": None},
        {"SessionID": ""},
        {"APIKey": "unknown"},
        {"SessionID": "unknown"},
        {"APIKey": "ключ"},
        {"APIKey": ["x"]},
        {"APIKey": {"$ne": 1}},
        {"APIKey": True},
        {"APIKey": 0},
        {"APIKey": "x" * 100_000},
        {"AdminAPIKey": "unknown"},
        {"AdminAPIKey": ADMIN_KEY[:-1]},
        {"AdminAPIKey": ADMIN_KEY + "\x00"},
    ],
)
async def test_what_is_no_credential_is_refused(wired: Wired, door: str, sent: dict[str, Any]) -> None:
    for command in ("test.for.user", "test.for.admin", "test.for.user_or_admin"):
        assert _is_refused(await _ask(wired, command, door=door, json=sent), door), command


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"APIKey": ""},
        {"APIKey": "ключ".encode().decode("latin-1")},
        {"Cookie": "SessionID=x; PHPSESSID=y; APIKey=z"},
    ],
)
async def test_a_header_that_holds_none_is_refused(wired: Wired, door: str, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}

    assert _is_refused(await _ask(wired, "test.for.user", door=door, headers=raw), door)


async def test_cookies_are_never_a_credential(
    wired: Wired, http: httpx.AsyncClient, account: Account, door: str
) -> None:
    session = await _login(http, account)
    cookie = {"Cookie": f"SessionID={session}; PHPSESSID={session}; APIKey={account.api_key}"}

    assert _is_refused(await _ask(wired, "test.for.user", door=door, headers=cookie), door)


async def test_empty_credentials_beside_a_valid_one_are_absent(wired: Wired, door: str, account: Account) -> None:
    answer = await _ask(
        wired, "test.for.user", door=door, json={"SessionID": "", "AdminAPIKey": None, "APIKey": account.api_key}
    )

    assert answer.json()["Caller"] == f"user:{account.user_id}"


async def test_a_bad_credential_beside_a_valid_one_does_no_harm(wired: Wired, door: str, account: Account) -> None:
    answer = await _ask(
        wired,
        "test.for.user",
        door=door,
        json={"SessionID": "stale", "APIKey": "bad"},
        headers={"APIKey": account.api_key, "Authorization": "Bearer worse"},
    )

    assert answer.json()["Caller"] == f"user:{account.user_id}"


async def test_two_valid_credentials_of_different_accounts_are_refused(
    wired: Wired, http: httpx.AsyncClient, account: Account, other: Account, door: str
) -> None:
    session = await _login(http, other)

    body_and_header = await _ask(
        wired, "test.for.user", door=door, json={"APIKey": account.api_key}, headers={"APIKey": other.api_key}
    )
    key_and_session = await _ask(
        wired, "test.for.user", door=door, json={"APIKey": account.api_key, "SessionID": session}
    )
    bearer = await _ask(
        wired,
        "test.for.user",
        door=door,
        headers={"APIKey": account.api_key, "Authorization": f"Bearer {other.api_key}"},
    )
    user_and_admin = await _ask(
        wired, "test.for.user_or_admin", door=door, json={"APIKey": account.api_key, "AdminAPIKey": ADMIN_KEY}
    )

    assert all(_is_refused(each, door) for each in (body_and_header, key_and_session, bearer, user_and_admin))


async def test_query_and_body_must_agree_too(wired: Wired, account: Account, other: Account) -> None:
    answer = await wired.json("POST", f"/api/v1/test.for.user?APIKey={account.api_key}", {"APIKey": other.api_key})

    assert _is_refused(answer, "rest")


async def test_two_credentials_of_one_account_agree(
    wired: Wired, http: httpx.AsyncClient, account: Account, door: str
) -> None:
    session = await _login(http, account)

    answer = await _ask(wired, "test.for.user", door=door, json={"APIKey": account.api_key, "SessionID": session})

    assert answer.json()["Caller"] == f"user:{account.user_id}"


async def test_a_users_credential_does_not_reach_an_admin_command(wired: Wired, account: Account, door: str) -> None:
    as_key = await _ask(wired, "test.for.admin", door=door, json={"APIKey": account.api_key})
    as_admin_key = await _ask(wired, "test.for.admin", door=door, json={"AdminAPIKey": account.api_key})
    with_a_bad_one = await _ask(
        wired, "test.for.admin", door=door, json={"AdminAPIKey": "bad", "APIKey": account.api_key}
    )

    assert _is_forbidden(as_key, door)
    assert _is_refused(as_admin_key, door)
    assert _is_forbidden(with_a_bad_one, door)


async def test_the_administrators_key_is_no_users_credential(wired: Wired, door: str) -> None:
    for name in ("AdminAPIKey", "APIKey"):
        assert _is_forbidden(await _ask(wired, "test.for.user", door=door, json={name: ADMIN_KEY}), door)


async def test_a_command_for_both_takes_both(wired: Wired, account: Account, door: str) -> None:
    user = await _ask(wired, "test.for.user_or_admin", door=door, json={"APIKey": account.api_key})
    admin = await _ask(wired, "test.for.user_or_admin", door=door, json={"AdminAPIKey": ADMIN_KEY})

    assert (user.json()["Caller"], admin.json()["Caller"]) == (f"user:{account.user_id}", "admin")


async def test_a_public_command_needs_none_and_judges_none(
    wired: Wired, account: Account, other: Account, door: str
) -> None:
    none = await _ask(wired, "test.for.public", door=door)
    bad = await _ask(wired, "test.for.public", door=door, json={"SessionID": "stale", "APIKey": ["x"]})
    two = await _ask(
        wired, "test.for.public", door=door, json={"APIKey": account.api_key}, headers={"APIKey": other.api_key}
    )

    assert [each.json()["Caller"] for each in (none, bad, two)] == ["anonymous"] * 3


async def test_a_missing_permission_is_99999_before_any_parameter_is_judged(make: Maker, door: str) -> None:
    client = (await make.client(permissions=["List.Get"])).at(door)

    answer = await client.call("journey.create")

    assert _is_forbidden(answer, door)


async def test_a_refused_credential_comes_before_the_parameters(wired: Wired, http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/journey")

    assert _is_refused(answer, "rest")


@pytest.mark.parametrize(("permissions", "allowed"), [(["*"], True), (["Test.Call"], True), (["test.call"], False)])
async def test_permissions_are_names_or_a_star(
    wired: Wired, make: Maker, permissions: list[str], allowed: bool
) -> None:
    account = await make.account(permissions=permissions)

    answer = await wired.http.get("/api/v1/test.permitted", headers={"APIKey": account.api_key})

    assert answer.status_code == (200 if allowed else 403)


async def test_a_revoked_key_is_refused_from_the_next_call_on(api: Client) -> None:
    keys = (await api.ok("user.apikey.list"))["APIKeys"]
    before = await api.call("user.current")

    deleted = await api.call("user.apikey.delete", APIKeyID=keys[0]["APIKeyID"])
    after = await api.call("user.current")

    assert (before.json()["Success"], deleted.status_code) == (True, 200)
    assert after.json() == REFUSED


async def test_a_disabled_user_is_refused_from_the_next_call_on(api: Client, admin: Client) -> None:
    assert api.account
    await api.ok("user.current")

    await admin.ok("user.update", UserID=api.account.user_id, AccountStatus="Disabled")

    assert (await api.call("user.current")).json() == REFUSED


@pytest.mark.parametrize(
    ("credential", "change"),
    [
        ("APIKey", "DELETE FROM api_keys WHERE owner_id = :user"),
        ("APIKey", "UPDATE api_keys SET bound_ip_address = '192.0.2.1' WHERE owner_id = :user"),
        ("APIKey", "UPDATE users SET account_status = 'Disabled' WHERE user_id = :user"),
        ("SessionID", "DELETE FROM login_sessions WHERE user_id = :user"),
    ],
)
async def test_another_process_notices_the_end_of_a_credential_that_it_remembers(
    settings: Settings, app: Application, make: Maker, credential: str, change: str
) -> None:
    account = await make.account()
    application = create_app(settings)
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        secret = account.api_key if credential == "APIKey" else await _login(http, account)
        call = {"Command": "user.current", credential: secret}
        alive = await http.post("/api.php", json=call)

        async with app.sessions.begin() as session:
            await session.execute(text(change), {"user": account.user_id})
        changed_at = time.monotonic()
        while (answer := (await http.post("/api.php", json=call)).json()) != REFUSED:
            assert answer["Success"] is True
            assert time.monotonic() < changed_at + 30
    await application.close()

    assert alive.json()["Success"] is True


async def test_permissions_taken_from_a_group_are_noticed_by_another_process(
    settings: Settings, app: Application, make: Maker
) -> None:
    account = await make.account()
    application = create_app(settings)
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        call = {"Command": "journey.list", "APIKey": account.api_key}
        alive = await http.post("/api.php", json=call)

        async with app.sessions.begin() as session:
            statement = text("UPDATE user_groups SET permissions = '{List.Create}' WHERE group_id = :group")
            await session.execute(statement, {"group": account.group_id})
        deadline = time.monotonic() + 30
        while (await http.post("/api.php", json=call)).json() != FORBIDDEN:
            assert time.monotonic() < deadline
    await application.close()

    assert alive.json()["Success"] is True


async def test_a_session_ends_when_its_time_is_over(settings: Settings, account: Account) -> None:
    clock = FrozenClock(SystemClock().now())
    short = settings.model_copy(update={"session_lifetime": timedelta(hours=1)})
    application = create_app(short, clock=clock)
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        session = await _login(http, account)
        call = {"Command": "user.current", "SessionID": session}

        alive = await http.post("/api.php", json=call)
        clock.tick(timedelta(hours=1, seconds=1))
        expired = await http.post("/api.php", json=call)
    await application.close()

    assert (alive.json()["Success"], expired.json()) == (True, REFUSED)


async def test_logins_ignore_whatever_session_is_sent_along(http: httpx.AsyncClient, account: Account) -> None:
    body = {"Command": "user.login", "Username": account.username, "Password": account.password}

    answers = [await http.post("/api.php", json={**body, "SessionID": sent}) for sent in ("", "0", "attacker", None)]
    issued = [answer.json()["SessionID"] for answer in answers]

    assert len({*issued, "attacker"}) == 5
    assert all(len(session) >= 43 for session in issued)


async def test_many_calls_at_once_keep_their_callers_apart(wired: Wired, make: Maker) -> None:
    accounts = [await make.account() for _ in range(3)]

    answers = await asyncio.gather(
        *(_ask(wired, "test.for.user", json={"APIKey": account.api_key}) for account in accounts for _ in range(10))
    )

    callers = [answer.json()["Caller"] for answer in answers]
    assert callers == [f"user:{account.user_id}" for account in accounts for _ in range(10)]
