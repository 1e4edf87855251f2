"""Sending a mail on to a friend: this mail and no other text, a few times at most, so that nobody can use it to write
to strangers.
"""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api import trigger_events
from journeys_api.activities.service import Fact, has_happened, record_facts
from journeys_api.delivery.envelopes import InvalidMail, ascii_address
from journeys_api.delivery.mail_views import find_mail
from journeys_api.delivery.outbox import Message
from journeys_api.models import ActivityKind, Delivery, DeliveryKind, DeliveryState, MessageActivity
from journeys_api.subscribers.service import find_subscriber

MOST_FRIENDS = 5
"""People that one message is sent on to."""


class ForwardRefused(Exception):
    """The mail is not sent on; the text says why, for the page."""


class MailGone(Exception):
    """The mail or its recipient is not there any more."""


async def mail_to_forward(session: AsyncSession, *, owner_id: int, delivery_id: int) -> Message:
    """A mail that can be sent on, as `find_mail` answers it.

    Raises:
        MailGone: nobody can be sent it.
    """
    mail = await find_mail(session, owner_id=owner_id, delivery_id=delivery_id)
    if mail is None or mail.email_id is None:
        raise MailGone
    recipient = await find_subscriber(
        session, owner_id=owner_id, list_id=mail.list_id, subscriber_id=mail.subscriber_id
    )
    if recipient is None:
        raise MailGone
    return mail


async def forward(session: AsyncSession, *, owner_id: int, delivery_id: int, to: str, now: datetime) -> None:
    """Owe a friend the mail, and record that it was forwarded.

    Raises:
        ForwardRefused: no address, or it went to enough people.
        MailGone: nobody can be sent it.
    """
    try:
        address = ascii_address(to, "To")
    except InvalidMail:
        raise ForwardRefused("This is not an address that mail can be sent to.") from None
    mail = await mail_to_forward(session, owner_id=owner_id, delivery_id=delivery_id)
    fact = Fact(owner_id, delivery_id, ActivityKind.FORWARDED, now)
    # locks the message: two at once count each other
    await has_happened(session, fact)
    times = await session.scalar(
        select(func.count()).where(
            MessageActivity.owner_id == owner_id,
            MessageActivity.delivery_id == delivery_id,
            MessageActivity.kind == ActivityKind.FORWARDED,
        )
    )
    if (times or 0) >= MOST_FRIENDS:
        raise ForwardRefused("This mail was sent on to as many people as it may.")
    await record_facts(session, [fact], now=now)
    session.add(
        Delivery(
            owner_id=owner_id,
            kind=DeliveryKind.FORWARD,
            action_id=mail.action_id,
            list_id=mail.list_id,
            subscriber_id=mail.subscriber_id,
            email_id=mail.email_id,
            payload={**mail.payload, "To": address, "Forwarded": delivery_id},
            state=DeliveryState.PENDING,
            next_attempt_at=now,
            created_at=now,
        )
    )
    await session.flush()
    await trigger_events.wake(session)
