"""What a refusal looks like, checked the same way for every command."""

from typing import Any

from journeys_api.commands.registry import COMMANDS, Envelope
from tests.conftest import Client


async def assert_refused(client: Client, command: str, codes: list[int], **parameters: Any) -> dict[str, Any]:
    """Call a command that must answer exactly these codes, with declared messages and status, in its envelope."""
    response = await client.call(command, **parameters)
    body: dict[str, Any] = response.json()
    declared = COMMANDS[command]
    errors = (
        body["Errors"]
        if "Errors" in body
        else [{"Code": code, "Message": text} for code, text in zip(body["ErrorCode"], body["ErrorText"], strict=True)]
    )
    assert [error["Code"] for error in errors] == codes, body
    for error in errors:
        messages = [refusal.message for refusal in declared.refusals if refusal.code == error["Code"]]
        assert any(error["Message"].startswith(message) for message in messages), error
    if client.door == "rest" and declared.routes:
        assert response.status_code == declared.refusal(codes[0]).status
        assert set(body) == {"Errors"}
    else:
        assert response.status_code == 200
        assert (body["Success"], body["ErrorCode"]) == (False, codes)
        assert body["ErrorText"] == [error["Message"] for error in errors]
        assert ("Errors" in body) == (declared.envelope is Envelope.ERRORS)
    return body


async def assert_unreadable(client: Client, command: str, parameter: str, **parameters: Any) -> None:
    """Call a command that must answer 100000, HTTP 400, and name the parameter."""
    response = await client.call(command, **parameters)
    body = response.json()
    assert (response.status_code, body["ErrorCode"]) == (400, 100000), body
    assert parameter in body["ErrorText"]
