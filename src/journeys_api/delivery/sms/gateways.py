"""From a gateway's record to what sends by it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from journeys_api.delivery.egress import Egress
from journeys_api.delivery.sms.http_gateway import HttpGateway
from journeys_api.delivery.sms.log_gateway import LogGateway
from journeys_api.delivery.sms.messages import Gateway
from journeys_api.delivery.sms.twilio_gateway import TwilioGateway


class GatewayUnusable(Exception):
    """The record cannot be sent by; the text names its type or a key and holds no value."""


def gateway_for(kind: str, credentials: Mapping[str, Any], egress: Egress, log_path: Path) -> Gateway:
    """What sends by a gateway of this type.

    Args:
        kind: `Log`, `Twilio` or `HTTP`.
        credentials: as `emails.gateway_credentials.credentials_of` checked them.
        log_path: where a Log gateway writes.

    Raises:
        GatewayUnusable: an unknown type, or a credential is missing.
    """
    try:
        match kind:
            case "Log":
                return LogGateway(log_path)
            case "Twilio":
                return TwilioGateway(
                    egress,
                    account_sid=credentials["AccountSID"],
                    auth_token=credentials["AuthToken"],
                    api_base_url=credentials.get("APIBaseURL"),
                )
            case "HTTP":
                return HttpGateway(
                    egress,
                    url=credentials["URL"],
                    method=credentials.get("Method", "POST"),
                    headers=credentials.get("Headers"),
                    body_template=credentials.get("BodyTemplate"),
                )
    except KeyError as missing:
        raise GatewayUnusable(str(missing.args[0])) from None
    raise GatewayUnusable("type")
