"""Fixtures: a real PostgreSQL, one database a test process, accounts of their own for every test, both doors."""

import asyncio
import gc
import itertools
import json
import os
import secrets
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from pydantic import SecretStr
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.accounts import credentials
from journeys_api.accounts import service as accounts
from journeys_api.app import Application, create_app
from journeys_api.clock import SystemClock
from journeys_api.commands.registry import COMMANDS
from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate
from journeys_api.models import User, UserGroup
from journeys_api.settings import Settings
from journeys_api.starting.memory import collect_rarely

gc.disable()  # until all is collected; what tests are made of stays

SHARED = Path(__file__).resolve().parents[2] / "shared"
ADMIN_KEY = "admin-key-of-the-tests"
SECRET_KEY = "secret-key-of-the-tests"
PASSWORD = "correct horse battery staple"

# a traceback in colours costs as much as dozens of calls
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# hashing is slow on purpose, and the tests do it thousands of times
credentials._hasher = PasswordHasher.from_parameters(CHEAPEST)
PASSWORD_HASH = credentials.hash_password(PASSWORD)
"""Made once: nearly every test makes an account."""
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def shared_spec() -> Path:
    """The folder of the written contract; tests that compare with it skip where it is absent."""
    spec = SHARED / "spec"
    if not spec.is_dir():
        pytest.skip("the written contract is not beside this checkout")
    return spec


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real server: JOURNEYS_TEST_DATABASE_URL, or an embedded one of this test process."""
    given = os.environ.get("JOURNEYS_TEST_DATABASE_URL")
    if given:
        yield given
        return
    # not in pytest's own folder: every other run that starts closes that to the user the server runs as
    with tempfile.TemporaryDirectory(prefix="journeys-test-", ignore_cleanup_errors=True) as directory:
        # fsync off: these databases live as long as the run; tests of durability start servers of their own
        parameters = {"fsync": "off", "full_page_writes": "off"}
        with EmbeddedPostgres(Path(directory), parameters=parameters).own() as url:
            yield url


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(_plain(url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def make_database(postgres: str) -> AsyncIterator[Any]:
    """Makes databases: `await make_database()` is empty, `await make_database(template)` a copy. Dropped at the end."""
    made: list[str] = []

    async def make(template: str | None = None) -> str:
        name = f"test_{os.getpid()}_{secrets.token_hex(4)}"
        of = f" TEMPLATE {make_url(template).database}" if template else ""
        await _execute(postgres, f"CREATE DATABASE {name}{of}")
        made.append(name)
        return make_url(postgres).set(database=name).render_as_string(hide_password=False)

    yield make
    for name in made:
        # Not WITH (FORCE): it fails where autovacuum is at work, which only a superuser may end by name. Without it,
        # PostgreSQL sends autovacuum away itself and waits for sessions that are ending.
        await _execute(
            postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{name}' AND usename = current_user",
        )
        await _execute(postgres, f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture(scope="session")
async def template(make_database: Any) -> str:
    """A migrated database that nobody connects to: copy it."""
    url: str = await make_database()
    await migrate(url)
    return url


@pytest.fixture(scope="session")
async def settings(make_database: Any, template: str) -> Settings:
    """Settings of an application on a database of its own, without rate limits."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=await make_database(template),
        admin_api_key=SecretStr(ADMIN_KEY),
        secret_key=SecretStr(SECRET_KEY),
        public_url="http://journeys.test",
        rate_limits="off",
        # a loaded machine is no database that is away
        tracking_patience=timedelta(seconds=30),
    )


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Application]:
    """The application, shared by the tests of a process: each works in accounts of its own."""
    application = create_app(settings)
    async with application.sessions.begin() as session:
        await accounts.ensure_default_group(session, now=SystemClock().now())
    yield application
    await application.close()


@dataclass
class Account:
    """A user to call as."""

    user_id: int
    group_id: int
    username: str
    password: str
    api_key: str


@dataclass
class Client:
    """Calls the application at both doors."""

    http: httpx.AsyncClient
    account: Account | None = None
    door: str = "rest"

    def at(self, door: str) -> "Client":
        """The same caller at another door: `rest` or `legacy`."""
        return Client(self.http, self.account, door)

    def as_(self, account: Account | None) -> "Client":
        """Another caller at the same door."""
        return Client(self.http, account, self.door)

    async def call(self, command: str, **parameters: Any) -> httpx.Response:
        """Call a command with a JSON body, as the account (or with the admin key when there is none).

        At `rest` a command without a route is called at `/api.php` all the same.
        """
        declared = COMMANDS[command.lower()]
        credential = {"APIKey": self.account.api_key} if self.account else {"AdminAPIKey": ADMIN_KEY}
        body = {**credential, **parameters}
        if self.door == "rest" and declared.routes:
            method, path = declared.routes[0]
        else:
            method, path = "POST", "/api.php"
            body = {"Command": command, **body}
        return await self.http.request(
            method, path, content=json.dumps(body), headers={"Content-Type": "application/json"}
        )

    async def ok(self, command: str, **parameters: Any) -> dict[str, Any]:
        """Call a command that must succeed; its body."""
        response = await self.call(command, **parameters)
        body: dict[str, Any] = response.json()
        assert response.status_code == 200, (command, response.status_code, body)
        assert "Errors" not in body, (command, body)
        assert body.get("Success", True) is True, (command, body)
        return body

    async def codes(self, command: str, **parameters: Any) -> list[int]:
        """Call a command that must be refused; its codes in the order answered, whatever the envelope."""
        response = await self.call(command, **parameters)
        body = response.json()
        is_rest = self.door == "rest" and bool(COMMANDS[command.lower()].routes)
        assert (400 <= response.status_code < 500) if is_rest else response.status_code == 200, (command, body)
        return codes_of(body)


def codes_of(body: dict[str, Any]) -> list[int]:
    """The codes of a refusal in any envelope."""
    if "Errors" in body:
        return [error["Code"] for error in body["Errors"]]
    codes = body["ErrorCode"]
    if isinstance(codes, int):
        return [codes]
    return [code["Code"] if isinstance(code, dict) else code for code in codes]


@pytest.fixture(scope="session")
async def http(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that calls the application in-process."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as client:
        yield client


async def until_one_waits_for(session: AsyncSession) -> None:
    """Come back when another connection waits for what this transaction holds."""
    waiting = text("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))")
    async with asyncio.timeout(30):
        while not await session.scalar(waiting):  # noqa: ASYNC110 (the database tells nobody)
            await asyncio.sleep(0.01)


@contextmanager
def no_thread_is_free() -> Iterator[None]:
    """Nothing that the loop hands to a thread begins before the block ends."""
    loop, go_on = asyncio.get_running_loop(), threading.Event()
    with ThreadPoolExecutor(1) as only:
        only.submit(go_on.wait)
        loop.set_default_executor(only)
        try:
            yield
        finally:
            loop.set_default_executor(ThreadPoolExecutor())
            go_on.set()


class Maker:
    """Makes what a test is about and fills in the rest; accounts straight through the service, all else by the API."""

    def __init__(self, app: Application, http: httpx.AsyncClient) -> None:
        self._app = app
        self._http = http

    async def account(self, *, permissions: list[str] | None = None, time_zone: str = "UTC") -> Account:
        """A user with a key, in a group of its own; by default with every permission."""
        number = next(_numbers)
        now = SystemClock().now()
        username = f"user{os.getpid()}x{number}"
        async with self._app.sessions.begin() as session:
            group = UserGroup(
                group_name=f"Group {number}", permissions=permissions or ["*"], created_at=now, updated_at=now
            )
            session.add(group)
            await session.flush()
            user = User(
                group_id=group.group_id,
                username=username,
                email_address=f"{username}@example.com",
                password_hash=PASSWORD_HASH,
                time_zone=time_zone,
                created_at=now,
                updated_at=now,
            )
            session.add(user)
            await session.flush()
            _, key = await accounts.create_api_key(
                session,
                owner_id=user.user_id,
                note="tests",
                bound_ip_address=None,
                now=now,
                pepper=SECRET_KEY.encode(),
            )
        return Account(user.user_id, group.group_id, username, PASSWORD, key)

    async def client(self, **account: Any) -> Client:
        """A client of a new account."""
        return Client(self._http, await self.account(**account))


@pytest.fixture
def make(app: Application, http: httpx.AsyncClient) -> Maker:
    """The maker of accounts and their clients."""
    return Maker(app, http)


@pytest.fixture
async def api(make: Maker) -> Client:
    """A client of a new account with every permission, at the REST door."""
    return await make.client()


@pytest.fixture(params=["rest", "legacy"])
def door(request: pytest.FixtureRequest) -> str:
    """Each door in turn."""
    return str(request.param)


@pytest.fixture
def admin(http: httpx.AsyncClient) -> Client:
    """A client with the administrator's key."""
    return Client(http)


def pytest_collection_finish() -> None:
    """What was collected stays until the end: to look through it for garbage again and again is a tenth of a run."""
    gc.enable()
    collect_rarely()
