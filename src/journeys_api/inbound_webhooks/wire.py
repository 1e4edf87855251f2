"""Wire shapes of inbound webhooks."""

from collections.abc import Iterable
from datetime import UTC, datetime

from journeys_api.commands.wire import day
from journeys_api.models import InboundWebhook, InboundWebhookDay

PATH = "/system/webhook/"
"""Where the public address of a webhook begins."""


def webhook(
    found: InboundWebhook, *, secret_id: str, public_url: str, list_name: str | None = None
) -> dict[str, object]:
    """A webhook; its list's name where the vendor answers it."""
    named = {} if list_name is None else {"RelListName": list_name}
    return {
        "WebhookID": str(found.webhook_id),
        "RelUserID": str(found.owner_id),
        "RelListID": str(found.list_id),
        **named,
        "Name": found.name,
        "Event": found.event.value,
        "HashedID": secret_id,
        "URL": f"{public_url}{PATH}{secret_id}/",
        "Options": {"UnsubscribeAll": found.leaves_all_lists},
    }


def day_row(found: InboundWebhookDay) -> dict[str, str]:
    """A day's numbers, as text like the vendor's rows."""
    return {
        "ID": str(found.day_id),
        "RelWebhookID": str(found.webhook_id),
        "RelUserID": str(found.owner_id),
        "Period": day(found.counted_on),
        "ReceivedRequests": str(found.received_count),
        "FailedRequests": str(found.failed_count),
        "SuccessfulRequests": str(found.received_count - found.failed_count),
    }


def received_by_day(days: Iterable[InboundWebhookDay]) -> dict[str, int]:
    """Calls by the Unix time at which their day began (UTC)."""
    midnights = (
        (datetime(each.counted_on.year, each.counted_on.month, each.counted_on.day, tzinfo=UTC), each) for each in days
    )
    return {str(int(midnight.timestamp())): each.received_count for midnight, each in midnights}
