"""Short messages of journeys: from outbox rows to attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.delivery import personalization
from journeys_api.delivery.contexts import Audience, by_id, load_audience
from journeys_api.delivery.egress import Egress
from journeys_api.delivery.hooks import UNREADABLE
from journeys_api.delivery.outbox import Claimed
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.personalization import Context, Mode
from journeys_api.delivery.sending import Attempt
from journeys_api.delivery.sms.gateways import GatewayUnusable, gateway_for
from journeys_api.delivery.sms.messages import Gateway, Sms
from journeys_api.delivery.sms.parts import parts
from journeys_api.delivery.sms.phone_numbers import normalise
from journeys_api.journeys.action_types import DAYS, DeliveryWindow, SendSMSParameters
from journeys_api.journeys.windows import next_inside
from journeys_api.links.short_links import target_of
from journeys_api.links.urls import Links
from journeys_api.models import GatewayStatus, JourneyAction, SmsGateway, Subscriber
from journeys_api.sealing.vault import SecretUnreadable, Vault

DEFAULT_EXPIRY_HOURS = 72
OUTSIDE = "outside of the delivery window"


class _Refused(Exception):
    """The message can never be sent; the text says why and names nobody."""


class ShortMessages:
    """Prepares attempts at short messages."""

    def __init__(self, egress: Egress, links: Links, vault: Vault, *, log_path: Path) -> None:
        self._egress = egress
        self._vault = vault
        self._links = links
        self._log_path = log_path

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        """An attempt for each message, or why it cannot be made now or ever."""
        audience = await load_audience(session, {(row.owner_id, row.subscriber_id) for row in rows})
        found = await by_id(session, JourneyAction, JourneyAction.action_id, {row.action_id for row in rows})
        actions = {
            action_id: SendSMSParameters.model_validate(action.parameters)
            for action_id, action in found.items()
            if action.action == "SendSMS"
        }
        gateways = await by_id(
            session, SmsGateway, SmsGateway.gateway_id, {each.gateway_id for each in actions.values()}
        )
        prepared: dict[int, Attempt | Outcome] = {}
        for row in rows:
            try:
                parameters = actions.get(row.action_id)
                subscriber = audience.subscribers.get((row.owner_id, row.subscriber_id))
                if parameters is None or subscriber is None:
                    raise _Refused("the message is gone")
                # a try that failed, or a journey that was disabled, may have taken it out of its window
                if (opens := window_opens(parameters, row.dated)) > row.dated:
                    prepared[row.delivery_id] = Outcome(Ending.POSTPONED, OUTSIDE, until=opens)
                    continue
                gateway = _usable(gateways.get(parameters.gateway_id), row.owner_id)
                message = _message(row, parameters, subscriber, audience, gateway, self._links)
                credentials = self._vault.open_values(gateway.credentials)
                sender = gateway_for(gateway.kind, credentials, self._egress, self._log_path)
                prepared[row.delivery_id] = _attempt(sender, message, is_last=_is_last(row, parameters))
            except (_Refused, GatewayUnusable) as error:
                prepared[row.delivery_id] = Outcome(Ending.REFUSED, str(error))
            except SecretUnreadable:
                prepared[row.delivery_id] = Outcome(Ending.DEFERRED, UNREADABLE)
        return prepared


def _attempt(gateway: Gateway, message: Sms, *, is_last: bool) -> Attempt:
    async def attempt() -> Outcome:
        outcome = await gateway.send(message)
        return replace(outcome, ending=Ending.REFUSED) if is_last and outcome.ending is Ending.DEFERRED else outcome

    return attempt


def _is_last(row: Claimed, parameters: SendSMSParameters) -> bool:
    """Whether the action allows no further try after this one; that of all gateways ends in any case."""
    most = parameters.max_retry_attempts
    return isinstance(most, int) and bool(row.attempts > most)


def window_opens(parameters: SendSMSParameters, now: datetime) -> datetime:
    """When the message may leave at the earliest: `now`, or when its window opens next (JC 3.7)."""
    if parameters.delivery_window_enabled is not True:
        return now
    window = parameters.delivery_window
    chosen = window if isinstance(window, DeliveryWindow) else DeliveryWindow()
    return next_inside(
        now,
        not_before=chosen.start_time or "09:00",
        not_after=chosen.end_time or "18:00",
        days=chosen.days or DAYS[:5],
        time_zone=chosen.timezone or "UTC",
    )


def may_use(gateway: SmsGateway, owner_id: int) -> bool:
    """Whether the gateway is for the account."""
    return gateway.is_global or owner_id in gateway.user_ids


def _usable(gateway: SmsGateway | None, owner_id: int) -> SmsGateway:
    """The gateway, if the account may use it."""
    if gateway is None or not may_use(gateway, owner_id):
        raise _Refused("the gateway is gone")
    if gateway.status is not GatewayStatus.ACTIVE:
        raise _Refused("the gateway is not active")
    return gateway


def _message(
    row: Claimed,
    parameters: SendSMSParameters,
    subscriber: Subscriber,
    audience: Audience,
    gateway: SmsGateway,
    links: Links,
) -> Sms:
    number = telephone_number(subscriber, audience)
    if number is None:
        raise _Refused("no telephone number")
    context = Context(
        now=row.dated,
        time_zone=audience.users[row.owner_id][0].time_zone,
        seed=row.delivery_id,
        values={**audience.values(subscriber), "Event": row.payload.get("Event", {})},
        link=_link(row, parameters, links),
    )
    template = personalization.compile(parameters.message or "")
    if template.unreadable_tags(context):
        # a person would read the tag itself (JC 3.7)
        raise _Refused("an unreadable tag in the message")
    text = template.render(context, mode=Mode.TEXT)
    if not text.strip():
        raise _Refused("the message is empty")
    if parts(text).is_too_long:
        raise _Refused("the message is too long")
    senders = gateway.sender_ids
    return Sms(
        to=number,
        sender=parameters.sender_id or (senders[0] if senders else ""),
        text=text,
        reference=str(row.delivery_id),
    )


def telephone_number(subscriber: Subscriber, audience: Audience) -> str | None:
    """The subscriber's number in E.164, from the field that the list holds numbers in."""
    field_id = audience.lists[subscriber.list_id].phone_field_id
    value = audience.values_of_fields(subscriber).get(field_id, "") if field_id else ""
    return normalise(value) if value else None


def _link(row: Claimed, parameters: SendSMSParameters, links: Links) -> str:
    """The short link of the message; empty when the action switches links off or has no address to lead to."""
    if parameters.include_link is not True or target_of(parameters) is None:
        return ""
    hours = parameters.link_expiry_hours or DEFAULT_EXPIRY_HOURS
    # from when the message was owed, so that a retry says the same
    return links.short(row, expires_at=row.created_at + timedelta(hours=hours))
