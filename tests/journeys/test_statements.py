"""How many statements a call costs: a constant, whatever the number of rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text

from journeys_api.app import Application
from tests.conftest import Client
from tests.journeys.records import a_journey, actions_of


@asynccontextmanager
async def counted(app: Application) -> AsyncIterator[list[str]]:
    """The statements that the application sends meanwhile, those that look up a credential left out."""
    statements: list[str] = []
    watched: list[Any] = []

    def note(statement: str) -> None:
        if "api_keys" not in statement and "credential_changes" not in statement:
            statements.append(statement)

    def by_sqlalchemy(_: Any, __: Any, statement: str, *___: Any) -> None:
        note(statement)

    def by_driver(logged: Any) -> None:
        # what a session sends is known by its own event; the last two are the driver's questions about types
        known = (*statements, "BEGIN", "COMMIT", "ROLLBACK", "typeinfo_tree", "'jit'")
        if not any(text in logged.query for text in known):
            note(logged.query)

    def lent(connection: Any, *_: Any) -> None:
        watched.append(connection.driver_connection)
        connection.driver_connection.add_query_logger(by_driver)

    event.listen(app.engine.sync_engine, "before_cursor_execute", by_sqlalchemy)
    event.listen(app.engine.sync_engine, "checkout", lent)
    try:
        yield statements
        await asyncio.sleep(0)  # the driver reports in the loop's next turn
    finally:
        event.remove(app.engine.sync_engine, "before_cursor_execute", by_sqlalchemy)
        event.remove(app.engine.sync_engine, "checkout", lent)
        for connection in watched:
            connection.remove_query_logger(by_driver)


async def test_a_journey_is_read_in_one_statement(api: Client, app: Application) -> None:
    journey_id = await a_journey(api)
    await actions_of(api, journey_id, *[{"Action": "SendEmail", "EmailID": 1}] * 20)

    async with counted(app) as statements:
        await api.ok("journey.get", JourneyID=journey_id)

    assert len(statements) == 1, statements


async def test_a_list_of_a_thousand_journeys_costs_what_a_list_of_one_costs(api: Client, app: Application) -> None:
    assert api.account
    await a_journey(api)
    async with counted(app) as few:
        await api.ok("journey.list")
    async with app.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO journeys (owner_id, name, created_at, updated_at) "
                "SELECT :owner, 'Journey ' || n, now(), now() FROM generate_series(2, 1000) AS n"
            ),
            {"owner": api.account.user_id},
        )
        await connection.execute(
            text(
                "INSERT INTO journey_days (owner_id, journey_id, counted_on, send_count) "
                "SELECT owner_id, journey_id, current_date, 5 FROM journeys WHERE owner_id = :owner"
            ),
            {"owner": api.account.user_id},
        )

    async with counted(app) as many:
        answered = await api.ok("journey.list")

    assert len(answered["Journeys"]) == 1000
    assert len(many) == len(few) == 3
    days = answered["Journeys"][-1]["JourneyStats"]["AggregatedDaysEmailActions"]
    assert next(iter(days.values()))["SendCount"] == 5


async def test_a_tree_of_five_hundred_actions_is_saved_in_as_many_statements_as_one(
    api: Client, app: Application
) -> None:
    journey_id = await a_journey(api)
    async with counted(app) as few:
        await actions_of(api, journey_id, {"Action": "Debug"})
    other = await a_journey(api)

    async with counted(app) as many:
        await actions_of(api, other, *[{"Action": "Debug"}] * 500)

    assert len(many) == len(few)


async def test_a_journey_that_names_no_records_is_created_in_one_statement(api: Client, app: Application) -> None:
    async with counted(app) as statements:
        await api.ok("journey.create", Name="Welcome Series", Trigger="Manual")

    assert len(statements) == 1, statements
