"""A gateway that takes messages by a plain HTTP call, described by the administrator."""

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Final
from urllib.parse import quote_plus

import orjson

from journeys_api.delivery.egress import Egress
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sms.answers import call, json_object, reference_of, refusal
from journeys_api.delivery.sms.messages import Sms

_PLACE = re.compile(r"\{\{\s*(To|From|Message)\s*\}\}")
_FORM = re.compile(r"[^\s=&]+=")
_REFERENCES: Final = ("id", "message_id", "messageId", "MessageID", "messageid", "sid", "reference")
_FALSE: Final = frozenset({"", "0", "false", "no", "none", "null", "ok", "success"})
_FAILED: Final = frozenset({"error", "failed", "failure", "rejected", "undelivered", "invalid"})


class HttpGateway:
    """Sends by one call a message.

    Args:
        url: as configured; a secret in its query appears in no log and no outcome.
        method: POST or PUT.
        headers: sent with every call; a `Content-Type` among them says how values are written into the template.
        body_template: text with `{{ To }}`, `{{ From }}` and `{{ Message }}`, each value escaped for what the body
            is; None for the JSON object of these three.
    """

    def __init__(
        self,
        egress: Egress,
        *,
        url: str,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body_template: str | None = None,
    ) -> None:
        self._egress = egress
        self._url = url
        self._method = method
        self._template = body_template
        self._headers = dict(headers or {})
        given = {name.lower(): value for name, value in self._headers.items()}
        self._content_type = given.get("content-type") or _content_type(body_template)
        if not given.get("content-type"):
            self._headers["Content-Type"] = self._content_type

    async def send(self, message: Sms) -> Outcome:
        """Make one attempt. The delivery's reference goes along as `Idempotency-Key`, for gateways that know it."""
        headers = dict(self._headers)
        if "idempotency-key" not in {name.lower() for name in headers}:
            headers["Idempotency-Key"] = message.reference
        response = await call(self._egress, self._method, self._url, headers=headers, body=self._body(message))
        if isinstance(response, Outcome):
            return response
        refused = refusal(response)
        if refused is not None:
            return refused
        answer = json_object(response)
        if _tells_of_an_error(answer):
            return Outcome(Ending.REFUSED, "gateway_error")
        references = (reference_of(answer.get(name)) for name in _REFERENCES)
        return Outcome(Ending.ACCEPTED, reference=next(filter(None, references), ""))

    def _body(self, message: Sms) -> bytes:
        values = {"To": message.to, "From": message.sender, "Message": message.text}
        if self._template is None:
            return orjson.dumps(values)
        escaped = _escaper(self._content_type)
        return _PLACE.sub(lambda place: escaped(values[place[1]]), self._template).encode()


def _content_type(template: str | None) -> str:
    start = (template or "{").lstrip()[:1]
    if start in {"{", "["} and not _PLACE.match((template or "").lstrip()):
        return "application/json"
    if start == "<":
        return "application/xml; charset=utf-8"
    if _FORM.match((template or "").lstrip()):
        return "application/x-www-form-urlencoded"
    return "text/plain; charset=utf-8"


def _escaper(content_type: str) -> Callable[[str], str]:
    """How a value is written so that it ends nothing but itself."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return lambda value: orjson.dumps(value).decode()[1:-1]  # the quotes are the template's
    if kind == "application/x-www-form-urlencoded":
        return quote_plus
    if kind.endswith(("/xml", "+xml", "/html")):
        return escape
    return str


def _tells_of_an_error(answer: Mapping[str, Any]) -> bool:
    """Whether a 2xx answer says by itself that the message was not taken (F29)."""
    for name, value in answer.items():
        key = name.lower()
        if key in {"success", "ok"} and (value is False or (isinstance(value, str) and value.lower() == "false")):
            return True
        if key in {"error", "errors"} and value and str(value).strip().lower() not in _FALSE:
            return True
        if key == "status" and isinstance(value, str) and value.lower() in _FAILED:
            return True
    return False
