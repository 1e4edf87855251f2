"""Mails of journeys, and the mails that ask for a confirmation: from outbox rows to attempts."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.bounces.message_ids import name_of, return_path
from journeys_api.delivery.contexts import Audience, by_id, load_audience
from journeys_api.delivery.envelopes import Envelope, InvalidMail, Mailer
from journeys_api.delivery.forwarded_mails import as_forwarded
from journeys_api.delivery.mail_contents import Contents
from journeys_api.delivery.mail_tracking import MailTracking, tracking_of
from journeys_api.delivery.messages import Mail, envelope_for
from journeys_api.delivery.outbox import Claimed
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.personalization import Context, Mode, RenderingTooLarge
from journeys_api.delivery.remote_content import Bodies, ContentUnavailable, RemoteContents
from journeys_api.delivery.sending import Attempt
from journeys_api.delivery.stencils import Stencils
from journeys_api.journeys.action_types import Person, SendEmailParameters
from journeys_api.links.urls import Links
from journeys_api.models import DeliveryKind, DomainStatus, Email, JourneyAction, SenderDomain, Subscriber

CONFIRMATION_SUBJECT = "Please confirm your subscription"
MAILS_IN_A_ROW = 8
_NOBODY = Person()


@dataclass(frozen=True)
class _Sender:
    """Whom a mail is from, and where answers and copies go; merge tags not filled in."""

    name: str
    email: str
    reply_to: str = ""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()


class Mails:
    """Prepares attempts at mails."""

    def __init__(
        self,
        mailer: Mailer,
        links: Links,
        remote: RemoteContents,
        *,
        message_id_key: bytes,
        bounce_address: str | None = None,
    ) -> None:
        self._mailer = mailer
        self._links = links
        self._remote = remote
        self._message_id_key = message_id_key
        self._bounce_address = bounce_address
        self._contents = Contents(links)
        self._stencils = Stencils()

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        """An attempt for each mail, or why it never can be made."""
        audience = await load_audience(session, {(row.owner_id, row.subscriber_id) for row in rows})
        emails = await by_id(session, Email, Email.email_id, {row.email_id for row in rows})
        actions = await by_id(session, JourneyAction, JourneyAction.action_id, {row.action_id for row in rows})
        parameters = {
            action_id: SendEmailParameters.model_validate(action.parameters) for action_id, action in actions.items()
        }
        domains = await by_id(
            session, SenderDomain, SenderDomain.domain_id, {each.sender_domain_id for each in parameters.values()}
        )
        prepared: dict[int, Attempt | Outcome] = {}
        for place, row in enumerate(rows):
            if place % MAILS_IN_A_ROW == MAILS_IN_A_ROW - 1:
                await asyncio.sleep(0)  # writing mails is work for the processor: calls beside it have their turn
            subscriber = audience.subscribers.get((row.owner_id, row.subscriber_id))
            try:
                if subscriber is None:
                    raise InvalidMail("the subscriber is gone")
                email = emails.get(row.email_id)
                chosen = parameters.get(row.action_id)
                domain = _checked_domain(row, chosen, domains)
                tracking = tracking_of(self._links, row, email, domain)
                prepared[row.delivery_id] = self._attempt(row, subscriber, audience, email, chosen, tracking)
            except (InvalidMail, RenderingTooLarge) as error:
                prepared[row.delivery_id] = Outcome(Ending.REFUSED, str(error))
        return prepared

    def _attempt(
        self,
        row: Claimed,
        subscriber: Subscriber,
        audience: Audience,
        email: Email | None,
        chosen: SendEmailParameters | None,
        tracking: MailTracking,
    ) -> Attempt:
        is_confirmation = row.kind == DeliveryKind.CONFIRMATION.value
        if email is not None and (email.owner_id != row.owner_id or email.deleted_at is not None):
            email = None
        if email is None and not is_confirmation:
            raise InvalidMail("the email is gone")
        context = self._contents.context(row, subscriber, audience)
        sender = _sender(email, chosen, audience, subscriber)
        bodies = self._contents.bodies(email)

        def envelope(bodies: Bodies, context: Context) -> Envelope:
            mail = self._compose(row, email, sender, bodies, context, tracking)
            if row.kind == DeliveryKind.FORWARD.value:
                mail = as_forwarded(mail, by=subscriber.email_address)
            return envelope_for(mail, mail_from=self._return_path(row, mail))

        if bodies.is_remote:
            return self._attempt_when_fetched(bodies, context, envelope)
        ready = envelope(bodies, context)

        async def attempt() -> Outcome:
            return await self._mailer.send(ready)

        return attempt

    def _attempt_when_fetched(
        self, bodies: Bodies, context: Context, envelope: Callable[[Bodies, Context], Envelope]
    ) -> Attempt:
        """Fetches what lies elsewhere when the attempt is made: there is no transaction open then."""

        async def attempt() -> Outcome:
            try:
                ready = envelope(*await self._remote.gather(bodies, context))
            except ContentUnavailable as unavailable:
                return Outcome(Ending.DEFERRED, str(unavailable))
            except (InvalidMail, RenderingTooLarge) as error:
                return Outcome(Ending.REFUSED, str(error))
            return await self._mailer.send(ready)

        return attempt

    def _compose(
        self,
        row: Claimed,
        email: Email | None,
        sender: _Sender,
        bodies: Bodies,
        context: Context,
        tracking: MailTracking,
    ) -> Mail:
        unsubscribe = self._links.unsubscribe(row) if row.kind == DeliveryKind.MAIL.value else None

        def filled(template: str, mode: Mode = Mode.HEADER) -> str:
            return self._contents.template(template).render(context, mode=mode)

        from_email = filled(sender.email)
        pre_header = filled(email.pre_header_text, Mode.TEXT) if email is not None else ""
        part = None
        if row.kind != DeliveryKind.FORWARD.value and not bodies.was_fetched:
            part = self._stencils.part(bodies.html, context, tracking, pre_header)
        message_id = self._message_id(row, from_email)
        return Mail(
            message_id=message_id,
            from_name=filled(sender.name),
            from_email=from_email,
            to_name="",
            to_email=row.email_address,
            subject=filled(email.subject if email is not None else CONFIRMATION_SUBJECT),
            date=row.dated,
            html=tracking.html(bodies.html.render(context, mode=Mode.HTML)) if part is None else None,
            html_part=part,
            text=tracking.text(bodies.text.render(context, mode=Mode.TEXT)),
            pre_header=pre_header,
            reply_to=filled(sender.reply_to) or None,
            cc=tuple(filled(each) for each in sender.cc),
            bcc=tuple(filled(each) for each in sender.bcc),
            list_unsubscribe_url=unsubscribe,
            one_click=unsubscribe is not None,
            extra_headers={"X-MessageID": message_id.partition("@")[0]},
        )

    def _message_id(self, row: Claimed, from_email: str) -> str:
        """The same at every attempt, and not to be guessed: bounces are matched by it."""
        domain = from_email.rpartition("@")[2].strip()
        host = domain if domain.isascii() and "." in domain else urlsplit(self._links.public_url).hostname
        return f"{name_of(self._message_id_key, row.delivery_id)}@{host or 'localhost'}"

    def _return_path(self, row: Claimed, mail: Mail) -> str:
        """Where the mail comes back to that cannot be delivered."""
        if self._bounce_address is None:
            return mail.from_email
        return return_path(self._bounce_address, name_of(self._message_id_key, row.delivery_id))


def _checked_domain(
    row: Claimed, chosen: SendEmailParameters | None, domains: Mapping[int | None, SenderDomain]
) -> SenderDomain | None:
    """The chosen sender domain, which must be the account's and enabled (rulings 6)."""
    if chosen is None or not chosen.sender_domain_id:
        return None
    domain = domains.get(chosen.sender_domain_id)
    if domain is None or domain.owner_id != row.owner_id or domain.status is not DomainStatus.ENABLED:
        raise InvalidMail("the sender domain is not enabled")
    sender = chosen.sender.email if isinstance(chosen.sender, Person) else ""
    at = (sender or "").rpartition("@")[2].lower()
    if sender and at != domain.name.lower() and not at.endswith(f".{domain.name.lower()}"):
        raise InvalidMail("the sender is not of the chosen sender domain")
    return domain


def _sender(
    email: Email | None, chosen: SendEmailParameters | None, audience: Audience, subscriber: Subscriber
) -> _Sender:
    """The action's sender, else the email's, else the list's, else the account's own address."""
    found = audience.lists[subscriber.list_id]
    user = audience.users[subscriber.owner_id][0]
    own = chosen.sender if chosen is not None and isinstance(chosen.sender, Person) else _NOBODY
    address = own.email or (email.from_email if email else "") or found.sender_email_address or user.email_address
    name = own.name or (email.from_name if email else "") or found.sender_name
    answers = chosen.reply_to if chosen is not None and isinstance(chosen.reply_to, Person) else _NOBODY
    return _Sender(
        name=name or "",
        email=address,
        reply_to=answers.email or (email.reply_to_email if email else "") or "",
        cc=_addresses(chosen.cc if chosen is not None else None),
        bcc=_addresses(chosen.bcc if chosen is not None else None),
    )


def _addresses(people: list[Person] | str | None) -> tuple[str, ...]:
    return tuple(person.email for person in people if person.email) if isinstance(people, list) else ()
