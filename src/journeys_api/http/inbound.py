"""The public address of inbound webhooks: another system posts there whom a list gets or loses (AC 2.13).

The secret id in the path is the whole credential. It is looked up by a keyed hash, which tells nothing by its time, and
every call counts against the client's address, so that ids cannot be tried.
"""

from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.clock import Clock
from journeys_api.commands.reading import bounded_text, email_address
from journeys_api.commands.registry import Command, Envelope, Param, Refusal, Rejection, missing, not_found
from journeys_api.db import Sessions
from journeys_api.errors import DomainError, NotReadable
from journeys_api.failures import is_away, tried_again
from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.http import envelopes
from journeys_api.http.bodies import BodyTooLarge, BodyTooSlow, ClientGone, read_body
from journeys_api.http.envelopes import Answer, Door
from journeys_api.http.parameters import read_parameters
from journeys_api.http.rate_limits import RateLimits
from journeys_api.inbound_webhooks import service
from journeys_api.inbound_webhooks.errors import WebhookNotFound
from journeys_api.inbound_webhooks.service import Reported
from journeys_api.inbound_webhooks.wire import PATH
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import InboundWebhook
from journeys_api.subscribers.errors import (
    AccountDisabled,
    FieldValueTaken,
    RequiredFieldMissing,
    SubscriberLimitExceeded,
    SubscriberNotFound,
)
from journeys_api.subscribers.parameters import custom_field_family

MOST_BODY = 64 * 1024

log = structlog.get_logger()


async def _no_handler(*_: Any, **__: Any) -> dict[str, object]:
    raise LookupError("this call has an address of its own")


_GONE = not_found(3, "Webhook not found")
_FIELDS = Refusal(6, "A custom field value was refused")
CALL = Command(
    name="system.webhook",
    handler=_no_handler,
    params=(
        Param(
            "EmailAddress",
            "email_address",
            email_address,
            missing=1,
            invalid=2,
            also=("Email", "Email_Address", "E-Mail", "Mail", "Subscriber_Email", "User_Email"),
        ),
        Param("IPAddress", "ip_address", bounded_text(64), also=("IP", "IP_Address")),
        Param("CustomFieldN", "custom_values", custom_field_family, default={}, family="CustomField"),
    ),
    refusals=(missing(1, "EmailAddress"), Refusal(2, "Invalid EmailAddress parameter"), _GONE),
    errors={
        WebhookNotFound: _GONE,
        ListNotFound: not_found(4, "The list of this webhook is gone"),
        SubscriberNotFound: not_found(5, "Subscriber not found"),
        RequiredFieldMissing: _FIELDS,
        FieldValueTaken: _FIELDS,
        InvalidFieldValue: _FIELDS,
        SubscriberLimitExceeded: Refusal(7, "The account may not have more subscribers", 403),
        AccountDisabled: Refusal(8, "The account is disabled", 403),
    },
    envelope=Envelope.SUCCESS_ERRORS,
)
"""How a call is read and refused; it is no command of either door."""


def add_inbound_webhooks(
    pages: FastAPI, *, sessions: Sessions, clock: Clock, key: bytes, rate_limits: RateLimits, body_seconds: float
) -> None:
    """Serve the addresses of inbound webhooks.

    Args:
        key: the server's secret key, which their ids are made with.
    """

    @pages.post(PATH + "{secret_id}", include_in_schema=False)
    @pages.post(PATH + "{secret_id}/{rest:path}", include_in_schema=False)
    async def receive(request: Request, secret_id: str, rest: str = "") -> Response:
        client = request.client.host if request.client else ""
        quota = rate_limits.hit_address(client)
        headers = tuple(quota.headers())
        if not quota.allowed:
            return _rendered(envelopes.rate_limited(headers))
        try:
            body = await read_body(request.scope, request.receive, limit=MOST_BODY, seconds=body_seconds)
        except BodyTooLarge:
            return _rendered(envelopes.not_readable("the body is too large", status=413), headers)
        except BodyTooSlow:
            return _rendered(envelopes.not_readable("the body did not arrive in time", status=408), headers)
        except ClientGone:
            return Response(status_code=400)

        async def take() -> tuple[InboundWebhook, Answer]:
            async with sessions.begin() as session:
                webhook = await service.webhook_of(session, secret_id=secret_id, key=key)
                answer = await _answer(session, webhook, request, body, client=client, clock=clock)
                await service.count_call(session, webhook, has_failed=answer.status >= 400, now=clock.now())
            return webhook, answer

        try:
            webhook, answer = await tried_again(take, event="inbound_call_retried")
        except WebhookNotFound as error:
            answer = _refused(error)
        except Exception as error:
            if is_away(error):
                log.warning("database_away", error=type(error).__name__)
                return _rendered(envelopes.internal_failure(status=503), headers)
            log.exception("inbound_call_failed")
            return _rendered(envelopes.internal_failure(), headers)
        else:
            log.info("inbound_call_taken", webhook_id=webhook.webhook_id, status=answer.status)
        return _rendered(answer, headers)


async def _answer(
    session: AsyncSession, webhook: InboundWebhook, request: Request, body: bytes, *, client: str, clock: Clock
) -> Answer:
    """What the call comes to; a refused one has changed nothing, and is counted all the same."""
    try:
        given = CALL.read(read_parameters(request.scope, body).merged, now=clock.now())
        reported = Reported(
            email_address=given["email_address"],
            ip_address=given["ip_address"] or client,
            custom_values=given["custom_values"],
        )
        async with session.begin_nested():
            found = await service.take_call(session, webhook, reported, now=clock.now())
    except NotReadable as error:
        return envelopes.not_readable(str(error))
    except Rejection as rejection:
        return envelopes.refusal(Door.REST, CALL.envelope, rejection.refusals, {})
    except DomainError as error:
        return _refused(error)
    told = {} if found is None else {"SubscriberID": found.subscriber_id, "SubscriptionStatus": found.status.value}
    return envelopes.success(Door.REST, {"Success": True, **told})


def _refused(error: DomainError) -> Answer:
    refusal = CALL.refusal_of(error)
    if refusal is None:
        raise error
    return envelopes.refusal(Door.REST, CALL.envelope, [refusal], {})


def _rendered(answer: Answer, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    body, media_type = envelopes.rendered(answer, as_xml=False)
    own = {name.decode(): value.decode() for name, value in (*answer.headers, *headers)}
    own |= {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return Response(body, answer.status, headers=own, media_type=media_type.decode())
