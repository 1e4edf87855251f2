"""Prepared statements on lent connections: errors are those of a session, and a lost connection is replaced."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import BigInteger, Text, bindparam, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from journeys_api import lanes
from journeys_api.app import Application
from journeys_api.db import make_engine
from journeys_api.failures import is_away
from journeys_api.lanes import PoolLane, Prepared, SessionLane, Shares
from journeys_api.settings import Settings
from tests.tracking.lines import Line

BACKEND = Prepared(select(func.pg_backend_pid().label("pid")))
SLEEPING = Prepared(select(func.pg_sleep(0.5)))
DIVIDED = Prepared(select((10 / bindparam("divisor", type_=BigInteger)).label("quotient")))
TOLD = Prepared(select(func.concat(bindparam("text", type_=Text), "!", bindparam("text", type_=Text)).label("told")))


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """An engine with a single connection."""
    assert settings.database_url is not None
    made = make_engine(settings.database_url, pool_size=1, statement_timeout=timedelta(seconds=10))
    yield made
    await made.dispose()


async def test_a_parameter_may_stand_twice_and_beside_constants(engine: AsyncEngine, app: Application) -> None:
    async with app.sessions() as session:
        answers = [(await lane.rows(TOLD, text="a"))[0].told for lane in (PoolLane(engine), SessionLane(session))]

    assert answers == ["a!a", "a!a"]


async def test_a_refused_statement_gives_its_connection_back_and_says_why(engine: AsyncEngine) -> None:
    lane = PoolLane(engine)

    with pytest.raises(DBAPIError) as refused:
        await lane.rows(DIVIDED, divisor=0)

    assert refused.value.orig is not None
    assert getattr(refused.value.orig, "sqlstate", None) == "22012"
    assert (await lane.rows(DIVIDED, divisor=5))[0].quotient == 2


async def test_statements_that_wait_have_their_turn_in_their_order(engine: AsyncEngine) -> None:
    lane = PoolLane(engine)
    done: list[int] = []

    async def ask(number: int) -> None:
        await lane.rows(DIVIDED, divisor=number)
        done.append(number)

    await asyncio.gather(*(ask(number) for number in range(1, 20)))

    assert done == list(range(1, 20))


async def test_who_gives_up_waiting_leaves_the_turn_to_the_next(engine: AsyncEngine) -> None:
    lane = PoolLane(engine)
    asking = [asyncio.create_task(lane.rows(DIVIDED, divisor=number)) for number in (1, 2, 5)]
    await asyncio.sleep(0)

    asking[1].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)

    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answer[0].quotient for answer in (answers[0], answers[2])] == [10, 2]  # type: ignore[index]
    assert (await lane.rows(DIVIDED, divisor=5))[0].quotient == 2


async def test_who_waits_too_long_for_a_turn_is_told(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "POOL_TIMEOUT_SECONDS", 0.05)
    lane = PoolLane(engine)
    holding = asyncio.create_task(lane.rows(SLEEPING))
    await asyncio.sleep(0)

    with pytest.raises(PoolTimeout):
        await lane.rows(BACKEND)

    await holding
    assert len(await lane.rows(BACKEND)) == 1


@pytest.mark.parametrize("is_given", [False, True])
async def test_whoever_gives_up_gives_back_what_it_was_given_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, *, is_given: bool
) -> None:
    monkeypatch.setattr(lanes, "POOL_TIMEOUT_SECONDS", 30.0 if is_given else 0.0)
    turns = lanes.Turns(1)
    assert turns.taken()
    waiting = asyncio.create_task(turns.wait())
    await asyncio.sleep(0)

    if is_given:
        turns.give_back()  # and the caller gives up before it has heard of that
        waiting.cancel()
    (ended,) = await asyncio.gather(waiting, return_exceptions=True)
    if not is_given:
        turns.give_back()

    assert isinstance(ended, asyncio.CancelledError if is_given else TimeoutError)
    assert (turns.taken(), turns.taken()) == (True, False)


async def test_an_account_with_all_of_its_share_waits_for_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = Shares(2)
    taken = [shares.taken(account) for account in ("a", "a", "b", "a")]
    waiting = asyncio.create_task(shares.wait("a"))
    await asyncio.sleep(0)

    shares.give_back("b")
    shares.give_back("a")
    await waiting
    monkeypatch.setattr(lanes, "POOL_TIMEOUT_SECONDS", 0.0)
    with pytest.raises(PoolTimeout):
        await shares.wait("a")
    for _ in range(2):
        shares.give_back("a")

    assert taken == [True, True, True, False]
    assert shares.taken("a")


async def test_a_database_that_takes_nobody_in_yet_is_away() -> None:
    reason = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"N", b"E" + struct.pack("!I", len(reason) + 4) + reason):  # to TLS, and to the login
            (length,) = struct.unpack("!I", await reader.readexactly(4))
            await reader.readexactly(length - 4)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    starting = make_engine(f"postgresql://ada@127.0.0.1:{port}/db", pool_size=1, statement_timeout=timedelta(seconds=1))

    async with server:
        with pytest.raises(DBAPIError) as refused:
            await PoolLane(starting).rows(BACKEND)

    assert is_away(refused.value)
    await starting.dispose()


async def test_a_connection_that_is_just_ending_is_a_database_that_is_away(
    settings: Settings, app: Application
) -> None:
    assert settings.database_url is not None
    async with Line(settings.database_url).open() as line:
        engine = make_engine(line.url, pool_size=1, statement_timeout=timedelta(seconds=10))
        lane = PoolLane(engine)
        line.hangs_up = False
        pid = (await lane.rows(BACKEND))[0].pid
        async with app.sessions.begin() as session:
            await session.execute(select(func.pg_terminate_backend(pid, 5000)))
        await line.was_left.wait()
        for _ in range(10):
            # the driver reads that it is over, and not yet that the line is dead
            await asyncio.sleep(0)

        with pytest.raises(DBAPIError) as ended:
            await lane.rows(BACKEND)

        line.mend()
        assert is_away(ended.value)
        assert (await lane.rows(BACKEND))[0].pid != pid
        await engine.dispose()


async def test_a_connection_that_the_database_hung_up_is_replaced(engine: AsyncEngine, app: Application) -> None:
    lane = PoolLane(engine)
    before = (await lane.rows(BACKEND))[0].pid
    async with app.sessions.begin() as session:
        await session.execute(select(func.pg_terminate_backend(before, 5000)))

    after = before
    while after == before:
        # whether the end of the old one is known yet is a matter of who comes first
        with suppress(DBAPIError):
            after = (await lane.rows(BACKEND))[0].pid

    assert [(await lane.rows(BACKEND))[0].pid for _ in range(20)] == [after] * 20
