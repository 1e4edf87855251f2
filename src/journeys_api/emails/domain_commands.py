"""The commands of sender domains (AC 2.12). The vendor's user and gateway domains are one table here (AC 9 #9)."""

import re
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, Unreadable, boolean, identifier, scalar_text, text, whole
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Reading,
    Refusal,
    command,
    missing,
    not_found,
)
from journeys_api.emails import domains, wire
from journeys_api.emails.errors import SenderDomainLimitReached, SenderDomainNotFound

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
_PATH = "/api/v1/user.senderdomain"
_NOT_FOUND = not_found(2, "Sender domain not found")
_DOMAIN_ID = Param("DomainID", "domain_id", identifier, missing=1, invalid=1, refers_to="domain")
_DECLARED: dict[str, Any] = {
    "permission": "User.Update",
    "limit": HUNDRED_A_MINUTE,
    "envelope": Envelope.ERRORS,
    "source": "AC 2.12",
}


def _prefix(value: Any) -> str:
    read = scalar_text(value)
    if not _LABEL.fullmatch(read):
        raise Unreadable
    return read


def _days(value: Any) -> int:
    return min(max(whole(value), 1), 365)


prefix = Reader(_prefix, {"type": "string", "pattern": f"^{_LABEL.pattern}$"})
days_back = Reader(_days, {"type": "integer", "minimum": 1, "maximum": 365})


def _judge_domain(reading: Reading) -> None:
    given = reading["name"]
    if given is None:
        return
    if domains.is_localhost(given):
        reading.refuse(4)
        return
    reading["name"] = domains.domain_name(given)
    if reading["name"] is None:
        reading.refuse(7, "SenderDomain is not a domain name")


@command(
    "user.senderdomain.create",
    routes=[("POST", _PATH)],
    params=[
        Param("SenderDomain", "name", text, missing=1, invalid=7),
        Param("LinkTracking", "link_tracking", boolean, default=True),
        Param("OpenTracking", "open_tracking", boolean, default=True),
        Param("UnsubscribeLink", "unsubscribe_link", boolean, default=False),
        Param("CustomSubdomain", "subdomain", prefix, invalid=6, default=""),
        Param("CustomTrackPrefix", "track_prefix", prefix, invalid=6, default=""),
        Param("UseTrackingSubdomain", "is_tracking_subdomain_used", boolean, default=True),
    ],
    refusals=[
        missing(1, "SenderDomain"),
        Refusal(4, "localhost is not a valid sender domain"),
        Refusal(5, "Sender domain limit reached for your account", 403),
        Refusal(
            6,
            "Invalid CustomSubdomain or CustomTrackPrefix (letters, digits, and hyphens only; max 32 chars; no "
            "leading/trailing hyphens)",
        ),
        Refusal(7, "Sender domain create process failed", 400),
    ],
    errors={SenderDomainLimitReached: 5},
    failure=Refusal(8, "Sender domain could not be retrieved after creation", 500),
    check=_judge_domain,
    title="Create a Sender Domain",
    example={"SenderDomain": "example.com"},
    **_DECLARED,
)
async def sender_domain_create(
    call: Call,
    *,
    name: str,
    link_tracking: bool,
    open_tracking: bool,
    unsubscribe_link: bool,
    subdomain: str,
    track_prefix: str,
    is_tracking_subdomain_used: bool,
) -> Body:
    """A domain to send from. It is `Enabled` at once: this server has no DNS template, and so no records to verify.

    The name is kept in ASCII (IDNA) and lower case. One that the account has, or had and deleted, is the same record
    again with these options.
    """
    options = {
        "LinkTracking": link_tracking,
        "OpenTracking": open_tracking,
        "UnsubscribeLink": unsubscribe_link,
        "CustomSubdomain": subdomain,
        "CustomTrackPrefix": track_prefix,
        "TrackPrefixDisabled": not is_tracking_subdomain_used,
    }
    made = await domains.create_sender_domain(
        call.session, owner_id=call.owner_id, name=name, options=options, now=call.now
    )
    return {"Success": True, "DomainID": made.domain_id, "SenderDomain": wire.sender_domain(made)}


@command(
    "user.senderdomain.list",
    routes=[("GET", f"{_PATH}s")],
    title="List Sender Domains",
    **_DECLARED,
)
async def sender_domain_list(call: Call) -> Body:
    """The account's sender domains, by id; a deleted one is not among them."""
    found = await domains.list_sender_domains(call.session, owner_id=call.owner_id)
    return {"Success": True, "SenderDomains": [wire.sender_domain(domain) for domain in found]}


@command(
    "user.senderdomain.get",
    routes=[("GET", _PATH)],
    params=[
        _DOMAIN_ID,
        Param("days", "days", days_back, doc="Also answer `Days` and `Stats` over so many days (1 to 365)."),
    ],
    refusals=[missing(1, "DomainID"), _NOT_FOUND],
    errors={SenderDomainNotFound: _NOT_FOUND},
    title="Get a Sender Domain",
    example={"DomainID": 12},
    **_DECLARED,
)
async def sender_domain_get(call: Call, *, domain_id: int, days: int | None) -> Body:
    """One sender domain. Mail is not counted by sending domain, so `Stats` has no days in it."""
    found = await domains.get_sender_domain(call.session, owner_id=call.owner_id, domain_id=domain_id)
    body: dict[str, object] = {"Success": True, "SenderDomain": wire.sender_domain(found)}
    return body if days is None else {**body, "Days": days, "Stats": {}}


@command(
    "user.senderdomain.delete",
    routes=[("DELETE", _PATH)],
    params=[_DOMAIN_ID],
    refusals=[missing(1, "DomainID"), _NOT_FOUND],
    errors={SenderDomainNotFound: _NOT_FOUND},
    title="Delete a Sender Domain",
    example={"DomainID": 12},
    **_DECLARED,
)
async def sender_domain_delete(call: Call, *, domain_id: int) -> Body:
    """Take a sender domain away; creating its name again revives it."""
    await domains.delete_sender_domain(call.session, owner_id=call.owner_id, domain_id=domain_id)
    return {"Success": True}
