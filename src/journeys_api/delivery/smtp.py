"""Mail over SMTP on a few kept connections."""

import asyncio
import re
import ssl
from functools import cached_property
from typing import Final

from journeys_api.deadlines import Deadline
from journeys_api.delivery.envelopes import Envelope
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.smtp_session import AttemptEnded, Progress, SmtpSession, deferred, open_session, unknown
from journeys_api.delivery.smtp_url import parse_smtp_url

STEP_SECONDS: Final = 60.0
"""How long any one answer before the final dot is waited for."""
MESSAGES_PER_CONNECTION: Final = 100
IDLE_SECONDS: Final = 30.0
LONGEST_QUEUE_SECONDS: Final = 240.0
"""How long an attempt may have waited for a connection and still be begun: the rest of its time is for the server. The
mail goes back to where it came from, and has not been tried."""

_NO_CONNECTION: Final = Outcome(Ending.POSTPONED, "no connection was free")


class SmtpMailer:
    """Sends each message as one attempt; connections are shared, kept for a while and never for two at a time."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        timeout: float,
        hello_name: str,
        messages_per_connection: int = MESSAGES_PER_CONNECTION,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Read the URL; nothing is connected yet.

        Args:
            url: as `parse_smtp_url` takes it.
            pool_size: connections at most; further attempts wait for one.
            timeout: seconds that an attempt may take in all, the wait for a connection included. Before the final
                dot no answer is waited for longer than a minute; behind it the rest is waited (RFC 5321 asks for ten
                minutes), so a lease on the delivery has to be longer than this.
            hello_name: what EHLO says that we are.

        Raises:
            BadSmtpUrl: the URL cannot be used.
            ValueError: the hello name cannot stand in a command.
        """
        if not re.fullmatch(r"[A-Za-z0-9.:_\[\]-]{1,253}", hello_name):
            raise ValueError("the hello name must be a host name or an address in brackets")
        self._server = parse_smtp_url(url)
        self._timeout = timeout
        self._hello_name = hello_name
        self._messages_per_connection = messages_per_connection
        self._idle_seconds = idle_seconds
        self._pool_size = pool_size
        self._slots = asyncio.Semaphore(pool_size)
        self._idle: list[SmtpSession] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Made for the first connection that is encrypted: reading every authority's certificate takes a while."""
        context = ssl.create_default_context()
        if not self._server.is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    async def send(self, envelope: Envelope) -> Outcome:
        """Make one attempt.

        2xx is accepted; 4xx, and whatever fails before the final dot, deferred; 5xx refused, except where it speaks
        of our login or setup; a connection that breaks or stays silent after the final dot is unknown. The first
        recipient's answer decides; how many of the others were refused is in the reason. Postponed is what other
        attempts kept from a connection for too long.

        Source: reliability F22 to F25.
        """
        progress = Progress()
        loop = asyncio.get_running_loop()
        waits_until = loop.time() + min(LONGEST_QUEUE_SECONDS, self._timeout / 2)
        has_begun = False
        try:
            with Deadline(self._timeout):
                async with self._slots:
                    has_begun = loop.time() <= waits_until
                    return await self._attempt(envelope, progress) if has_begun else _NO_CONNECTION
        except TimeoutError:
            if not has_begun:
                return _NO_CONNECTION
            return unknown("timed out") if progress.is_dot_written else deferred("timed out")

    async def close(self) -> None:
        """Wait for attempts under way, then say goodbye on every connection; later attempts are deferred."""
        self._is_closed = True
        for _ in range(self._pool_size):
            await self._slots.acquire()
        for session in self._idle:
            self._part_with(session)
        self._idle.clear()
        if self._sweep is not None:
            self._sweep.cancel()
        await asyncio.gather(*self._leaving)
        for _ in range(self._pool_size):
            self._slots.release()

    async def _attempt(self, envelope: Envelope, progress: Progress) -> Outcome:
        if self._is_closed:
            return deferred("the mailer is closed")
        try:
            kept = self._take_idle()
            if kept is not None:
                try:
                    return await self._use(kept, envelope, progress)
                except AttemptEnded as ended:
                    # a kept connection that the server gave up in the meantime says nothing about the message
                    if not ended.is_lost_connection or progress.is_dot_written:
                        raise
            return await self._use(await self._open(), envelope, progress)
        except AttemptEnded as ended:
            return ended.outcome

    async def _open(self) -> SmtpSession:
        return await open_session(
            self._server,
            hello_name=self._hello_name,
            tls=lambda: self._tls,
            step_timeout=min(STEP_SECONDS, self._timeout),
        )

    async def _use(self, session: SmtpSession, envelope: Envelope, progress: Progress) -> Outcome:
        try:
            outcome = await session.send(envelope, progress)
        except AttemptEnded:
            self._give_back(session)
            raise
        except BaseException:
            session.drop()  # cut short: what the server says next would be taken for another message's answer
            raise
        self._give_back(session)
        return outcome

    def _take_idle(self) -> SmtpSession | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            session = self._idle.pop()
            if session.is_alive and now - session.idle_since < self._idle_seconds:
                return session
            self._part_with(session)
        return None

    def _give_back(self, session: SmtpSession) -> None:
        if not session.is_alive:
            session.drop()
        elif session.attempts >= self._messages_per_connection:
            self._part_with(session)
        else:
            loop = asyncio.get_running_loop()
            session.idle_since = loop.time()
            self._idle.append(session)
            if self._sweep is None:
                self._sweep = loop.call_later(self._idle_seconds, self._sweep_idle)

    def _sweep_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = None
        fresh = [session for session in self._idle if loop.time() - session.idle_since < self._idle_seconds]
        for session in self._idle:
            if session not in fresh:
                self._part_with(session)
        self._idle = fresh
        if fresh:
            oldest = min(session.idle_since for session in fresh)
            self._sweep = loop.call_at(oldest + self._idle_seconds, self._sweep_idle)

    def _part_with(self, session: SmtpSession) -> None:
        """Say goodbye beside the attempts: nobody waits for a server that does not answer QUIT."""
        leaving = asyncio.get_running_loop().create_task(session.quit())
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
