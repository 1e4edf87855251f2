"""A mail once more, as a page: rendered for its recipient from the email as it is stored now."""

import html
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.delivery.contexts import by_id, load_audience
from journeys_api.delivery.envelopes import InvalidMail
from journeys_api.delivery.mail_contents import Contents
from journeys_api.delivery.mail_tracking import MailTracking, tracking_of
from journeys_api.delivery.outbox import Message
from journeys_api.delivery.personalization import Context, Mode, RenderingTooLarge
from journeys_api.delivery.remote_content import Bodies, ContentUnavailable, RemoteContents
from journeys_api.journeys.action_types import SendEmailParameters
from journeys_api.links.urls import Links
from journeys_api.models import Delivery, DeliveryKind, Email, JourneyAction, SenderDomain

_TEXT_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{subject}</title></head>
<body><pre style="white-space:pre-wrap;font:1rem/1.5 sans-serif;max-width:40rem;margin:2rem auto">{text}</pre></body>
</html>
"""


class ViewUnavailable(Exception):
    """The mail cannot be shown now: something of it lies on another server and cannot be had."""


@dataclass(frozen=True)
class MailView:
    """A mail that is ready to be rendered; nothing of the database is needed any more."""

    bodies: Bodies
    context: Context
    subject: str
    tracking: MailTracking
    remote: RemoteContents

    async def document(self) -> str:
        """The page. What lies on other servers is fetched, so never inside a transaction.

        Raises:
            ViewUnavailable: it cannot be had.
        """
        try:
            bodies, context = self.bodies, self.context
            if bodies.is_remote:
                bodies, context = await self.remote.gather(bodies, context)
            document = bodies.html.render(context, mode=Mode.HTML)
            if document:
                return self.tracking.html(document) or ""
            text = html.escape(bodies.text.render(context, mode=Mode.TEXT))
            return _TEXT_PAGE.format(subject=html.escape(self.subject), text=text)
        except (ContentUnavailable, InvalidMail, RenderingTooLarge) as error:
            raise ViewUnavailable from error


class MailViews:
    """Finds mails to show."""

    def __init__(self, links: Links, remote: RemoteContents) -> None:
        self._links = links
        self._remote = remote
        self._contents = Contents(links)

    async def find(self, session: AsyncSession, *, owner_id: int, delivery_id: int) -> MailView | None:
        """The mail of a delivery; None when it, its recipient or its email is gone."""
        row = await find_mail(session, owner_id=owner_id, delivery_id=delivery_id)
        if row is None:
            return None
        audience = await load_audience(session, {(owner_id, row.subscriber_id)})
        subscriber = audience.subscribers.get((owner_id, row.subscriber_id))
        email = (await by_id(session, Email, Email.email_id, {row.email_id})).get(row.email_id)
        if subscriber is None or email is None or email.owner_id != owner_id or email.deleted_at is not None:
            return None
        try:
            bodies = self._contents.bodies(email)
        except InvalidMail:
            return None
        context = self._contents.context(row, subscriber, audience)
        tracking = tracking_of(self._links, row, email, await _domain_of(session, row), with_picture=False)
        subject = self._contents.template(email.subject).render(context, mode=Mode.HEADER)
        return MailView(bodies, context, subject, tracking, self._remote)


async def find_mail(session: AsyncSession, *, owner_id: int, delivery_id: int) -> Message | None:
    """A mail of a journey as senders know it, dated when it was sent; None when there is none."""
    statement = select(
        Delivery.delivery_id,
        Delivery.owner_id,
        Delivery.kind,
        Delivery.enrollment_id,
        Delivery.action_id,
        Delivery.journey_id,
        Delivery.list_id,
        Delivery.subscriber_id,
        Delivery.email_id,
        Delivery.payload,
        func.coalesce(Delivery.ended_at, Delivery.created_at),
    ).where(Delivery.delivery_id == delivery_id, Delivery.owner_id == owner_id, Delivery.kind == DeliveryKind.MAIL)
    found = (await session.execute(statement)).one_or_none()
    return None if found is None else Message(*found)


async def _domain_of(session: AsyncSession, row: Message) -> SenderDomain | None:
    actions = await by_id(session, JourneyAction, JourneyAction.action_id, {row.action_id})
    if not actions:
        return None
    domain_id = SendEmailParameters.model_validate(actions[row.action_id].parameters).sender_domain_id
    domain = (await by_id(session, SenderDomain, SenderDomain.domain_id, {domain_id})).get(domain_id)
    return domain if domain is not None and domain.owner_id == row.owner_id else None
