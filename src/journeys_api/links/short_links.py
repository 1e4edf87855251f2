"""Where the link of a short message leads."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.journeys.action_types import SendSMSParameters
from journeys_api.models import Delivery, DeliveryKind, JourneyAction


async def short_link_target(session: AsyncSession, *, owner_id: int, delivery_id: int) -> str | None:
    """The target of a short message's link, UTM marks included; None when there is none, or it is no http address."""
    action = await session.scalar(
        select(JourneyAction)
        .join(Delivery, Delivery.action_id == JourneyAction.action_id)
        .where(
            Delivery.delivery_id == delivery_id,
            Delivery.owner_id == owner_id,
            Delivery.kind == DeliveryKind.SMS,
            JourneyAction.owner_id == owner_id,
        )
    )
    if action is None or action.action != "SendSMS":
        return None
    return target_of(SendSMSParameters.model_validate(action.parameters))


def target_of(parameters: SendSMSParameters) -> str | None:
    """The link's address with its UTM marks; None for what a browser must not be sent to."""
    try:
        pieces = urlsplit(parameters.link_url or "")
    except ValueError:
        return None
    if pieces.scheme.lower() not in ("http", "https") or not pieces.netloc:
        return None
    marks = [
        (f"utm_{name}", value)
        for name, value in (
            ("source", parameters.link_utm_source),
            ("medium", parameters.link_utm_medium),
            ("campaign", parameters.link_utm_campaign),
        )
        if value
    ]
    if not marks:
        return urlunsplit(pieces)
    query = urlencode([*parse_qsl(pieces.query, keep_blank_values=True), *marks])
    return urlunsplit(pieces._replace(query=query))
