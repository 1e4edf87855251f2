"""One connection to an SMTP server: greeting, TLS and login once, then one message after another.

aiosmtplib sets the connection up; the dialogue is driven here, because only who writes the final dot knows whether a
broken connection left the message undelivered or in doubt. Where the server offers it, the commands before a message
are written together and answered together; the message itself never leaves before all of them were.

Source: RFC 5321 4.2, 4.5.3.2; RFC 1047; RFC 2920 3.1; reliability S90, F22 to F25.
"""

import contextlib
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from socket import gaierror
from typing import Final

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPHeloError,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from journeys_api.bounces.severity import Severity, severity_of
from journeys_api.deadlines import Deadline
from journeys_api.delivery.envelopes import Envelope
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.smtp_url import Protection, SmtpServer
from journeys_api.delivery.smtp_wire import SmtpWire

OUR_FAULT: Final = frozenset({503, 530, 534, 535, 538})
"""Final answers that speak of login, TLS or the order of commands: the setup is wrong, not the message."""

OK: Final = range(200, 300)
START_INPUT: Final = range(354, 355)
RESET: Final = b"RSET"
DATA: Final = b"DATA"
RECIPIENT: Final = "RCPT"
END_OF_DATA: Final = "end of DATA"
GOODBYE_SECONDS: Final = 5.0
SLOWEST_OCTETS_A_SECOND: Final = 10_000
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LINE_DOT = re.compile(rb"^\.", re.MULTILINE)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})\b")


class AttemptEnded(Exception):
    """The dialogue went no further; `outcome` says what that means for the message."""

    def __init__(self, outcome: Outcome, *, code: int | None = None) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
        self.code = code

    @property
    def is_lost_connection(self) -> bool:
        """Whether the server hung up, or said that it is about to, before anything was handed over."""
        return self.outcome.ending is Ending.DEFERRED and self.code in (None, 421)


@dataclass
class Progress:
    """How far an attempt came; read by whoever cuts it short."""

    is_dot_written: bool = False


class SmtpSession:
    """A connection that is greeted, protected and logged in; made by `open_session`."""

    def __init__(self, smtp: SMTP, *, step_timeout: float) -> None:
        self._wire = SmtpWire.taken_over(smtp)
        self._step_timeout = step_timeout
        self._takes_sizes = smtp.supports_extension("size")
        self._takes_groups = smtp.supports_extension("pipelining")
        self._needs_reset = False
        self.attempts = 0
        self.idle_since = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether neither side has hung up, and the server has said nothing that it was not asked for."""
        return self._wire.is_open and self._wire.is_quiet

    async def send(self, envelope: Envelope, progress: Progress) -> Outcome:
        """Hand one message over; after an `AttemptEnded` the session may still be alive and be used again.

        Raises:
            AttemptEnded: the message was not accepted, or nobody knows.
        """
        self.attempts += 1
        if self._takes_groups:
            refused = await self._introduce_at_once(envelope)
        else:
            refused = await self._introduce(envelope)
        answer = await self._hand_over(envelope, progress)
        return self._accepted(answer, envelope, refused, len(envelope.recipients) - 1)

    async def _introduce(self, envelope: Envelope) -> list[str]:
        """Say whom the message is from and to, one by one; codes of the copies that were refused."""
        if self._needs_reset:
            self._expect_reset(await self._command(RESET))
        self._needs_reset = True
        self._expect(await self._command(self._sender(envelope)), "MAIL", envelope)
        answers = []
        for address in envelope.recipients:
            answers.append(await self._command(_recipient(address)))
            self._judge_recipients(answers[-1:], envelope, is_first=len(answers) == 1)
        self._expect(await self._command(DATA), "DATA", envelope, wanted=START_INPUT)
        return [str(answer.code) for answer in answers if answer.code not in OK]

    async def _introduce_at_once(self, envelope: Envelope) -> list[str]:
        """As `_introduce`, with one wait for the answers.

        To one recipient, DATA goes along: if he is refused the server has nobody to take a message for. To several it
        waits, or a message without its first recipient would have begun.
        """
        is_alone = len(envelope.recipients) == 1
        commands = [RESET] * self._needs_reset
        commands += [self._sender(envelope), *map(_recipient, envelope.recipients)]
        commands += [DATA] * is_alone
        needed_reset, self._needs_reset = self._needs_reset, True
        answers = await self._group(commands)
        if needed_reset:
            self._expect_reset(answers.pop(0))
        begins = answers.pop() if is_alone and len(answers) == 3 else None
        try:
            self._expect(answers[0], "MAIL", envelope)
            self._judge_recipients(answers[1:], envelope, is_first=True)
        except AttemptEnded:
            if begins is not None and begins.code in START_INPUT:
                self.drop()  # it waits for a message all the same, and whatever came would be one
            raise
        if begins is None:
            begins = await self._command(DATA)
        self._expect(begins, "DATA", envelope, wanted=START_INPUT)
        return [str(answer.code) for answer in answers[1:] if answer.code not in OK]

    def _sender(self, envelope: Envelope) -> bytes:
        size = b" SIZE=%d" % len(envelope.message) if self._takes_sizes else b""
        return b"MAIL FROM:<" + envelope.mail_from.encode() + b">" + size

    def _judge_recipients(self, answers: Sequence[SMTPResponse], envelope: Envelope, *, is_first: bool) -> None:
        """The first recipient has to be taken; others may be refused, unless the server speaks of itself."""
        for answer in answers:
            if is_first or answer.code == 421 or not 200 <= answer.code < 600:
                self._expect(answer, RECIPIENT, envelope)
            is_first = False

    def _expect_reset(self, answer: SMTPResponse) -> None:
        if answer.code != 250:
            self.drop()
            raise AttemptEnded(deferred("RSET: refused"))

    async def quit(self) -> None:
        """Say goodbye and hang up; a server that does not answer is left all the same."""
        with contextlib.suppress(SMTPException, OSError), Deadline(GOODBYE_SECONDS):
            self._wire.write(b"QUIT\r\n")
            await self._wire.answer()
        self.drop()

    def drop(self) -> None:
        """Hang up at once."""
        self._wire.close()

    async def _command(self, line: bytes) -> SMTPResponse:
        [answer] = await self._group([line])
        return answer

    async def _group(self, lines: Sequence[bytes]) -> list[SMTPResponse]:
        """Write commands together; their answers, or those before the server hung up if one of them says why."""
        answers: list[SMTPResponse] = []
        try:
            self._wire.write(b"".join([line + b"\r\n" for line in lines]))
            for _ in lines:
                # those that came together with another are not waited for
                with contextlib.nullcontext() if self._wire.has_answer else Deadline(self._step_timeout):
                    answers.append(await self._wire.answer())
        except (SMTPException, OSError) as error:
            self.drop()
            if answers and answers[-1].code not in OK:
                return answers
            stage = lines[len(answers)].split(b" ", 1)[0].decode()
            raise AttemptEnded(deferred(f"{stage}: {why(error)}")) from error
        return answers

    async def _hand_over(self, envelope: Envelope, progress: Progress) -> SMTPResponse:
        message = envelope.message if envelope.is_wire_ready else stuffed(envelope.message)
        try:
            self._wire.write(message)
            if not self._wire.is_drained:
                with Deadline(max(self._step_timeout, len(message) / SLOWEST_OCTETS_A_SECOND)):
                    await self._wire.drain()
            self._wire.write(b".\r\n")
            progress.is_dot_written = True
        except (SMTPException, OSError) as error:
            self.drop()
            raise AttemptEnded(deferred(f"DATA: {why(error)}")) from error
        try:
            return await self._wire.answer()  # as long as the attempt as a whole may take
        except (SMTPException, OSError) as error:
            self.drop()
            raise AttemptEnded(unknown(why(error))) from error

    def _accepted(self, answer: SMTPResponse, envelope: Envelope, refused: list[str], others: int) -> Outcome:
        if answer.code not in OK and not 400 <= answer.code < 600:
            self.drop()
            raise AttemptEnded(unknown(f"answered {answer.code}"), code=answer.code)
        self._expect(answer, END_OF_DATA, envelope)
        self._needs_reset = False
        noted = f"{len(refused)} of {others} CC and BCC recipients refused ({', '.join(refused)})" if refused else ""
        return Outcome(Ending.ACCEPTED, reason=noted[:300], reference=scrubbed(answer.message, envelope))

    def _expect(self, answer: SMTPResponse, stage: str, envelope: Envelope, *, wanted: range = OK) -> None:
        """Go on after the wanted answer; every other ends the attempt."""
        code = answer.code
        if code in wanted:
            return
        is_final = 500 <= code < 600 and code not in OUR_FAULT
        if code == 421 or code in OUR_FAULT or not 400 <= code < 600:
            self.drop()  # it is leaving, or the two of us are out of step
        reason = f"{stage}: {code} {scrubbed(answer.message, envelope)}".rstrip()
        ending = Ending.REFUSED if is_final else Ending.DEFERRED
        raise AttemptEnded(Outcome(ending, reason, bounce=_bounce(stage, answer)), code=code)


def _bounce(stage: str, answer: SMTPResponse) -> Severity | None:
    """What an answer says of the recipient; None if it was given before one was named, or is about our login."""
    if stage not in (RECIPIENT, END_OF_DATA) or answer.code in OUR_FAULT or not 400 <= answer.code < 600:
        return None
    return severity_of("", f"{answer.code} {answer.message}", of_recipient=stage == RECIPIENT)


async def open_session(
    server: SmtpServer, *, hello_name: str, tls: Callable[[], ssl.SSLContext], step_timeout: float
) -> SmtpSession:
    """Connect, greet, encrypt and log in as the URL asks.

    Args:
        tls: called for a connection that is encrypted.

    Raises:
        AttemptEnded: always deferred: nothing was said about any message yet, and what is wrong here is wrong for all.
    """
    is_encrypted = server.protection is Protection.FROM_THE_START
    smtp = SMTP(
        hostname=server.host,
        port=server.port,
        local_hostname=hello_name,
        timeout=step_timeout,
        use_tls=is_encrypted,
        start_tls=False,
        tls_context=tls() if is_encrypted else None,
    )
    stage = "connecting"
    try:
        await smtp.connect()
        stage = "greeting"
        await _greet(smtp)
        if server.protection in (Protection.REQUIRED, Protection.OFFERED):
            stage = "STARTTLS"
            await _start_tls(smtp, server, tls)
        if server.username is not None:
            stage = "AUTH"
            await _log_in(smtp, server)
        return SmtpSession(smtp, step_timeout=step_timeout)
    except (SMTPException, OSError) as error:
        smtp.close()
        raise AttemptEnded(deferred(f"{stage}: {why(error)}")) from error
    except BaseException:
        smtp.close()
        raise


async def _greet(smtp: SMTP) -> None:
    try:
        await smtp.ehlo()
    except SMTPHeloError as error:
        if error.code == 421 or not smtp.is_connected:
            raise
        await smtp.helo()


async def _start_tls(smtp: SMTP, server: SmtpServer, tls: Callable[[], ssl.SSLContext]) -> None:
    if smtp.supports_extension("starttls"):
        await smtp.starttls(tls_context=tls())
        await _greet(smtp)  # what was said in clear does not count any more (RFC 3207 4.2)
    elif server.protection is Protection.REQUIRED:
        raise SMTPException("not offered")


async def _log_in(smtp: SMTP, server: SmtpServer) -> None:
    username, password = server.username or "", server.password or ""
    is_private = smtp.get_transport_info("sslcontext") is not None or _is_to_this_machine(smtp)
    if not is_private and not server.may_tell_in_clear:
        raise SMTPException("the connection is not encrypted, so the credentials were kept back")
    if "plain" in smtp.server_auth_methods:
        await smtp.auth_plain(username, password)
    elif "login" in smtp.server_auth_methods:
        await smtp.auth_login(username, password)
    elif "cram-md5" in smtp.server_auth_methods:
        await smtp.auth_crammd5(username, password)
    else:
        raise SMTPException("no way to log in that both sides know")


def _is_to_this_machine(smtp: SMTP) -> bool:
    peer = smtp.get_transport_info("peername")
    return bool(peer) and ip_address(str(peer[0]).partition("%")[0]).is_loopback


def _recipient(address: str) -> bytes:
    return b"RCPT TO:<" + address.encode() + b">"


def stuffed(message: bytes) -> bytes:
    """The message as DATA carries it, up to the final dot: CRLF line ends, dots at line starts doubled."""
    lines = message
    if not lines.count(b"\r\n") == lines.count(b"\n") == lines.count(b"\r"):
        lines = _LINE_END.sub(b"\r\n", lines)
    if lines.startswith(b".") or b"\n." in lines:
        lines = _LINE_DOT.sub(b"..", lines)
    return lines if lines.endswith(b"\r\n") else lines + b"\r\n"


def deferred(reason: str) -> Outcome:
    """Nothing was delivered; later may be better."""
    return Outcome(Ending.DEFERRED, reason)


def unknown(reason: str) -> Outcome:
    """The message was handed over in full and no answer came."""
    return Outcome(Ending.UNKNOWN, f"after the final dot: {reason}")


def why(error: BaseException) -> str:
    """A few words on what went wrong, without names, addresses or what a server echoed of a login."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"the certificate was not accepted ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(seen, gaierror):
            return "the server's name could not be resolved"
        if isinstance(seen, ConnectionRefusedError):
            return "connection refused"
        seen = seen.__cause__
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, SMTPResponseException):
        return _answered(error)
    if isinstance(error, SMTPServerDisconnected | ConnectionError):
        return "connection lost"
    if isinstance(error, OSError):
        return error.strerror or "network error"
    return str(error)


def _answered(error: SMTPResponseException) -> str:
    if error.code < 0:
        return "an answer that is not SMTP"
    if isinstance(error, SMTPAuthenticationError):
        enhanced = _ENHANCED.match(error.message)
        return f"{error.code} {enhanced[1] if enhanced else ''}".rstrip()
    return f"{error.code} {scrubbed(error.message)}".rstrip()


def scrubbed(text: str, envelope: Envelope | None = None) -> str:
    """A server's words on one short line, without the addresses that it repeats."""
    words = ["…" if "@" in word or "%40" in word else re.sub(r"[^!-~]", "?", word) for word in text.split()]
    line = " ".join(words)
    for address in (envelope.mail_from, *envelope.recipients) if envelope else ():
        local = address.partition("@")[0]
        if local and local.lower() in line.lower():
            line = re.sub(rf"(?<![A-Za-z0-9]){re.escape(local)}(?![A-Za-z0-9])", "…", line, flags=re.IGNORECASE)
    return line[:200]
