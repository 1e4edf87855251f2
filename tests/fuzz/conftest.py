"""A server of its own thread and database, an account with a record of everything, and the judge of its answers."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
import uvicorn
from sqlalchemy import text

from journeys_api.accounts import service as accounts
from journeys_api.app import create_app
from journeys_api.clock import SystemClock
from journeys_api.settings import Settings
from tests.conftest import Account, Client, Maker
from tests.world import make_world

RARE = 400_000_007
"""Where the callers' own ids start, so that no generated one deletes who is calling."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed: an address, and who calls."""

    url: str
    database_url: str
    account: Account
    spare: Account
    """Another one, which generated calls may change and delete."""


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    """uvicorn with the application in a thread of its own, whose loop the application's connections belong to."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(settings), http="httptools", ws="none", log_config=None, access_log=False, proxy_headers=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@asynccontextmanager
async def _peopled(settings: Settings) -> AsyncIterator[tuple[Account, Account]]:
    """Two accounts in an empty database, whose own ids are rare and whose records' ids are small."""
    application = create_app(settings)
    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        async with application.sessions.begin() as session:
            await accounts.ensure_default_group(session, now=SystemClock().now())
            for table, column in (("users", "user_id"), ("user_groups", "group_id"), ("api_keys", "api_key_id")):
                await session.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} RESTART WITH {RARE}"))
        make = Maker(application, http)
        world = await make_world(make, Client(http))
        assert world.client.account
        yield world.client.account, await make.account()
    await application.close()


def _target(rate_limits: str) -> Callable[..., Any]:
    @pytest.fixture(scope="module")
    async def target(settings: Settings, make_database: Any, template: str) -> AsyncIterator[Target]:
        own = settings.model_copy(
            update={"database_url": await make_database(template), "rate_limits": rate_limits, "public_url": None}
        )
        async with _peopled(own.model_copy(update={"rate_limits": "off"})) as (account, spare):
            serving = _serving(own)
            url = await asyncio.to_thread(serving.__enter__)
            yield Target(url, own.database_url or "", account, spare)
            await asyncio.to_thread(serving.__exit__, None, None, None)

    return target


target = _target("off")
limited_target = _target("on")


def judge(status: int, content_type: str, content: bytes, *, is_limited: bool = False) -> None:
    """The answer is one of the product's: never a 5xx, always an envelope, 429 only where limits are on.

    Raises:
        AssertionError: it is not.
    """
    assert status < 500, (status, content)
    assert is_limited or status != 429, content
    if content_type.startswith("text/xml"):
        assert ElementTree.fromstring(content).tag == "response"
        return
    assert content_type == "application/json"
    body = json.loads(content)
    assert isinstance(body, dict)
    is_refused = body.get("Success") is False or "Errors" in body
    assert is_refused == (status != 200) or (is_refused and is_legacy_envelope(body)), (status, body)
    if is_refused:
        assert body.get("Errors") or body.get("ErrorCode"), body


def is_legacy_envelope(body: dict[str, Any]) -> bool:
    """Whether an answer of `/api.php` has what every client of it reads."""
    code, message = body.get("ErrorCode"), body.get("ErrorText")
    if body.get("Success") is True:
        return code == 0 and message == ""
    if isinstance(code, list) and all(isinstance(each, dict) for each in code):
        return True  # journey.action.subscribers fixes this shape
    if isinstance(code, list):
        return message is None or (isinstance(message, list) and len(message) == len(code))
    return isinstance(code, int) and isinstance(message, str)
