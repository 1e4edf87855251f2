"""Leaving journeys, starting others, and leaving the list altogether.

What concerns other journeys of a person is written as an event and done by the enrolling loop, in order, so that a step
never locks another journey.
"""

from collections.abc import Sequence

from sqlalchemy import select

from journeys_api.delivery.outbox import keep_for_webhooks
from journeys_api.engine.people import Moves, Person, exited
from journeys_api.engine.registry import Standing, StepFailed, action
from journeys_api.journeys.action_types import ExitJourneyParameters, NoParameters, TargetJourneyParameters
from journeys_api.journeys.leaving import DELETED
from journeys_api.models import Journey
from journeys_api.subscribers.effects import delete_many
from journeys_api.trigger_events import EXIT, START, Happened

_LEFT = "left by a journey"


def _exit_of(person: Person, journey_id: int, *, but: Sequence[int] = (), reason: str = _LEFT) -> Happened:
    return Happened(EXIT, person.list_id, person.subscriber_id, journey_id, {"but": list(but), "reason": reason})


@action("ExitThisJourney", uses_sql=False)
async def exit_this_journey(standing: Standing, people: Sequence[Person], parameters: NoParameters) -> Moves:
    """End everybody's pass through this journey."""
    return Moves(exited("ExitThisJourney"))


@action("ExitAllOtherJourneys")
async def exit_all_other_journeys(standing: Standing, people: Sequence[Person], parameters: NoParameters) -> Moves:
    """End all that these people are in but this journey."""
    moves = Moves.proceed()
    but = [standing.flow.journey_id]
    moves.happened = [(_exit_of(person, 0, but=but), person.depth + 1) for person in people]
    return moves


@action("ExitAllJourneys")
async def exit_all_journeys(standing: Standing, people: Sequence[Person], parameters: NoParameters) -> Moves:
    """End everything, this journey included."""
    moves = Moves(exited("ExitAllJourneys"))
    but = [standing.flow.journey_id]
    moves.happened = [(_exit_of(person, 0, but=but), person.depth + 1) for person in people]
    return moves


async def _require_journeys(standing: Standing, journey_ids: Sequence[int]) -> None:
    """The step fails unless journeys are named and all of them are the account's."""
    if not journey_ids:
        raise StepFailed("no journey is chosen")
    found = await standing.session.scalars(
        select(Journey.journey_id).where(
            Journey.owner_id == standing.owner_id,
            Journey.journey_id.in_(journey_ids),
            Journey.deleted_at.is_(None),
        )
    )
    if not set(journey_ids) <= set(found):
        raise StepFailed("the journey is gone")


@action("ExitJourney")
async def exit_journey(standing: Standing, people: Sequence[Person], parameters: ExitJourneyParameters) -> Moves:
    """End the named journeys for these people; when this one is among them, it ends at once."""
    given = parameters.target_journey_ids
    targets = [target for target in (given if isinstance(given, list) else [given]) if target]
    await _require_journeys(standing, targets)
    own = standing.flow.journey_id
    moves = Moves(exited("ExitJourney")) if own in targets else Moves.proceed()
    moves.happened = [
        (_exit_of(person, target), person.depth + 1) for person in people for target in targets if target != own
    ]
    return moves


@action("StartJourney")
async def start_journey(standing: Standing, people: Sequence[Person], parameters: TargetJourneyParameters) -> Moves:
    """Let these people into another journey of the account; its own rules decide who enters."""
    target = parameters.target_journey_id
    await _require_journeys(standing, [target] if target else [])
    moves = Moves.proceed()
    moves.happened = [
        (
            Happened(START, person.list_id, person.subscriber_id, target, person.event),
            person.depth + 1,
        )
        for person in people
    ]
    return moves


@action("DeleteSubscriber", reads_outbox=True)
async def delete_subscriber(standing: Standing, people: Sequence[Person], parameters: NoParameters) -> Moves:
    """Remove these people from their list; this journey ends for them, and so do all others that they are in.

    Webhooks that were owed before are called: telling another system comes before deleting.
    """
    subscriber_ids = [person.subscriber_id for person in people]
    await keep_for_webhooks(standing.session, owner_id=standing.owner_id, subscriber_ids=subscriber_ids)
    await delete_many(standing.session, owner_id=standing.owner_id, subscriber_ids=subscriber_ids)
    moves = Moves(exited("DeleteSubscriber"))
    but = [standing.flow.journey_id]
    moves.happened = [(_exit_of(person, 0, but=but, reason=DELETED), person.depth + 1) for person in people]
    return moves
