"""What each type of SMS gateway signs in with, and how it is read.

Log takes nothing: messages are written to the log. Twilio takes `AccountSID`, `AuthToken` and, for another host than
Twilio's own, `APIBaseURL`. HTTP takes the `URL` that a message is sent to and, where the defaults do not fit, `Method`
(`POST`, or `PUT`), `Headers` (an object) and `BodyTemplate`, the text of the body with `{{ To }}`, `{{ From }}` and
`{{ Message }}` in it; without one the body is the JSON object of these three.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from journeys_api.commands.reading import Unreadable, mapping, scalar_text
from journeys_api.emails.gateways import GatewayType
from journeys_api.emails.readers import one_line
from journeys_api.strict_json import fold


class CredentialsRefused(Exception):
    """The credentials are not what the gateway's type takes; the text names keys and no value."""


_ACCOUNT_SID = re.compile(r"[A-Za-z0-9]{1,64}")  # it becomes a segment of a URL
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEADERS_OF_THE_CONNECTION = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "trailer"}
)


def _line(value: Any) -> str:
    text = one_line(value)
    if not text:
        raise Unreadable
    return text


def _account_sid(value: Any) -> str:
    text = scalar_text(value)
    if not _ACCOUNT_SID.fullmatch(text):
        raise Unreadable
    return text


def _web_url(value: Any) -> str:
    text = one_line(value)
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 (reading it is what judges it)
    except ValueError:
        raise Unreadable from None
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or " " in text:
        raise Unreadable
    return text


def _method(value: Any) -> str:
    text = scalar_text(value).upper()
    if text not in {"POST", "PUT"}:
        raise Unreadable
    return text


def _headers(value: Any) -> dict[str, str]:
    headers = {}
    for name, content in mapping(value).items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _HEADERS_OF_THE_CONNECTION:
            raise Unreadable
        headers[name] = one_line(content)
    if len({name.lower() for name in headers}) != len(headers):
        raise Unreadable
    return headers


def _body(value: Any) -> str:
    text = scalar_text(value)
    if not text:
        raise Unreadable
    return text


_REQUIRED: Mapping[GatewayType, tuple[str, ...]] = {
    GatewayType.LOG: (),
    GatewayType.TWILIO: ("AccountSID", "AuthToken"),
    GatewayType.HTTP: ("URL",),
}
_KEYS: Mapping[GatewayType, Mapping[str, Callable[[Any], Any]]] = {
    GatewayType.LOG: {},
    GatewayType.TWILIO: {"AccountSID": _account_sid, "AuthToken": _line, "APIBaseURL": _web_url},
    GatewayType.HTTP: {"URL": _web_url, "Method": _method, "Headers": _headers, "BodyTemplate": _body},
}


def credentials_of(kind: GatewayType, given: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials under their canonical names; null and "" are absence.

    Raises:
        CredentialsRefused: a key is missing, unknown (a misspelt one would be a secret that nothing uses), given
            twice, or its value cannot be of its kind.
    """
    keys = {fold(key): key for key in _KEYS[kind]}
    credentials: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == "":
            continue
        key = keys.get(fold(name))
        if key is None or key in credentials:
            raise CredentialsRefused(f"{kind.value} takes {', '.join(keys.values()) or 'none'}, each once")
        try:
            credentials[key] = _KEYS[kind][key](value)
        except Unreadable:
            raise CredentialsRefused(key) from None
    missing = [key for key in _REQUIRED[kind] if key not in credentials]
    if missing:
        raise CredentialsRefused(f"{', '.join(missing)} missing")
    return credentials
