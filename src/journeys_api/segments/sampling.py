"""Random segments: criteria that only a sample of the matching people passes."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, ColumnElement, func, literal, select

from journeys_api.criteria import Criteria
from journeys_api.criteria.tree import Scope
from journeys_api.models import Subscriber


@dataclass(frozen=True)
class Sampled(Criteria):
    """Criteria of which a fixed number of the matching people of a list belongs to the segment.

    Always the same people, as long as the same ones match: they are taken in the order of a hash of segment and
    subscriber (AC 7.6). Every evaluation looks at all matching people of the list, also where few are asked about.
    """

    segment_id: int = 0
    list_id: int = 0
    size: int = 0

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Criteria.condition`."""
        drawn = func.hashint8extended(Subscriber.subscriber_id, literal(self.segment_id, BigInteger))
        sample = (
            select(Subscriber.subscriber_id)
            .where(
                Subscriber.owner_id == scope.owner_id,
                Subscriber.list_id == self.list_id,
                super().condition(scope),
            )
            .order_by(drawn, Subscriber.subscriber_id)
            .limit(self.size)
            # the sample is drawn from the whole list, not from the rows that are asked about
            .correlate(None)
        )
        return Subscriber.subscriber_id.in_(sample)
