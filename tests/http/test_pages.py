"""The pages beside the doors: the OpenAPI document, its page, health; and what is not there."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from journeys_api.app import Application, create_app
from journeys_api.settings import Settings


async def test_the_document_and_its_page_need_no_credential(http: httpx.AsyncClient) -> None:
    document = await http.get("/openapi.json")
    page = await http.get("/docs")

    assert document.json()["openapi"].startswith("3.1")
    assert page.headers["content-type"].startswith("text/html")


async def test_the_page_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")

    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    answers = [await http.get(f"/{path}") for path in loaded]

    assert len(loaded) == 3
    assert not [path for path in loaded if "//" in path]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe-eval" not in page.headers["content-security-policy"]


async def test_the_page_has_a_new_nonce_each_time(http: httpx.AsyncClient) -> None:
    policies = {(await http.get("/docs")).headers["content-security-policy"] for _ in range(2)}

    assert len(policies) == 2


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2f__init__.py", "nothing", "swagger-ui.css.map"])
async def test_the_page_has_no_other_files(http: httpx.AsyncClient, name: str) -> None:
    answer = await http.get(f"/docs/{name}")

    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/debug", "/redoc", "/admin", "/.env", "/docs/oauth2-redirect"])
async def test_nothing_else_is_exposed(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_the_counters_are_the_administrators(http: httpx.AsyncClient) -> None:
    refused = await http.get("/metrics")
    wrong = await http.get("/metrics", headers={"Authorization": "Bearer not-the-key"})
    allowed = await http.get("/metrics", headers={"Authorization": "Bearer admin-key-of-the-tests"})

    assert (refused.status_code, wrong.status_code, allowed.status_code) == (401, 401, 200)
    assert "journeys_calls" in allowed.text


async def test_a_health_check_asks_nothing_and_readiness_asks_the_database(http: httpx.AsyncClient) -> None:
    health = await http.get("/healthz")
    ready = await http.get("/readyz")

    assert health.json() == {"status": "ok"}
    assert ready.json() == {"status": "ready"}


@asynccontextmanager
async def started(application: Application) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that a server has started and stops."""
    asked: asyncio.Queue[Any] = asyncio.Queue()
    answered: asyncio.Queue[Any] = asyncio.Queue()
    living = asyncio.create_task(application({"type": "lifespan"}, asked.get, answered.put))
    await asked.put({"type": "lifespan.startup"})
    assert await answered.get() == {"type": "lifespan.startup.complete"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://t") as client:
        yield client
    await asked.put({"type": "lifespan.shutdown"})
    assert await answered.get() == {"type": "lifespan.shutdown.complete"}
    await living


async def test_a_worker_that_dies_is_told_of_at_once_and_the_stop_is_a_good_one(
    settings: Settings, make_database: Any, template: str, tmp_path: Path
) -> None:
    own = settings.model_copy(update={"database_url": await make_database(template), "data_dir": tmp_path})
    with capture_logs() as logs:
        async with started(create_app(own, with_worker=True)) as client:
            alive = await client.get("/readyz")
            (worker,) = (task for task in asyncio.all_tasks() if task.get_name() == "worker")
            worker.cancel()
            await asyncio.wait([worker])
            dead = await client.get("/readyz")
            told = [line["log_level"] for line in logs if line["event"] == "worker_died"]

    assert alive.json() == {"status": "ready"}
    assert (dead.status_code, dead.json()["reason"]) == (503, "worker")
    assert told == ["critical"]
