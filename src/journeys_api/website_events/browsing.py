"""Events that browsers report under a public key: they are added to what is known, and change nobody.

Anybody can read the key in a page, so what a browser says about who is there counts only with proof: a visitor id that
was tied to somebody before, the mark of a link in a mail, or an address that the website's own server has signed.

Source: reliability S99.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.lists import service as lists
from journeys_api.models import Subscriber, WebsiteEventKind
from journeys_api.subscribers import service as subscribers
from journeys_api.website_events import service
from journeys_api.website_events.keeping import Noted, Visit, keep
from journeys_api.website_events.kinds import is_marked


@dataclass(frozen=True)
class Browsed:
    """What one browser reports at once."""

    uuid: str
    events: Sequence[Noted]
    """Each with its own id."""
    message_id: int | None = None
    """The account's message that led there, if a signed token says so."""
    address: str | None = None
    """An address that the browser says is the visitor's."""
    is_signed: bool = False
    """Whether the website's server vouches for it."""


async def append(
    session: AsyncSession, *, owner_id: int, list_id: int, browsed: Browsed, window: timedelta, now: datetime
) -> int:
    """Keep a browser's events; how many are new. Nobody is made and nobody's values change.

    An identify event for an address that nobody vouches for is kept under the visitor id alone, and starts nothing.

    Raises:
        ListNotFound: the list is gone.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    visitor = await _visitor(session, owner_id, list_id, browsed)
    meant = [noted for noted in browsed.events if not is_marked(noted.properties, "istest")]
    claims = [] if _is_proven(browsed, visitor) else [each for each in meant if each.kind is WebsiteEventKind.IDENTIFY]
    known = [each for each in meant if each not in claims]
    new = 0
    for who, events in ((visitor, known), (None, claims)):
        visit = Visit(
            owner_id=owner_id,
            visitor=who,
            list_id=list_id if who is None else who.list_id,
            uuid=browsed.uuid,
            message_id=browsed.message_id,
            window=window,
        )
        new += await keep(session, visit, events, now=now)
    return new


async def _visitor(session: AsyncSession, owner_id: int, list_id: int, browsed: Browsed) -> Subscriber | None:
    if browsed.is_signed and browsed.address is not None:
        return await subscribers.find_subscriber(session, owner_id=owner_id, list_id=list_id, address=browsed.address)
    return await service.find_by_marks(
        session, owner_id=owner_id, list_id=list_id, uuid=browsed.uuid, message_id=browsed.message_id
    )


def _is_proven(browsed: Browsed, visitor: Subscriber | None) -> bool:
    """Whether the visitor is who the browser says: signed, or what was known of the visitor anyway."""
    if browsed.is_signed:
        return True
    return (
        visitor is not None and browsed.address is not None and visitor.email_address.lower() == browsed.address.lower()
    )
