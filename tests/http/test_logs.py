"""What the doors write down: one line a call, and never a credential."""

import base64
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from journeys_api.logging import configure_logging
from tests.conftest import ADMIN_KEY, SECRET_KEY, Maker
from tests.http.conftest import Server, Wired

PASSWORD = "a password nobody may read"


@pytest.fixture
def logging_as_served() -> Iterator[None]:
    """The log as `serve` writes it, at its most talkative; afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("debug")
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@pytest.mark.usefixtures("logging_as_served")
async def test_no_credential_is_written_down_whatever_becomes_of_the_call(
    wired: Wired, server: Server, make: Maker, capfd: pytest.CaptureFixture[str]
) -> None:
    key = (await make.account()).api_key
    session = "a-session-id-that-is-long-enough-to-be-one"
    sent = {"APIKey": key, "SessionID": session, "AdminAPIKey": ADMIN_KEY, "Password": PASSWORD, "Username": "u"}
    query = "&".join(f"{name}={quote(value)}" for name, value in sent.items())
    headers = {"APIKey": key, "AdminAPIKey": ADMIN_KEY, "Cookie": f"SessionID={session}"}

    for command in ("test.for.user", "test.for.admin", "test.fail", "test.sql", "user.login", "admin.login", "none"):
        await wired.http.get(f"/api.php?Command={command}&Text={PASSWORD}&{query}", headers=headers)
        await wired.json("POST", "/api.php", {"Command": command, **sent}, headers={"Authorization": f"Bearer {key}"})
        await wired.http.post("/api.php", data={"Command": command, **sent})
    await wired.json("POST", f"/api.php?{query}", b'{"APIKey":"' + key.encode())
    await wired.http.get(f"/api/v1/no.such.{key}?{query}")
    await server.ask(f"GET /api.php?{query} HTTP/1.1\r\nHost: x\r\nAPIKey: {key}\r\n\r\n".encode())
    await server.ask(f"GET /api.php?{query} x HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    written = "".join(capfd.readouterr())
    secrets = [key, session, ADMIN_KEY, SECRET_KEY, PASSWORD]
    forms = [form for secret in secrets for form in (secret, quote(secret), base64.b64encode(secret.encode()).decode())]
    assert "call_answered" in written
    assert "call_failed" in written
    assert [form for form in forms if form in written] == []


async def _line(wired: Wired, path: str, **more: Any) -> tuple[httpx.Response, MutableMapping[str, Any]]:
    """The answer, and the one line of the log that tells of it."""
    with structlog.testing.capture_logs() as lines:
        answer = await wired.http.get(path, **more)
    (line,) = lines
    return answer, line


async def test_a_line_tells_who_called_from_where_and_what_was_wrong(wired: Wired, make: Maker) -> None:
    account = await make.account(permissions=["Something.Else"])
    key = {"APIKey": account.api_key}

    _, good = await _line(wired, "/api/v1/test.for.user", headers=key)
    _, forbidden = await _line(wired, "/api/v1/test.permitted", headers=key)
    _, refused = await _line(wired, "/api.php?Command=test.refuse.code_objects", headers=key)
    _, unknown = await _line(wired, "/api/v1/test.for.user", headers={"APIKey": "nobody's"})
    _, by_admin = await _line(wired, "/api/v1/test.for.admin", headers={"AdminAPIKey": ADMIN_KEY})

    told = [
        (line["caller"], line["account_id"], line["code"]) for line in (good, forbidden, refused, unknown, by_admin)
    ]
    assert told == [
        ("user", account.user_id, None),
        ("user", account.user_id, 99999),
        ("user", account.user_id, 1),
        ("-", 0, 99998),
        ("admin", 0, None),
    ]
    assert {line["client"] for line in (good, refused, unknown)} == {"127.0.0.1"}


async def test_an_answer_and_its_line_have_the_same_id_and_no_other(wired: Wired) -> None:
    pairs = [await _line(wired, path) for path in ("/api/v1/test.odd", "/api.php?Command=none", "/api/v1/none")]

    assert [answer.headers["x-request-id"] for answer, _ in pairs] == [line["request_id"] for _, line in pairs]
    assert len({line["request_id"] for _, line in pairs}) == 3


async def test_an_id_of_the_callers_own_is_kept_if_it_is_short_and_plain(wired: Wired) -> None:
    own = ["0b9cb7a4-5d0e-4f0a-8c67-1d6f6f0f3a61", "a" * 64, "x_1.y"]
    odd = ["a" * 65, "", "a b", "a,b", "é", "APIKey=1234", "<b>"]

    kept = [(await _line(wired, "/api/v1/test.odd", headers={"X-Request-ID": each}))[1] for each in own]
    made = [
        (await _line(wired, "/api/v1/test.odd", headers=[(b"X-Request-ID", each.encode("latin-1"))]))[0] for each in odd
    ]

    assert [line["request_id"] for line in kept] == own
    assert not {answer.headers["x-request-id"] for answer in made} & set(odd)


async def test_what_went_wrong_inside_is_found_by_the_id_of_the_answer(wired: Wired) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await wired.http.get("/api/v1/test.fail")

    assert [(line["event"], line["request_id"]) for line in lines] == [
        ("call_failed", answer.headers["x-request-id"]),
        ("call_answered", answer.headers["x-request-id"]),
    ]


async def test_a_call_is_one_line_with_its_command_door_and_outcome(wired: Wired) -> None:
    with structlog.testing.capture_logs() as lines:
        await wired.http.get("/api/v1/test.odd")
        await wired.http.get("/api.php?Command=Test.Refuse.Errors")
        await wired.http.get("/api.php?Command=no.such")

    told: list[tuple[Any, ...]] = [(line["door"], line["command"], line["status"], line["outcome"]) for line in lines]
    assert told == [
        ("rest", "test.odd", 200, "succeeded"),
        ("legacy", "test.refuse.errors", 200, "refused"),
        ("legacy", "-", 400, "refused"),
    ]
