"""Deadlines of many tasks: each ends its own block, in time, and nothing else."""

import asyncio

import pytest

from journeys_api.deadlines import Deadline


async def test_each_block_ends_at_its_own_deadline() -> None:
    ended: list[float] = []

    async def wait(seconds: float) -> None:
        with pytest.raises(TimeoutError), Deadline(seconds):
            await asyncio.Event().wait()
        ended.append(seconds)
        await asyncio.sleep(0)  # and the task goes on

    await asyncio.gather(wait(0.06), wait(0.02), wait(0.04))

    assert ended == [0.02, 0.04, 0.06]


async def test_what_is_over_in_time_is_left_alone() -> None:
    later = asyncio.Event()
    with Deadline(0.01):
        pass
    asyncio.get_running_loop().call_later(0.03, later.set)

    await later.wait()


async def test_a_block_that_is_put_off_has_longer() -> None:
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, later.set)

    with Deadline(0.01) as deadline:
        deadline.put_off(30)
        await later.wait()


async def test_who_is_cancelled_by_somebody_else_stays_cancelled() -> None:
    async def wait() -> None:
        with Deadline(30):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(ZeroDivisionError), Deadline(30):
        raise ZeroDivisionError
