"""The numbers of a journey that `journey.get` answers, whole or of a slice of its mails."""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from journeys_api.journeys.errors import ActionNotFound
from journeys_api.journeys.reading import WithNumbers
from journeys_api.journeys.sending import SENDS
from journeys_api.lanes import Lane
from journeys_api.stats.slices import Slice, action_days, slice_totals, together
from journeys_api.stats.windows import Window


class Mails(NamedTuple):
    """What became of the mails asked for; rows with the counters."""

    totals: Any
    """None: there is nothing yet."""
    days: Mapping[date, Any]


async def mails_of_journey(lane: Lane, *, owner_id: int, found: WithNumbers, window: Window, of: Slice) -> Mails:
    """The numbers of a slice of a journey's mails, in two statements more; of all of them, in none.

    Raises:
        ActionNotFound: the slice's action is not the journey's, or sends no email.
    """
    if of.is_whole:
        return Mails(found.totals.journey, found.days.journey)
    sending = {action.action_id for action in found.actions if action.action == SENDS}
    if of.action_id is not None and of.action_id not in sending:
        raise ActionNotFound
    journey_id = found.journey.journey_id
    totals = await slice_totals(lane, owner_id=owner_id, journey_id=journey_id, of=of)
    days = await action_days(lane, owner_id=owner_id, journey_id=journey_id, window=window, of=of)
    return Mails(totals, together(days))
