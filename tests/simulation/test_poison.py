"""What cannot be read or written holds up only whom it is about, and loses nobody."""

import pytest

from journeys_api.engine.flows import Flows
from journeys_api.models import Journey
from tests.simulation.world import World


async def test_a_journey_that_could_not_be_read_once_is_read_again(world: World) -> None:
    journey_id = await world.journey({"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"})
    flows = Flows()
    await world.change("UPDATE journey_actions SET action = 'OfTheNextRelease' WHERE journey_id = :j", j=journey_id)
    async with world.sessions() as session:
        journey = await session.get_one(Journey, journey_id)
        with pytest.raises(KeyError):
            await flows.load(session, [(journey, "UTC")])
    await world.change("UPDATE journey_actions SET action = 'Wait' WHERE journey_id = :j", j=journey_id)

    async with world.sessions() as session:
        loaded = await flows.load(session, [(journey, "UTC")])

    assert [action.action for action in loaded[journey_id].actions.values()] == ["Wait"]
