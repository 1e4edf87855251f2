"""Webhooks of journeys: what is sent, how it is signed, and what each answer means.

A receiver can check two signatures over the raw body: the vendor's (hexadecimal HMAC in one header) and that of
Standard Webhooks, with an id that stays the same in every attempt. Answers mean: 2xx accepted; 408, 425, 429 and 5xx
deferred, as is whatever went wrong before the request was out; everything else refused for good, 410 and the rest of
4xx included: who read the request and calls it wrong will do so again. An attempt that broke after the request was
out is unknown, and may be repeated: the id tells the receiver.

Source: JC 3.6; rulings 7; reliability S59, S82, S86, F28; the specification of Standard Webhooks.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from journeys_api.delivery.egress import (
    HEADER_NAME,
    HEADER_VALUE,
    OWN_HEADERS,
    Egress,
    EgressFailed,
    EgressRefused,
    Response,
)
from journeys_api.delivery.outcomes import Ending, Outcome

SIGNATURE_HEADER: Final = "X-Octeth-Signature"
MOST_HEADERS: Final = 50
LONGEST_HEADER_VALUE: Final = 4096
LONGEST_BODY: Final = 1024 * 1024
JOURNEY_KEYS: Final = ("JourneyID", "JourneyName", "JourneyTrigger")
LIST_KEYS: Final = ("ListID", "ListName")
SUBSCRIBER_KEYS: Final = (
    *("SubscriberID", "EmailAddress", "BounceType", "SubscriptionStatus", "SubscriptionDate", "SubscriptionIP"),
    *("UnsubscriptionDate", "UnsubscriptionIP", "OptInDate"),
)
_DENIED_HEADERS: Final = OWN_HEADERS | {"cookie", "set-cookie", SIGNATURE_HEADER.lower()}
_DENIED_PREFIXES: Final = ("webhook-", "proxy-", "sec-")
_RETRIED: Final = frozenset({408, 425, 429})
_STANDARD_SECRET: Final = "whsec_"  # noqa: S105 (the prefix by which such a secret is known)


class HookRefused(Exception):
    """The hook cannot be sent as it was set up; the text is a constant word for the reason."""


@dataclass(frozen=True)
class Hook:
    """One webhook that is owed.

    Args:
        url: where to; judged when it is sent.
        body: the bytes that are signed and sent, as `body` makes them.
        delivery_id: the same in every attempt; becomes `webhook-id`.
        secret: signs; None or empty for a hook without security.
        signature_header: where the vendor's signature stands; empty for `X-Octeth-Signature`.
        headers: the owner's own, as stored: texts and numbers; null ones are left out.
    """

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    delivery_id: str
    secret: str | None = field(default=None, repr=False)
    signature_header: str = ""
    headers: Mapping[str, object] = field(default_factory=dict, repr=False)


def body(
    *,
    journey: Mapping[str, Any],
    subscriber_list: Mapping[str, Any],
    custom_fields: Mapping[Any, Any],
    subscriber: Mapping[str, Any],
    subscriber_fields: Mapping[Any, Any],
    payload: object,
) -> bytes:
    """The JSON that a receiver gets.

    Args:
        journey: has `JOURNEY_KEYS`; other keys of this and the next ones are left out.
        subscriber_list: has `LIST_KEYS`.
        custom_fields: names by field id.
        subscriber: has `SUBSCRIBER_KEYS`, the instants as text.
        subscriber_fields: the person's values by field id.
        payload: the rendered `WebhookBody`; an object without names where there is none.

    Raises:
        KeyError: one of the keys is absent.

    Source: JC 3.6.
    """
    return orjson.dumps(
        {
            "Journey": {key: journey[key] for key in JOURNEY_KEYS},
            "List": {key: subscriber_list[key] for key in LIST_KEYS},
            "CustomFields": {str(field_id): name for field_id, name in custom_fields.items()},
            "Subscriber": {
                **{key: subscriber[key] for key in SUBSCRIBER_KEYS},
                "CustomFields": {str(field_id): value for field_id, value in subscriber_fields.items()},
            },
            "CustomPayload": payload or {},
        }
    )


def render_tree(tree: object, render: Callable[[str], str]) -> object:
    """The tree with every text in it rendered; names, numbers and the shape stay as they are."""
    if isinstance(tree, str):
        return render(tree)
    if isinstance(tree, Mapping):
        return {name: render_tree(value, render) for name, value in tree.items()}
    if isinstance(tree, list):
        return [render_tree(value, render) for value in tree]
    return tree


def sign(body: bytes, secret: str) -> str:
    """The vendor's signature: HMAC-SHA256 of the raw body in lower-case hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard_headers(body: bytes, *, delivery_id: str, secret: str | None, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks for an attempt made `now`; without a secret there is no signature.

    The key is the secret's own bytes or, for one that begins with `whsec_`, the bytes that its base64 stands for.
    """
    timestamp = str(int(now.timestamp()))
    headers = {"webhook-id": delivery_id, "webhook-timestamp": timestamp}
    if secret:
        signed = f"{delivery_id}.{timestamp}.".encode() + body
        digest = hmac.new(_standard_key(secret), signed, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode('ascii')}"
    return headers


def _standard_key(secret: str) -> bytes:
    if secret.startswith(_STANDARD_SECRET):
        encoded = secret.removeprefix(_STANDARD_SECRET)
        try:
            return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True) or secret.encode()
        except (binascii.Error, ValueError):
            pass
    return secret.encode()


def custom_headers(given: Mapping[str, object], *, signature_header: str = "") -> dict[str, str]:
    """The owner's own headers as they are sent.

    Args:
        given: texts and numbers by name; null ones are left out.
        signature_header: the one that carries the signature of this hook, beside the usual one.

    Raises:
        HookRefused: `header_denied` (the connection's, a cookie, `webhook-…`, the signature's), `header_name`,
            `header_value`, `headers_too_many`, or `header_repeated`.

    Source: reliability S59.
    """
    headers: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in given.items():
        if value is None:
            continue
        key = name.lower()
        if not HEADER_NAME.fullmatch(name):
            raise HookRefused("header_name")
        if _is_denied(key) or key == signature_header.lower():
            raise HookRefused("header_denied")
        if key in seen:
            raise HookRefused("header_repeated")
        seen.add(key)
        headers[name] = _header_text(value)
    if len(headers) > MOST_HEADERS:
        raise HookRefused("headers_too_many")
    return headers


def _is_denied(key: str) -> bool:
    return key in _DENIED_HEADERS or key.startswith(_DENIED_PREFIXES)


def _header_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise HookRefused("header_value")
    text = value.strip(" \t") if isinstance(value, str) else str(value)
    if len(text) > LONGEST_HEADER_VALUE or not HEADER_VALUE.fullmatch(text):
        raise HookRefused("header_value")
    return text


def signature_header_named(name: str) -> str:
    """The header that carries the vendor's signature.

    Raises:
        HookRefused: `signature_header`: not a header's name, or one that means something else.
    """
    name = name or SIGNATURE_HEADER
    taken = {"content-type", "user-agent", "authorization"}
    if not HEADER_NAME.fullmatch(name) or name.lower() in taken:
        raise HookRefused("signature_header")
    if name.lower() != SIGNATURE_HEADER.lower() and _is_denied(name.lower()):
        raise HookRefused("signature_header")
    return name


async def send(egress: Egress, hook: Hook, *, now: datetime) -> Outcome:
    """Make one attempt; every way it can end is an outcome.

    Args:
        now: when this attempt is made (UTC); part of its signature.
    """
    try:
        headers = _headers(hook, now)
        response = await egress.request("POST", hook.url, headers=headers, body=hook.body)
    except (HookRefused, EgressRefused) as refused:
        return Outcome(Ending.REFUSED, str(refused))
    except EgressFailed as failed:
        return Outcome(Ending.UNKNOWN if failed.sent else Ending.DEFERRED, failed.reason)
    return _meaning(response)


def _headers(hook: Hook, now: datetime) -> dict[str, str]:
    if len(hook.body) > LONGEST_BODY:
        raise HookRefused("body_too_large")
    signature_header = signature_header_named(hook.signature_header)
    headers = custom_headers(hook.headers, signature_header=signature_header)
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    headers |= standard_headers(hook.body, delivery_id=hook.delivery_id, secret=hook.secret, now=now)
    if hook.secret:
        headers[signature_header] = sign(hook.body, hook.secret)
    return headers


def _meaning(response: Response) -> Outcome:
    status = response.status
    reason = f"http_{status}"
    if 200 <= status < 300:
        return Outcome(Ending.ACCEPTED, reason)
    if status in _RETRIED or status >= 500:
        return Outcome(Ending.DEFERRED, reason, retry_after=response.retry_after)
    return Outcome(Ending.REFUSED, reason)
