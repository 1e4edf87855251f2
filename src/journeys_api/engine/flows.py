"""Journeys as the engine sees them: the account's time zone, and each action with its typed parameters and pointers."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys.action_types import ACTION_TYPES, Parameters
from journeys_api.models import Journey, JourneyAction

REMEMBERED_FLOWS = 10_000


@dataclass(frozen=True)
class FlowAction:
    """One action of a journey."""

    action_id: int
    journey_id: int
    action: str
    parameters: Parameters
    is_published: bool
    next_action_id: int | None
    true_action_id: int | None
    false_action_id: int | None


@dataclass(frozen=True)
class Flow:
    """One journey."""

    journey_id: int
    owner_id: int
    name: str
    trigger: str
    trigger_parameters: dict[str, Any]
    time_zone: str
    flow_version: int
    first_action_id: int | None
    actions: dict[int, FlowAction]
    """The present actions, by id."""


class Flows:
    """Reads the actions of journeys, and remembers them until their journey's `flow_version` grows."""

    def __init__(self) -> None:
        self._actions: OrderedDict[int, tuple[int, dict[int, FlowAction]]] = OrderedDict()

    async def load(self, session: AsyncSession, journeys: Collection[tuple[Journey, str]]) -> dict[int, Flow]:
        """The flows of locked journeys, each with its owner's time zone; at most one statement."""
        unknown = [journey for journey, _ in journeys if not self._knows(journey)]
        if unknown:
            await self._read(session, unknown)
        flows = {}
        for journey, time_zone in journeys:
            self._actions.move_to_end(journey.journey_id)
            flows[journey.journey_id] = Flow(
                journey_id=journey.journey_id,
                owner_id=journey.owner_id,
                name=journey.name,
                trigger=journey.trigger,
                trigger_parameters=journey.trigger_parameters,
                time_zone=time_zone,
                flow_version=journey.flow_version,
                first_action_id=journey.first_action_id,
                actions=self._actions[journey.journey_id][1],
            )
        while len(self._actions) > REMEMBERED_FLOWS:
            self._actions.popitem(last=False)
        return flows

    def _knows(self, journey: Journey) -> bool:
        remembered = self._actions.get(journey.journey_id)
        return remembered is not None and remembered[0] == journey.flow_version

    async def _read(self, session: AsyncSession, journeys: Collection[Journey]) -> None:
        found: dict[int, dict[int, FlowAction]] = {journey.journey_id: {} for journey in journeys}
        statement = select(JourneyAction).where(
            JourneyAction.journey_id.in_(list(found)), JourneyAction.removed_at.is_(None)
        )
        for row in await session.scalars(statement):
            found[row.journey_id][row.action_id] = FlowAction(
                action_id=row.action_id,
                journey_id=row.journey_id,
                action=row.action,
                parameters=ACTION_TYPES[row.action].model_validate(row.parameters),
                is_published=row.is_published,
                next_action_id=row.next_action_id,
                true_action_id=row.true_action_id,
                false_action_id=row.false_action_id,
            )
        # only what was read to its end: to a journey remembered by halves, people would stand on removed actions
        for journey in journeys:
            self._actions[journey.journey_id] = (journey.flow_version, found[journey.journey_id])
