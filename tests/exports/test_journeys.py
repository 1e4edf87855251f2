"""Exports of journeys from the outside: submitted, written by a worker, fetched, gone in the end."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from starlette.types import Message

from journeys_api.app import Application, create_app
from journeys_api.clock import SetClock
from journeys_api.commands.registry import COMMANDS
from journeys_api.jobs import service as jobs
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import Client, Maker
from tests.journeys.records import UNKNOWN, a_journey, actions_of

GET = "journey.export.get"


@pytest.fixture
async def worker(settings: Settings, tmp_path: Any) -> AsyncIterator[Worker]:
    """A worker whose clock is set by hand."""
    made = Worker(settings.model_copy(update={"data_dir": tmp_path}), clock=SetClock(datetime.now(UTC)))
    yield made
    await made.close()


async def _work(worker: Worker, **later: float) -> None:
    clock = worker._clock
    assert isinstance(clock, SetClock)
    clock.instant = max(clock.instant, datetime.now(UTC)) + timedelta(**later)
    await worker.jobs.run_until_quiet()


async def _exported(api: Client, worker: Worker, **asked: Any) -> list[dict[str, str]]:
    export_id = (await api.ok("journey.export.submit", **asked))["ExportID"]
    await _work(worker)
    answer = await api.call(GET, ExportID=export_id, download=True)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == f'attachment; filename="journeys-{export_id}.csv"'
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_a_journey_is_exported_with_its_actions_and_numbers(api: Client, worker: Worker) -> None:
    list_id = (await api.ok("list.create", SubscriberListName="News"))["ListID"]
    journey_id = await a_journey(api, Name="Welcome")
    first, second = await actions_of(
        api, journey_id, {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days", "Published": True}, {"Action": "Debug"}
    )
    await api.ok("journey.enable", JourneyID=journey_id)
    person = await api.ok(
        "subscriber.create",
        ListID=list_id,
        EmailAddress="ada@example.com",
        SubscriptionDate="2025-01-01",
        SubscriptionIP="127.0.0.1",
    )
    subscriber_id = person["SubscriberInformation"]["SubscriberID"]
    await api.ok("subscriber.journey.trigger", JourneyID=journey_id, ListID=list_id, SubscriberID=subscriber_id)

    rows = await _exported(api, worker, IncludeActions=True)

    assert [(row["JourneyID"], row["ActionID"], row["OrderNo"]) for row in rows] == [
        (str(journey_id), "", ""),
        (str(journey_id), first["ActionID"], "1"),
        (str(journey_id), second["ActionID"], "2"),
    ]
    assert {(row["JourneyName"], row["Status"], row["Trigger"]) for row in rows} == {("Welcome", "Enabled", "Manual")}
    assert [(row["ActiveSubscribers"], row["TotalSubscribers"]) for row in rows] == [("1", "1"), ("1", "1"), ("0", "0")]
    assert (rows[1]["Action"], rows[1]["Published"], rows[2]["Published"]) == ("Wait", "Yes", "No")
    assert (rows[0]["SendCount"], rows[0]["TotalRevenue"]) == ("0", "0")


async def test_only_the_accounts_journeys_of_a_status_are_exported(api: Client, make: Maker, worker: Worker) -> None:
    await a_journey(await make.client(), Name="Foreign")
    enabled, disabled = await a_journey(api, Name="On"), await a_journey(api, Name="Off")
    await api.ok("journey.enable", JourneyID=enabled)

    by_status = {
        status: [int(row["JourneyID"]) for row in await _exported(api, worker, Status=status)]
        for status in ("all", "enabled", "Disabled")
    }

    assert by_status == {"all": [enabled, disabled], "enabled": [enabled], "Disabled": [disabled]}


async def test_the_file_is_answered_where_calls_are_counted_too(
    api: Client, worker: Worker, settings: Settings
) -> None:
    await a_journey(api, Name="Counted")
    export_id = (await api.ok("journey.export.submit"))["ExportID"]
    await _work(worker)
    limited = create_app(settings.model_copy(update={"rate_limits": "on"}))
    transport = httpx.ASGITransport(app=limited, raise_app_exceptions=False)

    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        answer = await Client(http, api.account).call(GET, ExportID=export_id, download=True)
    await limited.close()

    assert answer.headers["content-type"].startswith("text/csv")
    assert "ratelimit-limit" in answer.headers
    assert "Counted" in answer.text


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", "\rx", "plain, =1"])
async def test_no_cell_begins_as_a_formula_does(api: Client, worker: Worker, name: str) -> None:
    await a_journey(api, Name=name)

    ((row),) = await _exported(api, worker)

    assert row["JourneyName"] == (name if name.startswith("plain") else f"'{name}")


async def _many_journeys(api: Client, worker: Worker) -> None:
    """451: more than two turns take."""
    await a_journey(api)
    assert api.account
    async with worker.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO journeys (owner_id, name, status, trigger, created_at, updated_at) "
                "SELECT :owner, 'Many ' || n, 'Disabled', 'Manual', now(), now() FROM generate_series(1, 450) n"
            ),
            {"owner": api.account.user_id},
        )


async def test_more_journeys_than_a_turn_takes_are_exported_once_each(api: Client, worker: Worker) -> None:
    await _many_journeys(api, worker)

    rows = await _exported(api, worker)

    assert len({row["JourneyID"] for row in rows}) == len(rows) == 451


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_a_file_is_sent_piece_by_piece_and_one_that_breaks_off_has_no_end(
    api: Client, app: Application, worker: Worker, *, is_deleted: bool
) -> None:
    await _many_journeys(api, worker)
    assert api.account
    export_id = (await api.ok("journey.export.submit"))["ExportID"]
    await _work(worker)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if is_deleted and message.get("body"):
            async with worker.sessions.begin() as session:
                await session.execute(text("DELETE FROM jobs WHERE job_id = :job"), {"job": export_id})

    async def receive() -> Message:
        await asyncio.Event().wait()  # the client stays, and has nothing more to say
        raise AssertionError

    query = f"ExportID={export_id}&download=true&APIKey={api.account.api_key}"
    scope = {"type": "http", "method": "GET", "path": "/api/v1/journey.export", "query_string": query.encode()}
    await app({**scope, "headers": [], "client": ("127.0.0.1", 1)}, receive, send)

    start, *pieces = sent
    told = int(dict(start["headers"])[b"content-length"])
    came = sum(len(piece["body"]) for piece in pieces)
    if is_deleted:
        assert (len(pieces), pieces[-1]["more_body"]) == (1, True)
        assert came < told
    else:
        assert [piece.get("more_body", False) for piece in pieces] == [True, True, True, False]
        assert came == told


async def test_a_client_that_has_gone_is_sent_nothing_more(api: Client, app: Application, worker: Worker) -> None:
    await _many_journeys(api, worker)
    assert api.account
    export_id = (await api.ok("journey.export.submit"))["ExportID"]
    await _work(worker)
    sent: list[Message] = []
    has_gone = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body"):
            has_gone.set()

    async def receive() -> Message:
        if not sent:
            return {"type": "http.request", "body": b"", "more_body": False}
        await has_gone.wait()
        return {"type": "http.disconnect"}

    query = f"ExportID={export_id}&download=true&APIKey={api.account.api_key}"
    scope = {"type": "http", "method": "GET", "path": "/api/v1/journey.export", "query_string": query.encode()}
    await app({**scope, "headers": [], "client": ("127.0.0.1", 1)}, receive, send)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


async def test_an_account_has_no_more_exports_waiting_than_it_may(
    api: Client, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST_OPEN", 2)
    await api.ok("journey.export.submit")
    await api.ok("journey.export.submit")

    refused = await api.call("journey.export.submit")
    await _work(worker)
    later = await api.call("journey.export.submit")

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert later.status_code == 200


async def test_an_export_is_told_of_and_goes_when_its_time_has_come(api: Client, worker: Worker, door: str) -> None:
    client = api.at(door)
    await a_journey(api)
    asked = {"StatsStartDate": "2025-01-01", "StatsEndDate": "2025-01-31", "Status": "all"}
    export_id = (await client.ok("journey.export.submit", **asked))["ExportID"]

    waiting = (await client.ok(GET, ExportID=export_id))["ExportJob"]
    early = await client.codes(GET, ExportID=export_id, download="true")
    await _work(worker)
    done = (await client.ok(GET, ExportID=export_id))["ExportJob"]
    size = len((await client.call(GET, ExportID=export_id, download="true")).content)
    await _work(worker, days=8)
    gone = await client.codes(GET, ExportID=export_id)

    assert (waiting["Status"], waiting["StartedAt"], waiting["DownloadSize"]) == ("Pending", None, 0)
    assert waiting["ExportOptions"] == {"Command": "ExportJourneys", "IncludeActions": False, **asked}
    assert (early, gone) == ([5], [3])
    assert (done["Status"], done["Module"], done["DownloadSize"]) == ("Completed", "JourneyExport", size)
    finished, expires = (datetime.fromisoformat(done[key]) for key in ("FinishedAt", "ExpiresAt"))
    assert expires - finished == timedelta(days=7)


@pytest.mark.parametrize(
    ("command", "code", "given"),
    [
        ("journey.export.submit", 1, {"StatsStartDate": "yesterday"}),
        ("journey.export.submit", 2, {"StatsEndDate": "2025-02-30"}),
        ("journey.export.submit", 3, {"StatsStartDate": "2025-02-01", "StatsEndDate": "2025-01-01"}),
        ("journey.export.submit", 4, {"Status": "Paused"}),
        (GET, 1, {}),
        (GET, 2, {"ExportID": "abc"}),
        (GET, 3, {"ExportID": UNKNOWN}),
        (GET, 4, {"ExportID": "of an import"}),
    ],
)
async def test_a_refused_call(api: Client, door: str, command: str, code: int, given: dict[str, Any]) -> None:
    if given.get("ExportID") == "of an import":
        list_id = (await api.ok("list.create", SubscriberListName="News"))["ListID"]
        example = {**COMMANDS["subscribers.import.post"].example, "ListID": list_id}
        given = {"ExportID": (await api.ok("subscribers.import.post", **example))["ImportID"]}

    answer = await api.at(door).call(command, **given)

    refusal = COMMANDS[command].refusal(code)
    assert answer.json()["Errors"] == [{"Code": code, "Message": refusal.message}]
    assert answer.status_code == (refusal.status if door == "rest" else 200)
