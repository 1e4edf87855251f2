"""What a refusal looks like, checked the same way for every command."""

from typing import Any

from journeys_api.commands.registry import COMMANDS, Envelope
from tests.conftest import Client


async def assert_refused(client: Client, command: str, codes: list[int], **parameters: Any) -> dict[str, Any]:
    """Call a command that must answer exactly these codes, each with a declared message, in its documented envelope."""
    response = await client.call(command, **parameters)
    body: dict[str, Any] = response.json()
    declared = COMMANDS[command]
    objects = [{"Code": code, "Message": message} for code, message in zip(codes, _texts(body), strict=False)]
    if client.door == "rest" and declared.routes:
        statuses = {refusal.status for refusal in declared.refusals if refusal.code == codes[0]}
        assert response.status_code in statuses, (response.status_code, body)
        assert declared.envelope is Envelope.ERRORS
        assert body == {"Errors": objects}
    else:
        assert response.status_code == 200
        assert body["Success"] is False
        assert body["ErrorCode"] == codes, body
        if declared.envelope is Envelope.ERRORS:
            assert body["Errors"] == objects
    for code, text in zip(codes, _texts(body), strict=True):
        messages = [refusal.message for refusal in declared.refusals if refusal.code == code]
        assert any(text == message or text.startswith(f"{message}: ") for message in messages), (code, text)
    return body


def _texts(body: dict[str, Any]) -> list[str]:
    if "ErrorText" in body:
        return list(body["ErrorText"])
    return [error["Message"] for error in body["Errors"]]
