"""Rules of lists."""

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists import queries
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import SubscriberList


async def get_list(session: AsyncSession, *, owner_id: int, list_id: int) -> SubscriberList:
    """The account's list.

    Raises:
        ListNotFound: no such list in this account.
    """
    found = await session.scalar(queries.owned_lists(owner_id).where(SubscriberList.list_id == list_id))
    if found is None:
        raise ListNotFound
    return found
