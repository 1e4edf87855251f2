"""No value of any parameter of any command ends in a failure of ours: it is taken, or refused with a code."""

from typing import Any

import httpx
import pytest

from journeys_api.app import Application
from journeys_api.commands.registry import COMMANDS, Command, Param, Scope
from tests.conftest import Client, Maker
from tests.world import World, make_world

ODD: list[Any] = ["\x00", "9" * 5000, {"a": ["\x00"]}, [["x"] * 3] * 3, 2**63, "[[1]]", -1.5, "é" * 300]
ODD += ['{"a":"\\u0000"}', '["\\u0000"]', {"a": '{"b":"\\u0000"}'}]
FEW = 3
"""How many of them a command gets whose every success hashes a password."""


@pytest.fixture(scope="module")
async def world(app: Application, http: httpx.AsyncClient) -> World:
    """An account with a record of everything; the calls use it up."""
    return await make_world(Maker(app, http), Client(http))


def _name(param: Param) -> str:
    return f"{param.family}7" if param.family else param.wire


@pytest.mark.parametrize("made", [made for made in COMMANDS.values() if made.params], ids=lambda made: made.name)
async def test_an_odd_value_is_taken_or_refused(world: World, admin: Client, made: Command) -> None:
    client = admin.at("legacy") if made.scope is Scope.ADMIN else world.client
    given = world.parameters(made)
    odd = ODD[:FEW] if "Password" in [param.wire for param in made.params] else ODD
    failed = []

    for param in made.params:
        for value in odd:
            answer = await client.call(made.name, **{**given, _name(param): value})
            if answer.status_code >= 500:
                failed.append((_name(param), value))

    assert failed == []


MANY = ",".join(str(number) for number in range(700_000_000, 700_040_000))
"""More ids than the database takes parameters in one statement."""


@pytest.mark.parametrize(
    "made",
    [made for made in COMMANDS.values() if any(param.refers_to for param in made.params)],
    ids=lambda made: made.name,
)
async def test_forty_thousand_ids_are_taken_or_refused(world: World, admin: Client, made: Command) -> None:
    client = admin.at("legacy") if made.scope is Scope.ADMIN else world.client
    given = world.parameters(made)

    naming = [param.wire for param in made.params if param.refers_to]
    answers = [await client.call(made.name, **{**given, wire: many}) for wire in naming for many in (MANY, f"[{MANY}]")]

    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
