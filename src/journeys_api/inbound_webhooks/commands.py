"""The commands of inbound webhooks (AC 2.13); what calls one is in `http.inbound`."""

from typing import Any

from journeys_api.commands.call import Body, Call
from journeys_api.commands.reading import Reader, boolean, choice, identifier, text, whole
from journeys_api.commands.registry import (
    HUNDRED_A_MINUTE,
    Envelope,
    Param,
    Refusal,
    command,
    invalid,
    missing,
    not_found,
)
from journeys_api.inbound_webhooks import service, wire
from journeys_api.inbound_webhooks.errors import TooManyWebhooks, WebhookNotFound
from journeys_api.inbound_webhooks.service import Binding
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import InboundEvent, InboundWebhook

_PATH = "/api/v1/user.webhook"
_MOST_DAYS = 365
_DAYS = 30
_EVENTS = "Event must be one of: Subscription, Unsubscription"
_NO_LIST = "Target subscriber list not found"
_NOT_FOUND = not_found(2, "Webhook not found")
_DECLARED: dict[str, Any] = {
    "permission": "User.Update",
    "limit": HUNDRED_A_MINUTE,
    "envelope": Envelope.ERRORS,
    "source": "AC 2.13",
}
_WEBHOOK = {
    "WebhookID": "6",
    "RelUserID": "1",
    "RelListID": "12",
    "Name": "Shop",
    "Event": "Subscription",
    "HashedID": "f4ca-2c1a-9b7e-8d33-66d2-7cb8-1e09-aa45",
    "URL": "https://example.com/system/webhook/f4ca-2c1a-9b7e-8d33-66d2-7cb8-1e09-aa45/",
    "Options": {"UnsubscribeAll": False},
}

days_back = Reader(lambda value: min(max(whole(value), 1), _MOST_DAYS), {"type": "integer", "maximum": _MOST_DAYS})


def _webhook_id(code: int) -> Param:
    return Param("WebhookID", "webhook_id", identifier, missing=code, invalid=code, refers_to="webhook")


def _binding(first: int) -> list[Param]:
    """Name, list and event with their codes: missing from `first` on, then an unknown event, then an unknown list."""
    return [
        Param("Name", "name", text, missing=first),
        Param("RelListID", "list_id", identifier, missing=first + 1, invalid=first + 1, refers_to="list"),
        Param("Event", "event", choice(InboundEvent), missing=first + 2, invalid=first + 3),
        Param(
            "UnsubscribeAll",
            "leaves_all_lists",
            boolean,
            default=False,
            doc="For Unsubscription: take the address off every list of the account.",
        ),
    ]


def _row(call: Call, found: InboundWebhook, *, list_name: str | None = None) -> dict[str, object]:
    secret_id = service.hashed_id(call.pepper, found)
    return wire.webhook(found, secret_id=secret_id, public_url=call.settings.links_url, list_name=list_name)


@command(
    "user.webhook.list",
    routes=[("GET", f"{_PATH}s")],
    params=[
        Param(
            "IncludeStats",
            "with_stats",
            boolean,
            default=False,
            doc=f"Also `ReceivedRequestsStats`: the calls of the last {_DAYS} days, by the Unix time of their day.",
        )
    ],
    title="List Inbound Webhooks",
    example={"IncludeStats": True},
    answer={"Success": True, "Webhooks": [{**_WEBHOOK, "RelListName": "Newsletter"}]},
    **_DECLARED,
)
async def webhook_list(call: Call, *, with_stats: bool) -> Body:
    """The account's inbound webhooks, by id."""
    found = await service.list_webhooks(call.session, owner_id=call.owner_id)
    rows = [(each.webhook_id, _row(call, each, list_name=name)) for each, name in found]
    if with_stats:
        days = await service.days_of_webhooks(call.session, owner_id=call.owner_id, days=_DAYS, now=call.now)
        for webhook_id, row in rows:
            row["ReceivedRequestsStats"] = wire.received_by_day(days.get(webhook_id, ()))
    return {"Success": True, "Webhooks": [row for _, row in rows]}


@command(
    "user.webhook.get",
    routes=[("GET", _PATH)],
    params=[_webhook_id(1)],
    refusals=[missing(1, "WebhookID"), _NOT_FOUND],
    errors={WebhookNotFound: 2},
    title="Get an Inbound Webhook",
    example={"WebhookID": 6},
    answer={"Success": True, "Webhook": _WEBHOOK},
    **_DECLARED,
)
async def webhook_get(call: Call, *, webhook_id: int) -> Body:
    """One inbound webhook. Its `HashedID`, and with it the `URL`, is a secret."""
    found = await service.get_webhook(call.session, owner_id=call.owner_id, webhook_id=webhook_id)
    return {"Success": True, "Webhook": _row(call, found)}


@command(
    "user.webhook.create",
    routes=[("POST", _PATH)],
    params=_binding(1),
    refusals=[
        missing(1, "Name"),
        missing(2, "RelListID"),
        missing(3, "Event"),
        Refusal(4, _EVENTS),
        not_found(5, _NO_LIST),
        Refusal(6, "Webhook create process failed", 403),
    ],
    errors={ListNotFound: 5, TooManyWebhooks: 6},
    failure=Refusal(6, "Webhook create process failed", 500),
    title="Create an Inbound Webhook",
    example={"Name": "Shop", "RelListID": 12, "Event": "Subscription"},
    answer={"Success": True, "WebhookID": 6, "Webhook": _WEBHOOK},
    **_DECLARED,
)
async def webhook_create(call: Call, **binding: Any) -> Body:
    """An address that another system posts to, to subscribe people to a list or take them off it.

    A POST to `URL` with JSON or a form takes the address from `EmailAddress` (also `Email`, `email_address`, `e-mail`,
    `mail`, `subscriber_email` or `user_email`, without case), its IP address from `IPAddress` or `ip` and, for a
    Subscription, values of fields from `CustomField<ID>`. Doing so again is answered like the first time. Code 6: the
    account has 1,000 webhooks, or it failed.
    """
    made = await service.create_webhook(
        call.session, owner_id=call.owner_id, binding=Binding(**binding), key=call.pepper, now=call.now
    )
    return {"Success": True, "WebhookID": made.webhook_id, "Webhook": _row(call, made)}


@command(
    "user.webhook.update",
    routes=[("PATCH", _PATH), ("PUT", _PATH)],
    params=[_webhook_id(1), *_binding(2)],
    refusals=[
        missing(1, "WebhookID"),
        missing(2, "Name"),
        missing(3, "RelListID"),
        missing(4, "Event"),
        Refusal(5, _EVENTS),
        not_found(6, "Webhook not found"),
        not_found(7, _NO_LIST),
    ],
    errors={WebhookNotFound: 6, ListNotFound: 7},
    failure=Refusal(8, "Webhook update process failed", 500),
    title="Update an Inbound Webhook",
    example={"WebhookID": 6, "Name": "Shop, leaving", "RelListID": 12, "Event": "Unsubscription"},
    answer={"Success": True, "Webhook": {**_WEBHOOK, "RelListName": "Newsletter"}},
    **_DECLARED,
)
async def webhook_update(call: Call, *, webhook_id: int, **binding: Any) -> Body:
    """Bind a webhook anew. Its `HashedID` stays, so that whoever calls it need not know."""
    found, list_name = await service.update_webhook(
        call.session, owner_id=call.owner_id, webhook_id=webhook_id, binding=Binding(**binding), now=call.now
    )
    return {"Success": True, "Webhook": _row(call, found, list_name=list_name)}


@command(
    "user.webhook.delete",
    routes=[("DELETE", _PATH)],
    params=[_webhook_id(1)],
    refusals=[missing(1, "WebhookID"), _NOT_FOUND],
    errors={WebhookNotFound: 2},
    title="Delete an Inbound Webhook",
    example={"WebhookID": 6},
    answer={"Success": True},
    **_DECLARED,
)
async def webhook_delete(call: Call, *, webhook_id: int) -> Body:
    """Take a webhook and its numbers away; whoever still calls it is answered with 404."""
    await service.delete_webhook(call.session, owner_id=call.owner_id, webhook_id=webhook_id)
    return {"Success": True}


@command(
    "user.webhook.stats",
    routes=[("GET", f"{_PATH}.stats")],
    params=[
        _webhook_id(1),
        Param("Days", "days", days_back, invalid=3, default=_DAYS, doc=f"The last so many days, 1 to {_MOST_DAYS}."),
    ],
    refusals=[
        missing(1, "WebhookID"),
        _NOT_FOUND,
        invalid(3, "Days", source="ours: the page has no code for what is no number"),
    ],
    errors={WebhookNotFound: 2},
    title="Get Statistics of an Inbound Webhook",
    example={"WebhookID": 6, "Days": 7},
    answer={
        "Success": True,
        "WebhookID": 6,
        "Days": 7,
        "Stats": {
            "2026-04-25": {
                "ID": "412",
                "RelWebhookID": "6",
                "RelUserID": "1",
                "Period": "2026-04-25",
                "ReceivedRequests": "12",
                "FailedRequests": "1",
                "SuccessfulRequests": "11",
            }
        },
    },
    **_DECLARED,
)
async def webhook_stats(call: Call, *, webhook_id: int, days: int) -> Body:
    """How often the webhook was called, by day (UTC), the newest first; days without a call are left out."""
    found = await service.days_of_webhook(
        call.session, owner_id=call.owner_id, webhook_id=webhook_id, days=days, now=call.now
    )
    return {
        "Success": True,
        "WebhookID": webhook_id,
        "Days": days,
        "Stats": {row["Period"]: row for row in map(wire.day_row, found)},
    }
