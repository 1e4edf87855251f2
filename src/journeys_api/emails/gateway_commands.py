"""The administrator's commands of SMS gateways: ours, the vendor has screens for them and no command (AC 2.15)."""

import re
from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import (
    Reader,
    Unreadable,
    boolean,
    choice,
    comma_members,
    identifier,
    ids,
    object_of_any,
)
from journeys_api.commands.registry import Param, Reading, Scope, command, invalid, missing, not_found
from journeys_api.emails import gateways, wire
from journeys_api.emails.errors import GatewayNotFound, GatewayUserNotFound
from journeys_api.emails.gateway_credentials import CredentialsRefused, credentials_of
from journeys_api.emails.gateways import GatewayType
from journeys_api.emails.readers import line
from journeys_api.models import GatewayStatus

_OURS = "ours: the vendor has no command for SMS gateways"
_SENDER_ID = re.compile(r"\+[1-9][0-9]{1,14}|[A-Za-z0-9]{1,11}")
"""E.164 with its plus sign, or what networks show as a name (a short code is one too)."""


def _sender_ids(value: Any) -> list[str]:
    sender_ids = comma_members(value)
    if not all(_SENDER_ID.fullmatch(sender_id) for sender_id in sender_ids):
        raise Unreadable
    return sender_ids


sender_ids = Reader(
    _sender_ids,
    {
        "type": "array",
        "items": {"type": "string", "pattern": f"^(?:{_SENDER_ID.pattern})$"},
        "description": "a comma list is accepted",
    },
)


def _judge_by_type(reading: Reading) -> None:
    kind: GatewayType | None = reading["kind"]
    if kind is None:
        return
    try:
        reading["credentials"] = credentials_of(kind, reading["credentials"] or {})
    except CredentialsRefused as refused:
        reading.refuse(4, str(refused))
    if kind is GatewayType.TWILIO and not reading["sender_ids"]:
        reading.refuse(5, "Twilio needs one")


@command(
    "admin.smsgateway.create",
    scope=Scope.ADMIN,
    params=[
        Param("GatewayName", "name", line, missing=1, invalid=1),
        Param("GatewayType", "kind", choice(GatewayType), missing=2, invalid=3),
        Param("Credentials", "credentials", object_of_any, invalid=4),
        Param("SenderIDs", "sender_ids", sender_ids, invalid=5, default=(), doc="The first is the default."),
        Param("Status", "status", choice(GatewayStatus), invalid=6, default=GatewayStatus.ACTIVE),
        Param(
            "IsGlobal", "is_global", boolean, doc="Whether every user may use it; absent: unless UserIDs names some."
        ),
        Param(
            "UserIDs", "user_ids", ids, invalid=7, default=(), refers_to="user", doc="Who may, when it is not global."
        ),
    ],
    refusals=[
        missing(1, "GatewayName"),
        missing(2, "GatewayType"),
        invalid(3, "GatewayType"),
        invalid(4, "Credentials"),
        invalid(5, "SenderIDs"),
        invalid(6, "Status"),
        invalid(7, "UserIDs"),
        not_found(8, "User not found"),
    ],
    errors={GatewayUserNotFound: 8},
    check=_judge_by_type,
    title="Create an SMS Gateway",
    source=_OURS,
    example={
        "GatewayName": "Twilio",
        "GatewayType": "Twilio",
        "Credentials": {"AccountSID": "AC0123456789abcdef", "AuthToken": "token"},
        "SenderIDs": ["+14155550100"],
    },
)
async def gateway_create(
    call: Call,
    *,
    name: str,
    kind: GatewayType,
    credentials: dict[str, Any],
    sender_ids: list[str],
    status: GatewayStatus,
    is_global: bool | None,
    user_ids: list[int],
) -> Body:
    """Set up a way for short messages to leave. Its credentials are kept and never answered.

    `Credentials` by type — `Log`: none, messages go to the log. `Twilio`: `AccountSID`, `AuthToken`; `APIBaseURL` where
    it is not Twilio's own. `HTTP`: `URL`; `Method` (`POST`, or `PUT`), `Headers` (an object), `BodyTemplate` (the body,
    with `{{ To }}`, `{{ From }}` and `{{ Message }}` in it; without one it is the JSON object of the three).
    """
    made = await gateways.create_gateway(
        call.session,
        name=name,
        kind=kind,
        status=status,
        is_global=not user_ids if is_global is None else is_global,
        user_ids=user_ids,
        sender_ids=sender_ids,
        credentials=credentials,
        vault=call.vault,
        now=call.now,
    )
    return {"GatewayID": made.gateway_id, "Gateway": wire.gateway(made)}


@command("admin.smsgateway.list", scope=Scope.ADMIN, title="List SMS Gateways", source=_OURS)
async def gateway_list(call: Call) -> Body:
    """Every SMS gateway, by id. Of the credentials only `CredentialKeys`, the names of those that are set."""
    found = await gateways.list_gateways(call.session)
    return {"TotalGateways": len(found), "Gateways": [wire.gateway(gateway) for gateway in found]}


@command(
    "admin.smsgateway.delete",
    scope=Scope.ADMIN,
    params=[Param("GatewayID", "gateway_id", identifier, missing=1, invalid=1, refers_to="gateway")],
    refusals=[missing(1, "GatewayID"), not_found(2, "SMS gateway not found")],
    errors={GatewayNotFound: 2},
    title="Delete an SMS Gateway",
    source=_OURS,
    example={"GatewayID": 1},
)
async def gateway_delete(call: Call, *, gateway_id: int) -> Body:
    """Remove a gateway with its credentials. A journey that still sends through it fails visibly at that step."""
    await gateways.delete_gateway(call.session, gateway_id=gateway_id)
    return {}
