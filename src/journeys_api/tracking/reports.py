"""Reading what mail servers send back: delivery reports (RFC 3464), complaints (RFC 5965), and what is neither.

The sender of such a mail is anybody. So little is read of it, by a bounded number of steps, and nothing that it says is
believed here: whoever reads a report looks for the names of mails in it that only we can have made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.message import Message
from enum import StrEnum

MOST_BYTES = 256 * 1024
"""What is read of a mail; the rest is the mail that came back, of which the start is enough."""
MOST_BOUNDARIES = 20
"""Parts within parts, those of the mail that came back among them."""
MOST_PARTS = 500
LONGEST_TYPE = 4096
MOST_RECIPIENTS = 100
LONGEST_TEXT = 500
_TYPE = re.compile(rb"^content-[a-z-]+:[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)
_COMPLAINTS = frozenset({"abuse", "fraud", "miscategorized"})
_RETURNED_TO = ("To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To")


class Unparseable(Exception):
    """Not a mail, or one that is made to be hard to read."""


class ReportKind(StrEnum):
    """What a mail reports."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Recipient:
    """Whom a delivery report is about, in lower case, and what happened; "" for what is not said."""

    addresses: frozenset[str] = frozenset()
    action: str = ""
    status: str = ""
    diagnostic: str = ""


@dataclass(frozen=True)
class Report:
    """What one mail says."""

    kind: ReportKind
    why: str = ""
    """Of NOTHING: why."""
    names: str = ""
    """Where our mails' names may stand: the address it came to, and ids of the mail that came back."""
    recipients: tuple[Recipient, ...] = ()


def read_report(raw: bytes) -> Report:
    """Read a mail.

    Raises:
        Unparseable: it takes more than a bounded reading to make sense of it.
    """
    raw = raw[:MOST_BYTES]
    _refuse_bombs(raw)
    try:
        mail = message_from_bytes(raw)
        return _report(mail)
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError, AssertionError):
        # the parser of the standard library is known to stumble over broken mails in each of these ways
        raise Unparseable("broken") from None


def _refuse_bombs(raw: bytes) -> None:
    lowered = raw.lower()
    if b"\x00" in raw or lowered.count(b"boundary") > MOST_BOUNDARIES or lowered.count(b"\n--") > MOST_PARTS:
        raise Unparseable("too many parts")
    # the standard library reads parameters in a time that grows with their square
    if any(len(found[0]) > LONGEST_TYPE for found in _TYPE.finditer(raw)):
        raise Unparseable("a header too long")


def _report(mail: Message) -> Report:
    parts = [mail] if not mail.is_multipart() else [each for each in mail.get_payload() if isinstance(each, Message)]
    if mail.get_content_type() == "multipart/report":
        returned = _returned(parts)
        for part in parts:
            kind = part.get_content_type()
            if kind in ("message/delivery-status", "message/global-delivery-status"):
                if returned is not None and _is_automatic(returned):
                    return Report(ReportKind.NOTHING, "a report about a report")
                return Report(ReportKind.BOUNCE, names=_names(mail, returned), recipients=_recipients(part))
            if kind == "message/feedback-report":
                return _complaint(mail, part, returned)
    if _is_automatic(mail):
        return Report(ReportKind.NOTHING, "an automatic answer")
    return Report(ReportKind.NOTHING, "not a report")


def _returned(parts: list[Message]) -> Message | None:
    """The mail that came back, or its headers."""
    for part in parts:
        kind = part.get_content_type()
        if kind in ("message/rfc822", "message/global") and part.is_multipart():
            inner = part.get_payload(0)
            return inner if isinstance(inner, Message) else None
        if kind in ("text/rfc822-headers", "message/global-headers"):
            return message_from_string(_text(part))
    return None


def _is_automatic(mail: Message) -> bool:
    """Whether no person wrote the mail (RFC 3834), as far as it says so."""
    if mail.get_content_type() == "multipart/report" or str(mail.get("Return-Path", "")).strip() == "<>":
        return True
    submitted = str(mail.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    if submitted not in ("", "no"):
        return True
    is_bulk = str(mail.get("Precedence", "")).strip().lower() in ("auto_reply", "auto-reply")
    return is_bulk or any(mail.get(name) for name in ("X-Autoreply", "X-Autorespond"))


def _names(mail: Message, returned: Message | None, *more: str) -> str:
    found = [str(value) for name in _RETURNED_TO for value in mail.get_all(name, [])]
    if returned is not None:
        found += [str(value) for name in ("Message-ID", "X-MessageID") for value in returned.get_all(name, [])]
    return "\n".join(text[:LONGEST_TEXT] for text in (*found, *more))


def _recipients(part: Message) -> tuple[Recipient, ...]:
    """The blocks of a delivery report that are about a recipient; the first is about the mail."""
    return tuple(
        Recipient(
            addresses=_addresses(block, "Final-Recipient", "Original-Recipient"),
            action=str(block.get("Action", "")).split("(")[0].strip().lower(),
            status=str(block.get("Status", "")).strip()[:LONGEST_TEXT],
            diagnostic=" ".join(str(block.get("Diagnostic-Code", "")).partition(";")[2].split())[:LONGEST_TEXT],
        )
        for block in _blocks(part)
        if block.get("Action") is not None
    )[:MOST_RECIPIENTS]


def _blocks(part: Message) -> Iterator[Message]:
    if part.is_multipart():
        yield from (each for each in part.get_payload() if isinstance(each, Message))
        return
    for block in re.split(r"\n\s*\n", _text(part)):
        yield message_from_string(block.lstrip())


def _complaint(mail: Message, part: Message, returned: Message | None) -> Report:
    fields = next(_blocks(part), Message())
    kind = str(fields.get("Feedback-Type", "")).strip().lower()
    about = _addresses(fields, "Original-Rcpt-To", "Removal-Recipient")
    recipients = (Recipient(about, diagnostic=kind[:LONGEST_TEXT]),)
    names = _names(mail, returned, str(fields.get("Original-Mail-From", "")))
    if kind in _COMPLAINTS:
        return Report(ReportKind.COMPLAINT, names=names, recipients=recipients)
    if kind.startswith("opt-out"):
        return Report(ReportKind.UNSUBSCRIBE, names=names, recipients=recipients)
    return Report(ReportKind.NOTHING, "feedback of no consequence")


def _addresses(block: Message, *names: str) -> frozenset[str]:
    """The addresses of fields such as `rfc822; ada@example.com` or `<ada@example.com>`, in lower case."""
    values = (str(block.get(name, ""))[:LONGEST_TEXT].rpartition(";")[2] for name in names)
    return frozenset(filter(None, (value.strip(" \t\r\n<>").lower() for value in values)))


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else str(part.get_payload())
