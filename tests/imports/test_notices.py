"""Whoever handed in an address with an import is told there how it ended."""

import json
from datetime import timedelta
from typing import Any

import pytest

from journeys_api.commands.wire import instant
from journeys_api.jobs.service import RETRIES
from journeys_api.models import Job
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import Client
from tests.delivery.egress.servers import Server, answer, serving
from tests.imports.conftest import Imports

MANY = "".join(f"person{number}@example.com\n" for number in range(80)) + "nobody\nperson1@example.com\n"


async def hand_in(open_api: Client, imports: Imports, server: Server, data: str = MANY, **more: Any) -> int:
    """Hand in an import that tells the server; its id."""
    given = imports.parameters(data, ImportStatusUpdateWebhookURL=server.url(path="/ended?key=a%20b"), **more)
    return int((await open_api.ok("subscribers.import.post", **given))["ImportID"])


async def owed(imports: Imports) -> list[tuple[str, str | None]]:
    """(state, reason) of every notice about the list."""
    rows = await imports.rows(
        "SELECT state, reason FROM deliveries WHERE list_id = :list AND kind = 'webhook'", list=imports.list_id
    )
    return [tuple(row) for row in rows]


def told(server: Server) -> list[Any]:
    """The JSON of each call."""
    return [json.loads(call.body) for call in server.calls]


@pytest.mark.parametrize("data", [MANY, "ada@example.com\n"], ids=["background", "at once"])
async def test_an_import_that_has_ended_is_told_once(open_api: Client, imports: Imports, door: str, data: str) -> None:
    async with serving() as server:
        import_id = await hand_in(open_api.at(door), imports, server, data)
        await imports.work()
        await imports.work(hours=24)

    job = await imports.get(import_id)
    names = "ImportID ImportDate FinishedAt ImportStatus TotalSubscribers TotalImported TotalDuplicates TotalFailed"
    assert told(server) == [{"ListID": imports.list_id, **{name: job[name] for name in [*names.split(), "Reason"]}}]
    assert (job["ImportStatus"], job["FinishedAt"] != "") == ("Completed", True)
    (call,) = server.calls
    assert call.line == "POST /ended?key=a%20b HTTP/1.1"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"].isdigit()
    assert await owed(imports) == [("sent", "http_200")]


async def test_nothing_is_told_before_the_end(open_api: Client, imports: Imports) -> None:
    async with serving() as server:
        await hand_in(open_api, imports, server)
        for sender in imports.worker.senders:
            await sender.run_until_quiet()
        before = len(server.calls)
        await imports.work()

    assert (before, len(server.calls)) == (0, 1)
    assert told(server)[0]["TotalImported"] == 80
    assert (told(server)[0]["TotalFailed"], told(server)[0]["TotalDuplicates"]) == (1, 1)


async def test_an_import_that_failed_is_told_with_the_reason(open_api: Client, imports: Imports) -> None:
    async with serving() as server, serving(answer(404)) as source:
        await hand_in(open_api, imports, server, "", URL=source.url(path="/people.csv"))
        await imports.work()

    (said,) = told(server)
    assert (said["ImportStatus"], said["TotalImported"]) == ("Failed", 0)
    assert said["Reason"] == "the file could not be fetched: status 404"


async def test_an_import_that_is_given_up_is_told(open_api: Client, imports: Imports) -> None:
    async with serving() as server:
        import_id = await hand_in(open_api, imports, server)
        async with imports.worker.sessions.begin() as session:
            job = await session.get_one(Job, import_id)
            job.cursor = {**job.cursor, "columns": "spoiled"}
        for wait in (None, *RETRIES):
            assert told(server) == []
            await imports.work(seconds=wait.total_seconds() if wait else 0)

    (said,) = told(server)
    assert said["ImportStatus"] == "Failed"
    assert said["Reason"]
    assert said["FinishedAt"] == instant(imports.clock.instant)


async def test_a_receiver_that_is_away_is_tried_again_with_the_same_id(open_api: Client, imports: Imports) -> None:
    async with serving(answer(503)) as server:
        await hand_in(open_api, imports, server)
        await imports.work()
        for seconds in (5, 300, 1800, 7200, 18000, 36000):
            assert await owed(imports) == [("pending", "http_503")]
            await imports.work(seconds=seconds + 1)

    assert await owed(imports) == [("refused", "http_503")]
    assert len(server.calls) == 7
    assert len({call.headers["webhook-id"] for call in server.calls}) == 1
    assert len({call.body for call in server.calls}) == 1


async def test_a_worker_calls_no_address_that_is_not_public(
    open_api: Client, imports: Imports, settings: Settings, tmp_path: Any
) -> None:
    guarded = Worker(settings.model_copy(update={"data_dir": tmp_path}), clock=imports.clock)
    async with serving() as server:
        await hand_in(open_api, imports, server)
        imports.clock.instant += timedelta(minutes=1)
        await guarded.run_until_quiet()
    await guarded.close()

    assert await owed(imports) == [("refused", "address_not_public")]
    assert server.accepted == 0


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "https://[::1]/", "https://db.internal/", "ftp://example.com/", "https://u:p@example.com/",
     "example.com", "https://example.com/#x", ["https://example.com/"], "https://example.com/\x00"],
)  # fmt: skip
async def test_an_address_that_is_not_called_is_refused_when_it_is_handed_in(
    imports: Imports, door: str, url: Any
) -> None:
    given = imports.parameters("ada@example.com", ImportStatusUpdateWebhookURL=url)

    response = await imports.api.at(door).call("subscribers.import.post", **given)

    assert (response.status_code, response.json()["ErrorCode"]) == (400, 100000)
    assert "ImportStatusUpdateWebhookURL" in response.json()["ErrorText"]
    assert await imports.people() == []
    assert await imports.rows("SELECT 1 FROM jobs WHERE parameters->>'list_id' = :id", id=str(imports.list_id)) == []


@pytest.mark.parametrize("absent", [{}, {"ImportStatusUpdateWebhookURL": ""}, {"ImportStatusUpdateWebhookURL": None}])
async def test_without_an_address_nobody_is_told(imports: Imports, absent: dict[str, Any]) -> None:
    job = await imports.post(MANY, **absent)

    assert job["ImportStatus"] == "Completed"
    assert await owed(imports) == []
