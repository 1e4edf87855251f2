"""The pages that links in mails lead to, under `/t/`.

Looking at one changes nothing, because scanners of mail follow every link: a button acts, or the one-click POST of a
mail program (RFC 8058).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.activities.service import Fact, has_happened, record_facts
from journeys_api.bounces.service import recipient_of
from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.errors import NotReadable
from journeys_api.failures import tried_again
from journeys_api.http.bodies import BodyTooLarge, BodyTooSlow, ClientGone, read_body
from journeys_api.http.parameters import FORM, read_parameters, with_header
from journeys_api.http.tracking.html_pages import answer, button, nothing, onward
from journeys_api.links.tokens import Kind, read
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import ActivityKind, SubscriberList, SubscriptionStatus
from journeys_api.subscribers import confirmations
from journeys_api.subscribers.errors import NotPending, SubscriberNotFound
from journeys_api.subscribers.service import find_subscriber
from journeys_api.tracking.visitors import visitor_of

MOST_BODY = 16 * 1024
ONE_CLICK = "List-Unsubscribe header"
"""How the channel of a mail program's one-click is called (AC 2.17)."""

log = structlog.get_logger()

Act = Callable[..., Awaitable[SubscriberList]]


@dataclass(frozen=True)
class Deed:
    """What one kind of link is for. `{list}` in its texts is the list's name."""

    act: Act
    question: str
    text: str
    button: str
    done: str
    done_text: str
    onward: str | None = None
    """The list's setting that names a page of the owner's to go on to."""
    fact: ActivityKind | None = None
    """What it counts as in the statistics of the message."""
    is_for_good: bool = False
    """Whether it is about the address that the message went to as well, and so also for who is gone from the list."""


DEEDS = {
    Kind.CONFIRM: Deed(
        confirmations.confirm_subscription,
        "Confirm your subscription",
        "Do you want to be subscribed to {list}?",
        "Yes, subscribe me",
        "You are subscribed",
        "Your subscription to {list} is confirmed.",
        "SubscriptionConfirmedPageURL",
    ),
    Kind.REJECT: Deed(
        confirmations.reject_subscription,
        "Reject the subscription",
        "Did you not ask for {list}?",
        "No, do not subscribe me",
        "You are not subscribed",
        "{list} will not write to you.",
    ),
    Kind.UNSUBSCRIBE: Deed(
        confirmations.unsubscribe_by_link,
        "Unsubscribe",
        "Do you want to leave {list}?",
        "Unsubscribe me",
        "You are unsubscribed",
        "{list} will not write to you any more.",
        "UnsubscriptionConfirmedPageURL",
        ActivityKind.UNSUBSCRIBED,
    ),
    Kind.SUPPRESS: Deed(
        confirmations.suppress_by_link,
        "Never write to me again",
        "Do you want to leave {list} and get no mail from this server any more?",
        "Never write to me again",
        "You will get no more mail",
        "Neither {list} nor anybody else here will write to you any more.",
        "UnsubscriptionConfirmedPageURL",
        ActivityKind.UNSUBSCRIBED,
        is_for_good=True,
    ),
    Kind.REPORT_ABUSE: Deed(
        confirmations.complain_by_link,
        "Report abuse",
        "Was this mail of {list} not wanted? You will leave the list and get no mail from this server any more.",
        "Report this mail as spam",
        "Thank you for telling us",
        "Your complaint about {list} is recorded, and you will get no more mail.",
        fact=ActivityKind.SPAM_COMPLAINT,
        is_for_good=True,
    ),
}
_BY_LETTER = {kind.value: kind for kind in DEEDS}


def add_pages(pages: FastAPI, *, sessions: Sessions, clock: Clock, key: bytes, body_seconds: float) -> None:
    """Serve what links lead to that ask for something: to confirm, to leave, to complain.

    Args:
        key: the server's secret key, which the links were signed by.
    """

    @pages.api_route("/t/{letter}/{token}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def follow(request: Request, letter: str, token: str) -> HTMLResponse:
        kind = _BY_LETTER.get(letter)
        numbers = None if kind is None else read(key, kind, token)
        if kind is None or numbers is None or len(numbers) < 3:
            return nothing()
        owner_id, list_id, subscriber_id = numbers[:3]
        delivery_id = numbers[3] if len(numbers) == 4 else None
        deed = DEEDS[kind]
        meant = await meant_by(request, seconds=body_seconds) if request.method == "POST" else {}
        is_one_click = kind is Kind.UNSUBSCRIBE and _is_one_click(meant)
        if meant.get("act") != _act(kind) and not is_one_click:
            async with sessions() as session:
                try:
                    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
                except ListNotFound:
                    return nothing()
            return answer(deed.question, deed.text.format(list=_name(found)), more=button(_act(kind), deed.button))
        address = request.client.host if request.client else ""
        now = clock.now()

        async def act() -> SubscriberList:
            async with sessions.begin() as session:
                if deed.fact is not None and delivery_id is not None:
                    fact = Fact(owner_id, delivery_id, deed.fact, now, detail=_detail(request, is_one_click))
                    await _record_once(session, fact, list_id=list_id, subscriber_id=subscriber_id, now=now)
                about: dict[str, str | None] = {}
                if deed.is_for_good:
                    about["recipient"] = await recipient_of(session, owner_id=owner_id, delivery_id=delivery_id)
                return await deed.act(
                    session,
                    owner_id=owner_id,
                    list_id=list_id,
                    subscriber_id=subscriber_id,
                    ip_address=address,
                    now=now,
                    **about,
                )

        try:
            found = await tried_again(act, event="link_retried", kind=_act(kind))
        except (ListNotFound, SubscriberNotFound):
            # who is gone from a list has left it: a mail program that says so again is told so again
            return answer(deed.done, "You are not on this list.") if kind is Kind.UNSUBSCRIBE else nothing()
        except NotPending:
            return answer("Too late", "This subscription does not wait for a confirmation any more.", status=410)
        log.info("link_acted_on", kind=_act(kind), owner_id=owner_id, subscriber_id=subscriber_id)
        # a link and no redirect: form-action would stop it, and one-click must not be sent elsewhere
        more = onward(found.attributes.get(deed.onward or "", ""))
        return answer(deed.done, deed.done_text.format(list=_name(found)), more=more)


async def _record_once(session: AsyncSession, fact: Fact, *, list_id: int, subscriber_id: int, now: datetime) -> None:
    """Record what the button of a message did, unless it had nothing to do: who left before does not leave again."""
    # people before messages, as everybody does who changes both
    subscriber = await find_subscriber(
        session, owner_id=fact.owner_id, list_id=list_id, subscriber_id=subscriber_id, for_update=True
    )
    has_left = subscriber is None or subscriber.status is SubscriptionStatus.UNSUBSCRIBED
    if fact.kind is ActivityKind.UNSUBSCRIBED and has_left:
        return
    if not await has_happened(session, fact):
        await record_facts(session, [fact], now=now)


def _detail(request: Request, is_one_click: bool) -> dict[str, Any]:
    visitor = visitor_of(request.scope)
    seen = {
        "ip": visitor.ip_address,
        "user_agent": visitor.user_agent,
        "channel": ONE_CLICK if is_one_click else "",
    }
    return {name: value for name, value in seen.items() if value}


async def meant_by(request: Request, *, seconds: float) -> dict[str, Any]:
    """What a POST brought, a form unless it says otherwise; nothing when it cannot be read, and a page is shown again.

    A mail program takes that page for a success, so that nothing which can be understood may end in it.
    """
    scope = request.scope
    if not request.headers.get("content-type", "").strip():
        scope = with_header(scope, b"content-type", FORM.encode())
    try:
        body = await read_body(scope, request.receive, limit=MOST_BODY, seconds=seconds)
        return read_parameters(scope, body).body
    except (BodyTooLarge, BodyTooSlow, ClientGone, NotReadable):
        return {}


def _is_one_click(meant: dict[str, Any]) -> bool:
    """Whether a mail program's one-click was posted (RFC 8058); some end the body with a line end."""
    value = meant.get("list-unsubscribe")
    return isinstance(value, str) and value.strip() == "One-Click"


def _act(kind: Kind) -> str:
    """What the button of a page says that it is for."""
    return kind.name.lower()


def _name(found: SubscriberList) -> str:
    return found.name or "the list"
