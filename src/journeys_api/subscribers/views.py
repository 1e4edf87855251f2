"""Subscribers with what is told of them beside their columns; so many statements for one as for a page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.fields import service as fields
from journeys_api.models import CustomField, Enrollment, EnrollmentState, Journey, JourneyAction, Subscriber, Tag
from journeys_api.subscribers import queries
from journeys_api.subscribers.places import Way, way_of
from journeys_api.suppressions import service as suppressions
from journeys_api.tags import service as tags


@dataclass(frozen=True)
class Membership:
    """One pass of a subscriber through a journey."""

    enrollment: Enrollment
    journey: Journey
    way: Way
    snoozed_until: datetime | None
    """When the person goes on; None: at once, or not at all."""

    @property
    def is_active(self) -> bool:
        """Whether the pass goes on; otherwise it was completed."""
        return self.enrollment.state is EnrollmentState.ACTIVE


@dataclass(frozen=True)
class SubscriberView:
    """A subscriber as the API tells of them."""

    subscriber: Subscriber
    fields: Sequence[CustomField]
    """Those of the list and the global ones."""
    shared_values: Mapping[str, str]
    """Values of global fields."""
    is_suppressed: bool = False
    tags: Sequence[Tag] = ()
    memberships: Sequence[Membership] = ()


async def view_page(
    session: AsyncSession,
    subscribers: Collection[Subscriber],
    *,
    owner_id: int,
    list_id: int,
    with_suppression: bool = True,
    with_tags: bool = True,
) -> list[SubscriberView]:
    """Subscribers of one list in the order given, without their journeys."""
    if not subscribers:
        return []
    known = await fields.fields_of_list(session, owner_id=owner_id, list_id=list_id)
    addresses = [each.email_address for each in subscribers]
    shared: Mapping[str, Mapping[str, str]] = {}
    if any(not each.list_id for each in known):
        shared = await queries.values_of_addresses(session, owner_id=owner_id, addresses=addresses)
    suppressed: set[str] = set()
    if with_suppression:
        suppressed = await suppressions.suppressed(session, owner_id=owner_id, list_id=list_id, addresses=addresses)
    tagged: Mapping[int, Sequence[Tag]] = {}
    if with_tags:
        tagged = await tags.tags_of(
            session, owner_id=owner_id, subscriber_ids=[each.subscriber_id for each in subscribers]
        )
    return [
        SubscriberView(
            subscriber=each,
            fields=known,
            shared_values=shared.get(each.email_address, {}),
            is_suppressed=each.email_address.lower() in suppressed,
            tags=tagged.get(each.subscriber_id, ()),
        )
        for each in subscribers
    ]


async def memberships_of(session: AsyncSession, subscriber: Subscriber, *, now: datetime) -> list[Membership]:
    """The passes of a subscriber that go on or were completed, in the order in which they began."""
    found = await queries.memberships(session, subscriber=subscriber)
    by_journey: dict[int, list[JourneyAction]] = {journey.journey_id: [] for _, journey in found}
    if by_journey:
        for action in await queries.actions_of(session, journey_ids=by_journey.keys()):
            by_journey[action.journey_id].append(action)
    ways = {journey_id: way_of(actions) for journey_id, actions in by_journey.items()}
    return [
        Membership(enrollment, journey, ways[journey.journey_id], _later(enrollment.due_at, now))
        for enrollment, journey in found
    ]


def _later(due_at: datetime | None, now: datetime) -> datetime | None:
    return due_at if due_at is not None and due_at > now else None
