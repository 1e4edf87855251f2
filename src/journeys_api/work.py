"""A worker: the engine and the senders of one process, from settings to a graceful stop."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from journeys_api.clock import DatabaseClock, WorkClock
from journeys_api.db import Sessions, connect, make_engine, make_sessions
from journeys_api.delivery import outbox
from journeys_api.delivery.downloads import Downloads
from journeys_api.delivery.egress import Egress
from journeys_api.delivery.hooks import Hooks
from journeys_api.delivery.mailers import ATTEMPT_SECONDS, POOL_SIZE, mailer_for
from journeys_api.delivery.mails import Mails
from journeys_api.delivery.remote_content import FETCH_DEADLINE, LONGEST_CONTENT, MAIL_DEADLINE, RemoteContents
from journeys_api.delivery.sending import Pace, Sender
from journeys_api.delivery.short_messages import ShortMessages
from journeys_api.engine import bulk
from journeys_api.engine.worker import Engine
from journeys_api.exports import service as exports
from journeys_api.failures import DRIVER_ERRORS, tell
from journeys_api.heartbeat import Heartbeat
from journeys_api.imports.loading import Importer, tell_end
from journeys_api.jobs.runner import Runner
from journeys_api.links.urls import Links
from journeys_api.loops import keep_going, pause
from journeys_api.models import DeliveryKind, JobKind
from journeys_api.sealing.cleartext import seal_what_is_clear
from journeys_api.sealing.vault import Vault
from journeys_api.settings import Settings
from journeys_api.tracking import hits
from journeys_api.tracking.isolation import Judge
from journeys_api.trigger_events import CHANNEL

log = structlog.get_logger()

POLL = 1.0
"""Seconds between looks at the outbox without a notice."""
RESCUE_EVERY = 10.0
_MAIL = Pace(
    POOL_SIZE * 48, POOL_SIZE, lease=timedelta(seconds=ATTEMPT_SECONDS + 60) + MAIL_DEADLINE, room_seconds=0.25
)
_HTTP = Pace(64, 8, lease=timedelta(seconds=90), of_an_account=32)


@dataclass(frozen=True)
class Progress:
    """What a worker has done since it began."""

    enrolled_events: int
    taken_timers: int
    job_turns: int
    attempts: Mapping[str, int]
    """By kind of delivery; mails of confirmation and those sent on count as `mail`."""
    judged_hits: int
    """Visits of tracked links."""


class Worker:
    """Everything that moves people and sends messages."""

    def __init__(self, settings: Settings, *, clock: WorkClock | None = None) -> None:
        if settings.database_url is None or settings.secret_key is None:
            raise ValueError("database_url and secret_key must be set")
        self._url = settings.database_url
        self._clock = clock or DatabaseClock()
        self._pool: AsyncEngine = make_engine(
            settings.database_url,
            pool_size=settings.database_pool_size,
            statement_timeout=settings.statement_timeout,
        )
        self.sessions: Sessions = make_sessions(self._pool)
        key = settings.secret_key.get_secret_value().encode()
        self._mailer = mailer_for(settings)
        self._judge = Judge(self.sessions, clock=self._clock)
        self._judged_hits = 0
        self.vault = Vault(key)
        links = Links(key, public_url=settings.links_url)
        egress = Egress(allow_private=settings.webhook_allow_private)
        remote = RemoteContents(
            Egress(
                allow_private=settings.webhook_allow_private,
                total_deadline=FETCH_DEADLINE,
                max_response_bytes=LONGEST_CONTENT,
            )
        )
        mail_pace = _MAIL
        if settings.smtp_max_per_second:
            # nobody waits for a turn longer than a minute: leases on what waits must not end
            a_minute = max(1, int(settings.smtp_max_per_second * 60))
            mail_pace = replace(
                _MAIL, concurrency=min(_MAIL.concurrency, a_minute), per_second=settings.smtp_max_per_second
            )
        self.engine = Engine(self.sessions, clock=self._clock)
        downloads = Downloads(allow_private=settings.webhook_allow_private)
        importer = Importer(self.sessions, clock=self._clock, fetch=downloads.fetch)
        turns = {
            JobKind.IMPORT: importer.turn,
            JobKind.JOURNEY_EXPORT: exports.turn,
            JobKind.JOURNEY_BULK: bulk.turn,
        }
        self.jobs = Runner(self.sessions, turns, clock=self._clock, given_up={JobKind.IMPORT: tell_end})
        self.senders: Sequence[Sender] = [
            Sender(
                self.sessions,
                [DeliveryKind.CONFIRMATION, DeliveryKind.FORWARD, DeliveryKind.MAIL],
                Mails(self._mailer, links, remote, message_id_key=key, bounce_address=settings.bounce_address),
                mail_pace,
                clock=self._clock,
            ),
            Sender(self.sessions, [DeliveryKind.WEBHOOK], Hooks(egress, self.vault), _HTTP, clock=self._clock),
            Sender(
                self.sessions,
                [DeliveryKind.SMS],
                ShortMessages(egress, links, self.vault, log_path=settings.data_dir / "sms.log"),
                _HTTP,
                clock=self._clock,
            ),
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; batches and attempts under way are finished first.

        Each loop goes on whatever one of its turns fails by, and holds up no other.
        """
        wakes = [asyncio.Event() for _ in range(len(self.senders) + 2)]
        hit = asyncio.Event()
        channels = {CHANNEL: wakes, hits.CHANNEL: [hit]}
        listening = asyncio.create_task(keep_going(lambda: self._listen(stop, channels), stop, event="notices"))
        log.info("worker_started")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.engine.run(stop, wakes[0]))
                group.create_task(self.jobs.run(stop, wakes[1]))
                for sender, wake in zip(self.senders, wakes[2:], strict=True):
                    group.create_task(_send_until(sender, stop, wake))
                group.create_task(keep_going(self._judge_turn, stop, hit, event="judging"))
                group.create_task(keep_going(self._rescue, stop, event="rescue"))
                group.create_task(self.seal_what_is_clear())
        finally:
            listening.cancel()
            await asyncio.wait([listening])
            await self.close()
            log.info("worker_stopped")

    async def run_until_quiet(self) -> None:
        """Move and send until nothing is due: for tests and demonstrations."""
        while True:
            before = self.progress()
            await self.jobs.run_until_quiet()
            await self.engine.run_until_quiet()
            for sender in self.senders:
                await sender.run_until_quiet()
            while await self.judge_hits():
                pass
            if self.progress() == before:
                return

    def progress(self) -> Progress:
        """What was done so far."""
        return Progress(
            self.engine.enrolled_events,
            self.engine.taken_timers,
            self.jobs.turns_taken,
            {sender.kinds[-1].value: sender.attempts for sender in self.senders},
            self._judged_hits,
        )

    async def close(self) -> None:
        """Give back connections."""
        await self._mailer.close()
        await self._pool.dispose()

    async def judge_hits(self) -> int:
        """Judge visits of tracked links and record them, one batch; how many. 0: none is ripe."""
        judged = await self._judge.turn()
        self._judged_hits += judged
        return judged

    async def _judge_turn(self) -> float:
        return 0 if await self.judge_hits() else POLL

    async def seal_what_is_clear(self) -> None:
        """Seal the secrets that an older release stored; what is in the way now is done by the next worker."""
        try:
            await seal_what_is_clear(self.sessions, self.vault)
        except Exception as error:
            tell("sealing", error)

    async def _rescue(self) -> float:
        async with self.sessions.begin() as session:
            await outbox.rescue(session, now=await self._clock.now(session))
        return RESCUE_EVERY

    async def _listen(self, stop: asyncio.Event, wakes: Mapping[str, Sequence[asyncio.Event]]) -> float:
        """Set a channel's events whenever somebody says there that there is work, as long as the connection lasts.

        Without it there is polling; how many seconds until it is tried again.
        """

        def woken(_connection: object, _pid: int, channel: str, _payload: object) -> None:
            for wake in wakes[channel]:
                wake.set()

        try:
            connection = await connect(self._url, server_settings={"application_name": "journeys-api notices"})
            try:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_: lost.set())
                for channel in wakes:
                    await connection.add_listener(channel, woken)
                    woken(connection, 0, channel, "")
                await pause(None, stop, lost)
            finally:
                await connection.close(timeout=2)
        except DRIVER_ERRORS as error:
            log.info("notices_lost", error=type(error).__name__)
        return POLL


async def _send_until(sender: Sender, stop: asyncio.Event, wake: asyncio.Event) -> None:
    async def turn() -> float:
        return 0 if await sender.turn() else POLL

    # what was claimed by a turn that failed is rescued when its lease has ended
    await keep_going(turn, stop, wake, sender.freed, event="sender")
    await sender.finish()


async def work_until_stopped(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; what is under way is finished.

    Should it die before, so does the process, with the traceback: whatever started it can start it again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    worker = Worker(settings)
    assert settings.database_url is not None, "the worker has looked"
    # a server has a heartbeat of its own; here nobody else would say why nothing moves
    beating = asyncio.create_task(Heartbeat(settings.database_url).run(stop), name="heartbeat")
    try:
        await worker.run(stop)
    finally:
        beating.cancel()
        await asyncio.wait([beating])
