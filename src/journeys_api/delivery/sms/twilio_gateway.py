"""Twilio's Programmable Messaging.

Source: Twilio's reference of the Message resource and of its error responses.
"""

import base64
from typing import Final
from urllib.parse import quote, urlencode

from journeys_api.delivery.egress import Egress
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sms.answers import call, json_object, reference_of, refusal
from journeys_api.delivery.sms.messages import Sms

API_BASE_URL: Final = "https://api.twilio.com"
_TAKEN: Final = frozenset({"accepted", "scheduled", "queued", "sending", "sent", "delivered", "receiving", "received"})
_NOT_TAKEN: Final = frozenset({"failed", "undelivered", "canceled"})


class TwilioGateway:
    """Sends by one account of Twilio's, or of whatever speaks its language.

    Args:
        api_base_url: scheme and host; Twilio's own by default.
    """

    def __init__(self, egress: Egress, *, account_sid: str, auth_token: str, api_base_url: str | None = None) -> None:
        self._egress = egress
        base = (api_base_url or API_BASE_URL).rstrip("/")
        self._url = f"{base}/2010-04-01/Accounts/{quote(account_sid, safe='')}/Messages.json"
        self._authorization = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode("ascii")

    async def send(self, message: Sms) -> Outcome:
        """Make one attempt. A sender that begins with `MG` is a messaging service and not a number."""
        sender = "MessagingServiceSid" if message.sender.startswith("MG") and len(message.sender) == 34 else "From"
        form = {"To": message.to, sender: message.sender, "Body": message.text}
        response = await call(
            self._egress,
            "POST",
            self._url,
            headers={
                "Authorization": self._authorization,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            body=urlencode(form).encode("ascii"),
        )
        if isinstance(response, Outcome):
            return response
        answer = json_object(response)
        refused = refusal(response, _reason(answer.get("code")))
        if refused is not None:
            return refused
        if answer.get("error_code") is not None or answer.get("status") in _NOT_TAKEN:
            return Outcome(Ending.REFUSED, _reason(answer.get("error_code")) or "twilio_failed")
        reference = reference_of(answer.get("sid"))
        if not reference or answer.get("status") not in _TAKEN:
            return Outcome(Ending.UNKNOWN, "answer_not_understood", reference)
        return Outcome(Ending.ACCEPTED, reference=reference)


def _reason(code: object) -> str:
    """Twilio's number for an error, such as 21211, as a reason."""
    text = reference_of(code)
    return f"twilio_{text}" if text.isdigit() else ""
