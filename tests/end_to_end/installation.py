"""Real processes on a database of their own, which a test kills, freezes and starts again, and how it asks them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url

from journeys_api.commands.registry import COMMANDS
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate
from tests.conftest import ADMIN_KEY, SECRET_KEY
from tests.end_to_end.client import Answer, Client
from tests.end_to_end.post_office import PostOffice
from tests.process.conftest import a_data_dir
from tests.process.running import Serve, Served, environment_of, eventually, frozen, postmaster_pid, servers

PEOPLE = int(os.environ.get("JOURNEYS_TEST_PEOPLE", "40"))
PATIENCE = 120 + PEOPLE / 10
PUBLIC = "http://journeys.test"
AT_ONCE = 16
"""Clients."""
MARK = "pr"
"""The parameter by which links tell their targets which mail led there."""
FROZEN_SECONDS = 2.5
CURRENCY = "EUR"
LOST = 10
"""Looks at deliveries under way that have not changed, after which they are taken for lost."""

Work = Callable[[Any], Awaitable[Any]]
Happening = Callable[[], Coroutine[Any, Any, None]]

_LEFT = """
SELECT (SELECT count(*) FROM tracking_hits), (SELECT count(*) FROM trigger_events),
       (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')),
       (SELECT count(*) FROM enrollments WHERE state = 'active' AND due_at < now() + interval '1 hour'),
       (SELECT count(*) FROM jobs WHERE state IN ('pending', 'running'))
"""
_LEASES_END = "UPDATE deliveries SET lease_expires_at = now() - interval '1 second' WHERE state = 'sending'"


@dataclass(frozen=True)
class Reply:
    """An answer, and how many requests it took: what became of the others nobody knows."""

    answer: Answer
    requests: int

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.answer.status


class Installation:
    """An API process, workers, PostgreSQL and a mail server."""

    def __init__(self, url: str, environment: dict[str, str], data_dir: Path, directory: Path, serve: Serve) -> None:
        self._url, self._environment, self._data_dir, self._directory = url, environment, data_dir, directory
        self._serve = serve
        self.office = PostOffice()
        self.served: Served
        self.session = ""
        self.workers: list[subprocess.Popen[bytes]] = []
        self.troubles = 0
        """How often something was broken so far."""
        self.is_in_trouble = False
        self._client = Client()

    # asking

    async def send(self, method: str, path: str, *, is_promised: bool = False, **request: Any) -> Reply:
        """Ask until there is an answer; who is told to come again later does.

        Args:
            is_promised: whether there is an answer whatever became of the database.
        """
        requests = 0
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    requests += 1
                    answer = await self._client.request(method, self.served.url, path, **request)
                    assert answer.status < 500 or (answer.status == 503 and not is_promised), answer.text
                    if answer.status != 503:
                        return Reply(answer, requests)
                except ConnectionRefusedError:
                    requests -= 1
                except OSError:
                    pass
                await asyncio.sleep(0.1)

    async def call(self, command: str, *, door: str = "legacy", **parameters: Any) -> tuple[dict[str, Any], int]:
        """Call a command; the answer, and how many requests it took."""
        method, path = ("POST", "/api.php") if door == "legacy" else COMMANDS[command.lower()].routes[0]
        given = {"Command": command, "SessionID": self.session, **parameters}
        reply = await self.send(method, path, json=given)
        return reply.answer.json(), reply.requests

    async def ask(self, command: str, *, door: str = "legacy", **parameters: Any) -> dict[str, Any]:
        """Call a command that must succeed."""
        body, _ = await self.call(command, door=door, **parameters)
        assert body.get("Success", True) is True, (command, body)
        return body

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "journeys_api.cli", *arguments],
            env=self._environment,
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    async def rows(self, statement: str) -> list[Any]:
        """Rows of the database: what there is still to do, and what was written down."""
        connection = await asyncpg.connect(
            make_url(self._url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    # waiting

    def spooled(self) -> list[Path]:
        """Files of visits that are not in the database yet."""
        return list((self._data_dir / "hits").glob("*"))

    async def settle(self) -> None:
        """Wait until everything that came in is judged, everybody is where they wait, and nothing is owed."""
        before, unchanged = None, 0
        async with asyncio.timeout(PATIENCE):
            while self.spooled() or any(left := tuple((await self.rows(_LEFT))[0])):
                unchanged = unchanged + 1 if left == before else 0
                if unchanged == LOST and left[2]:
                    # what nobody heard the end of is tried again in some minutes: now
                    await self.rows(_LEASES_END)
                before = left
                await asyncio.sleep(0.5)

    async def until_mails(self, number: int) -> None:
        """Wait until so many mails were handed over."""
        async with asyncio.timeout(PATIENCE):
            while self.office.handed_over < number:  # noqa: ASYNC110 (other processes tell nobody)
                await asyncio.sleep(0.05)

    # breaking

    async def start_api(self) -> None:
        """Serve, without a worker beside it."""
        self.served = await asyncio.to_thread(self._serve, "--no-worker", JOURNEYS_DATABASE_URL=self._url)

    def start_worker(self) -> None:
        """One more worker."""
        with (self._directory / f"worker-{len(self.workers)}.log").open("wb") as log:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "journeys_api.cli", "worker"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._directory,
                    env=self._environment,
                )
            )

    async def replace_worker(self) -> None:
        """The worker that lives longest dies without a word; another comes when all leases have ended.

        The living one's, too: what it is at is done a second time.
        """
        victim = next(each for each in self.workers if each.poll() is None)
        victim.kill()
        victim.wait()
        await self.rows(_LEASES_END)
        self.start_worker()

    async def replace_api(self) -> None:
        """The API process dies in the middle of whatever it does; another comes."""
        self.served.process.kill()
        self.served.process.wait()
        await self.start_api()

    async def freeze(self, *, kills_api: bool = False) -> None:
        """PostgreSQL answers nothing for a while, until visits are kept on disk.

        Args:
            kills_api: whether the API process dies before they are in the database.
        """
        async with self._trouble():
            with frozen(self._data_dir):
                await asyncio.sleep(FROZEN_SECONDS)
                async with asyncio.timeout(PATIENCE):
                    while not self.spooled():  # noqa: ASYNC110 (another process)
                        await asyncio.sleep(0.05)
                if kills_api:
                    self.served.process.kill()
                    self.served.process.wait()
            if kills_api:
                assert self.spooled()
                await self.start_api()

    async def kill_postgres(self) -> None:
        """PostgreSQL dies, recovers and is back."""
        pid = postmaster_pid(self._data_dir)
        assert pid is not None
        async with self._trouble():
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(eventually, lambda: postmaster_pid(self._data_dir) not in (None, pid), "it is gone")
            await asyncio.to_thread(eventually, self.served.is_ready, "the API does not become ready again")

    @asynccontextmanager
    async def _trouble(self) -> AsyncIterator[None]:
        """While something is broken, and until what was kept on disk meanwhile is in the database."""
        self.troubles += 1
        self.is_in_trouble = True
        try:
            yield
            async with asyncio.timeout(PATIENCE):
                while self.spooled():  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(0.1)
            # and what was just being kept
            await asyncio.sleep(1)
        finally:
            self.is_in_trouble = False

    # beginning and end

    async def sign_in(self) -> None:
        """Make an account and be its user."""
        given: dict[str, Any] = {
            "AdminAPIKey": ADMIN_KEY,
            "RelUserGroupID": 1,
            "EmailAddress": "ada@example.com",
            "FirstName": "Ada",
            "Username": "ada",
            "Password": "secret1234",
            "TimeZone": "UTC",
            "Language": "en",
        }
        user_id = (await self.ask("user.create", **given))["UserID"]
        self.session = (await self.ask("user.login", Username="ada", Password="secret1234"))["SessionID"]
        await self.ask("user.update", UserID=user_id, Currency=CURRENCY)

    async def close(self) -> None:
        """End what lives."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self._client.close()


@asynccontextmanager
async def installed(directory: Path) -> AsyncIterator[Installation]:
    """An API process without a worker, a mail server, an account.

    Args:
        directory: for the logs.
    """
    with a_data_dir() as data_dir, EmbeddedPostgres(data_dir).own() as url:
        await migrate(url)
        environment = environment_of(data_dir) | {
            "JOURNEYS_DATABASE_URL": url,
            "JOURNEYS_SECRET_KEY": SECRET_KEY,
            "JOURNEYS_ADMIN_API_KEY": ADMIN_KEY,
            "JOURNEYS_PUBLIC_URL": PUBLIC,
            "JOURNEYS_RATE_LIMITS": "off",
            "JOURNEYS_CLICK_PARAMETER": MARK,
            "JOURNEYS_BOUNCE_ADDRESS": "bounces@example.com",
            "JOURNEYS_TRACKING_PATIENCE": "1",
        }
        with servers(environment, directory) as serve:
            made = Installation(url, environment, data_dir, directory, serve)
            async with made.office.open():
                environment["JOURNEYS_SMTP_URL"] = made.office.url()
                await made.start_api()
                await made.sign_in()
                yield made
                await made.close()


async def crowd(work: Work, of: Iterable[Any], *, meanwhile: Happening | None = None) -> None:
    """Do something for each, so many at a time.

    Args:
        meanwhile: what happens once a quarter is done.
    """
    left = list(of)
    undisturbed = len(left) * 3 // 4
    still_to_come = [meanwhile] if meanwhile is not None else []

    async def some() -> None:
        while left:
            if still_to_come and len(left) <= undisturbed:
                group.create_task(still_to_come.pop()())
            await work(left.pop())

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
