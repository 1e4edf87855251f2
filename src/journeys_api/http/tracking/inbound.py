"""The doors where mail servers and providers say what became of mails: `/inbound/mail` and `/inbound/events`.

Source: AC 2.16; reliability S101 to S103.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.requests import ClientDisconnect

from journeys_api import strict_json
from journeys_api.bounces.message_ids import named_in
from journeys_api.bounces.service import Return, ReturnKind, Verdict, record_returns
from journeys_api.bounces.severity import severity_of
from journeys_api.clock import Clock
from journeys_api.db import Sessions
from journeys_api.errors import NotReadable
from journeys_api.failures import is_away, tried_again
from journeys_api.http.bodies import BodyTooLarge, BodyTooSlow, ClientGone, read_body
from journeys_api.http.metrics import Metrics
from journeys_api.http.parameters import read_parameters
from journeys_api.http.rate_limits import RateLimits
from journeys_api.settings import Settings
from journeys_api.tracking.provider_events import BadEvents, ProviderEvent, deliveries_of, read_events
from journeys_api.tracking.reports import MOST_BYTES, Report, ReportKind, Unparseable, read_report

MOST_MAIL = 64 * 1024 * 1024
"""How long a mail may be; all but its start is passed over."""
MOST_FORM = 8 * 1024 * 1024
MOST_EVENTS_BODY = 1024 * 1024
AT_ONCE = 50
"""What is recorded in one transaction."""
WAITING_SECONDS = 1.0
"""How long a mail waits for a thread that reads it."""
UNPARSEABLE = "unparseable"
IGNORED = "ignored"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_KINDS = {ReportKind.COMPLAINT: ReturnKind.COMPLAINT, ReportKind.UNSUBSCRIBE: ReturnKind.UNSUBSCRIBE}
_NOSNIFF = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

log = structlog.get_logger()


class TooBusy(Exception):
    """The process has no room for this now."""


class Inbound:
    """The doors of one process."""

    def __init__(
        self, settings: Settings, *, sessions: Sessions, rate_limits: RateLimits, clock: Clock, metrics: Metrics
    ) -> None:
        if settings.secret_key is None:
            raise ValueError("secret_key must be set")
        self._settings = settings
        self._sessions = sessions
        self._rate_limits = rate_limits
        self._clock = clock
        self._counts = metrics.inbound
        self._key = settings.secret_key.get_secret_value().encode()
        self._keys = [
            key.get_secret_value().encode() for key in (settings.inbound_key, settings.admin_api_key) if key is not None
        ]

    def add_to(self, pages: FastAPI) -> None:
        """Serve both."""

        @pages.post("/inbound/mail", include_in_schema=False)
        async def mail(request: Request) -> Response:
            """A mail that came back, as it is: RFC 822 bytes, or a form's field `EmailMessage`."""
            return await self._answer(request, self._mail)

        @pages.post("/inbound/events", include_in_schema=False)
        async def events(request: Request) -> Response:
            """What a provider tells of mails: one JSON object, an array of them, or `{"events": […]}`."""
            return await self._answer(request, self._events)

    async def _answer(self, request: Request, take: Any) -> Response:
        if not self._may(request.headers.get("authorization", ""), request.headers.get("x-inbound-key", "")):
            quota = self._rate_limits.refused_credential(request.client.host if request.client else "")
            if not quota.allowed:
                headers = {name.decode(): value.decode() for name, value in quota.headers()}
                return _said(429, {"error": "too many requests"}, headers)
            return _said(401, {"error": "the key is missing or wrong"}, {"WWW-Authenticate": "Bearer"})
        try:
            return _said(200, await take(request))
        except (NotReadable, BadEvents) as error:
            return _said(400, {"error": str(error)})
        except BodyTooLarge:
            return _said(413, {"error": "the body is too large"})
        except (BodyTooSlow, ClientGone):
            return _said(408, {"error": "the body did not arrive in time"})
        except TooBusy:
            log.warning("too_busy_to_read_mail")
        except (DBAPIError, PoolTimeout, OSError) as error:
            if not is_away(error):
                raise
            log.warning("database_away", error=type(error).__name__)
        return _said(503, {"error": "try again"}, {"Retry-After": "30"})

    def _may(self, authorization: str, own: str) -> bool:
        scheme, _, credential = authorization.partition(" ")
        given = [own.encode()]
        if scheme.lower() == "bearer":
            given.append(credential.strip().encode())
        elif scheme.lower() == "basic":
            # one that cannot be read is no credential; the other header may still be right
            with contextlib.suppress(binascii.Error, ValueError):
                given.append(base64.b64decode(credential.strip(), validate=True).partition(b":")[2])
        # every pair is compared, so that the time tells nothing
        same = [hmac.compare_digest(one, key) for one in given for key in self._keys]
        return any(same)

    async def _mail(self, request: Request) -> dict[str, Any]:
        raw = await self._raw_mail(request)
        now = self._clock.now()
        try:
            report = await _read(raw)
        except Unparseable as error:
            self._count("mail", [UNPARSEABLE])
            return {"Outcome": UNPARSEABLE, "Reason": str(error)}
        if report.kind is ReportKind.NOTHING:
            self._count("mail", [IGNORED])
            return {"Outcome": IGNORED, "Reason": report.why}
        delivery_id = next(named_in(self._key, report.names), None)
        if delivery_id is None:
            self._count("mail", [Verdict.UNKNOWN])
            return {"Outcome": Verdict.UNKNOWN.value, "Reason": "no mail of this server is named"}
        came = [Return(delivery_id, kind, now, addresses, detail) for kind, addresses, detail in _returned(report)]
        if not came:
            self._count("mail", [IGNORED])
            return {"Outcome": IGNORED, "Reason": "nobody's mail has failed for good"}
        verdicts = await self._record(came)
        self._count("mail", verdicts)
        # what was recorded says more than what was not
        first = min(verdicts, key=list(Verdict).index)
        return {"Outcome": first.value, "Reason": came[verdicts.index(first)].kind.value}

    async def _raw_mail(self, request: Request) -> bytes:
        """The start of the mail; a body of a form is read whole."""
        seconds = self._settings.body_timeout.total_seconds()
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type in _FORMS:
            body = await read_body(request.scope, request.receive, limit=MOST_FORM, seconds=seconds)
            given = (await asyncio.to_thread(read_parameters, request.scope, body)).body.get("emailmessage")
            if not isinstance(given, str):
                raise NotReadable("no EmailMessage")
            return given.encode("utf-8", "surrogatepass")
        start, length = b"", 0
        try:
            async with asyncio.timeout(seconds):
                async for chunk in request.stream():
                    length += len(chunk)
                    start += chunk[: MOST_BYTES - len(start)]
                    if length > MOST_MAIL:
                        raise BodyTooLarge
        except TimeoutError:
            raise BodyTooSlow from None
        except ClientDisconnect:
            raise ClientGone from None
        return start

    async def _events(self, request: Request) -> dict[str, Any]:
        seconds = self._settings.body_timeout.total_seconds()
        body = await read_body(request.scope, request.receive, limit=MOST_EVENTS_BODY, seconds=seconds)
        now = self._clock.now()
        events = read_events(await asyncio.to_thread(strict_json.loads, body), now=now)
        async with self._sessions() as session:
            ids = await deliveries_of(session, events, key=self._key)
        told = [(event, found) for event, found in zip(events, ids, strict=True) if event.kind is not None]
        came = [_as_return(event, found or 0) for event, found in told]
        verdicts = iter(await self._record(came) if came else [])
        outcomes = [IGNORED if event.kind is None else next(verdicts).value for event in events]
        self._count("events", outcomes)
        return {"Outcomes": outcomes}

    async def _record(self, came: Sequence[Return]) -> list[Verdict]:
        """Record a few at a time: a hard bounce looks at every list of its account. What is told again after a failure
        goes on where it ended, since what was recorded is not done again.
        """

        async def record(few: Sequence[Return]) -> list[Verdict]:
            async with self._sessions.begin() as session:
                return await record_returns(session, few, now=self._clock.now())

        return [
            verdict
            for start in range(0, len(came), AT_ONCE)
            for verdict in await tried_again(partial(record, came[start : start + AT_ONCE]), event="returns_retried")
        ]

    def _count(self, door: str, outcomes: Iterable[str]) -> None:
        for outcome, count in Counter(map(str, outcomes)).items():
            self._counts.labels(door, outcome).inc(count)
            log.info("mail_came_back", door=door, outcome=outcome, count=count)


async def _read(raw: bytes) -> Report:
    """Read a mail in a thread. Its steps are bounded: how long they take on a busy machine says nothing of the mail.

    Raises:
        Unparseable: it cannot be read.
        TooBusy: no thread came to it in time.
    """
    has_begun = threading.Event()

    def read() -> Report:
        has_begun.set()
        return read_report(raw)

    reading = asyncio.ensure_future(asyncio.to_thread(read))
    await asyncio.wait([reading], timeout=WAITING_SECONDS)
    if not has_begun.is_set():
        reading.cancel()
        raise TooBusy
    return await reading


def _returned(report: Report) -> list[tuple[ReturnKind, frozenset[str], dict[str, str]]]:
    """Kind, addresses and detail of everything in a report that counts."""
    if report.kind is not ReportKind.BOUNCE:
        addresses = frozenset(address for each in report.recipients for address in each.addresses)
        return [(_KINDS[report.kind], addresses, {})]
    return [
        (
            ReturnKind(severity_of(each.status, each.diagnostic).value),
            each.addresses,
            {"status": each.status, "diagnostic": each.diagnostic},
        )
        for each in report.recipients
        if each.action == "failed"
    ]


def _as_return(event: ProviderEvent, delivery_id: int) -> Return:
    assert event.kind is not None
    addresses = frozenset({event.email}) if event.email else frozenset()
    return Return(delivery_id, event.kind, event.occurred_at, addresses, event.detail)


def _said(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(body, status, headers={**_NOSNIFF, **(headers or {})})
