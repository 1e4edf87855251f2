"""The commands of accounts: logins, the own account, API keys; those of administrators beside it (AC 2.1-2.3)."""

from collections.abc import Iterator
from contextlib import contextmanager

from journeys_api.accounts import group_commands, logins, service, user_commands, wire
from journeys_api.accounts.errors import (
    ApiKeyNotFound,
    ApiKeyNotMade,
    LoginRefused,
    TooManyApiKeys,
    UserNotFound,
)
from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import boolean, bounded_text, identifier, ip, text
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Reading,
    Refusal,
    Scope,
    command,
    not_found,
)

__all__ = ["group_commands", "user_commands"]

NO_MD5 = "an encrypted password is not accepted, send the password itself"

PASSWORD_PARAMS = (
    Param("Username", "username", text),
    Param("Password", "password", text),
    Param(
        "PasswordEncrypted",
        "is_password_encrypted",
        boolean,
        default=False,
        doc="The vendor takes the MD5 of a password. Nothing can be compared with it here: true is refused.",
    ),
)
LOGIN_REFUSALS = (
    Refusal(1, "Missing Username parameter"),
    Refusal(2, "Missing Password parameter"),
)


def _counted(call: Call) -> logins.Counted:
    @contextmanager
    def counted(account: str) -> Iterator[None]:
        take_back = call.failed_logins.count(account=account, address=call.client_address)
        try:
            yield
        except LoginRefused:
            raise
        except BaseException:
            take_back()
            raise
        else:
            take_back()

    return counted


def _needs_a_credential(reading: Reading, *, key: str) -> None:
    if not reading.has(key):
        if not reading.has("username"):
            reading.refuse(1)
        if not reading.has("password"):
            reading.refuse(2)
        if not reading.refusals and reading["is_password_encrypted"]:
            reading.refuse(3, NO_MD5)


@command(
    "user.login",
    scope=Scope.PUBLIC,
    params=[
        *PASSWORD_PARAMS,
        Param("APIKey", "api_key", text, invalid=3, doc="In place of username and password, and decisive when given."),
    ],
    refusals=[*LOGIN_REFUSALS, Refusal(3, "Invalid login information")],
    errors={LoginRefused: 3},
    check=lambda reading: _needs_a_credential(reading, key="api_key"),
    title="User Login",
    source="AC 2.1",
    example={"Username": "demo", "Password": "the password"},
    answer={
        "SessionID": "BqgMrn4-HyhDWl4mhtJvpsW1-sKutQZaMMz09hHFYlM",
        "UserInfo": {"UserID": 123, "Username": "demo", "EmailAddress": "demo@example.com", "AccountStatus": "Enabled"},
    },
)
async def user_login(
    call: Call, *, username: str | None, password: str | None, is_password_encrypted: bool, api_key: str | None
) -> Body:
    """Log in by username or e-mail address and password, or by API key; answers a new SessionID each time.

    A session opened by a key ends with the key and is bound to the same address. A disabled account is answered like a
    wrong password. There is no two-factor authentication: its parameters are ignored, its codes 6 and 101 not used.
    After 10 failures of one account, by whichever name, from one address within 60 seconds, 429.
    """
    lifetime, counted = call.settings.session_lifetime, _counted(call)
    async with logins.turn():
        if api_key is not None:
            login = await logins.log_in_user_by_key(
                call.session,
                key=api_key,
                pepper=call.pepper,
                client_address=call.client_address,
                now=call.now,
                lifetime=lifetime,
                counted=counted,
            )
        else:
            login = await logins.log_in_user(
                call.session,
                name=username or "",
                password=password or "",
                pepper=call.pepper,
                now=call.now,
                lifetime=lifetime,
                counted=counted,
            )
    return {"SessionID": login.session_id, "UserInfo": wire.logged_in_user(login.user, login.group)}


@command(
    "admin.login",
    scope=Scope.PUBLIC,
    params=[
        *PASSWORD_PARAMS,
        Param(
            "AdminAPIKey",
            "admin_api_key",
            text,
            invalid=3,
            doc="The configured key. When it is right, username and password are not looked at.",
        ),
    ],
    refusals=[*LOGIN_REFUSALS, Refusal(3, "Invalid username or password")],
    errors={LoginRefused: 3},
    check=lambda reading: _needs_a_credential(reading, key="admin_api_key"),
    title="Admin Login",
    source="AC 2.1",
    example={"Username": "admin", "Password": "the password"},
    answer={
        "SessionID": "BIG18rDmXpf828gDUsYR4AfAMOGkJNsU2eys2x5y778",
        "AdminInfo": {
            "AdminID": 1,
            "Username": "admin",
            "FirstName": "",
            "LastName": "",
            "EmailAddress": "admin@example.com",
            "2FA_Enabled": "No",
            "CreatedOn": "2026-01-01 00:00:00",
            "LastLoginOn": "2026-01-15 14:30:00",
        },
    },
)
async def admin_login(
    call: Call, *, username: str | None, password: str | None, is_password_encrypted: bool, admin_api_key: str | None
) -> Body:
    """Log an administrator in by username and password, or by the configured AdminAPIKey.

    The key is nobody's: its `AdminInfo` has the id 0, and its sessions end when another key is configured. Next to a
    wrong key, username and password are still tried. After 10 failures of one account from one address within 60
    seconds, 429.
    """
    configured = call.settings.admin_api_key
    lifetime, counted = call.settings.session_lifetime, _counted(call)
    tries_a_name = username is not None and password is not None and not is_password_encrypted

    async def by_key(key: str) -> logins.AdministratorLogin:
        with counted(f"key {key}"):
            try:
                return await logins.log_in_by_admin_key(
                    call.session,
                    key=key,
                    configured=configured.get_secret_value() if configured else "",
                    pepper=call.pepper,
                    now=call.now,
                    lifetime=lifetime,
                )
            except LoginRefused:
                if not tries_a_name:
                    raise
            return await by_name()

    async def by_name() -> logins.AdministratorLogin:
        return await logins.log_in_administrator(
            call.session,
            name=username or "",
            password=password or "",
            pepper=call.pepper,
            now=call.now,
            lifetime=lifetime,
            counted=counted,
        )

    async with logins.turn():
        login = await (by_name() if admin_api_key is None else by_key(admin_api_key))
    return {"SessionID": login.session_id, "AdminInfo": wire.administrator(login)}


@command(
    "user.current",
    errors={UserNotFound: Refusal(1, "Authentication required")},
    title="Get Current User Information",
    source="AC 2.1",
)
async def user_current(call: Call) -> Body:
    """The calling account and its group; what it has sent through the e-mail gateway is nothing, as there is none here.

    Limits are numeric text, "0" is unlimited; toggles are `Enabled` or `Disabled`. No credential is 99998, not 1.
    """
    user, group = await service.account_of(call.session, user_id=call.owner_id)
    return {
        "UserInfo": wire.own_user(user, group),
        "Usage": wire.usage(group),
        "SendRateLimits": wire.send_rate_limits(),
    }


@command(
    "user.apikey.create",
    routes=[("POST", "/api/v1/user.apikey")],
    permission="User.Update",
    limit=HUNDRED_A_MINUTE,
    params=[
        Param("Note", "note", bounded_text(1000), missing=1, invalid=1),
        Param("BoundIPAddress", "bound_ip_address", ip, invalid=3, doc="The only address that may use the key."),
    ],
    refusals=[
        Refusal(1, "Missing administrative note parameter"),
        Refusal(3, "API key create process failed", 400),
        not_found(4, "New API key create process has failed"),
    ],
    errors={TooManyApiKeys: 3, ApiKeyNotMade: 4},
    envelope=Envelope.ERRORS,
    title="Create API Key",
    source="AC 2.3",
    example={"Note": "Production API key"},
    answer={
        "Success": True,
        "APIKeyID": "5",
        "APIKey": {
            "APIKey": "95C4-0E55-0176-98E1-C265-81ED-9938-0392",
            "Note": "Production API key",
            "IPAddress": "",
            "BoundIPAddress": "",
            "CreatedAt": "2026-01-15 20:45:48",
            "LastUsedAt": None,
            "LastUsedIP": None,
            "RequestCount": 0,
        },
    },
)
async def user_apikey_create(call: Call, *, note: str, bound_ip_address: str | None) -> Body:
    """Make a key for the calling account. This answer is the only one that shows it; what is kept is a hash.

    A BoundIPAddress that is no address is 3; so is the 1001st key of an account.
    """
    api_key, clear = await service.create_api_key(
        call.session,
        owner_id=call.owner_id,
        note=note,
        bound_ip_address=bound_ip_address,
        now=call.now,
        pepper=call.pepper,
    )
    return {"Success": True, "APIKeyID": str(api_key.api_key_id), "APIKey": wire.new_api_key(api_key, clear)}


@command(
    "user.apikey.list",
    routes=[("GET", "/api/v1/user.apikeys")],
    permission="User.Update",
    limit=HUNDRED_A_MINUTE,
    envelope=Envelope.ERRORS,
    title="List API Keys",
    source="AC 2.3",
    answer={
        "Success": True,
        "APIKeys": [
            {
                "APIKeyID": 5,
                "APIKey": "95C4-****-****-****-****-****-****-0392",
                "Note": "Production API key",
                "BoundIPAddress": "",
                "CreatedAt": "2026-01-15 20:45:48",
                "LastUsedAt": "2026-01-16 09:12:33",
                "LastUsedIP": "192.0.2.7",
                "RequestCount": 12,
            }
        ],
    },
)
async def user_apikey_list(call: Call) -> Body:
    """The keys of the calling account, oldest first, masked. RequestCount counts logins by the key, not its calls."""
    keys = await service.list_api_keys(call.session, owner_id=call.owner_id)
    return {"Success": True, "APIKeys": [wire.api_key_in_list(api_key) for api_key in keys]}


@command(
    "user.apikey.delete",
    routes=[("POST", "/api/v1/user.apikey.delete")],
    permission="User.Update",
    limit=HUNDRED_A_MINUTE,
    params=[Param("APIKeyID", "api_key_id", identifier, missing=1, invalid=1, refers_to="api_key")],
    refusals=[Refusal(1, "Missing APIKeyID parameter"), not_found(2, "API key not found")],
    errors={ApiKeyNotFound: 2},
    envelope=Envelope.ERRORS,
    changes_principals=True,
    title="Delete API Key",
    source="AC 2.3",
    example={"APIKeyID": 5},
    answer={"Success": True},
)
async def user_apikey_delete(call: Call, *, api_key_id: int) -> Body:
    """Revoke a key: the next call with it is refused, and so are the sessions that it opened."""
    await service.delete_api_key(call.session, owner_id=call.owner_id, api_key_id=api_key_id)
    return {"Success": True}
