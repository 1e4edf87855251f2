"""Every command at `/api.php` with random parameters in random encodings: always an envelope, and a refusal changes
nothing."""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from journeys_api.commands.registry import COMMANDS, Command, Param, Scope
from journeys_api.models import Base
from tests.conftest import ADMIN_KEY, Client
from tests.fuzz.conftest import Target, is_legacy_envelope, judge
from tests.world import World, fill, spelled

BATCH = 75
"""Requests between two fillings of the account, which the requests empty."""

FORM = "application/x-www-form-urlencoded"
RULES = '[[{"type":"fields","field_id":"EmailAddress","operator":"contains","value":"x"}]]'
ODD: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, 1.5, 2**31, 2**63 - 1, 2**63, 10**30),
    *("", "0", "1", "-1", "abc", " 7 ", "\x00", "a\x00b", "é😀", "١", "a" * 5000, "9" * 5000, "1,2,3", "1,x,,2"),
    *("2025-01-05", "2025-02-30", "0000-00-00", "9999-12-31", "2025-01-05 10:00:00", "x@example.com", "x@", "@"),
    *("<b>&\"'", "'; DROP TABLE users;--", "%_\\", "*", "..", "{{ Subscriber:EmailAddress }}", "1.2.3.4", "::1"),
    *("[]", "{}", "[[", '{"a":1}', "[1,2]", RULES, RULES[1:], "true", "yes", "ASC", "desc", "and", "or"),
    *([], {}, [[]], [1], ["x", None], {"a": 1}, {"": ""}, {"0": {"Action": "Wait"}}, [{"ActionID": 1}], [[{}]]),
    json.loads(RULES),
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TREES = st.recursive(
    st.sampled_from(ODD) | TEXTS | st.integers(-(2**70), 2**70),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=6,
)


@dataclass
class Request:
    """One generated call."""

    made: Command
    parameters: dict[str, Any]
    encoding: str
    credential: str
    as_xml: bool


def _value(param: Param, valid: dict[str, Any], world: World) -> st.SearchStrategy[Any]:
    choices = [st.sampled_from(ODD), TREES]
    if param.wire in valid:
        choices += [st.just(valid[param.wire])] * 4
    if param.refers_to in world.ids:
        choices += [st.just(spelled(param, valid.get(param.wire), world.ids[param.refers_to]))] * 6
    if words := param.read.schema.get("enum"):
        choices += [st.sampled_from(words)] * 3
    return st.one_of(choices)


@st.composite
def requests(draw: st.DrawFn, world: World) -> Request:
    """A call of any command, from the valid to the absurd."""
    made = draw(st.sampled_from(list(COMMANDS.values())))
    valid = world.parameters(made)
    parameters: dict[str, Any] = {}
    is_plain = draw(st.booleans())
    for param in made.params:
        is_given = param.wire in valid or draw(st.integers(0, 3)) == 0
        if is_given and draw(st.integers(0, 9)) > 0:
            name = draw(st.sampled_from([param.wire, param.wire, param.wire.lower(), *param.also]))
            is_kept = is_plain and param.wire in valid and draw(st.integers(0, 4)) > 0
            parameters[name] = valid[param.wire] if is_kept else draw(_value(param, valid, world))
    if draw(st.integers(0, 9)) == 0:
        parameters[draw(TEXTS.filter(bool))] = draw(TREES)
    usual = "admin" if made.scope is Scope.ADMIN else "user"
    return Request(
        made,
        parameters,
        draw(st.sampled_from(["json", "json", "form", "multipart", "query"])),
        draw(st.sampled_from([usual] * 12 + ["none", "user", "admin"])),
        draw(st.integers(0, 9)) == 0,
    )


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _pairs(f"{name}[{key}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _pairs(f"{name}[{index}]", item)
    elif value is not None:
        yield name, json.dumps(value) if isinstance(value, bool) else str(value)


def _send(http: httpx.Client, target: Target, request: Request) -> httpx.Response:
    given: dict[str, Any] = {"Command": request.made.name, **request.parameters}
    if request.as_xml:
        given["ResponseFormat"] = "XML"
    if request.credential != "none":
        key = ("APIKey", target.account.api_key) if request.credential == "user" else ("AdminAPIKey", ADMIN_KEY)
        given[key[0]] = key[1]
    pairs = [pair for name, value in given.items() for pair in _pairs(name, value)]
    form = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    match request.encoding:
        case "json":
            return http.post("/api.php", content=json.dumps(given), headers={"Content-Type": "application/json"})
        case "form":
            return http.post("/api.php", content=form, headers={"Content-Type": FORM})
        case "multipart":
            parts = "".join(
                f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs
            )
            kind = {"Content-Type": "multipart/form-data; boundary=x"}
            return http.post("/api.php", content=f"{parts}--x--\r\n".encode(), headers=kind)
    return http.get(f"/api.php?{form}" if len(form) < 30_000 else "/api.php")


def _is_refused(response: httpx.Response) -> bool:
    """The answer is an envelope; whether it is a refusal."""
    if response.headers["content-type"].startswith("text/xml"):
        return ElementTree.fromstring(response.content).findtext("Success") == "false"
    body = response.json()
    if response.status_code == 200:
        assert is_legacy_envelope(body), body
    return body["Success"] is False


class Rows:
    """Every row of the database as one value, by which one tells that nothing has changed."""

    def __init__(self, runner: asyncio.Runner, database_url: str) -> None:
        self._runner = runner
        self._connection = runner.run(asyncpg.connect(database_url.replace("+asyncpg", "")))
        each = (f"(SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} AS t)" for name in _tables())
        self._statement = f"SELECT concat_ws(',', {', '.join(each)})"

    def now(self) -> str:
        """The value now."""
        value: str = self._runner.run(self._connection.fetchval(self._statement))
        return value

    def close(self) -> None:
        """Hang up."""
        self._runner.run(self._connection.close())


def _tables() -> list[str]:
    return sorted(Base.metadata.tables)


def _refill(runner: asyncio.Runner, target: Target) -> World:
    async def refill() -> World:
        async with httpx.AsyncClient(base_url=target.url) as http:
            return await fill(Client(http, target.account), Client(http))

    world = runner.run(refill())
    # what an administrator may do to an account must not end the one that calls
    world.ids |= {"user": target.spare.user_id, "group": target.spare.group_id}
    return world


def _search(target: Target, seeds: range, *, is_limited: bool = False) -> None:
    with asyncio.Runner() as runner, httpx.Client(base_url=target.url, timeout=30) as http:
        rows = Rows(runner, target.database_url)
        world = _refill(runner, target)
        for batch in seeds:
            if not is_limited:
                world = _refill(runner, target)
            before = rows.now()

            @seed(batch)
            @settings(
                max_examples=BATCH,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(request=requests(world))
            def search(request: Request) -> None:
                nonlocal before
                response = _send(http, target, request)
                judge(response.status_code, response.headers["content-type"], response.content, is_limited=is_limited)
                after = rows.now()
                assert after == before or not _is_refused(response), "a refused call changed something"
                before = after

            search()
        rows.close()


def test_any_call_is_answered_by_an_envelope_and_a_refused_one_changes_nothing(target: Target) -> None:
    _search(target, range(10))


def test_any_call_is_answered_by_an_envelope_under_limits(limited_target: Target) -> None:
    _search(limited_target, range(10, 13), is_limited=True)


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(10))
def test_any_call_is_answered_by_an_envelope_for_long(target: Target, part: int) -> None:
    first = random.SystemRandom().randrange(2**32)
    _search(target, range(first, first + 19))
