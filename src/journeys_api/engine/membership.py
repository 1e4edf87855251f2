"""Who is inside which journey, by command: let in, take out, end, list (AC 2.14, JC 9)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, any_, literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.engine import admissions
from journeys_api.engine.enrolling import Candidate, admit, cause_of
from journeys_api.journeys.errors import JourneyNotFound
from journeys_api.journeys.leaving import Exit, exit_journeys
from journeys_api.lists import service as lists
from journeys_api.models import Enrollment, EnrollmentState, Journey, JourneyStatus
from journeys_api.subscribers import service as subscribers
from journeys_api.trigger_events import wake

MANUAL = "Manual"
IS_DISABLED = "Journey is disabled"
IS_UNKNOWN = "Journey not found"


@dataclass
class Processed:
    """What a call did: the journeys it was about, and those it could not be about, with the reason."""

    journey_ids: list[int] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)


class NoJourneyLeft(JourneyNotFound):
    """Journey not found"""

    def __init__(self, skipped: Sequence[tuple[int, str]]) -> None:
        super().__init__(extra={"SkippedJourneys": [{"JourneyID": each, "Reason": reason} for each, reason in skipped]})


async def locked_journeys(session: AsyncSession, *, owner_id: int, journey_ids: Sequence[int]) -> dict[int, Journey]:
    """Those of the journeys that are the account's, by id, kept from changing until the transaction ends."""
    # one parameter however many ids a caller sends: the driver takes no more than 32,767
    wanted = any_(literal(list(journey_ids), ARRAY(BigInteger)))
    statement = (
        select(Journey)
        .where(Journey.owner_id == owner_id, Journey.deleted_at.is_(None), Journey.journey_id == wanted)
        .order_by(Journey.journey_id)
        .with_for_update(read=True)
    )
    return {journey.journey_id: journey for journey in await session.scalars(statement)}


async def trigger(
    session: AsyncSession,
    *,
    owner_id: int,
    journey_ids: Sequence[int],
    list_id: int,
    subscriber_id: int,
    ignores_status: bool,
    now: datetime,
) -> Processed:
    """Let a subscriber into journeys. Criteria and the rule of one active pass apply, entry caps do not stop it.

    Who is inside already, or does not meet the criteria, counts as processed (rulings 7).

    Args:
        ignores_status: also into disabled journeys; there the subscriber waits at the first action.

    Raises:
        NoJourneyLeft: every journey was skipped.
        ListNotFound, SubscriberNotFound: not the account's.
    """
    found = await locked_journeys(session, owner_id=owner_id, journey_ids=journey_ids)
    processed = Processed()
    entering: list[Journey] = []
    for journey_id in dict.fromkeys(journey_ids):
        journey = found.get(journey_id)
        if journey is None:
            processed.skipped.append((journey_id, IS_UNKNOWN))
        elif journey.status is not JourneyStatus.ENABLED and not ignores_status:
            processed.skipped.append((journey_id, IS_DISABLED))
        else:
            processed.journey_ids.append(journey_id)
            entering.append(journey)
    if not entering:
        raise NoJourneyLeft(processed.skipped)
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    person = await subscribers.get_subscriber(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    candidate = Candidate(list_id, subscriber_id, person.email_address, MANUAL, 0, cause_of(MANUAL))
    admission = await admit(session, [(journey, [candidate]) for journey in entering], now=now, ignores_caps=True)
    await admissions.insert_refusals(session, admission.refused, now=now)
    await wake(session)
    return processed


# A statement of its own: the step that has these people just now is waited for here, and only what begins after it sees
# the messages that the step owes.
_LOCK = text(
    """
SELECT enrollment_id FROM enrollments
WHERE owner_id = :owner AND journey_id = ANY(CAST(:journeys AS bigint[])) AND list_id = :list
  AND subscriber_id = ANY(CAST(:people AS bigint[])) AND state = 'active'
ORDER BY enrollment_id FOR UPDATE
"""
)
_REMOVE = text(
    """
WITH gone AS (
    DELETE FROM enrollments
    WHERE owner_id = :owner AND enrollment_id = ANY(CAST(:enrollments AS bigint[])) AND state = 'active'
    RETURNING owner_id, enrollment_id, journey_id, action_id, list_id, subscriber_id, created_at
), withdrawn AS (
    UPDATE deliveries d SET state = 'withdrawn', reason = 'removed from the journey', ended_at = :now
    FROM gone WHERE d.owner_id = gone.owner_id AND d.enrollment_id = gone.enrollment_id
      AND d.state IN ('pending', 'held')
), left_behind AS (
    SELECT owner_id, journey_id, action_id, list_id, subscriber_id,
           CAST(created_at AT TIME ZONE 'UTC' AS date) AS counted_on, EXISTS (
        SELECT FROM enrollments e WHERE e.owner_id = gone.owner_id AND e.subscriber_id = gone.subscriber_id
        AND e.journey_id = gone.journey_id AND e.enrollment_id <> gone.enrollment_id
    ) AS was_here_before FROM gone
), forgotten AS (
    -- who stood there had not reached it otherwise; the steps before happened and stay, and so do mails that were sent
    DELETE FROM action_subscribers r USING left_behind l, journey_actions a
    WHERE NOT l.was_here_before AND a.action_id = l.action_id AND a.action <> 'SendEmail'
      AND r.owner_id = l.owner_id AND r.subscriber_id = l.subscriber_id
      AND r.action_id = l.action_id AND r.list_id = l.list_id
), counted AS (
    INSERT INTO counter_deltas (owner_id, journey_id, action_id, active_count, total_count, counted_on, people_count)
    SELECT owner_id, journey_id, action_id, -count(*), -count(*), CAST(NULL AS date), 0
    FROM gone WHERE action_id IS NOT NULL GROUP BY 1, 2, 3
    UNION ALL
    SELECT owner_id, journey_id, 0, -count(*), -count(*), counted_on, -count(*) FILTER (WHERE NOT was_here_before)
    FROM left_behind GROUP BY owner_id, journey_id, counted_on
)
SELECT count(*) FROM gone
"""
)


async def erase(
    session: AsyncSession,
    *,
    owner_id: int,
    journey_ids: Sequence[int],
    list_id: int,
    subscriber_ids: Sequence[int],
    now: datetime,
) -> int:
    """Erase the active passes of people of a list through the account's journeys, as if they had not been; how many."""
    people = {"journeys": list(journey_ids), "list": list_id, "people": list(subscriber_ids)}
    locked = list(await session.scalars(_LOCK, {"owner": owner_id, **people}))
    return await session.scalar(_REMOVE, {"owner": owner_id, "enrollments": locked, "now": now}) or 0


async def remove(
    session: AsyncSession,
    *,
    owner_id: int,
    journey_ids: Sequence[int],
    list_id: int,
    subscriber_id: int,
    now: datetime,
) -> Processed:
    """Erase a subscriber's active pass through journeys, as if it had not been; who is not inside is left alone.

    Raises:
        As `trigger`.
    """
    found = await locked_journeys(session, owner_id=owner_id, journey_ids=journey_ids)
    asked = dict.fromkeys(journey_ids)
    processed = Processed(
        [journey_id for journey_id in asked if journey_id in found],
        [(journey_id, IS_UNKNOWN) for journey_id in asked if journey_id not in found],
    )
    if not processed.journey_ids:
        raise NoJourneyLeft(processed.skipped)
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    await subscribers.get_subscriber(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    await erase(
        session,
        owner_id=owner_id,
        journey_ids=processed.journey_ids,
        list_id=list_id,
        subscriber_ids=[subscriber_id],
        now=now,
    )
    return processed


async def leave(
    session: AsyncSession, *, owner_id: int, journey_id: int, list_id: int, subscriber_id: int, now: datetime
) -> None:
    """End a subscriber's pass through a journey without completing it; who is not inside is left alone.

    Raises:
        JourneyNotFound, ListNotFound, SubscriberNotFound: not the account's.
    """
    if journey_id not in await locked_journeys(session, owner_id=owner_id, journey_ids=[journey_id]):
        raise JourneyNotFound
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    await subscribers.get_subscriber(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    leaving = Exit(owner_id, list_id, subscriber_id, journey_id, "subscriber.journey.exit")
    await exit_journeys(session, [leaving], now=now)


async def memberships(
    session: AsyncSession, *, owner_id: int, list_id: int, subscriber_id: int
) -> Sequence[tuple[Journey, datetime]]:
    """The journeys that a subscriber is inside, with the instant of entry, in order of entry.

    Raises:
        ListNotFound, SubscriberNotFound: not the account's.
    """
    await lists.get_list(session, owner_id=owner_id, list_id=list_id)
    await subscribers.get_subscriber(session, owner_id=owner_id, list_id=list_id, subscriber_id=subscriber_id)
    statement = (
        select(Journey, Enrollment.created_at)
        .join(Enrollment, (Enrollment.owner_id == Journey.owner_id) & (Enrollment.journey_id == Journey.journey_id))
        .where(
            Enrollment.owner_id == owner_id,
            Enrollment.list_id == list_id,
            Enrollment.subscriber_id == subscriber_id,
            Enrollment.state == EnrollmentState.ACTIVE,
            Journey.deleted_at.is_(None),
        )
        .order_by(Enrollment.enrollment_id)
    )
    return (await session.execute(statement)).all()
