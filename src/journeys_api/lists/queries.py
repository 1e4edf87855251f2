"""SQL of lists."""

from sqlalchemy import Select, select

from journeys_api.models import SubscriberList


def owned_lists(owner_id: int) -> Select[tuple[SubscriberList]]:
    """The only way to a list: whatever is built on this stays within one account."""
    return select(SubscriberList).where(SubscriberList.owner_id == owner_id)
