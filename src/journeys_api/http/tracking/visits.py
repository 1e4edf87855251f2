"""The picture and the links of mails, under `/t/`: a visit is kept and answered, whatever becomes of the database.

The picture is the same for everybody and everything, so that it tells nobody whether a token is good. A link leads to
the target inside its token, and nowhere else.

Source: reliability S91 to S95.
"""

import base64
from datetime import datetime

from fastapi import FastAPI, Request
from fastapi.responses import Response

from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.http.tracking.html_pages import answer, nothing
from journeys_api.links.short_links import short_link_target
from journeys_api.links.targets import web_address, with_parameters
from journeys_api.links.tokens import Kind, read, read_click, sign_attribution
from journeys_api.models import ActivityKind
from journeys_api.tracking.hit_writer import HitWriter
from journeys_api.tracking.hits import Hit
from journeys_api.tracking.visitors import visitor_of

PICTURE = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""One transparent dot, GIF."""
_LOOKING = ["GET", "HEAD"]
_PICTURE_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
_ONWARD_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def add_visits(
    pages: FastAPI, *, writer: HitWriter, sessions: Sessions, clock: Clock, key: bytes, click_parameter: str
) -> None:
    """Serve pictures and links.

    Args:
        key: the server's secret key, which the links were signed by.
        click_parameter: the name of the parameter that tells a target which message led there; empty: none.
    """

    @pages.api_route(f"/t/{Kind.OPEN.value}/{{token:path}}", methods=_LOOKING, include_in_schema=False)
    async def show(request: Request, token: str) -> Response:
        """The picture; who looks has opened the mail."""
        numbers = read(key, Kind.OPEN, token)
        if numbers is not None and len(numbers) == 2:
            await writer.write(hit_of(request, ActivityKind.OPENED, (numbers[0], numbers[1]), now=clock.now()))
        return Response(PICTURE, media_type="image/gif", headers=_PICTURE_HEADERS)

    @pages.api_route(f"/t/{Kind.CLICK.value}/{{token}}", methods=_LOOKING, include_in_schema=False)
    async def lead_on(request: Request, token: str) -> Response:
        """A link: on to its target."""
        found = read_click(key, token)
        if found is None:
            return nothing()
        owner_id, delivery_id, target = found
        message = (owner_id, delivery_id)
        await writer.write(hit_of(request, ActivityKind.CLICKED, message, now=clock.now(), target=target))
        if click_parameter:
            target = with_parameters(target, [(click_parameter, sign_attribution(key, owner_id, delivery_id))])
        return _onward(target)

    @pages.api_route(f"/t/{Kind.SHORT.value}/{{token}}", methods=_LOOKING, include_in_schema=False)
    async def lead_on_from_short_message(token: str) -> Response:
        """The link of a short message: on to its target, read from the message's action and never from the URL."""
        numbers = read(key, Kind.SHORT, token)
        if numbers is None or len(numbers) != 3:
            return nothing()
        owner_id, delivery_id, expires = numbers
        if clock.now().timestamp() > expires:
            return answer("Too late", "This link has expired.", status=410)
        async with sessions() as session:
            target = await short_link_target(session, owner_id=owner_id, delivery_id=delivery_id)
        return nothing() if target is None else _onward(target)


def hit_of(request: Request, kind: ActivityKind, message: tuple[int, int], *, now: datetime, target: str = "") -> Hit:
    """The visit that a request is.

    Args:
        message: owner and delivery.
    """
    visitor = visitor_of(request.scope)
    return Hit(
        message[0],
        message[1],
        kind,
        now,
        target,
        automated=visitor.automated,
        ip_address=visitor.ip_address,
        user_agent=visitor.user_agent,
    )


def _onward(address: str) -> Response:
    target = web_address(address)
    if target is None:
        return nothing()
    # not RedirectResponse, which writes an address anew
    return Response(status_code=302, headers={**_ONWARD_HEADERS, "Location": target})
