"""Another account's record is answered like one that never was, by every command and every parameter that names one."""

import hashlib
import json
import re
from typing import Any

import pytest
from sqlalchemy import text

from journeys_api.app import Application
from journeys_api.commands.registry import COMMANDS, Command, Param, Scope
from journeys_api.models import Base
from tests.conftest import Client, Maker
from tests.world import World, make_world, spelled

NEVER = 998_877_665_544_332_211

NOT_CALLED: dict[str, str] = {}
"""Commands of users for which no valid call can be built from their example, and why."""


def _naming(made: Command) -> list[Param]:
    """The parameters whose ids belong to an account."""
    return [param for param in made.params if param.refers_to is not None and param.refers_to != "group"]


JUDGED = [
    pytest.param(made, door, id=f"{made.name}-{door}")
    for made in COMMANDS.values()
    for door in (["rest", "legacy"] if made.routes else ["legacy"])
    if made.scope in (Scope.USER, Scope.USER_OR_ADMIN) and _naming(made) and made.name not in NOT_CALLED
]


FIRST: dict[str, tuple[str, dict[str, Any]]] = {
    "journey.disable": ("journey.enable", {}),
    "subscriber.journey.trigger": ("journey.enable", {}),
    "suppression.delete": ("suppression.import", {"EmailAddresses": ["user@example.com"]}),
}
"""What must be called before a command can succeed on the account's own records."""

WITH: dict[str, dict[str, Any]] = {
    "Trigger_ListID": {"Trigger": "ListSubscription"},
    "Trigger_EmailID": {"Trigger": "EmailOpen"},
}
"""What a parameter needs beside it to be looked at."""

BY_TRIGGER = {"Tag": "tag", "UnTag": "tag", "CustomFieldValueChanged": "field", "JourneyCompleted": "journey"}
"""What `Trigger_Value` names, by trigger."""


@pytest.fixture(scope="module")
async def stranger(app: Application, http: Any) -> World:
    """The account that nobody else may see or touch. From it on ids are long, so that no code looks like one."""
    async with app.sessions.begin() as session:
        for place, table in enumerate(Base.metadata.tables.values(), start=1):
            for column in (column for column in table.columns if column.identity is not None):
                sequence = await session.scalar(
                    text("SELECT pg_get_serial_sequence(:table, :name)"), {"table": table.name, "name": column.name}
                )
                await session.execute(text("SELECT setval(:of, :at)"), {"of": sequence, "at": place * 10_000_000_000})
    return await make_world(Maker(app, http), Client(http))


OWNERS = {
    "owner_id": "owner_id = :owner",
    "user_id": "user_id = :owner",
    "journey_id": "journey_id IN (SELECT journey_id FROM journeys WHERE owner_id = :owner)",
}
"""How the rows of an account are found, by the first of these columns that a table has."""


def _owned_tables() -> dict[str, str]:
    """Table → condition, of every table whose rows belong to an account."""
    return {
        name: next(condition for column, condition in OWNERS.items() if column in table.columns)
        for name, table in Base.metadata.tables.items()
        if set(OWNERS) & set(table.columns.keys())
    }


async def _checksum(app: Application, owner_id: int) -> str:
    """One value of every row of the account."""
    rows = " UNION ALL ".join(
        f"SELECT '{table}' AS name, t::text AS kept FROM {table} AS t WHERE {condition}"
        for table, condition in _owned_tables().items()
    )
    async with app.sessions() as session:
        found = await session.scalar(
            text(f"SELECT string_agg(name || kept, '\n' ORDER BY name, kept) FROM ({rows}) AS every"),
            {"owner": owner_id},
        )
    return hashlib.sha256(found.encode()).hexdigest()


async def _answer(client: Client, command: str, given: dict[str, Any]) -> tuple[int, str]:
    """Status and body, without ids and without what is new in every answer."""
    answer = await client.call(command, **given)
    body = re.sub(r"\b\d{9,}\b", "ID", json.dumps(answer.json(), sort_keys=True))
    return answer.status_code, re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "INSTANT", body)


def test_every_owned_table_is_in_the_checksum() -> None:
    of_nobody = {"administrators", "user_groups", "sms_gateways", "spooled_files", "worker_beats"}
    of_nobody |= {"credential_changes", "hit_writers"}

    assert set(_owned_tables()) | of_nobody == set(Base.metadata.tables)


def test_only_a_few_commands_are_not_called() -> None:
    assert set(NOT_CALLED) <= {made.name for made in COMMANDS.values()}
    assert len(NOT_CALLED) <= 3


@pytest.mark.parametrize(("made", "door"), JUDGED)
async def test_a_strangers_record_is_answered_like_none(
    app: Application, make: Maker, admin: Client, stranger: World, made: Command, door: str
) -> None:
    own = await make_world(make, admin)
    client = own.client.at(door)
    before = await _checksum(app, stranger.owner_id)
    if made.name in FIRST:
        command, more = FIRST[made.name]
        await client.ok(command, **{**own.parameters(COMMANDS[command]), **more})

    for param in _naming(made):
        assert param.refers_to
        given = {**own.parameters(made), **WITH.get(param.wire, {})}
        named = [spelled(param, given.get(param.wire), each) for each in (stranger.ids[param.refers_to], NEVER)]
        foreign, never = [await _answer(client, made.name, {**given, param.wire: each}) for each in named]
        assert foreign == never, param.wire
        assert await _checksum(app, stranger.owner_id) == before, param.wire

    # with its own records the same call goes through: what was refused above was refused for the stranger's id
    await client.ok(made.name, **own.parameters(made))


@pytest.mark.parametrize("command", ["journey.create", "journey.update"])
@pytest.mark.parametrize("trigger", BY_TRIGGER)
async def test_a_trigger_on_a_strangers_record_is_answered_like_one_on_none(
    make: Maker, admin: Client, stranger: World, command: str, trigger: str, door: str
) -> None:
    own = await make_world(make, admin)
    client, kind = own.client.at(door), BY_TRIGGER[trigger]
    given = {**own.parameters(COMMANDS[command]), "Trigger": trigger}

    foreign = await _answer(client, command, {**given, "Trigger_Value": stranger.ids[kind]})
    never = await _answer(client, command, {**given, "Trigger_Value": NEVER})

    assert foreign == never
    assert "Errors" in foreign[1]
    given["Trigger_Value"] = (await client.ok("journey.create", Name="x"))["JourneyID"]
    await client.ok(command, **{**given, **({} if kind == "journey" else {"Trigger_Value": own.ids[kind]})})


async def test_an_administrators_copy_takes_a_journey_from_its_owner_alone(
    app: Application, make: Maker, admin: Client, stranger: World, door: str
) -> None:
    source, target = await make.account(), await make.account()
    users = {"SourceUserID": source.user_id, "TargetUserID": target.user_id}
    before = await _checksum(app, stranger.owner_id)

    foreign = await admin.at(door).call("journey.copytouser", JourneyID=stranger.ids["journey"], **users)
    never = await admin.at(door).call("journey.copytouser", JourneyID=NEVER, **users)

    assert (foreign.status_code, foreign.json()) == (never.status_code, never.json())
    assert await _checksum(app, stranger.owner_id) == before
