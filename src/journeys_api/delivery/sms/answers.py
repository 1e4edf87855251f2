"""What a gateway's answer means where gateways agree.

Nothing else may follow from an answer that leaves open whether the message was taken: it counts as taken by nobody
knows whom, and is not sent again.

Source: reliability F29; rulings 7 (retries of SMS gateways).
"""

from typing import Any, Final

import orjson

from journeys_api.delivery.egress import Egress, EgressFailed, EgressRefused, Response
from journeys_api.delivery.outcomes import Ending, Outcome

_NOT_NOW: Final = frozenset({401, 408, 425, 429})
"""401: the credentials are the administrator's to mend, and the message waits for that."""
_FROM_BETWEEN: Final = frozenset({502, 504})
"""Said by something on the way that lost the gateway: it may have taken the message."""


async def call(egress: Egress, method: str, url: str, *, headers: dict[str, str], body: bytes) -> Response | Outcome:
    """Make one call; where no answer came, what that means."""
    try:
        return await egress.request(method, url, headers=headers, body=body)
    except EgressRefused as refused:
        return Outcome(Ending.REFUSED, refused.reason)
    except EgressFailed as failed:
        return Outcome(Ending.UNKNOWN if failed.sent else Ending.DEFERRED, failed.reason)


def refusal(response: Response, reason: str = "") -> Outcome | None:
    """What an answer other than 2xx means; None for 2xx.

    Args:
        reason: where the gateway gave a code of its own.
    """
    status = response.status
    reason = reason or f"http_{status}"
    if 200 <= status < 300:
        return None
    if status in _FROM_BETWEEN:
        return Outcome(Ending.UNKNOWN, reason)
    if status in _NOT_NOW or status >= 500:
        return Outcome(Ending.DEFERRED, reason, retry_after=response.retry_after)
    return Outcome(Ending.REFUSED, reason)


def json_object(response: Response) -> dict[str, Any]:
    """The object that was answered; empty if the body is no JSON object or not all of it came."""
    if not response.is_complete:
        return {}
    try:
        answer = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def reference_of(value: object) -> str:
    """The gateway's own id of a message, if the value can be one."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if len(text) <= 128 and text.isascii() and text.isprintable() else ""
