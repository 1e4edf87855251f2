"""Loops that end when they are asked to, and for nothing else."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from journeys_api.failures import tell

Turn = Callable[[], Awaitable[float]]
"""Does what there is to do now; how many seconds there is nothing more then. 0: perhaps there is."""


async def keep_going(turn: Turn, stop: asyncio.Event, *wakes: asyncio.Event, event: str) -> None:
    """Take turn after turn until `stop` is set; the turn under way is finished first.

    A turn that fails is told of and tried again a moment later, whatever it failed by: one row that surprises us, or a
    database that is away, must not end what is done for everybody else.

    Args:
        wakes: each ends a rest early.
        event: what failures are told of as (`failures.tell`).
    """
    while not stop.is_set():
        try:
            seconds = await turn()
        except Exception as error:
            tell(event, error)
            # a wake does not end it: whatever is in the way would be asked again at once
            await pause(random.uniform(0.2, 1.0), stop)  # noqa: S311 (jitter, no secret)
            continue
        if seconds:
            await pause(seconds, stop, *wakes)
            for wake in wakes:
                wake.clear()


async def pause(seconds: float | None, *events: asyncio.Event) -> None:
    """Wait for one of the events, at most some seconds."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
