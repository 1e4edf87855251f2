"""A list to import to, and a worker whose clock is set by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from journeys_api.app import Application, create_app
from journeys_api.clock import SetClock
from journeys_api.settings import Settings
from journeys_api.work import Worker
from tests.conftest import Client

MAPPED = {"FIELD1": "EmailAddress"}


@dataclass
class Imports:
    """An account with a list, and what a test does with them."""

    api: Client
    list_id: int
    worker: Worker
    clock: SetClock

    def parameters(self, data: str, mapped: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """The parameters of an import."""
        csv = {"FieldTerminator": ",", "FieldEncloser": '"', "EscapedBy": "\\", "MappedFields": mapped or MAPPED}
        csv |= {name: more.pop(name) for name in list(more) if name in csv or name == "URL"}
        if data:
            csv["Data"] = data
        return {
            "ListID": self.list_id,
            "AddToGlobalSuppressionList": False,
            "AddToSuppressionList": False,
            "UpdateDuplicates": False,
            "TriggerActions": False,
            "Tags": [],
            "ImportFrom": {"CSV": csv},
            **more,
        }

    async def post(self, data: str, mapped: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        """Import, and let workers do what is due; how it stands then."""
        posted = await self.api.ok("subscribers.import.post", **self.parameters(data, mapped, **more))
        await self.work()
        return {**await self.get(posted["ImportID"]), "ImportType": posted["ImportType"]}

    async def get(self, import_id: int) -> dict[str, Any]:
        """How an import stands."""
        body = await self.api.ok("subscribers.import.get", ListID=self.list_id, ImportID=import_id)
        job: dict[str, Any] = body["ImportJob"]
        return job

    async def work(self, **later: float) -> None:
        """Let time pass (`minutes=5`), and workers do what is due then."""
        self._pass_time(**later)
        await self.worker.run_until_quiet()

    async def one_turn(self) -> None:
        """Let a worker take one turn of an import."""
        self._pass_time()
        await self.worker.jobs.turn()

    def _pass_time(self, **later: float) -> None:
        self.clock.instant = max(self.clock.instant, datetime.now(UTC)) + timedelta(**later)

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a statement."""
        async with self.worker.sessions() as session:
            return list((await session.execute(text(statement), parameters)).all())

    async def people(self) -> list[tuple[str, str, dict[str, str]]]:
        """(address, status, values) of everybody on the list, by address."""
        rows = await self.rows(
            "SELECT email_address, status, custom_values FROM subscribers WHERE list_id = :list ORDER BY 1",
            list=self.list_id,
        )
        return [(row.email_address, row.status, row.custom_values) for row in rows]

    async def addresses(self) -> list[str]:
        """Everybody on the list."""
        return [address for address, _, _ in await self.people()]


@pytest.fixture
async def imports(api: Client, app: Application, settings: Settings, tmp_path: Any) -> AsyncIterator[Imports]:
    """An empty list of a new account, and a worker."""
    clock = SetClock(datetime.now(UTC))
    worker = Worker(settings.model_copy(update={"data_dir": tmp_path, "webhook_allow_private": True}), clock=clock)
    list_id = (await api.ok("list.create", SubscriberListName="Import"))["ListID"]
    yield Imports(api, list_id, worker, clock)
    await worker.close()


@pytest.fixture
async def open_api(settings: Settings, imports: Imports) -> AsyncIterator[Client]:
    """The account's client at an application that lets tenants call every address."""
    application = create_app(settings.model_copy(update={"webhook_allow_private": True}))
    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://journeys.test") as http:
        yield Client(http, imports.api.account)
    await application.close()
