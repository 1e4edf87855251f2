"""Enabling and disabling journeys, one or many."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys import insiders, pulls, queries
from journeys_api.journeys.errors import JourneyAlreadyDisabled, JourneyAlreadyEnabled
from journeys_api.models import Journey, JourneyStatus


async def enable_journey(session: AsyncSession, *, owner_id: int, journey_id: int, now: datetime) -> Journey:
    """Let subscribers enter the journey, and those inside move on from where they stood.

    Raises:
        JourneyNotFound: no such journey in this account.
        JourneyAlreadyEnabled: nothing to do; the row is left untouched.

    Source: journeys, "Enable a Journey".
    """
    journey = await queries.journey_for_update(session, owner_id=owner_id, journey_id=journey_id)
    if journey.status is JourneyStatus.ENABLED:
        raise JourneyAlreadyEnabled
    await _switch_on(session, [journey], owner_id=owner_id, now=now)
    return journey


async def disable_journey(session: AsyncSession, *, owner_id: int, journey_id: int, now: datetime) -> Journey:
    """Let nobody enter and nobody move; those inside stay where they stand.

    Raises:
        JourneyNotFound: no such journey in this account.
        JourneyAlreadyDisabled: nothing to do; the row is left untouched.

    Source: journeys, "Disable a Journey".
    """
    journey = await queries.journey_for_update(session, owner_id=owner_id, journey_id=journey_id)
    if journey.status is JourneyStatus.DISABLED:
        raise JourneyAlreadyDisabled
    await _switch_off(session, [journey], now=now)
    return journey


async def enable_journeys(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int], now: datetime
) -> set[int]:
    """Enable those of these journeys that are the account's and disabled; the others stay as they are.

    Source: JC 1.18.
    """
    found = await queries.journeys_for_update(session, owner_id=owner_id, journey_ids=journey_ids)
    disabled = [journey for journey in found if journey.status is JourneyStatus.DISABLED]
    await _switch_on(session, disabled, owner_id=owner_id, now=now)
    return {journey.journey_id for journey in disabled}


async def disable_journeys(
    session: AsyncSession, *, owner_id: int, journey_ids: Collection[int], now: datetime
) -> set[int]:
    """Disable those of these journeys that are the account's and enabled; the others stay as they are.

    Source: JC 1.19.
    """
    found = await queries.journeys_for_update(session, owner_id=owner_id, journey_ids=journey_ids)
    enabled = [journey for journey in found if journey.status is JourneyStatus.ENABLED]
    await _switch_off(session, enabled, now=now)
    return {journey.journey_id for journey in enabled}


async def _switch_on(session: AsyncSession, journeys: Sequence[Journey], *, owner_id: int, now: datetime) -> None:
    for journey in journeys:
        journey.status = JourneyStatus.ENABLED
        journey.updated_at = now
    await session.flush()
    if journeys:
        ids = [journey.journey_id for journey in journeys]
        await insiders.let_run(session, owner_id=owner_id, journey_ids=ids, now=now)
        await pulls.plan(session, journeys, now=now)


async def _switch_off(session: AsyncSession, journeys: Sequence[Journey], *, now: datetime) -> None:
    for journey in journeys:
        journey.status = JourneyStatus.DISABLED
        journey.updated_at = now
    await session.flush()
    if journeys:
        await insiders.freeze(session, [journey.journey_id for journey in journeys])
