"""Wait, and Debug, which waits too."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from journeys_api.engine.people import DONE, Crowd, Move, Moves, wait_until
from journeys_api.engine.registry import Standing, action
from journeys_api.journeys.action_types import DebugParameters, WaitParameters
from journeys_api.journeys.windows import inside_window, wait_ends

log = structlog.get_logger()


@action("Wait", uses_sql=False)
async def wait(standing: Standing, crowd: Crowd, parameters: WaitParameters) -> Moves:
    """Hold everybody until their wait is over; it counts from their arrival, so a rerun comes to the same instant."""
    time_zone = standing.flow.time_zone

    def ends(entered_at: datetime) -> datetime:
        end = wait_ends(entered_at, parameters, time_zone=time_zone)
        # who comes late, the journey was disabled say, still keeps to the window
        return inside_window(standing.now, parameters, time_zone=time_zone) if end <= standing.now else end

    return _held(standing, crowd, ends)


@action("Debug", uses_sql=False)
async def debug(standing: Standing, crowd: Crowd, parameters: DebugParameters) -> Moves:
    """Hold everybody for some seconds, then log. The message is the owner's text: its length is logged, not it."""
    sleep = timedelta(seconds=int(parameters.sleep_seconds or 0))
    moves = _held(standing, crowd, lambda entered_at: entered_at + sleep)
    passed = len(crowd) - len(moves.own) if moves.usual is DONE else 0
    if passed:
        log.info(
            "debug_action_passed",
            journey_id=standing.flow.journey_id,
            action_id=standing.action.action_id,
            people=passed,
            message_length=len(parameters.message or ""),
        )
    return moves


def _held(standing: Standing, crowd: Crowd, ends: Callable[[datetime], datetime]) -> Moves:
    """Everybody whose wait, by the instant of their arrival, is not over stays until then."""
    until: dict[datetime, Move | None] = {}
    own: dict[int, Move] = {}

    def move_of(entered_at: datetime) -> Move | None:
        if entered_at not in until:
            end = ends(entered_at)
            until[entered_at] = wait_until(end) if end > standing.now else None
        return until[entered_at]

    for cohort in crowd.cohorts:
        if cohort.entered_at is None:
            for person in cohort.people:
                assert person.entered_at is not None
                if (move := move_of(person.entered_at)) is not None:
                    own[person.enrollment_id] = move
        elif (move := move_of(cohort.entered_at)) is not None:
            if len(crowd.cohorts) == 1:
                return Moves(move)
            own |= dict.fromkeys((person.enrollment_id for person in cohort.people), move)
    return Moves(DONE, own)
