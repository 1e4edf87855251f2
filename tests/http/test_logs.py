"""What the doors write down: one line a call, and never a credential."""

import base64
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

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
