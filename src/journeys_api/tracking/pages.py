"""The pages that links in mails lead to, under `/t/`.

Looking at one changes nothing, because scanners of mail follow every link: a button acts, or the one-click POST of a
mail program (RFC 8058).
"""

import html
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.errors import NotReadable
from journeys_api.http.bodies import BodyTooLarge, BodyTooSlow, ClientGone, read_body
from journeys_api.http.parameters import read_parameters
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import SubscriberList
from journeys_api.subscribers import confirmations
from journeys_api.subscribers.errors import NotPending, SubscriberNotFound
from journeys_api.tracking.links import Kind, read
from journeys_api.tracking.short_links import short_link_target

MOST_BODY = 16 * 1024
_SAFE = ("https://", "http://")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style nonce="{nonce}">
body {{ font: 1rem/1.5 sans-serif; max-width: 32rem; margin: 15vh auto; padding: 0 1rem; color: #222; }}
button {{ font: inherit; padding: .5rem 1.25rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{text}</p>
{more}</body>
</html>
"""
_FORM = '<form method="post"><button type="submit" name="Act" value="{act}">{button}</button></form>\n'
_ONWARD = '<p><a href="{url}" rel="noreferrer">Continue</a></p>\n'
_POLICY = "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

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
    ),
}
_BY_LETTER = {kind.value: kind for kind in DEEDS}


def add_pages(pages: FastAPI, *, sessions: Sessions, clock: Clock, key: bytes, body_seconds: float) -> None:
    """Serve what confirmation, rejection and unsubscribe links lead to.

    Args:
        key: the server's secret key, which the links were signed by.
    """

    @pages.api_route(f"/t/{Kind.SHORT.value}/{{token}}", methods=["GET", "HEAD"], include_in_schema=False)
    async def lead_on(token: str) -> Response:
        """The link of a short message: on to its target, read from the message's action and never from the URL."""
        numbers = read(key, Kind.SHORT, token)
        if numbers is None or len(numbers) != 3:
            return _nothing()
        owner_id, delivery_id, expires = numbers
        if clock.now().timestamp() > expires:
            return _answer("Too late", "This link has expired.", status=410)
        async with sessions() as session:
            target = await short_link_target(session, owner_id=owner_id, delivery_id=delivery_id)
        if target is None:
            return _nothing()
        headers = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
        return RedirectResponse(target, 302, headers=headers)

    @pages.api_route("/t/{letter}/{token}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def follow(request: Request, letter: str, token: str) -> HTMLResponse:
        kind = _BY_LETTER.get(letter)
        numbers = None if kind is None else read(key, kind, token)
        if kind is None or numbers is None or len(numbers) < 3:
            return _nothing()
        owner_id, list_id, subscriber_id = numbers[:3]
        deed = DEEDS[kind]
        if request.method != "POST" or not await _is_meant(request, kind, body_seconds):
            async with sessions() as session:
                try:
                    found = await lists.get_list(session, owner_id=owner_id, list_id=list_id)
                except ListNotFound:
                    return _nothing()
            return _question(kind, deed, found)
        address = request.client.host if request.client else ""
        try:
            async with sessions.begin() as session:
                found = await deed.act(
                    session,
                    owner_id=owner_id,
                    list_id=list_id,
                    subscriber_id=subscriber_id,
                    ip_address=address,
                    now=clock.now(),
                )
        except (ListNotFound, SubscriberNotFound):
            # who is gone from a list has left it: a mail program that says so again is told so again
            return _answer(deed.done, "You are not on this list.") if kind is Kind.UNSUBSCRIBE else _nothing()
        except NotPending:
            return _answer("Too late", "This subscription does not wait for a confirmation any more.", status=410)
        log.info("link_acted_on", kind=kind.name.lower(), owner_id=owner_id, subscriber_id=subscriber_id)
        return _done(deed, found)


async def _is_meant(request: Request, kind: Kind, seconds: float) -> bool:
    """Whether a POST says that it is meant: our own button's, or the one-click of a mail program."""
    try:
        body = await read_body(request.scope, request.receive, limit=MOST_BODY, seconds=seconds)
        given = read_parameters(request.scope, body).body
    except (BodyTooLarge, BodyTooSlow, ClientGone, NotReadable):
        return False
    if given.get("act") == kind.name.lower():
        return True
    return kind is Kind.UNSUBSCRIBE and given.get("list-unsubscribe") == "One-Click"


def _question(kind: Kind, deed: Deed, found: SubscriberList) -> HTMLResponse:
    form = _FORM.format(act=kind.name.lower(), button=html.escape(deed.button))
    return _answer(deed.question, deed.text.format(list=_name(found)), more=form)


def _done(deed: Deed, found: SubscriberList) -> HTMLResponse:
    # a link and no redirect: form-action would stop it, and one-click must not be sent elsewhere
    url = found.attributes.get(deed.onward or "", "")
    more = _ONWARD.format(url=html.escape(url)) if url.lower().startswith(_SAFE) else ""
    return _answer(deed.done, deed.done_text.format(list=_name(found)), more=more)


def _name(found: SubscriberList) -> str:
    return found.name or "the list"


def _nothing() -> HTMLResponse:
    return _answer("Nothing here", "This link is not one of ours, or what it was about is gone.", status=404)


def _answer(title: str, text: str, *, more: str = "", status: int = 200) -> HTMLResponse:
    """A page. Title and text are escaped here, `more` is HTML."""
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.format(nonce=nonce, title=html.escape(title), text=html.escape(text), more=more)
    headers = {
        "Content-Security-Policy": _POLICY.format(nonce=nonce),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(page, status, headers=headers)
