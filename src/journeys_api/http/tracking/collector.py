"""The door of websites: the tracker's script, a page that shows it, and where browsers post what it reports.

Bodies are read as JSON whatever their type says, because a beacon sends text without asking first (CORS).
"""

import html
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from journeys_api import strict_json
from journeys_api.clock import Clock
from journeys_api.commands.reading import Reader, Unreadable, bounded_text, email_address
from journeys_api.db import Sessions
from journeys_api.errors import NotReadable
from journeys_api.failures import is_away, tried_again
from journeys_api.http.bodies import BodyTooLarge, BodyTooSlow, ClientGone, read_body
from journeys_api.http.rate_limits import Quota, RateLimits
from journeys_api.links.tokens import read_attribution
from journeys_api.lists.errors import ListNotFound
from journeys_api.settings import Settings
from journeys_api.tracking.site_keys import is_vouched, read_site_key
from journeys_api.website_events.browsing import Browsed, append
from journeys_api.website_events.keeping import Noted
from journeys_api.website_events.reading import (
    LONGEST_NAME,
    MOST_BYTES,
    conversion_problems,
    event_name,
    event_properties,
)

MOST_EVENTS = 20
_short_text = bounded_text(LONGEST_NAME)
_SCRIPT = (Path(__file__).parent / "tracker.js").read_bytes()
_PAGE = (Path(__file__).parent / "tracker.html").read_text()
_ETAG = f'"{sha256(_SCRIPT).hexdigest()[:16]}"'
_ANY_SITE = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT = {
    **_ANY_SITE,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type",
    "Access-Control-Max-Age": "86400",
}
_POLICY = "default-src 'none'; script-src 'self' 'nonce-{nonce}'; connect-src 'self'; style-src 'nonce-{nonce}'"

log = structlog.get_logger()


class NotAReport(Exception):
    """The body is not what the tracker sends; the text says why and names no value."""


class UnknownSite(Exception):
    """The key is of no website of this server."""


def add_collector(
    pages: FastAPI, *, sessions: Sessions, clock: Clock, settings: Settings, rate_limits: RateLimits, key: bytes
) -> None:
    """Serve `/t/tracker.js`, `/t/tracker` and `/t/e`.

    Args:
        key: the server's secret key.
    """

    @pages.api_route("/t/tracker.js", methods=["GET", "HEAD"], include_in_schema=False)
    async def script(request: Request) -> Response:
        """The tracker: the same for everybody, so that caches may keep it for an hour."""
        headers = {**_ANY_SITE, "Cache-Control": "public, max-age=3600", "ETag": _ETAG}
        if request.headers.get("if-none-match") == _ETAG:
            return Response(status_code=304, headers=headers)
        return Response(_SCRIPT, media_type="text/javascript", headers=headers)

    @pages.get("/t/tracker", include_in_schema=False)
    async def shown(request: Request) -> Response:
        """A page that shows the tracker at work, for the site key in its address."""
        given = request.query_params.get("key", "")
        if read_site_key(key, given) is None:
            return Response("This page needs a site key: /t/tracker?key=…", 404, media_type="text/plain")
        nonce = secrets.token_urlsafe(16)
        page = _PAGE.replace("{nonce}", nonce).replace("{key}", html.escape(given))
        headers = {
            "Content-Security-Policy": _POLICY.format(nonce=nonce),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "X-Robots-Tag": "noindex",
            "Cache-Control": "no-store",
        }
        return HTMLResponse(page, headers=headers)

    @pages.options("/t/e", include_in_schema=False)
    async def preflight() -> Response:
        return Response(status_code=204, headers=_PREFLIGHT)

    @pages.post("/t/e", include_in_schema=False)
    async def collect(request: Request) -> Response:
        """Take in what one browser reports: all of it, or nothing with the reason."""
        quota = rate_limits.hit_browser(request.client.host if request.client else "")
        if not quota.allowed:
            return _too_many(quota)
        try:
            seconds = settings.body_timeout.total_seconds()
            body = await read_body(request.scope, request.receive, limit=MOST_BYTES, seconds=seconds)
            (owner_id, list_id), browsed = read_report(body, key)
            quota = rate_limits.hit_site(f"{owner_id}/{list_id}")
            if not quota.allowed:
                return _too_many(quota)

            async def keep() -> int:
                async with sessions.begin() as session:
                    return await append(
                        session,
                        owner_id=owner_id,
                        list_id=list_id,
                        browsed=browsed,
                        window=settings.attribution_window,
                        now=clock.now(),
                    )

            new = await tried_again(keep, event="events_retried")
        except (NotAReport, NotReadable) as error:
            return _refused(400, str(error))
        except (UnknownSite, ListNotFound):
            return _refused(403, "key: of no website of this server")
        except BodyTooLarge:
            return _refused(413, f"longer than {MOST_BYTES} bytes")
        except (BodyTooSlow, ClientGone):
            return _refused(408, "the body did not arrive in time")
        except (DBAPIError, PoolTimeout, OSError) as error:
            if not is_away(error):
                raise
            log.warning("database_away", error=type(error).__name__)
            return _refused(503, "try again", {"Retry-After": "5"})
        log.info("events_collected", owner_id=owner_id, list_id=list_id, events=len(browsed.events), new=new)
        return Response(status_code=204, headers=_ANY_SITE)


def read_report(body: bytes, key: bytes) -> tuple[tuple[int, int], Browsed]:
    """The website (account and list) and what a browser reports of it.

    Args:
        body: JSON: `key`, `uuid`, `events` [{`id`, `event`, `properties`}], `pr`, `email`, `signature`.

    Raises:
        NotReadable: no JSON.
        NotAReport: not of that shape, or larger than it may be.
        UnknownSite: the key is not one of ours.
    """
    given = strict_json.loads(body)
    if not isinstance(given, dict):
        raise NotAReport("not an object")
    site = read_site_key(key, _text(given, "key"))
    if site is None:
        raise UnknownSite
    owner_id, list_id = site
    uuid = _text(given, "uuid")
    events = given.get("events")
    if not uuid or not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        raise NotAReport(f"uuid and 1 to {MOST_EVENTS} events are needed")
    message = read_attribution(key, _text(given, "pr"))
    address = _read(email_address, given.get("email"), "email") if given.get("email") else None
    signature = _text(given, "signature")
    return site, Browsed(
        uuid=uuid,
        events=[_event(each, f"events[{place}]") for place, each in enumerate(events)],
        message_id=message[1] if message is not None and message[0] == owner_id else None,
        address=address,
        is_signed=address is not None
        and is_vouched(key, owner_id=owner_id, list_id=list_id, address=address, signature=signature),
    )


def _event(given: Any, place: str) -> Noted:
    if not isinstance(given, dict):
        raise NotAReport(f"{place}: not an object")
    try:
        event_id = UUID(_text(given, "id"))
    except ValueError:
        raise NotAReport(f"{place}.id: not a UUID") from None
    name = _read(event_name, given.get("event"), f"{place}.event")
    if not name:
        raise NotAReport(f"{place}.event: missing")
    properties = _read(event_properties, given.get("properties") or {}, f"{place}.properties")
    for problem in conversion_problems(name, properties):
        raise NotAReport(f"{place}.properties.{problem.name}: {problem.detail or 'missing'}")
    return Noted(name, properties, event_id)


def _text(given: Mapping[str, Any], name: str) -> str:
    return _read(_short_text, given[name], name) if given.get(name) is not None else ""


def _read(reader: Reader, value: Any, place: str) -> Any:
    try:
        return reader(value)
    except Unreadable:
        raise NotAReport(f"{place}: not readable, or too long") from None


def _too_many(quota: Quota) -> Response:
    headers = {name.decode(): value.decode() for name, value in quota.headers()}
    return _refused(429, "too many requests", headers)


def _refused(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": reason}, status, headers={**_ANY_SITE, **(headers or {})})
