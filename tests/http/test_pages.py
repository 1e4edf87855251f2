"""The pages beside the doors: the OpenAPI document, its page, health; and what is not there."""

import re

import httpx
import pytest


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
