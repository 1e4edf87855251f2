"""Webhooks: from outbox rows to attempts."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.commands.wire import instant
from journeys_api.delivery import notices, personalization, webhooks
from journeys_api.delivery.contexts import Audience, by_id, load_audience
from journeys_api.delivery.egress import Egress
from journeys_api.delivery.outbox import Claimed
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.personalization import Context, Mode
from journeys_api.delivery.sending import Attempt
from journeys_api.journeys.action_types import WebhookParameters, WebhookSecurity
from journeys_api.models import Journey, JourneyAction, Subscriber
from journeys_api.sealing.vault import SecretUnreadable, Vault

UNREADABLE = "the secret was stored under another secret key"


class Hooks:
    """Prepares attempts at webhooks."""

    def __init__(self, egress: Egress, vault: Vault) -> None:
        self._egress = egress
        self._vault = vault

    async def prepare(self, session: AsyncSession, rows: Sequence[Claimed]) -> Mapping[int, Attempt | Outcome]:
        """An attempt for each call, or why it never can be made."""
        told = {
            row.delivery_id: self._attempt(notices.hook_of(row), row)
            for row in rows
            if row.subscriber_id == notices.NOBODY
        }
        of_journeys = [row for row in rows if row.delivery_id not in told]
        return {**told, **(await self._prepare_of_journeys(session, of_journeys) if of_journeys else {})}

    async def _prepare_of_journeys(
        self, session: AsyncSession, rows: Sequence[Claimed]
    ) -> Mapping[int, Attempt | Outcome]:
        deleted = await _deleted(session, rows)
        audience = await load_audience(session, {(row.owner_id, row.subscriber_id) for row in rows}, deleted=deleted)
        actions = await by_id(session, JourneyAction, JourneyAction.action_id, {row.action_id for row in rows})
        journeys = await by_id(session, Journey, Journey.journey_id, {row.journey_id for row in rows})
        prepared: dict[int, Attempt | Outcome] = {}
        for row in rows:
            action, journey = actions.get(row.action_id), journeys.get(row.journey_id)
            subscriber = audience.subscribers.get((row.owner_id, row.subscriber_id))
            if action is None or journey is None or action.action != "Webhook":
                prepared[row.delivery_id] = Outcome(Ending.REFUSED, "the webhook is gone")
                continue
            if subscriber is None or subscriber.list_id not in audience.lists:
                prepared[row.delivery_id] = Outcome(Ending.REFUSED, "the subscriber is gone")
                continue
            parameters = WebhookParameters.model_validate(action.parameters)
            try:
                hook = _hook(row, journey, parameters, subscriber, audience, self._vault)
                prepared[row.delivery_id] = self._attempt(hook, row)
            except SecretUnreadable:
                prepared[row.delivery_id] = Outcome(Ending.DEFERRED, UNREADABLE)
        return prepared

    def _attempt(self, hook: webhooks.Hook, row: Claimed) -> Attempt:
        async def attempt() -> Outcome:
            return await webhooks.send(self._egress, hook, now=row.dated)

        return attempt


_DELETED = text(
    "SELECT s.* FROM deliveries d, json_populate_record(CAST(NULL AS subscribers), d.deleted_subscriber) AS s "
    "WHERE d.delivery_id = ANY(CAST(:deliveries AS bigint[]))"
)


async def _deleted(session: AsyncSession, rows: Sequence[Claimed]) -> Sequence[Subscriber]:
    """Those whom a journey deleted after it had owed the call, as the outbox keeps them."""
    deliveries = [row.delivery_id for row in rows if row.is_of_deleted]
    if not deliveries:
        return ()
    found = await session.scalars(select(Subscriber).from_statement(_DELETED), {"deliveries": deliveries})
    return found.all()


def _hook(
    row: Claimed,
    journey: Journey,
    parameters: WebhookParameters,
    subscriber: Subscriber,
    audience: Audience,
    vault: Vault,
) -> webhooks.Hook:
    context = Context(
        now=row.dated,
        time_zone=audience.users[row.owner_id][0].time_zone,
        seed=row.delivery_id,
        values={
            **audience.values(subscriber),
            "Journey": {"JourneyID": journey.journey_id, "ActionID": row.action_id},
            "Action": {"ActionID": row.action_id},
            "Entry": {"EntryID": row.enrollment_id},
            "Event": row.payload.get("Event", {}),
        },
    )

    def filled(template: str, mode: Mode = Mode.TEXT) -> str:
        return personalization.compile(template).render(context, mode=mode)

    found = audience.lists[subscriber.list_id]
    fields = audience.fields_of(row.owner_id, subscriber.list_id)
    known = audience.values_of_fields(subscriber)
    security = parameters.security if isinstance(parameters.security, WebhookSecurity) else WebhookSecurity()
    is_signed = (security.method or "").upper() == "HMAC" and bool(security.secret_key)
    return webhooks.Hook(
        # a person's value stays one piece of the address: it must not choose the host or the path
        url=filled(parameters.url or "", Mode.URL),
        body=webhooks.body(
            journey={
                "JourneyID": journey.journey_id,
                "JourneyName": journey.name,
                "JourneyTrigger": _trigger(journey),
            },
            subscriber_list={"ListID": found.list_id, "ListName": found.name},
            custom_fields={field.field_id: field.field_name for field in fields},
            subscriber=_of_subscriber(subscriber),
            subscriber_fields={field.field_id: known.get(field.field_id, field.default_value) for field in fields},
            payload=webhooks.render_tree(parameters.body or {}, filled),
        ),
        delivery_id=str(row.delivery_id),
        secret=vault.open(security.secret_key or "") if is_signed else None,
        signature_header=security.header_name or "",
        headers={name: filled(str(value)) for name, value in (parameters.headers or {}).items()},
    )


def _trigger(journey: Journey) -> str:
    """`ListSubscription:12` (JC A-45); the bare name where the trigger names no list."""
    list_id = journey.trigger_parameters.get("ListID")
    return journey.trigger if list_id is None else f"{journey.trigger}:{list_id}"


def _of_subscriber(subscriber: Subscriber) -> dict[str, Any]:
    return {
        "SubscriberID": subscriber.subscriber_id,
        "EmailAddress": subscriber.email_address,
        "BounceType": subscriber.bounce_type.value,
        "SubscriptionStatus": subscriber.status.value,
        "SubscriptionDate": instant(subscriber.subscribed_at),
        "SubscriptionIP": subscriber.subscription_ip,
        "UnsubscriptionDate": instant(subscriber.unsubscribed_at),
        "UnsubscriptionIP": subscriber.unsubscription_ip,
        "OptInDate": instant(subscriber.opted_in_at),
    }
