"""What the connections to the database are shared by: one account's slow calls do not shut the others out."""

import asyncio
import itertools
import os

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from tests.conftest import Client, Maker
from tests.http.conftest import Wired

_numbers = itertools.count(os.getpid() * 1000)


async def _until_one_waits(app: Application, number: int) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :number AND NOT granted")
    async with asyncio.timeout(60):
        while True:
            async with app.sessions() as session:
                if await session.scalar(waiting, {"number": number}):
                    return


@pytest.mark.parametrize("command", ["test.permitted", "journey.list"])
async def test_an_account_whose_calls_take_long_leaves_room_for_the_others(
    wired: Wired, app: Application, make: Maker, command: str
) -> None:
    slow, other = Client(wired.http, await make.account()), Client(wired.http, await make.account())
    number = next(_numbers)
    async with app.sessions.begin() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        waiting = [asyncio.create_task(slow.at("legacy").call("test.lock", Number=number)) for _ in range(3)]
        await _until_one_waits(app, number)

        answer = await other.at("legacy").call(command)

    assert (answer.status_code, answer.json()["Success"]) == (200, True), answer.json()
    await asyncio.gather(*waiting)
