"""The commands of users, for administrators; `user.update` also for the user (AC 2.1)."""

from typing import Any

from sqlalchemy import ColumnElement

from journeys_api.accounts import service, users, wire
from journeys_api.accounts.errors import (
    CurrencyCounted,
    EmailAddressTaken,
    GroupNotFound,
    NotOwnAccount,
    UsernameTaken,
    UserNotFound,
)
from journeys_api.accounts.user_fields import (
    collect,
    currency,
    language,
    password,
    profile_params,
    rate_limits,
    time_zone,
    username,
)
from journeys_api.accounts.users import UserChanges, UserFilter
from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    Reader,
    boolean,
    bounded_text,
    choice,
    email_address,
    identifier,
    ids,
    number,
    whole,
)
from journeys_api.commands.registry import Param, Reading, Refusal, Scope, command, not_found
from journeys_api.models import AccountStatus, ReputationLevel, User
from journeys_api.strict_json import fold

DEFAULT_PAGE, LONGEST_PAGE = 25, 1000
MOST_ORDER_FIELDS = 5
OURS = "ours: the vendor names no code for a wrong value"
INVALID_VALUES = (
    Refusal(17, "Invalid Username parameter, at most 250 characters", source=OURS),
    Refusal(18, "Invalid Password parameter, 1 to 1024 bytes", source=OURS),
    Refusal(19, "Invalid TimeZone parameter, a name of the IANA time zone database", source=OURS),
)
ADMINISTRATORS_PARAMS = (
    Param("ReputationLevel", "reputation_level", choice(ReputationLevel), invalid=15),
    Param("AccountStatus", "account_status", choice(AccountStatus)),
    Param("AvailableCredits", "available_credits", number()),
)
_COLUMNS = {
    "time_zone": "time_zone",
    "language": "language",
    "reputation_level": "reputation_level",
    "account_status": "account_status",
    "available_credits": "available_credits",
}


def _judge_new_user(reading: Reading) -> None:
    if not (reading.has("FirstName") or reading.has("CompanyName")):
        reading.refuse(6)
    reading["details"] = collect(reading, _COLUMNS)


@command(
    "user.create",
    scope=Scope.ADMIN,
    params=[
        Param("RelUserGroupID", "group_id", identifier, missing=1, invalid=11, refers_to="group"),
        Param("EmailAddress", "address", email_address, missing=2, invalid=10),
        Param("Username", "username", username, missing=3, invalid=17),
        Param("Password", "password", password, missing=4, invalid=18),
        Param("TimeZone", "time_zone", time_zone, missing=8, invalid=19),
        Param("Language", "language", language, missing=9, invalid=14),
        *ADMINISTRATORS_PARAMS,
        *profile_params(keeps_empty=False),
    ],
    refusals=[
        Refusal(1, "Missing RelUserGroupID parameter"),
        Refusal(2, "Missing EmailAddress parameter"),
        Refusal(3, "Missing Username parameter"),
        Refusal(4, "Missing Password parameter"),
        Refusal(6, "Missing CompanyName or FirstName parameter"),
        Refusal(8, "Missing TimeZone parameter"),
        Refusal(9, "Missing Language parameter"),
        Refusal(10, "Invalid email address format"),
        Refusal(11, "Invalid user group ID"),
        Refusal(12, "Username already exists"),
        Refusal(13, "Email address already exists"),
        Refusal(14, "Invalid language code"),
        Refusal(15, "Invalid reputation level (must be 'Trusted' or 'Untrusted')"),
        *INVALID_VALUES,
    ],
    errors={GroupNotFound: 11, UsernameTaken: 12, EmailAddressTaken: 13},
    check=_judge_new_user,
    title="Create a User",
    source="AC 2.1",
    example={
        "RelUserGroupID": 1,
        "EmailAddress": "user@example.com",
        "Username": "newuser",
        "Password": "a long password",
        "TimeZone": "America/New_York",
        "Language": "en",
        "FirstName": "John",
    },
    answer={"UserID": 123},
)
async def user_create(
    call: Call, *, group_id: int, address: str, username: str, password: str, details: UserChanges
) -> Body:
    """Make an account. Usernames and e-mail addresses are compared without case.

    Both are names to log in with, so nobody may take somebody's address as username, or the reverse.

    There is no licence here that limits accounts: code 16 is not used.
    """
    user = await service.create_user(
        call.session,
        group_id=group_id,
        username=username,
        email_address=address,
        password=password,
        now=call.now,
        profile=dict(details.profile),
        **details.columns,
    )
    return {"UserID": user.user_id}


def _judge_update(reading: Reading) -> None:
    if reading.arguments.pop("is_2fa_enabled"):
        reading.refuse(4, "two-factor authentication is not available")
    new_password = reading.arguments.pop("password")
    own = {"group_id": "group_id", "address": "email_address", "username": "username", "currency": "currency"}
    changes = collect(reading, {**_COLUMNS, **own})
    reading["changes"] = UserChanges(changes.columns, changes.profile, new_password)


@command(
    "user.update",
    scope=Scope.USER_OR_ADMIN,
    permission="User.Update",
    params=[
        Param("UserID", "user_id", identifier, missing=1, invalid=1, refers_to="user"),
        Param("EmailAddress", "address", email_address, invalid=10),
        Param("Username", "username", username, invalid=17),
        Param("Password", "password", password, invalid=18),
        Param("TimeZone", "time_zone", time_zone, invalid=19),
        Param("Language", "language", language, invalid=14),
        Param("RelUserGroupID", "group_id", identifier, invalid=11, refers_to="group"),
        Param(
            "Currency",
            "currency",
            currency,
            invalid=20,
            keeps_empty=True,
            doc="Ours: what revenue is counted in, for good once some was; empty: that of the next conversion that "
            "names one.",
        ),
        *ADMINISTRATORS_PARAMS,
        *profile_params(keeps_empty=True),
        Param("RateLimits", "rate_limits", rate_limits, keeps_empty=True),
        Param("Enable2FA", "is_2fa_enabled", boolean, doc="True is refused: there is no second factor here."),
    ],
    refusals=[
        Refusal(1, "Missing UserID parameter"),
        Refusal(2, "User can only update their own account", 403),
        Refusal(4, "Invalid 2FA code"),
        not_found(5, "User not found"),
        Refusal(6, "Email address or username already exists", 409),
        Refusal(10, "Invalid email address format", source=OURS),
        Refusal(11, "Invalid user group ID", source=OURS),
        Refusal(14, "Invalid language code", source=OURS),
        Refusal(15, "Invalid reputation level (must be 'Trusted' or 'Untrusted')", source=OURS),
        *INVALID_VALUES,
        Refusal(20, "Invalid Currency parameter, three letters", source=OURS),
        Refusal(21, "Revenue was counted in another currency", 409, source="ours: Currency is"),
    ],
    errors={
        NotOwnAccount: 2,
        UserNotFound: 5,
        UsernameTaken: 6,
        EmailAddressTaken: 6,
        GroupNotFound: 11,
        CurrencyCounted: 21,
    },
    check=_judge_update,
    changes_principals=True,
    title="Update User",
    source="AC 2.1",
    example={"UserID": 1, "FirstName": "Jane", "LastName": "Smith"},
)
async def user_update(call: Call, *, user_id: int, changes: UserChanges) -> Body:
    """Change an account: users their own, administrators any. What is not sent stays; "" clears a text.

    From a user, AccountStatus, AvailableCredits, RelUserGroupID, ReputationLevel and SignUpIPAddress are passed over:
    clients send back what they read. A new password and AccountStatus `Disabled` end the account's sessions, the
    calling one too. PreviewMyEmail is not part of this server: its parameters are ignored, code 3 not used.
    """
    principal = call.principal
    await users.update_user(
        call.session,
        user_id=user_id,
        acting_user_id=principal.user_id if principal.kind == "user" else None,
        changes=changes,
        now=call.now,
    )
    return {}


def _names_a_user(reading: Reading) -> None:
    if not (reading.has("user_id") or reading.has("address")):
        reading.refuse(1)


@command(
    "user.get",
    scope=Scope.ADMIN,
    params=[
        Param("UserID", "user_id", identifier, invalid=1, refers_to="user"),
        Param("EmailAddress", "address", bounded_text(1000)),
    ],
    refusals=[Refusal(1, "Missing UserID or EmailAddress parameter"), not_found(3, "User not found")],
    errors={UserNotFound: 3},
    check=_names_a_user,
    title="Get User Information",
    source="AC 2.1",
    example={"UserID": 1},
    answer={
        "UserInformation": {"UserID": 1, "Username": "john.doe", "EmailAddress": "user@example.com"},
        "LimitUtilization": {"Subscribers": {"Used": 100, "Limit": 1000}, "Lists": {"Used": 5, "Limit": 10}},
    },
)
async def user_get(call: Call, *, user_id: int | None, address: str | None) -> Body:
    """An account by id or, without one, by e-mail address; with what it uses of its limits."""
    user, group = await users.find_user(call.session, user_id=user_id, email_address=address)
    used = await users.utilization(call.session, user_ids=[user.user_id])
    return {
        "UserInformation": wire.user_for_administrators(user, group),
        "LimitUtilization": wire.limit_utilization(used[user.user_id], group),
    }


_STATES: dict[str, dict[str, Any]] = {
    "online": {"is_online": True},
    "enabled": {"account_status": AccountStatus.ENABLED},
    "disabled": {"account_status": AccountStatus.DISABLED},
    "trusted": {"reputation_level": ReputationLevel.TRUSTED},
    "untrusted": {"reputation_level": ReputationLevel.UNTRUSTED},
}


def _group_filter(value: Any) -> dict[str, Any]:
    if isinstance(value, str) and fold(value) in _STATES:
        return _STATES[fold(value)]
    return {"group_ids": ids(value)}


def _category(value: Any) -> int:
    return -1 if value in (-1, "-1") else whole(value)


def ordering(order_field: str, order_type: str) -> list[tuple[ColumnElement[Any], bool]]:
    """The columns to order accounts by, each with whether it descends; both reset when either cannot be read."""
    columns = [wire.USER_COLUMNS.get(fold(name)) for name in order_field.split("|")]
    directions = [fold(direction) for direction in order_type.split("|")]
    directions += ["asc"] * (len(columns) - len(directions))
    pairs = [(column, direction == "desc") for column, direction in zip(columns, directions, strict=False)]
    known = [(column, descends) for column, descends in pairs if column is not None]
    if len(known) != len(columns) or len(known) > MOST_ORDER_FIELDS or not {*directions} <= {"asc", "desc"}:
        return [(wire.USER_COLUMNS["userid"], False)]
    return known


@command(
    "users.get",
    scope=Scope.ADMIN,
    params=[
        Param("RecordsPerRequest", "limit", number(), default=0, doc="25 when 0 or absent; at most 1000."),
        Param("RecordsFrom", "offset", number(), default=0),
        Param("OrderField", "order_field", bounded_text(1000), default="UserID", doc="Several with `|` between."),
        Param("OrderType", "order_type", bounded_text(1000), default="ASC"),
        Param(
            "RelUserGroupID",
            "group_filter",
            Reader(_group_filter, {"description": "an id, several, or Online, Enabled, Disabled, Trusted, Untrusted"}),
            default={},
            refers_to="group",
        ),
        Param(
            "RelUserCategoryID",
            "category_id",
            Reader(_category, {"type": "integer", "minimum": -1}),
            default=-1,
            refers_to="category",
        ),
        Param("SearchField", "search_field", bounded_text(100), default="EmailAddress"),
        Param("SearchKeyword", "search_keyword", bounded_text(1000)),
        Param("IncludeLimitUtilization", "includes_utilization", boolean, default=False),
    ],
    title="Get Users List",
    source="AC 2.1",
    example={"RecordsPerRequest": 25, "RecordsFrom": 0, "OrderField": "UserID", "OrderType": "DESC"},
    answer={"Users": [{"UserID": 123, "Username": "john.doe", "EmailAddress": "john@example.com"}], "TotalUsers": 150},
)
async def users_get(
    call: Call,
    *,
    limit: int,
    offset: int,
    order_field: str,
    order_type: str,
    group_filter: dict[str, Any],
    category_id: int,
    search_field: str,
    search_keyword: str | None,
    includes_utilization: bool,
) -> Body:
    """A page of accounts. An OrderField or OrderType that cannot be used resets both to `UserID ASC`.

    An unknown SearchField is EmailAddress. Nobody's presence is kept and there are no categories: `Online` and a
    RelUserCategoryID above 0 find nobody. ReturnStats is ignored: the vendor documents no shape of it.
    """
    column = wire.USER_COLUMNS.get(fold(search_field), User.email_address)
    rows, total = await users.list_users(
        call.session,
        only=UserFilter(
            category_id=category_id,
            search=None if search_keyword is None else (column, search_keyword),
            **group_filter,
        ),
        order=ordering(order_field, order_type),
        offset=offset,
        limit=min(limit or DEFAULT_PAGE, LONGEST_PAGE),
    )
    answered = [wire.user_for_administrators(user, group) for user, group in rows]
    if includes_utilization:
        used = await users.utilization(call.session, user_ids=[user.user_id for user, _ in rows])
        for row, (user, group) in zip(answered, rows, strict=True):
            row["LimitUtilization"] = wire.limit_utilization(used[user.user_id], group)
    return {"Users": answered, "TotalUsers": total}


def _names_some(reading: Reading) -> None:
    if reading.has("user_ids") and reading["user_ids"] == []:
        reading.refuse(1)


@command(
    "users.delete",
    scope=Scope.ADMIN,
    params=[Param("Users", "user_ids", ids, missing=1, invalid=1, refers_to="user")],
    refusals=[Refusal(1, "Missing Users parameter")],
    check=_names_some,
    changes_principals=True,
    title="Delete Users",
    source="AC 2.1",
    example={"Users": "123,124,125"},
)
async def users_delete(call: Call, *, user_ids: list[int]) -> Body:
    """Destroy accounts and everything they own, all or none. Ids of nobody are passed over, what is no id is 1.

    An account with millions of subscribers takes minutes, in one transaction that goes on when the client hangs up.
    """
    await users.delete_users(call.session, user_ids=user_ids)
    return {}
