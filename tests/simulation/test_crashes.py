"""Workers and the database are killed in the middle: only when things happen changes."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate
from journeys_api.settings import Settings
from tests.conftest import ADMIN_KEY, SECRET_KEY
from tests.delivery.mail.sinks import Sink
from tests.process.conftest import a_data_dir
from tests.process.running import environment_of, postmaster_pid
from tests.simulation.invariants import broken
from tests.simulation.world import World, a_world, delivery_of

pytestmark = pytest.mark.process
PEOPLE = 500
FIRST = 1_000_000_000
PATIENCE = 180.0
_LEFT = (
    "SELECT (SELECT count(*) FROM trigger_events) + (SELECT count(*) FROM enrollments WHERE state = 'active') "
    "+ (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')) AS number"
)

StartWorker = Callable[..., subprocess.Popen[bytes]]


@dataclass
class Installation:
    """A world whose worker is other processes."""

    world: World
    sink: Sink
    data_dir: Path
    start: StartWorker

    async def left(self) -> int:
        """How much there is still to do; the database may be away for a moment."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return int((await self.world.rows(_LEFT))[0].number)
                except (DBAPIError, OSError):
                    await asyncio.sleep(0.1)

    async def mailed(self, number: int) -> None:
        """Wait until the server has taken so many mails."""
        async with asyncio.timeout(PATIENCE):
            while len(self.sink.messages) < number:  # noqa: ASYNC110 (other processes tell nobody)
                await asyncio.sleep(0.01)

    async def finish(self) -> int:
        """Let the leases of the dead end, as twelve minutes would, and have one worker do the rest; its exit code."""
        await self.world.change(
            "UPDATE deliveries SET lease_expires_at = now() - interval '1 second' WHERE state = 'sending'"
        )
        process = self.start()
        async with asyncio.timeout(PATIENCE):
            while await self.left():  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(process.wait, PATIENCE)


@contextmanager
def _workers(environment: dict[str, str], directory: Path) -> Iterator[StartWorker]:
    started: list[subprocess.Popen[bytes]] = []

    def start(**more: str) -> subprocess.Popen[bytes]:
        with (directory / f"worker-{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "journeys_api.cli", "worker"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env={**environment, **more},
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
async def installation(settings: Settings, tmp_path: Path) -> AsyncIterator[Installation]:
    """A durable server of its own, 500 people at the beginning of a journey, and an SMTP server that counts."""
    with a_data_dir() as data_dir, EmbeddedPostgres(data_dir).own() as url:
        await migrate(url)
        own = settings.model_copy(update={"database_url": url})
        async with Sink().open() as sink, a_world(own, tmp_path) as world:
            send = {"Action": "SendEmail", "EmailID": world.email_id}
            journey_id = await world.journey(
                {"Action": "AddTag", "TargetTagID": world.tag_ids[0]},
                send,
                {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "seconds"},
                send,
            )
            await world.let_in(journey_id, await world.put_people(PEOPLE, first=FIRST))
            environment = environment_of(data_dir) | {
                "JOURNEYS_DATABASE_URL": url,
                "JOURNEYS_SECRET_KEY": SECRET_KEY,
                "JOURNEYS_ADMIN_API_KEY": ADMIN_KEY,
                "JOURNEYS_SMTP_URL": sink.url(),
                "JOURNEYS_PUBLIC_URL": "http://journeys.test",
            }
            with _workers(environment, tmp_path) as start:
                yield Installation(world, sink, data_dir, start)


async def _judge(each: Installation) -> None:
    histories = await each.world.rows(
        "SELECT state, (SELECT string_agg(s.outcome, ' ' ORDER BY s.seq) FROM steps s "
        "WHERE s.enrollment_id = e.enrollment_id) AS history, count(*) FROM enrollments e GROUP BY 1, 2"
    )
    assert [tuple(row) for row in histories] == [("completed", "done done done done", PEOPLE)]
    sent = await each.world.rows("SELECT state, count(*) FROM deliveries GROUP BY 1")
    assert [tuple(row) for row in sent] == [("sent", 2 * PEOPLE)]
    accepted = [delivery_of(message) for message in each.sink.messages]
    assert len(set(accepted)) == 2 * PEOPLE
    assert await broken(each.world.sessions, accepted=accepted) == []


@pytest.mark.parametrize("seed", [1])
async def test_workers_killed_in_the_middle_lose_nobody_and_move_nobody_twice(
    installation: Installation, seed: int
) -> None:
    moments = random.Random(seed)
    slowly = {"JOURNEYS_SMTP_MAX_PER_SECOND": "120"}
    running = [installation.start(**slowly), installation.start(**slowly)]

    for kill in range(4):
        await installation.mailed(1 + 80 * kill)
        await asyncio.sleep(moments.uniform(0, 0.3))
        victim = running.pop(0)
        victim.send_signal(signal.SIGKILL)
        assert await installation.left() > 0
        running.append(installation.start(**slowly))
    for process in running:
        process.kill()
        process.wait()

    assert await installation.finish() == 0
    await _judge(installation)


# the embedded server lets go of the killed server's process object without asking how it ended
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_killed_database_loses_nobody_and_moves_nobody_twice(installation: Installation) -> None:
    process = installation.start(JOURNEYS_SMTP_MAX_PER_SECOND="150")

    for number in (30, 250):
        await installation.mailed(number)
        postmaster = postmaster_pid(installation.data_dir)
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        await asyncio.sleep(0.2)
        assert await installation.left() > 0
    await installation.mailed(400)
    assert process.poll() is None, "the worker outlives its database"
    process.kill()
    with contextlib.suppress(DBAPIError):
        await installation.left()

    assert await installation.finish() == 0
    await _judge(installation)
