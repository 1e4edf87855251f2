"""What a mailer takes: a finished message and the addresses it goes to."""

import re
from dataclasses import dataclass
from typing import Protocol

from email_validator import EmailNotValidError, validate_email

from journeys_api.delivery.outcomes import Outcome

LONGEST_ADDRESS = 254  # RFC 5321 4.5.3.1.3, without the angle brackets
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no header and no SMTP command may contain: line ends of every kind, controls, halves of characters."""
_PATH = re.compile(r"[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]+@[A-Za-z0-9.-]+")

_PLAIN_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@[^@]{1,189}\Z)[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@"
    r"(?:(?!\S\S--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
"""What nearly all addresses look like: nothing in one of these needs a check or another spelling."""


class InvalidMail(Exception):
    """The mail cannot be made as asked; the text says why and holds no address and no content."""


@dataclass(frozen=True)
class Envelope:
    """A message as it is handed to a mailer.

    Args:
        mail_from: where bounces go; empty for mail that must not bounce.
        recipients: ASCII addresses, the To first: its answer decides, those of the others are noted.
        message: RFC 5322 bytes.
        is_wire_ready: every line of it ends in CRLF and none begins with a dot, so that SMTP carries it as it is.

    Raises:
        InvalidMail: an address could not stand in an SMTP command, or there is no recipient.
    """

    mail_from: str
    recipients: tuple[str, ...]
    message: bytes
    is_wire_ready: bool = False

    def __post_init__(self) -> None:
        if not self.recipients:
            raise InvalidMail("no recipient")
        for address in (*filter(None, [self.mail_from]), *self.recipients):
            if len(address) > LONGEST_ADDRESS or not _PATH.fullmatch(address):
                raise InvalidMail("an address that no SMTP command can carry")


class Mailer(Protocol):
    """Hands messages over to whatever carries them on."""

    async def send(self, envelope: Envelope) -> Outcome:
        """Make one attempt; every way it can end is an `Outcome`, never an exception."""

    async def close(self) -> None:
        """Let go of what is kept open; attempts under way end first."""


def ascii_address(text: str, what: str) -> str:
    """The address as headers and SMTP commands carry it: trimmed, an internationalized domain as A-labels.

    Args:
        text: as it is kept or as personalization made it.
        what: names the address in the refusal, such as `From`.

    Raises:
        InvalidMail: not an address, or one whose local part is not ASCII (it would need SMTPUTF8 all the way).

    Source: JC 3.5 (trimming); reliability S57.
    """
    trimmed = text.strip(" \t")
    if _PLAIN_ADDRESS.fullmatch(trimmed):
        return trimmed
    if CONTROL.search(trimmed):
        raise InvalidMail(f"{what}: a control character in the address")
    try:
        valid = validate_email(trimmed, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError:
        raise InvalidMail(f"{what}: not a usable address") from None
    address = valid.ascii_email
    if address is None or len(address) > LONGEST_ADDRESS or not _PATH.fullmatch(address):
        raise InvalidMail(f"{what}: not a usable address")
    return address
