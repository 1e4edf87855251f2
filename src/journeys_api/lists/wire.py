"""Wire shapes of lists."""

from journeys_api.commands.wire import instant
from journeys_api.models import SubscriberList


def list_row(found: SubscriberList) -> dict[str, object]:
    """A list as `list.get` answers it."""
    return {
        "ListID": found.list_id,
        "Name": found.name,
        "RelOwnerUserID": found.owner_id,
        "OptInMode": found.opt_in_mode.value,
        "CreatedOn": instant(found.created_at),
    }
