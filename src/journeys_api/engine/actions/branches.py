"""Decision and YesNo: criteria as SQL over the group."""

from collections.abc import Sequence

from sqlalchemy import select

from journeys_api import criteria
from journeys_api.criteria import Criteria, CriteriaInvalid, CriteriaNotEvaluable
from journeys_api.engine.people import FALSE, TRUE, Moves, Person
from journeys_api.engine.registry import Standing, StepFailed, action
from journeys_api.engine.subjects import these
from journeys_api.journeys.action_types import DecisionParameters, YesNoParameters
from journeys_api.models import Subscriber
from journeys_api.segments.service import criteria_of_segments


@action("Decision")
async def decide(standing: Standing, people: Sequence[Person], parameters: DecisionParameters) -> Moves:
    """Those who meet the criteria go to the True side; without rules, nobody does (rulings 7)."""
    try:
        parsed = criteria.parse(parameters.criteria, operator=parameters.operator or "and")
    except CriteriaInvalid as error:
        raise StepFailed(f"the criteria cannot be read: {error}") from None
    return await _branch(standing, people, parsed)


@action("YesNo")
async def yes_no(standing: Standing, people: Sequence[Person], parameters: YesNoParameters) -> Moves:
    """The old branch: one condition (JC 3.4)."""
    try:
        parsed = criteria.from_yes_no(
            parameters.left or "", parameters.operator or "", parameters.right or "", parameters.option or ""
        )
    except CriteriaInvalid as error:
        raise StepFailed(f"the criteria cannot be read: {error}") from None
    return await _branch(standing, people, parsed)


async def _branch(standing: Standing, people: Sequence[Person], parsed: Criteria) -> Moves:
    if parsed.is_empty:
        return Moves(FALSE)
    session = standing.session
    try:
        condition = await criteria.compile(
            session,
            parsed,
            owner_id=standing.owner_id,
            list_id=Subscriber.list_id.expression,
            now=standing.now,
            time_zone=standing.flow.time_zone,
            segments=await criteria_of_segments(session, owner_id=standing.owner_id, of=parsed),
        )
    except CriteriaNotEvaluable as error:
        # it never takes a branch unasked: the step is held and tried again (rulings 7)
        raise StepFailed(f"the criteria cannot be evaluated: {error}") from None
    met = set(
        await session.scalars(
            select(Subscriber.subscriber_id).where(
                Subscriber.owner_id == standing.owner_id,
                these(standing.owner_id, [person.subscriber_id for person in people]),
                condition,
            )
        )
    )
    return Moves(FALSE, {person.enrollment_id: TRUE for person in people if person.subscriber_id in met})
