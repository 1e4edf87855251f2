"""SendEmail, SendSMS, Webhook: done when the outbox row is written; no delivery's end moves anybody (rulings 7)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from sqlalchemy import and_, case, literal, select

from journeys_api.delivery.contexts import load_audience
from journeys_api.delivery.short_messages import may_use, telephone_number, window_opens
from journeys_api.emails import service as emails
from journeys_api.emails.content import is_fetched
from journeys_api.emails.errors import EmailNotFound
from journeys_api.engine.people import Move, Moves, Owed, Person, Way, by_event
from journeys_api.engine.registry import Standing, StepFailed, action
from journeys_api.engine.subjects import GONE, these
from journeys_api.journeys.action_types import (
    SendEmailParameters,
    SendSMSParameters,
    WebhookParameters,
)
from journeys_api.models import BounceType, DeliveryKind, SmsGateway, Subscriber, SubscriptionStatus
from journeys_api.suppressions.service import is_suppressed_condition

NO_NUMBER = "no telephone number"
NOT_SUBSCRIBED = "not subscribed"


@action("SendEmail")
async def send_email(standing: Standing, people: Sequence[Person], parameters: SendEmailParameters) -> Moves:
    """Owe everybody who may be written to the email; the others go on with the reason in the history."""
    if not parameters.email_id:
        raise StepFailed("no email is chosen")
    try:
        email = await emails.get_email(standing.session, owner_id=standing.owner_id, email_id=parameters.email_id)
    except EmailNotFound:
        raise StepFailed("the email is gone") from None
    reasons = await why_not_to_mail(standing, people)
    moves = Moves.proceed(reasons)
    # mails that wait for other servers hold only so many of the sender's places, however slow those are
    destination = f"fetch {standing.owner_id}" if is_fetched(email) else ""
    moves.owed = [
        Owed(DeliveryKind.MAIL, mailed, email_id=parameters.email_id, payload=event, destination=destination)
        for event, mailed in by_event(person for person in people if person.enrollment_id not in reasons)
    ]
    return moves


async def why_not_to_mail(standing: Standing, people: Sequence[Person]) -> dict[int, str]:
    """Enrollment → why its subscriber is not written to; those who may be are left out."""
    reason = case(
        (Subscriber.status != SubscriptionStatus.SUBSCRIBED, literal(NOT_SUBSCRIBED)),
        (Subscriber.bounce_type == BounceType.HARD, literal("hard bounced")),
        (
            is_suppressed_condition(
                standing.owner_id, Subscriber.list_id.expression, Subscriber.email_address.expression
            ),
            literal("suppressed"),
        ),
        else_=literal(""),
    )
    rows = await standing.session.execute(
        select(Subscriber.subscriber_id, reason).where(
            and_(
                Subscriber.owner_id == standing.owner_id,
                these(standing.owner_id, [person.subscriber_id for person in people]),
            )
        )
    )
    found: dict[int, str] = dict(rows.all())
    reasons = {person.enrollment_id: found.get(person.subscriber_id, GONE) for person in people}
    return {enrollment_id: why for enrollment_id, why in reasons.items() if why}


@action("SendSMS")
async def send_sms(standing: Standing, people: Sequence[Person], parameters: SendSMSParameters) -> Moves:
    """Owe everybody who is subscribed and has a telephone number the short message, in its window.

    Who is not subscribed goes on; so does who has no number, unless the action says that the step fails for them
    (JC 3.7).
    """
    if not parameters.message:
        raise StepFailed("the message is empty")
    if not parameters.gateway_id:
        raise StepFailed("no gateway is chosen")
    gateway = await standing.session.get(SmsGateway, parameters.gateway_id)
    if gateway is None or not may_use(gateway, standing.owner_id):
        raise StepFailed("the gateway is gone")
    reasons = await _why_not_to_call(standing, people)
    moves = Moves.proceed(reasons)
    if parameters.skip_if_no_phone is False:
        without = [enrollment_id for enrollment_id, why in reasons.items() if why == NO_NUMBER]
        moves.own = {**moves.own, **dict.fromkeys(without, Move(Way.RETRY, "failed", NO_NUMBER))}
    not_before = window_opens(parameters, standing.now)
    moves.owed = [
        Owed(DeliveryKind.SMS, written_to, payload=event, not_before=not_before, destination=str(gateway.gateway_id))
        for event, written_to in by_event(person for person in people if person.enrollment_id not in reasons)
    ]
    return moves


async def _why_not_to_call(standing: Standing, people: Sequence[Person]) -> dict[int, str]:
    """Enrollment → why its subscriber gets no short message; those who do are left out."""
    audience = await load_audience(standing.session, {(person.owner_id, person.subscriber_id) for person in people})
    reasons: dict[int, str] = {}
    for person in people:
        subscriber = audience.subscribers.get((person.owner_id, person.subscriber_id))
        if subscriber is None:
            reasons[person.enrollment_id] = GONE
        elif subscriber.status is not SubscriptionStatus.SUBSCRIBED:
            reasons[person.enrollment_id] = NOT_SUBSCRIBED
        elif telephone_number(subscriber, audience) is None:
            reasons[person.enrollment_id] = NO_NUMBER
    return reasons


@action("Webhook", uses_sql=False)
async def call_webhook(standing: Standing, people: Sequence[Person], parameters: WebhookParameters) -> Moves:
    """Owe the webhook a call for everybody."""
    if not parameters.url:
        raise StepFailed("the webhook has no address")
    moves = Moves.proceed()
    try:
        host = urlsplit(parameters.url).hostname or ""
    except ValueError:
        raise StepFailed("the webhook's address cannot be read") from None
    moves.owed = [
        Owed(DeliveryKind.WEBHOOK, told_of, payload=event, destination=host.lower())
        for event, told_of in by_event(people)
    ]
    return moves
