"""Telling an address of an account's own choice how work ended: a webhook that is about no journey and no subscriber.

It lies in the outbox with the webhooks of journeys, so that it is sent through the same guard, within the same time and
tried again by the same ladder.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import trigger_events
from journeys_api.delivery.outbox import Claimed
from journeys_api.delivery.web_urls import parse_url
from journeys_api.delivery.webhooks import Hook
from journeys_api.models import Delivery, DeliveryKind, DeliveryState

NOBODY = 0
"""The subscriber that a notice is about; no subscriber has this id."""


async def owe_notice(
    session: AsyncSession, *, owner_id: int, list_id: int, url: str, body: Mapping[str, Any], now: datetime
) -> None:
    """Owe an address a POST with this JSON; it is made once the transaction commits.

    Args:
        list_id: the list that the work was about.

    Raises:
        UrlRefused: it is no address of a web server. Whether it is a public one is judged at every attempt.
    """
    session.add(
        Delivery(
            owner_id=owner_id,
            kind=DeliveryKind.WEBHOOK,
            list_id=list_id,
            subscriber_id=NOBODY,
            payload={"Notice": {"URL": url, "Body": dict(body)}},
            destination=parse_url(url).host,
            state=DeliveryState.PENDING,
            next_attempt_at=now,
            created_at=now,
        )
    )
    await session.flush()
    await trigger_events.wake(session)


def hook_of(row: Claimed) -> Hook:
    """The call that a notice's outbox row owes."""
    notice = row.payload["Notice"]
    return Hook(url=notice["URL"], body=orjson.dumps(notice["Body"]), delivery_id=str(row.delivery_id))
