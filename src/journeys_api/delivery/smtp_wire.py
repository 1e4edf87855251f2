"""What is said on one SMTP connection once it is set up: octets out, whole answers in, in order.

Commands may be written together before the answers to them are read, which RFC 2920 allows where the server offers it;
aiosmtplib, which sets connections up, takes one answer for each command and drops the others.

Source: RFC 5321 4.2; RFC 2920.
"""

import asyncio
from collections import deque
from typing import Final, cast

from aiosmtplib import SMTP, SMTPResponse, SMTPResponseException, SMTPServerDisconnected

LONGEST_ANSWER: Final = 64 * 1024
NOT_SMTP: Final = -1


class SmtpWire(asyncio.Protocol):
    """The octets of one connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._octets = bytearray()
        self._lines: list[bytes] = []
        """Of an answer that goes on."""
        self._answers: deque[SMTPResponse] = deque()
        self._broken: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        """Who waits for an answer, or for what was written to leave."""
        self._is_paused = False

    @classmethod
    def taken_over(cls, smtp: SMTP) -> "SmtpWire":
        """The connection of a client that has nothing more to say or to hear."""
        transport = smtp.transport
        if transport is None or transport.is_closing():
            raise SMTPServerDisconnected("Connection lost")
        wire = cls(cast(asyncio.Transport, transport))
        wire._transport.set_protocol(wire)
        # next to nothing may wait in a buffer of ours when the final dot is written, or a break in the middle of a
        # message would look like one behind it (0 makes a TLS transport pause for ever)
        wire._transport.set_write_buffer_limits(high=1, low=0)
        return wire

    @property
    def is_open(self) -> bool:
        """Whether neither side has hung up."""
        return self._broken is None and not self._transport.is_closing()

    @property
    def has_answer(self) -> bool:
        """Whether an answer is there that was not taken."""
        return bool(self._answers)

    @property
    def is_quiet(self) -> bool:
        """Whether everything that the server said was taken."""
        return not (self._octets or self._lines or self._answers)

    @property
    def is_drained(self) -> bool:
        """Whether all that was written has left, and neither side has hung up."""
        return self.is_open and not self._is_paused

    def write(self, octets: bytes) -> None:
        """Send, as far as that goes at once.

        Raises:
            SMTPServerDisconnected: one side has hung up.
        """
        if not self.is_open:
            raise SMTPServerDisconnected("Connection lost")
        self._transport.write(octets)

    async def drain(self) -> None:
        """Wait until what was written has left.

        Raises:
            SMTPServerDisconnected: one side has hung up.
        """
        while self._is_paused and self._broken is None:
            await self._wait()
        if not self.is_open:
            raise SMTPServerDisconnected("Connection lost")

    async def answer(self) -> SMTPResponse:
        """The next answer.

        Raises:
            SMTPServerDisconnected: one side has hung up.
            SMTPResponseException: what came is no answer.
        """
        while not self._answers:
            if self._broken is not None:
                raise self._broken
            await self._wait()
        return self._answers.popleft()

    def close(self) -> None:
        """Hang up at once."""
        self._transport.close()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, error: Exception) -> None:
        self._broken = self._broken or error
        self._wake()

    # what the loop calls

    def data_received(self, data: bytes) -> None:
        """Take what came apart into answers."""
        self._octets += data
        if len(self._octets) + sum(map(len, self._lines)) > LONGEST_ANSWER:
            self._break(SMTPResponseException(NOT_SMTP, "Response too long"))
            return
        *lines, self._octets = self._octets.split(b"\n")
        for line in lines:
            self._lines.append(bytes(line[4:].strip(b" \t\r")))
            if not line[:3].isdigit():
                self._break(SMTPResponseException(NOT_SMTP, "Malformed SMTP response line"))
                return
            if line[3:4] != b"-":
                message = b"\n".join(self._lines).decode("utf-8", "surrogateescape")
                self._answers.append(SMTPResponse(int(line[:3]), message))
                self._lines.clear()
        self._wake()

    def eof_received(self) -> bool:
        """The server says no more."""
        self._break(SMTPServerDisconnected("Unexpected EOF received"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        error = SMTPServerDisconnected("Connection lost")
        error.__cause__ = exc
        self._break(error)

    def pause_writing(self) -> None:
        """What is written waits."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """It has left."""
        self._is_paused = False
        self._wake()
