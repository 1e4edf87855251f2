"""The tracker in a real browser, on a website of another origin. Skipped where there is no browser."""

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
import uvicorn
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.links.tokens import sign_attribution
from tests.conftest import SECRET_KEY, Client
from tests.engine.conftest import Audience, Work, running

PATIENCE = 90.0
SHOP = """<!DOCTYPE html><title>Our Shop</title>
<script src="{server}/t/tracker.js" data-key="{key}"></script>
<script>
oct.eventT("Cart", {{colour: "green"}});
oct.eventC("order-1", "Order", "19.90", {{"conversion-currency": "EUR"}});
document.title = oct.uuid;
</script>"""


def browser() -> str:
    """The path of a browser."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium on this machine")


async def visit(url: str, profile: str) -> str:
    """Open a page without a window, let its scripts run, and close it; the document as it stood then."""
    process = await asyncio.create_subprocess_exec(
        browser(),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={profile}",
        "--timeout=20000",
        "--virtual-time-budget=10000",
        "--dump-dom",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": profile},
    )
    try:
        document, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return document.decode()


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """An application on a port of its own; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
    running_server = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running_server


def website(page: str) -> Any:
    """A website that answers every request with one page."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": page.encode()})

    return answer


async def test_a_visitor_who_came_from_a_mail_is_known_and_buys(
    app: Application, api: Client, audience: Audience, work: Work, email_id: int, address: str
) -> None:
    browser()
    journey_id = await running(
        api,
        {"Action": "SendEmail", "EmailID": email_id, "From": {"Name": "News", "Email": "news@example.com"}},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    subscriber_id = await audience.subscribe(address)
    await work.run()
    (row,) = await work.rows("SELECT * FROM deliveries WHERE journey_id = :journey", journey=journey_id)
    mark = sign_attribution(SECRET_KEY.encode(), row.owner_id, row.delivery_id)
    key = (await api.ok("website_events.tracker", ListID=audience.list_id))["SiteKey"]

    async def kept() -> list[Any]:
        return await work.rows("SELECT * FROM website_events WHERE owner_id = :owner", owner=row.owner_id)

    async def kept_to_be(count: int) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            while len(await kept()) < count:  # noqa: ASYNC110 (another process is watched)
                await asyncio.sleep(0.1)
        return await kept()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with serving(app) as server, serving(website(SHOP.format(server=server, key=key))) as shop:
            document = await visit(f"{shop}/landing?a=b&pr={mark}", profile)
            await kept_to_be(3)
            await visit(f"{shop}/later", profile)
            events = await kept_to_be(5)
            shown = await visit(f"{server}/t/tracker?key={key}", profile)

    assert {each.subscriber_id for each in events} == {subscriber_id}
    assert sorted(each.name for each in events) == ["Cart", "Cart", "conversion", "pageView", "pageView"]
    # the same visitor, by the cookie
    (uuid,) = {each.uuid for each in events}
    assert f"<title>{uuid}</title>" in document
    landing = next(
        each for each in events if each.properties.get("$pathname") == "/landing" and each.name == "pageView"
    )
    assert landing.properties["$pageTitle"] == "Our Shop"
    assert landing.properties["$current_url"].endswith(f"/landing?a=b&pr={mark}")
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]["AggregatedEmailActions"]
    assert (stats["ConversionCount"], stats["TotalRevenue"]) == (1, 19.9)
    assert "page_view → 204" in shown


CROWD = """<!DOCTYPE html><title>Many Goods</title>
<script src="{server}/t/tracker.js" data-key="{key}"></script>
<script>
for (var n = 0; n < 19; n++) oct.eventT("Seen", {{number: n, text: "\u4e16".repeat(n < 18 ? 2000 : 20000)}});
</script>"""


async def test_more_than_one_request_takes_goes_in_several(api: Client, app: Application, audience: Audience) -> None:
    browser()
    assert api.account
    owner_id = api.account.user_id
    key = (await api.ok("website_events.tracker", ListID=audience.list_id))["SiteKey"]

    async def seen() -> int:
        async with app.sessions() as session:
            statement = "SELECT count(*) FROM website_events WHERE owner_id = :owner AND name = 'Seen'"
            return int(await session.scalar(text(statement), {"owner": owner_id}) or 0)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with serving(app) as server, serving(website(CROWD.format(server=server, key=key))) as shop:
            await visit(f"{shop}/", profile)

    assert await seen() == 19
