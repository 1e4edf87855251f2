"""The commands of suppressions (AC 2.11). There is no command to add one address: import takes one as well."""

import asyncio
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    Reader,
    Unreadable,
    array_of_any,
    choice,
    comma_members,
    identifier,
    scalar_text,
    text,
)
from journeys_api.commands.registry import (
    MIB,
    Param,
    Reading,
    Refusal,
    Rejection,
    Scope,
    command,
    missing,
    not_found,
)
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import SuppressionSource
from journeys_api.suppressions import service, wire
from journeys_api.suppressions.addresses import SortedAddresses, is_address, sort_addresses
from journeys_api.suppressions.errors import AddressNotSuppressed

MOST_CHECKED = 500
MOST_BROWSED = 1000

_source = choice(SuppressionSource)


def _parse_sources(value: Any) -> list[SuppressionSource]:
    return [_source(member) for member in comma_members(value)]


def _parse_address(value: Any) -> str:
    read = scalar_text(value)
    if not is_address(read):
        raise Unreadable
    return read


def _list_id(code: int) -> Param:
    return Param(
        "ListID",
        "list_id",
        identifier,
        invalid=code,
        also=("SubscriberListID",),
        default=0,
        doc="0: the whole account; an administrator's 0: every account.",
        refers_to="list",
    )


def _addresses(code: int) -> list[Param]:
    return [
        Param("EmailAddresses", "members", array_of_any, invalid=code, default=(), doc="An array, or its JSON text."),
        Param("EmailAddressesBulk", "lines", text, invalid=code, default="", doc="One address a line."),
    ]


def _has_addresses(reading: Reading) -> bool:
    return reading.has("members") or reading.has("lines")


async def _scope(call: Call, list_id: int) -> service.Scope:
    """What the caller means by a list id: an administrator's 0 is every account."""
    if call.principal.kind == "admin":
        return await service.scope_of_any(call.session, list_id=list_id)
    return await service.scope_of(call.session, owner_id=call.owner_id, list_id=list_id)


def _check_import(reading: Reading) -> None:
    if not _has_addresses(reading):
        reading.refuse(1)
        reading.refuse(2)


@command(
    "suppression.import",
    scope=Scope.USER_OR_ADMIN,
    body_limit=16 * MIB,
    params=[
        *_addresses(2),
        Param("SuppressionSource", "source", _source, invalid=3, default=SuppressionSource.USER),
        Param(
            "Reason",
            "reason",
            text,
            default="Suppression List Import",
            doc=f"Cut after {service.MOST_REASON} characters.",
        ),
        _list_id(4),
    ],
    refusals=[
        missing(1, "EmailAddresses"),
        Refusal(2, "Missing EmailAddressesBulk parameter or invalid EmailAddresses format"),
        Refusal(3, "Invalid SuppressionSource value"),
        Refusal(4, "Invalid ListID"),
    ],
    errors={ListNotFound: 4},
    check=_check_import,
    title="Import Suppressed Addresses",
    source="AC 2.11",
    example={"EmailAddresses": '["user1@example.com", "user2@example.com"]', "SuppressionSource": "User"},
    answer={"TotalImported": 2, "TotalFailed": 0, "FailedEmailAddresses": []},
)
async def suppression_import(
    call: Call, *, members: list[Any], lines: str, source: SuppressionSource, reason: str, list_id: int
) -> Body:
    """Suppress addresses: for a list, for the account (list 0) or, by an administrator's list 0, for every account.

    `TotalImported` counts what is new, `TotalFailed` what is no address; an address that was suppressed already
    counts in neither, nor does one of the account's `WhiteListedEmailAddresses`, which is not suppressed.
    """
    # in a thread of its own: 16 MiB take a second or more, in which other calls shall go on
    sorted_addresses = await asyncio.to_thread(sort_addresses, members, lines)
    scope = await _scope(call, list_id)
    owner_id, _ = scope
    imported = await service.suppress(
        call.session,
        scope=scope,
        addresses={owner_id: sorted_addresses.valid},
        source=source,
        reason=reason,
        now=call.now,
    )
    return {
        "TotalImported": imported,
        "TotalFailed": len(sorted_addresses.failed),
        "FailedEmailAddresses": sorted_addresses.failed,
    }


@command(
    "suppression.browse",
    scope=Scope.USER_OR_ADMIN,
    params=[
        Param("SearchPattern", "pattern", text, default="*", doc="`*` stands for any text."),
        Param(
            "SuppressionSource",
            "sources",
            Reader(_parse_sources, {"type": "string", "description": "Comma-separated; absent: every source."}),
            invalid=1,
            default=(),
        ),
        _list_id(4),
        Param("StartFrom", "start", identifier, default=0),
        Param("RetrieveCount", "count", identifier, default=100, doc=f"At most {MOST_BROWSED}."),
    ],
    refusals=[Refusal(1, "Invalid SuppressionSource value"), Refusal(4, "Invalid ListID")],
    errors={ListNotFound: 4},
    title="Browse Suppressed Addresses",
    source="AC 2.11",
    example={"SearchPattern": "*@example.com", "RetrieveCount": 50},
    answer={
        "TotalRecords": 1,
        "SuppressedEmails": {
            "user@example.com": {
                "SuppressionID": "1234",
                "RelListID": "0",
                "RelOwnerUserID": "42",
                "EmailAddress": "user@example.com",
                "SuppressionSource": "Hard Bounced",
                "Reason": "Bounce: 550 mailbox unavailable",
            }
        },
    },
)
async def suppression_browse(
    call: Call, *, pattern: str, sources: list[SuppressionSource], list_id: int, start: int, count: int
) -> Body:
    """The suppressed addresses of exactly one list, or of the account (list 0), in order of address.

    `SuppressedEmails` is an object keyed by address. What is suppressed for every account, by complaints and by the
    link in mails, administrators see (list 0).
    """
    scope = await _scope(call, list_id)
    page = await service.browse(
        call.session,
        scope=scope,
        pattern=pattern,
        sources=sources,
        start=start,
        count=min(count or 100, MOST_BROWSED),
    )
    return {"TotalRecords": page.total, "SuppressedEmails": wire.by_address(page.suppressions)}


def _check_check(reading: Reading) -> None:
    if not _has_addresses(reading):
        reading.refuse(1)
        return
    if any(refusal.code == 2 for refusal in reading.refusals):
        return
    found = sort_addresses(reading["members"], reading["lines"])
    if not found.valid:
        extra: dict[str, object] = {"TotalFailed": len(found.failed), "FailedEmailAddresses": found.failed}
        raise Rejection([*reading.refusals, reading.command.refusal(2)], extra)
    if len(found.valid) > MOST_CHECKED:
        # never cut: an address past the cap would be answered as not suppressed
        extra = {"MaxEmailAddresses": MOST_CHECKED, "TotalSubmitted": len(found.valid)}
        raise Rejection([*reading.refusals, reading.command.refusal(5)], extra)
    reading["addresses"] = found


@command(
    "suppression.check",
    scope=Scope.USER_OR_ADMIN,
    params=[*_addresses(2), _list_id(4)],
    refusals=[
        Refusal(1, "Missing EmailAddresses or EmailAddressesBulk parameter"),
        Refusal(2, "Invalid EmailAddresses format or no valid email address"),
        Refusal(4, "Invalid ListID"),
        Refusal(5, f"More than {MOST_CHECKED} email addresses"),
    ],
    errors={ListNotFound: 4},
    failure=Refusal(6, "The suppression lookup failed", 500),
    check=_check_check,
    title="Check Addresses for Suppression",
    source="AC 2.11",
    example={"ListID": 1, "EmailAddresses": '["a@example.com", "b@example.com"]'},
    answer={
        "ListID": 1,
        "TotalChecked": 2,
        "TotalFailed": 0,
        "SuppressionCheckDisabled": False,
        "Results": {
            "a@example.com": {
                "IsSuppressed": True,
                "MatchedScopes": [{"Scope": "AccountWide", "SuppressionSource": "User", "Reason": ""}],
                "IsPatternSuppressed": False,
            },
            "b@example.com": {"IsSuppressed": False, "MatchedScopes": [], "IsPatternSuppressed": False},
        },
        "FailedEmailAddresses": [],
    },
)
async def suppression_check(call: Call, *, addresses: SortedAddresses, list_id: int, **_given: object) -> Body:
    """Whether a send to the list would drop the addresses, and which suppressions would make it so.

    Every scope counts: the list's own suppressions, the account's and everybody's; without a list only the last two,
    for an administrator everybody's alone.
    At most 500 addresses; two that differ in case are two.
    """
    owner_id, list_id = await _scope(call, list_id)
    found = await service.matches_of(call.session, owner_id=owner_id, list_id=list_id, addresses=addresses.valid)
    return {
        "ListID": list_id,
        "TotalChecked": len(addresses.valid),
        "TotalFailed": len(addresses.failed),
        "SuppressionCheckDisabled": False,
        "Results": wire.check_results(found),
        "FailedEmailAddresses": addresses.failed,
    }


def _check_delete(reading: Reading) -> None:
    if not (_has_addresses(reading) or reading.has("address")):
        reading.refuse(1)


@command(
    "suppression.delete",
    scope=Scope.USER_OR_ADMIN,
    params=[
        Param(
            "EmailAddress",
            "address",
            Reader(_parse_address, {"type": "string", "format": "email"}),
            invalid=2,
            doc="One address, which must be suppressed; the two lists take any.",
        ),
        *_addresses(2),
        _list_id(4),
    ],
    refusals=[
        Refusal(1, "Missing EmailAddress, EmailAddresses or EmailAddressesBulk parameter"),
        Refusal(2, "Invalid EmailAddress or EmailAddresses format"),
        Refusal(4, "Invalid ListID"),
    ],
    errors={ListNotFound: 4, AddressNotSuppressed: not_found(2, "Email address is not in the suppression list")},
    check=_check_delete,
    title="Delete Suppressed Addresses",
    source="AC 2.11",
    example={"EmailAddress": "user@example.com"},
)
async def suppression_delete(call: Call, *, address: str | None, members: list[Any], lines: str, list_id: int) -> Body:
    """Take addresses from exactly one list's suppressions, or from the account's (list 0); by an administrator's list
    0, from those of every account.

    With a list of addresses the answer counts: what is no address has failed, what was not suppressed counts nowhere.
    An `EmailAddress` beside a list is one more of it.
    """
    scope = await _scope(call, list_id)
    if address is not None and not members and not lines:
        await service.release_address(call.session, scope=scope, address=address)
        return {}
    if address is not None:
        members = [address, *members]
    found = sort_addresses(members, lines)
    deleted = await service.release_addresses(call.session, scope=scope, addresses=found.valid)
    return {"TotalDeleted": deleted, "TotalFailed": len(found.failed), "FailedEmailAddresses": found.failed}
