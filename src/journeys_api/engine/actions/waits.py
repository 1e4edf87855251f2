"""Wait, and Debug, which waits too."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from journeys_api.engine.people import DONE, Move, Moves, Person, wait_until
from journeys_api.engine.registry import Standing, action
from journeys_api.engine.windows import inside_window, wait_ends
from journeys_api.journeys.action_types import DebugParameters, WaitParameters

log = structlog.get_logger()


@action("Wait")
async def wait(standing: Standing, people: Sequence[Person], parameters: WaitParameters) -> Moves:
    """Hold everybody until their wait is over; it counts from their arrival, so a rerun comes to the same instant."""
    moves: dict[int, Move] = {}
    for person in people:
        ends = wait_ends(person.entered_at, parameters, time_zone=standing.flow.time_zone)
        if ends <= standing.now:
            # who comes late, the journey was disabled say, still keeps to the window
            ends = inside_window(standing.now, parameters, time_zone=standing.flow.time_zone)
        moves[person.enrollment_id] = DONE if ends <= standing.now else wait_until(ends)
    return Moves(moves)


@action("Debug")
async def debug(standing: Standing, people: Sequence[Person], parameters: DebugParameters) -> Moves:
    """Hold everybody for some seconds, then log. The message is the owner's text: its length is logged, not it."""
    moves: dict[int, Move] = {}
    for person in people:
        ends = person.entered_at + timedelta(seconds=int(parameters.sleep_seconds or 0))
        moves[person.enrollment_id] = DONE if ends <= standing.now else wait_until(ends)
    passed = sum(1 for move in moves.values() if move is DONE)
    if passed:
        log.info(
            "debug_action_passed",
            journey_id=standing.flow.journey_id,
            action_id=standing.action.action_id,
            people=passed,
            message_length=len(parameters.message or ""),
        )
    return Moves(moves)
