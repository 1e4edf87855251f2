"""The shapes of answers at both doors (rulings 1): outcome in, status and body out."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson

from journeys_api.commands.call import Download
from journeys_api.commands.registry import Envelope, Refusal
from journeys_api.http import xml


class Door(Enum):
    """Where a call came in."""

    REST = "rest"
    LEGACY = "legacy"


class Answer(NamedTuple):
    """A status, a body not yet rendered, and headers of its own."""

    status: int
    body: Mapping[str, Any]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    is_xml_allowed: bool = True
    """100000 and 100001 are JSON whatever was asked for."""
    file: Download | None = None
    """What is answered in place of the body."""


UNAUTHENTICATED = Refusal(99998, "Authentication failure or session expired", 401)
FORBIDDEN = Refusal(99999, "Not enough privileges", 403)
TOO_MANY_REQUESTS = Refusal(429, "Too many requests", 429)


def success(door: Door, body: Mapping[str, Any]) -> Answer:
    """The documented body; the legacy door puts Success, ErrorCode and ErrorText beside it."""
    if door is Door.LEGACY:
        return Answer(200, {"Success": True, "ErrorCode": 0, "ErrorText": "", **body})
    return Answer(200, body)


def download(file: Download) -> Answer:
    """A file, the same at both doors."""
    headers = ((b"content-disposition", f'attachment; filename="{file.filename}"'.encode()),)
    return Answer(200, {}, headers, file=file)


def refusal(door: Door, envelope: Envelope, refusals: Sequence[Refusal], extra: Mapping[str, Any]) -> Answer:
    """Every code of a refused call, ascending, in the command's own envelope.

    The lowest code's status at REST; 200 at the legacy door, with Success, ErrorCode and ErrorText beside what the
    command's page shows, unless that page fixes ErrorCode itself.
    """
    objects = [{"Code": each.code, "Message": each.message} for each in refusals]
    codes = [each.code for each in refusals]
    texts = [each.message for each in refusals]
    body: dict[str, Any]
    fixed = False
    match envelope:
        case Envelope.ERRORS:
            body = {"Errors": objects}
        case Envelope.SUCCESS_ERRORS:
            body = {"Success": False, "Errors": objects}
        case Envelope.CODES:
            body, fixed = {"Success": False, "ErrorCode": codes}, True
        case Envelope.CODE_OBJECTS:
            body, fixed = {"Success": False, "ErrorCode": objects}, True
        case Envelope.LEGACY:
            body = {"Success": False, "ErrorCode": codes, "ErrorText": texts}
        case Envelope.HYBRID:
            body = {"Success": False, "ErrorCode": codes, "Errors": objects}
        case Envelope.SCALAR_ERRORS:
            body = {"Success": False, "ErrorCode": codes[0], "ErrorText": texts[0], "Errors": objects}
            if door is Door.LEGACY:
                body |= {"ErrorCode": codes, "ErrorText": texts}
        case Envelope.SCALAR:
            body, fixed = {"Success": False, "ErrorCode": codes[0], "ErrorText": texts[0]}, True
    body = {**body, **extra}
    if door is Door.REST:
        return Answer(refusals[0].status, body)
    if not fixed:
        body = {"Success": False, "ErrorCode": codes, "ErrorText": texts, **body}
    return Answer(200, body)


def hard_failure(
    code: int, message: str, status: int, *, headers: tuple[tuple[bytes, bytes], ...] = (), is_xml_allowed: bool = True
) -> Answer:
    """A failure that is no command's own: the same shape at both doors, codes scalar."""
    body = {
        "Success": False,
        "ErrorCode": code,
        "ErrorText": message,
        "Errors": [{"Code": code, "Message": message}],
    }
    return Answer(status, body, headers, is_xml_allowed)


def not_readable(reason: str, *, status: int = 400) -> Answer:
    """100000: the input cannot be read; the reason names the trouble, never a value."""
    return hard_failure(100000, f"The request could not be read: {reason}.", status, is_xml_allowed=False)


def wrong_method(door: Door, allowed: Sequence[str]) -> Answer:
    """100001: a method that the door or the route does not take."""
    status = 405 if door is Door.REST else 400
    headers = ((b"allow", ", ".join(allowed).encode()),)
    return hard_failure(100001, "Unsupported connection method.", status, headers=headers, is_xml_allowed=False)


def unknown_command(name: str, *, status: int = 400) -> Answer:
    """100003: no such command (at REST: no such path)."""
    return hard_failure(100003, f'Invalid API command: "{name}" not found.', status)


def internal_failure(*, status: int = 500) -> Answer:
    """100005: our fault (500), or the database is away (503)."""
    if status == 503:
        return hard_failure(
            100005, "The service is temporarily unavailable.", status, headers=((b"retry-after", b"5"),)
        )
    return hard_failure(100005, "An internal error occurred.", status)


def credential_refused(door: Door) -> Answer:
    """99998 (rulings 2): 401 at REST, 200 at the legacy door, scalar at both."""
    if door is Door.REST:
        return hard_failure(
            UNAUTHENTICATED.code, UNAUTHENTICATED.message, 401, headers=((b"www-authenticate", b"Bearer"),)
        )
    return hard_failure(UNAUTHENTICATED.code, UNAUTHENTICATED.message, 200)


def permission_refused(door: Door) -> Answer:
    """99999 (rulings 2): 403 at REST, 200 at the legacy door, scalar at both."""
    return hard_failure(FORBIDDEN.code, FORBIDDEN.message, 403 if door is Door.REST else 200)


def rate_limited(headers: Sequence[tuple[bytes, bytes]]) -> Answer:
    """429 at both doors, with Retry-After."""
    return hard_failure(TOO_MANY_REQUESTS.code, TOO_MANY_REQUESTS.message, 429, headers=tuple(headers))


def rendered(answer: Answer, *, as_xml: bool) -> tuple[bytes, bytes]:
    """The bytes of the body, and their content type. One line, no byte-order mark."""
    if as_xml and answer.is_xml_allowed:
        # what was stored as JSON text has to be read first: here it is not passed through
        return xml.dumps(orjson.loads(orjson.dumps(answer.body))), b"text/xml; charset=utf-8"
    return orjson.dumps(answer.body), b"application/json"
