"""The longest input that a body can carry is answered in seconds, by every parameter of every command."""

import json
import time
from typing import Any

import httpx
import pytest

from journeys_api.commands.reading import Unreadable
from journeys_api.commands.registry import COMMANDS, Command, Param, Scope
from tests.conftest import ADMIN_KEY
from tests.fuzz.conftest import Target, judge

PATIENCE = 20.0
"""Seconds, on a machine that does much else; what is linear needs one, what is quadratic minutes."""

ROOM = 900_000


def _large() -> dict[str, Any]:
    rule = {"type": "fields", "field_id": "EmailAddress", "operator": "contains", "value": "x"}
    return {
        "text": "a" * ROOM,
        "wide text": "é" * (ROOM // 2),
        "digits": "9" * ROOM,
        "ids": ",".join(str(number) for number in range(1, 130_000)),
        "commas": "," * ROOM,
        "address": "a" * 60 + "." * (ROOM - 70) + "@example.com",
        "lines": "x@example.com\n" * (ROOM // 14),
        "items": [[]] * (ROOM // 4),
        "JSON text": json.dumps([1] * (ROOM // 4)),
        "rules": [[rule] * 50] * (ROOM // 50 // 85),
        "names": {f"name{number}": number for number in range(ROOM // 24)},
        "brackets": "[" * ROOM,
        "tags": "{{" * (ROOM // 2),
    }


LARGE = _large()
EVERY = [
    pytest.param(made, param, id=f"{made.name}-{param.wire}") for made in COMMANDS.values() for param in made.params
]


def _is_read(param: Param, value: Any) -> bool:
    """Whether the reader lets the value through; either way it must be quick."""
    began = time.perf_counter()
    try:
        param.read(value)
        return True
    except Unreadable:
        return False
    finally:
        assert time.perf_counter() - began < PATIENCE


def _call(target: Target, made: Command, param: Param, value: Any) -> tuple[float, httpx.Response]:
    key = {"AdminAPIKey": ADMIN_KEY} if made.scope is Scope.ADMIN else {"APIKey": target.account.api_key}
    content = json.dumps({"Command": made.name, **made.example, param.wire: value, **key}, ensure_ascii=False).encode()
    began = time.perf_counter()
    answer = httpx.post(
        f"{target.url}/api.php", content=content, headers={"Content-Type": "application/json"}, timeout=10 * PATIENCE
    )
    return time.perf_counter() - began, answer


@pytest.mark.fuzz
@pytest.mark.parametrize(("made", "param"), EVERY)
def test_the_longest_value_is_answered_in_seconds(target: Target, made: Command, param: Param) -> None:
    slow = {}
    for name, value in LARGE.items():
        value = {"7": value} if param.family else value
        if not _is_read(param, value):
            continue
        seconds, answer = _call(target, made, param, value)
        judge(answer.status_code, answer.headers["content-type"], answer.content)
        if seconds > PATIENCE:
            slow[name] = round(seconds, 1)

    assert slow == {}
