"""What `/metrics` says of queues and of the worker, and that it answers without a database."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from journeys_api.app import Application, create_app
from journeys_api.clock import SetClock
from journeys_api.http.metrics import Metrics
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import ADMIN_KEY, Client


def value(exposition: str, name: str) -> float | None:
    """The value of a sample; None: there is no such sample."""
    for line in exposition.splitlines():
        if line.rpartition(" ")[0] == name:
            return float(line.rpartition(" ")[2])
    return None


@pytest.fixture
async def own(settings: Settings, make_database: Any, template: str) -> Settings:
    """Settings of a database that nobody else works on."""
    return settings.model_copy(update={"database_url": await make_database(template), "metrics_public": True})


async def scrape(application: Application) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://t") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    return answer.text


async def test_empty_queues_are_told_as_empty(own: Settings) -> None:
    application = create_app(own)

    found = await scrape(application)
    await application.close()

    assert value(found, "journeys_queues_readable") == 1
    assert value(found, "journeys_events_waiting") == 0
    assert value(found, "journeys_people_due") == 0
    assert value(found, 'journeys_deliveries_pending{kind="mail"}') == 0
    assert value(found, "journeys_deliveries_oldest_seconds") == 0


async def test_what_waits_is_counted(own: Settings) -> None:
    application = create_app(own)
    async with application.sessions.begin() as session:
        for statement in (
            "INSERT INTO trigger_events (shard, owner_id, kind, list_id, subscriber_id, occurred_at) "
            "SELECT n % 16, 1, 'Tag', 1, n, now() FROM generate_series(1, 7) AS n",
            "INSERT INTO runnable_journeys (shard, journey_id, owner_id, next_due_at) VALUES (3, 1, 1, now())",
            # due, not due yet, and due in a journey that is not enabled
            "INSERT INTO timers (shard, journey_id, due_at, owner_id, enrollment_id) VALUES (3, 1, now(), 1, 1), "
            "(3, 1, now(), 1, 2), (3, 1, now() + interval '1 day', 1, 3), (3, 2, now(), 1, 4)",
            "INSERT INTO deliveries (owner_id, kind, list_id, subscriber_id, next_attempt_at, created_at) VALUES "
            "(1, 'mail', 1, 1, now() - interval '90 seconds', now()), (1, 'mail', 1, 2, now(), now()), "
            "(1, 'sms', 1, 1, now() + interval '1 day', now())",
        ):
            await session.execute(text(statement))

    found = await scrape(application)
    await application.close()

    assert value(found, "journeys_events_waiting") == 7
    assert value(found, "journeys_people_due") == 2
    assert value(found, 'journeys_deliveries_pending{kind="mail"}') == 2
    assert value(found, 'journeys_deliveries_pending{kind="sms"}') == 1
    assert value(found, 'journeys_deliveries_pending{kind="webhook"}') == 0
    assert 90 <= (value(found, "journeys_deliveries_oldest_seconds") or 0) < 120


async def test_without_a_database_the_process_still_tells_of_itself(own: Settings) -> None:
    application = create_app(own.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"}))

    found = await scrape(application)
    await application.close()

    assert value(found, "journeys_queues_readable") == 0
    assert value(found, "journeys_calls_in_flight") == 0
    assert value(found, "journeys_events_waiting") is None


async def test_a_process_without_a_worker_tells_nothing_of_one(http: httpx.AsyncClient, admin: Client) -> None:
    found = await http.get("/metrics", params={"AdminAPIKey": ADMIN_KEY})

    assert "journeys_worker" not in found.text


async def test_the_administrators_key_is_not_guessed_without_end(settings: Settings) -> None:
    application = create_app(settings.model_copy(update={"rate_limits": "on"}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://t") as client:
        guesses = [await client.get("/metrics", headers={"AdminAPIKey": f"guess {n}"}) for n in range(301)]
        right = await client.get("/metrics", headers={"AdminAPIKey": ADMIN_KEY})
    await application.close()

    assert [each.status_code for each in guesses] == [401] * 300 + [429]
    assert int(guesses[-1].headers["retry-after"]) > 0
    assert right.status_code == 200


async def test_a_workers_progress_is_counted(api: Client, settings: Settings, tmp_path: Path) -> None:
    worker = Worker(
        settings.model_copy(update={"data_dir": tmp_path, "mail_dir": tmp_path}), clock=SetClock(datetime.now(UTC))
    )
    list_id = int((await api.ok("list.create", SubscriberListName="News"))["ListID"])
    journey_id = (await api.ok("journey.create", Name="Welcome", Trigger="ListSubscription", Trigger_ListID=list_id))[
        "JourneyID"
    ]
    actions = [{"Action": "ExitThisJourney", "Published": True}]
    await api.ok("journey.actions.update", JourneyID=journey_id, Actions=actions)
    await api.ok("journey.enable", JourneyID=journey_id)
    await api.ok("subscriber.subscribe", ListID=list_id, EmailAddress="ada@example.com", IPAddress="127.0.0.1")

    await worker.run_until_quiet()
    found = Metrics().exposition(None, worker.progress()).decode()
    await worker.close()

    assert (value(found, "journeys_worker_events_total") or 0) >= 1
    assert (value(found, "journeys_worker_people_total") or 0) >= 1
    assert value(found, 'journeys_worker_attempts_total{kind="mail"}') is not None
    assert value(found, 'journeys_worker_attempts_total{kind="webhook"}') is not None
