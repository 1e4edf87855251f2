"""The application: settings in, ASGI out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from journeys_api import __version__
from journeys_api.clock import Clock, SystemClock
from journeys_api.commands import catalog
from journeys_api.commands.registry import COMMANDS
from journeys_api.db import make_engine, make_reading_sessions, make_sessions
from journeys_api.heartbeat import Heartbeat
from journeys_api.http.docs_page import add_documents
from journeys_api.http.doors import Doors, is_door
from journeys_api.http.inbound import add_inbound_webhooks
from journeys_api.http.metrics import Metrics
from journeys_api.http.openapi import openapi_document
from journeys_api.http.parameters import Given
from journeys_api.http.principals import Principals, find_credentials
from journeys_api.http.rate_limits import RateLimits
from journeys_api.http.tracking.collector import add_collector
from journeys_api.http.tracking.doors import Tracking
from journeys_api.http.tracking.inbound import Inbound
from journeys_api.lanes import PoolLane
from journeys_api.logging import gather_lines
from journeys_api.migrate import schema_is_current
from journeys_api.operators.queue_depth import QueueDepth, queue_depth
from journeys_api.settings import Settings
from journeys_api.work import Worker

log = structlog.get_logger()

assert catalog.MODULES, "importing the catalog fills the table of commands"


class Application:
    """The whole HTTP side: the doors ahead of the router, the application's own pages behind them."""

    def __init__(self, settings: Settings, *, clock: Clock, processes: int = 1, with_worker: bool = False) -> None:
        if settings.database_url is None or settings.secret_key is None or settings.admin_api_key is None:
            raise ValueError("database_url, secret_key and admin_api_key must be set")
        self.settings = settings
        self.engine = make_engine(
            settings.database_url,
            pool_size=settings.database_pool_size,
            statement_timeout=settings.statement_timeout,
        )
        self.sessions = make_sessions(self.engine)
        lane = PoolLane(self.engine)
        self._heartbeat = Heartbeat(settings.database_url)
        self.rate_limits = RateLimits(
            storage_uri=settings.rate_limit_storage_uri,
            enabled=settings.rate_limits == "on",
            processes=processes,
        )
        self.metrics = Metrics()
        self.principals = Principals(
            lane=lane,
            pepper=settings.secret_key.get_secret_value().encode(),
            admin_api_key=settings.admin_api_key.get_secret_value(),
        )
        self._doors = Doors(
            settings=settings,
            sessions=self.sessions,
            reading_sessions=make_reading_sessions(self.engine),
            lane=lane,
            clock=clock,
            principals=self.principals,
            rate_limits=self.rate_limits,
            metrics=self.metrics,
            heartbeat=self._heartbeat,
        )
        self._clock = clock
        self._tracking = Tracking(settings, sessions=self.sessions, rate_limits=self.rate_limits, clock=clock)
        self._inbound = Inbound(
            settings, sessions=self.sessions, rate_limits=self.rate_limits, clock=clock, metrics=self.metrics
        )
        self._draining = False
        self._worker = Worker(settings) if with_worker else None
        self._working: asyncio.Task[None] | None = None
        self._pages = self._make_pages()
        self._app: ASGIApp = self._dispatch
        if settings.trusted_proxies:
            # uvicorn types ASGI by its own protocol classes, Starlette by mappings; at run time they are the same
            self._app = cast(
                ASGIApp, ProxyHeadersMiddleware(cast(Any, self._dispatch), trusted_hosts=settings.trusted_proxies)
            )

    def drain(self) -> None:
        """Say on `/readyz` that no more calls should come; those that come all the same are answered."""
        self._draining = True

    async def close(self) -> None:
        """Finish what visitors were promised and give back the connections."""
        await self._tracking.writer.close()
        self.rate_limits.close()
        await self.engine.dispose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._app(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        # the doors find a command in a dict; FastAPI's router would try route after route
        if scope["type"] == "http" and is_door(scope["path"]):
            await self._doors(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    def _make_pages(self) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            if self.settings.rate_limits == "off":
                log.warning("rate_limits_off")
            self._tracking.writer.start()
            stop = asyncio.Event()
            if self._worker is not None:
                self._working = asyncio.create_task(self._worker.run(stop), name="worker")
                self._working.add_done_callback(_tell_end)
            beating = asyncio.create_task(self._heartbeat.run(stop), name="heartbeat")
            try:
                with gather_lines():
                    yield
            finally:
                stop.set()
                await asyncio.wait([beating] if self._working is None else [beating, self._working])
                await self.close()

        pages = FastAPI(title="Journeys API", version=__version__, lifespan=lifespan, openapi_url=None)
        self._tracking.add_to(pages)
        assert self.settings.secret_key is not None
        add_collector(
            pages,
            sessions=self.sessions,
            clock=self._clock,
            settings=self.settings,
            rate_limits=self.rate_limits,
            key=self.settings.secret_key.get_secret_value().encode(),
        )
        add_inbound_webhooks(
            pages,
            sessions=self.sessions,
            clock=self._clock,
            key=self.settings.secret_key.get_secret_value().encode(),
            rate_limits=self.rate_limits,
            body_seconds=self.settings.body_timeout.total_seconds(),
        )
        self._inbound.add_to(pages)
        add_documents(pages, openapi_document(COMMANDS.values(), public_url=self.settings.public_url))

        @pages.get("/healthz", include_in_schema=False)
        async def healthz() -> dict[str, str]:
            """Whether the process answers; asks nothing of the database."""
            return {"status": "ok"}

        @pages.get("/readyz", include_in_schema=False)
        async def readyz() -> JSONResponse:
            """Whether all that runs here runs: the database answers, its schema is ours, the worker works, no shutdown
            has begun.
            """
            reason = self._own_trouble() or await self._database_trouble()
            if reason is None:
                return JSONResponse({"status": "ready"})
            return JSONResponse({"status": "not ready", "reason": reason}, 503, headers={"Retry-After": "5"})

        @pages.get("/metrics", include_in_schema=False)
        async def metrics(request: Request) -> Response:
            """Prometheus text; with the admin key unless `metrics_public`."""
            if not self.settings.metrics_public:
                query = {name.lower(): value for name, value in request.query_params.items()}
                found = find_credentials(request.scope, Given(query=query, body={}))
                if not any(self.principals.is_admin_key(key) for key in (*found.admin_keys, *found.keys)):
                    quota = self.rate_limits.refused_credential(request.client.host if request.client else "")
                    if not quota.allowed:
                        headers = {name.decode(): value.decode() for name, value in quota.headers()}
                        return Response(status_code=429, headers=headers)
                    return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
            progress = self._worker.progress() if self._worker is not None else None
            exposition = self.metrics.exposition(await self._queue_depth(), progress, self._tracking.writer)
            return Response(exposition, media_type=CONTENT_TYPE_LATEST)

        return pages

    async def _queue_depth(self) -> QueueDepth | None:
        """None: the database does not say it in time; what the process itself knows is told all the same."""
        try:
            async with asyncio.timeout(2), self.sessions() as session:
                return await queue_depth(session)
        except (SQLAlchemyError, OSError, TimeoutError):
            return None

    def _own_trouble(self) -> str | None:
        if self._draining:
            return "draining"
        if self._heartbeat.is_late:
            return "database"
        return "worker" if self._working is not None and self._working.done() else None

    async def _database_trouble(self) -> str | None:
        try:
            async with asyncio.timeout(2), self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                return None if await schema_is_current(connection) else "migrations"
        except (SQLAlchemyError, OSError, TimeoutError):
            return "database"


def _tell_end(working: asyncio.Task[None]) -> None:
    """Log how the worker died, at once; one that was asked to stop has ended well."""
    error = asyncio.CancelledError() if working.cancelled() else working.exception()
    if error is not None:
        log.critical("worker_died", exc_info=error)


def create_app(
    settings: Settings, *, clock: Clock | None = None, processes: int = 1, with_worker: bool = False
) -> Application:
    """The application for settings in which database URL and secrets are filled in.

    Args:
        processes: how many processes serve together; each counts its share when the rate limit's store is away.
        with_worker: whether a worker runs beside it, from the application's start to its end.
    """
    return Application(settings, clock=clock or SystemClock(), processes=processes, with_worker=with_worker)
