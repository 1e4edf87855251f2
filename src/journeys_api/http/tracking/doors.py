"""Everything under `/t/`: what the links of messages lead to."""

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.delivery.egress import Egress
from journeys_api.delivery.mail_views import MailViews
from journeys_api.delivery.remote_content import FETCH_DEADLINE, LONGEST_CONTENT, RemoteContents
from journeys_api.failures import is_away
from journeys_api.http.rate_limits import RateLimits
from journeys_api.http.tracking.html_pages import try_again
from journeys_api.http.tracking.mail_pages import add_mail_pages
from journeys_api.http.tracking.pages import add_pages
from journeys_api.http.tracking.visits import add_visits
from journeys_api.links.urls import Links
from journeys_api.settings import Settings
from journeys_api.tracking.hit_writer import HitWriter
from journeys_api.tracking.spool import Spool

log = structlog.get_logger()


class Tracking:
    """The doors of one process, and the writer of their visits."""

    def __init__(self, settings: Settings, *, sessions: Sessions, rate_limits: RateLimits, clock: Clock) -> None:
        if settings.secret_key is None:
            raise ValueError("secret_key must be set")
        self._settings = settings
        self._sessions = sessions
        self._rate_limits = rate_limits
        self._clock = clock
        self._key = settings.secret_key.get_secret_value().encode()
        self.writer = HitWriter(
            sessions,
            Spool(settings.data_dir / "hits"),
            clock=clock,
            patience=settings.tracking_patience.total_seconds(),
        )

    def add_to(self, pages: FastAPI) -> None:
        """Serve it all; what needs a database that is away says so."""
        settings = self._settings
        body_seconds = settings.body_timeout.total_seconds()
        add_visits(
            pages,
            writer=self.writer,
            sessions=self._sessions,
            clock=self._clock,
            key=self._key,
            click_parameter=settings.click_parameter,
        )
        egress = Egress(
            allow_private=settings.webhook_allow_private,
            total_deadline=FETCH_DEADLINE,
            max_response_bytes=LONGEST_CONTENT,
        )
        add_mail_pages(
            pages,
            views=MailViews(Links(self._key, public_url=settings.links_url), RemoteContents(egress)),
            writer=self.writer,
            sessions=self._sessions,
            rate_limits=self._rate_limits,
            clock=self._clock,
            key=self._key,
            body_seconds=body_seconds,
        )
        add_pages(pages, sessions=self._sessions, clock=self._clock, key=self._key, body_seconds=body_seconds)
        for away in (DBAPIError, PoolTimeout, OSError):
            pages.add_exception_handler(away, _away)


async def _away(request: Request, error: Exception) -> Response:
    if not is_away(error):
        raise error
    log.warning("database_away", error=type(error).__name__)
    return try_again()
