"""Both doors: find the command, read its parameters, run it in one transaction, render what came of it.

Evaluation order (rulings 1): transport → credential → permission → rate limit → parameters → handler.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog
from starlette.types import Receive, Scope, Send

from journeys_api.clock import Clock
from journeys_api.commands.call import Body, Call, Download, Principal
from journeys_api.commands.registry import COMMANDS, Command, Rejection, Transaction
from journeys_api.db import Sessions
from journeys_api.errors import DomainError, NotReadable, TooManyRequests
from journeys_api.failures import is_away, reason_of, tried_again
from journeys_api.heartbeat import Heartbeat
from journeys_api.http import envelopes
from journeys_api.http.bodies import BodyTooLarge, BodyTooSlow, ClientGone, LongBody, TooManyLongBodies
from journeys_api.http.envelopes import Answer, Door
from journeys_api.http.exchange import Exchange, begun
from journeys_api.http.metrics import Metrics
from journeys_api.http.parameters import Given, TooLongInMemory, header, read_parameters
from journeys_api.http.principals import CredentialRefused, PermissionRefused, Principals, find_credentials
from journeys_api.http.rate_limits import Quota, RateLimits
from journeys_api.http.receiving import Receiver, name_as_sent, named_command
from journeys_api.http.sending import headers_of, send_file, send_whole
from journeys_api.lanes import Lane, Shares
from journeys_api.settings import Settings
from journeys_api.uploads import Upload

log = structlog.get_logger()

API_PREFIX = "/api/v1/"
LEGACY_NAME = "api.php"
LEGACY_METHODS = ("GET", "POST")
LONG_BODY = 128 * 1024
"""A longer body is read in a thread: a megabyte of brackets takes a second, in which other calls shall go on."""


class Routed(NamedTuple):
    """What path and method say, before anything is read."""

    door: Door
    command: Command | None
    """None at the legacy door: the parameters will say."""
    refusal: Answer | None = None


def is_door(path: str) -> bool:
    """Whether a path belongs to one of the doors; all others are the application's own pages."""
    return _is_legacy(path) or _collapsed(path).startswith(API_PREFIX) or _collapsed(path) == API_PREFIX[:-1]


def _collapsed(path: str) -> str:
    while "//" in path:
        path = path.replace("//", "/")
    return path


def _is_legacy(path: str) -> bool:
    return LEGACY_NAME in path.split("/")


class Doors:
    """The ASGI application of `/api/v1/*` and `/api.php`."""

    def __init__(
        self,
        *,
        settings: Settings,
        sessions: Sessions,
        reading_sessions: Sessions,
        lane: Lane,
        clock: Clock,
        principals: Principals,
        rate_limits: RateLimits,
        metrics: Metrics,
        heartbeat: Heartbeat,
    ) -> None:
        self._settings = settings
        self._sessions = sessions
        self._reading_sessions = reading_sessions
        self._lane = lane
        self._clock = clock
        self._principals = principals
        self._rate_limits = rate_limits
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._routes = {route: made for made in COMMANDS.values() for route in made.routes}
        self._methods: dict[str, list[str]] = {}
        for method, path in self._routes:
            self._methods.setdefault(path, []).append(method)
        self._receiver = Receiver(settings=settings, principals=principals, clock=clock, heartbeat=heartbeat)
        # a call holds one connection: an account whose statements take long leaves half of them to the others
        self._shares = Shares(max(1, settings.database_pool_size // 2))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        routed = self._route(scope)
        exchange = begun(scope, routed.door)
        if routed.command is not None:
            exchange.command = routed.command.name
        self._metrics.in_flight += 1
        try:
            answer = routed.refusal or await self._answered(exchange, routed.command, receive)
            body, content_type = envelopes.rendered(answer, as_xml=exchange.as_xml)
        except ClientGone:
            return
        except Exception as error:
            # what the answer was to be, and whether all of the request was read, is not known here
            exchange.is_last = True
            answer = _failed(error, exchange)
            body, content_type = envelopes.rendered(answer, as_xml=exchange.as_xml)
        finally:
            self._metrics.in_flight -= 1
        outcome, seconds = exchange.tell(answer)
        self._metrics.answered(exchange.door.value, exchange.command, outcome, seconds)
        if answer.file is not None:
            await send_file(receive, send, answer, answer.file, exchange)
        else:
            headers = headers_of(answer, content_type, len(body), exchange)
            await send_whole(send, answer.status, headers, body, is_last=exchange.is_last)

    async def _answered(self, exchange: Exchange, command: Command | None, receive: Receive) -> Answer:
        """What is answered to a request that reaches a command, or is to name one."""
        try:
            body = await self._receiver.body_of(exchange, command, receive)
            exchange.began = time.perf_counter()
            try:
                return await self._read(exchange, command, body)
            finally:
                if isinstance(body, LongBody):
                    body.close()
        except CredentialRefused:
            return self._refused(exchange)
        except NotReadable as error:
            return envelopes.not_readable(str(error))
        except (BodyTooLarge, TooLongInMemory):
            exchange.is_last = True
            return envelopes.not_readable("the body is too large", status=413)
        except BodyTooSlow:
            exchange.is_last = True
            return envelopes.not_readable("the body did not arrive in time", status=408)
        except TooManyLongBodies:
            exchange.is_last = True
            return envelopes.internal_failure(status=503)

    def _refused(self, exchange: Exchange) -> Answer:
        """99998, or 429 to an address that has had it too often."""
        quota = self._rate_limits.refused_credential(exchange.client_address)
        return envelopes.credential_refused(exchange.door) if quota.allowed else envelopes.rate_limited(quota.headers())

    async def _read(self, exchange: Exchange, command: Command | None, body: bytes | Upload) -> Answer:
        size = body.size if isinstance(body, Upload) else len(body)
        if size <= LONG_BODY:
            given = read_parameters(exchange.scope, body)
        else:
            given = await asyncio.to_thread(read_parameters, exchange.scope, body)
        try:
            exchange.as_xml = exchange.door is Door.LEGACY and given.merged.get("responseformat") == "XML"
            command = command or named_command(given)
            if command is None:
                return envelopes.unknown_command(name_as_sent(given))
            if size > command.body_limit:
                raise BodyTooLarge
            exchange.command = command.name
            if self._heartbeat.is_late:
                return envelopes.internal_failure(status=503)
            return await self._guarded(exchange, command, given)
        finally:
            given.lifted.close()

    def _route(self, scope: Scope) -> Routed:
        path, method = scope["path"], scope["method"]
        if _is_legacy(path):
            if method not in LEGACY_METHODS:
                return Routed(Door.LEGACY, None, envelopes.wrong_method(Door.LEGACY, LEGACY_METHODS))
            return Routed(Door.LEGACY, None)
        path = _collapsed(path).rstrip("/")
        command = self._routes.get((method, path))
        if command is not None:
            return Routed(Door.REST, command)
        if path in self._methods:
            return Routed(Door.REST, None, envelopes.wrong_method(Door.REST, sorted(self._methods[path])))
        return Routed(Door.REST, None, envelopes.unknown_command(path[len(API_PREFIX) :], status=404))

    async def _guarded(self, exchange: Exchange, command: Command, given: Given) -> Answer:
        """What is answered, in time also where the database falls silent."""
        try:
            with self._heartbeat.guard():
                return await self._answer(exchange, command, given)
        except TooManyRequests as error:
            return envelopes.rate_limited(((b"retry-after", str(error.retry_after).encode()),))
        except NotReadable as error:
            return envelopes.not_readable(str(error))
        except Exception as error:
            return _failed(error, exchange)

    async def _answer(self, exchange: Exchange, command: Command, given: Given) -> Answer:
        """Credential, permission and rate limit, in this order, and what the command says."""
        try:
            principal = exchange.principal = await self._principals.identify(
                command,
                find_credentials(exchange.scope, given),
                client_address=exchange.client_address,
                now=self._clock.now(),
            )
        except CredentialRefused:
            return self._refused(exchange)
        except PermissionRefused as refused:
            exchange.principal = refused.principal
            return envelopes.permission_refused(exchange.door)
        if _is_prefetch(exchange.scope):
            return envelopes.permission_refused(exchange.door)

        quota = self._quota(command, principal, exchange.client_address)
        if quota is not None:
            if not quota.allowed:
                return envelopes.rate_limited(quota.headers())
            exchange.quota_headers = quota.headers()
        return await self._run(exchange, command, principal, given.merged)

    def _quota(self, command: Command, principal: Principal, client_address: str) -> Quota | None:
        if principal.kind == "anonymous":
            return self._rate_limits.hit_address(client_address) if command.counts_addresses else None
        if command.limit is None:
            return None
        return self._rate_limits.hit_command(account=principal.account, command=command.name, limit=command.limit)

    async def _run(
        self, exchange: Exchange, command: Command, principal: Principal, given: Mapping[str, Any]
    ) -> Answer:
        """Run one command in one transaction, committed before the answer is rendered."""
        door = exchange.door
        try:
            arguments = command.read(given, now=self._clock.now())
            body = await tried_again(
                lambda: self._handled(command, principal, exchange.client_address, arguments),
                event="call_retried",
                command=command.name,
                request_id=exchange.request_id,
            )
            if command.changes_principals:
                self._principals.forget()
            return envelopes.download(body) if isinstance(body, Download) else envelopes.success(door, body)
        except Rejection as rejection:
            return envelopes.refusal(door, command.envelope, rejection.refusals, rejection.extra)
        except DomainError as error:
            refusal = command.refusal_of(error)
            if refusal is None:
                raise
            return envelopes.refusal(door, command.envelope, [refusal], error.extra)
        except (TooManyRequests, NotReadable):
            raise
        except Exception as error:
            if command.failure is None or is_away(error):
                raise
            log.exception("call_failed", command=command.name, request_id=exchange.request_id)
            return envelopes.refusal(door, command.envelope, [command.failure], {})

    async def _handled(
        self, command: Command, principal: Principal, client_address: str, arguments: Mapping[str, Any]
    ) -> Body | Download:
        """What the handler answers, once its transaction is committed."""
        call = Call(
            now=self._clock.now(),
            principal=principal,
            client_address=client_address,
            settings=self._settings,
            failed_logins=self._rate_limits,
            open_session=self._sessions,
        )
        if principal.kind == "anonymous":
            return await self._in_its_transaction(command, call, arguments)
        account = principal.account
        if not self._shares.taken(account):
            await self._shares.wait(account)
        try:
            return await self._in_its_transaction(command, call, arguments)
        finally:
            self._shares.give_back(account)

    async def _in_its_transaction(self, command: Command, call: Call, arguments: Mapping[str, Any]) -> Body | Download:
        if command.transaction is Transaction.WHOLE:
            async with self._sessions.begin() as call.opened:
                return await command.handler(call, **arguments)
        call.open_session, call.open_lane = self._reading_sessions, self._lane
        try:
            return await command.handler(call, **arguments)
        finally:
            if call.opened is not None:
                await call.opened.close()


def _is_prefetch(scope: Scope) -> bool:
    """Whether a browser asks on its own account, ahead of its user (reliability S98).

    A page of another site needs no refusal: it has no credential to ask with, as cookies are none.
    """
    purpose = (header(scope, b"sec-purpose") or header(scope, b"purpose") or header(scope, b"x-moz") or "").lower()
    return "prefetch" in purpose


def _failed(error: Exception, exchange: Exchange) -> Answer:
    """100005; 503 where the database is away, or the disk full: the same call may succeed later."""
    about = {"command": exchange.command, "request_id": exchange.request_id}
    if is_away(error):
        log.warning("call_put_off", error=reason_of(error), errno=getattr(error, "errno", None), **about)
        return envelopes.internal_failure(status=503)
    log.error("call_failed", exc_info=error, **about)
    return envelopes.internal_failure()
