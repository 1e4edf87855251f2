"""A mail as a page, and the page that sends it on to a friend, under `/t/`."""

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.delivery.mail_views import MailViews, ViewUnavailable
from journeys_api.failures import tried_again
from journeys_api.http.rate_limits import RateLimits
from journeys_api.http.tracking.html_pages import answer, button, nothing, try_again
from journeys_api.http.tracking.pages import meant_by
from journeys_api.http.tracking.visits import hit_of
from journeys_api.links.tokens import Kind, read
from journeys_api.models import ActivityKind
from journeys_api.tracking.forwarding import ForwardRefused, MailGone, forward, mail_to_forward
from journeys_api.tracking.hit_writer import HitWriter

log = structlog.get_logger()

# the owner's HTML is shown as a mail program would show it: no scripts, no forms, an origin of its own
_SHOWN_MAIL = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src http: https: data:; "
    "media-src http: https:; font-src http: https:; style-src 'unsafe-inline' http: https:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_VIEW_HEADERS = {
    "Content-Security-Policy": _SHOWN_MAIL,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
}
_ADDRESS = (
    '<p><label>Your friend\'s address<br><input type="email" name="To" required maxlength="254" autocomplete="off">'
    "</label></p>"
)
_QUESTION = "Send this mail on"
_ACT = "forward"


def add_mail_pages(
    pages: FastAPI,
    *,
    views: MailViews,
    writer: HitWriter,
    sessions: Sessions,
    rate_limits: RateLimits,
    clock: Clock,
    key: bytes,
    body_seconds: float,
) -> None:
    """Serve mails as pages and what sends them on.

    Args:
        key: the server's secret key, which the links were signed by.
    """

    @pages.api_route(f"/t/{Kind.BROWSER.value}/{{token}}", methods=["GET", "HEAD"], include_in_schema=False)
    async def show(request: Request, token: str) -> Response:
        message = _message_of(key, Kind.BROWSER, token)
        if message is None:
            return nothing()
        async with sessions() as session:
            view = await views.find(session, owner_id=message[0], delivery_id=message[1])
        if view is None:
            return nothing()
        try:
            document = await view.document()
        except ViewUnavailable:
            return try_again()
        await writer.write(hit_of(request, ActivityKind.BROWSER_VIEWED, message, now=clock.now()))
        return HTMLResponse(document, headers=_VIEW_HEADERS)

    @pages.api_route(f"/t/{Kind.FORWARD.value}/{{token}}", methods=["GET", "HEAD", "POST"], include_in_schema=False)
    async def send_on(request: Request, token: str) -> Response:
        message = _message_of(key, Kind.FORWARD, token)
        if message is None:
            return nothing()
        owner_id, delivery_id = message
        meant = await meant_by(request, seconds=body_seconds) if request.method == "POST" else {}
        if meant.get("act") != _ACT:
            try:
                async with sessions() as session:
                    await mail_to_forward(session, owner_id=owner_id, delivery_id=delivery_id)
            except MailGone:
                return nothing()
            return _question("To whom shall it go?")
        quota = rate_limits.hit_address(request.client.host if request.client else "")
        if not quota.allowed:
            page = answer("Too many requests", "Wait a minute and try again.", status=429)
            page.headers["Retry-After"] = str(quota.reset_seconds)
            return page
        to = meant.get("to")

        async def send() -> None:
            async with sessions.begin() as session:
                await forward(
                    session,
                    owner_id=owner_id,
                    delivery_id=delivery_id,
                    to=to if isinstance(to, str) else "",
                    now=clock.now(),
                )

        try:
            await tried_again(send, event="link_retried", kind=_ACT)
        except ForwardRefused as refused:
            return _question(str(refused), status=422)
        except MailGone:
            return nothing()
        log.info("mail_forwarded", owner_id=owner_id, delivery_id=delivery_id)
        return answer("It is on its way", "The mail will be sent to your friend.")


def _message_of(key: bytes, kind: Kind, token: str) -> tuple[int, int] | None:
    numbers = read(key, kind, token)
    return None if numbers is None or len(numbers) != 2 else (numbers[0], numbers[1])


def _question(text: str, *, status: int = 200) -> HTMLResponse:
    return answer(_QUESTION, text, more=button(_ACT, "Send it on", fields=_ADDRESS), status=status)
