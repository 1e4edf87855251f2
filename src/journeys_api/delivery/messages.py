"""A mail made of its parts: RFC 5322 bytes that any server takes and that nobody's text can break out of."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from journeys_api.delivery.envelopes import Envelope, InvalidMail, ascii_address
from journeys_api.delivery.mail_headers import address_header, subject_header, text_header, url_header
from journeys_api.delivery.mime_parts import body_of, part_of

OURS = frozenset(
    {
        "bcc",
        "cc",
        "date",
        "delivered-to",
        "dkim-signature",
        "from",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "message-id",
        "mime-version",
        "received",
        "reply-to",
        "return-path",
        "sender",
        "subject",
        "to",
    }
)
"""Headers that no extra header may repeat: two of them mean whatever the reader likes."""

_MESSAGE_ID = re.compile(r"<?([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,180}@[A-Za-z0-9.-]{1,180})>?")
_LANDMARK = re.compile(r"<!--|</head\s*>|<(body|style|script|title)(?=[\s/>])", re.IGNORECASE)
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_TAG_END = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*+>""")
_PRE_HEADER_STYLE = "display:none;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"


@dataclass(frozen=True)
class Mail:
    """A mail to one person, after personalization.

    Args:
        message_id: `left@domain`, with or without angle brackets; the same at every attempt.
        reply_to: dropped when it is not a usable address (JC 3.5).
        bcc: for the envelope only.
        html: empty counts as absent, as for `text`; one of them has to be there.
        html_part: the HTML as `part_of` makes it, its pre-header put in; then `html` and `pre_header` say nothing.
        pre_header: plain text shown in inboxes beside the subject; only in the HTML part.
        list_unsubscribe_url: visible ASCII, `https://…`.
        list_unsubscribe_mailto: `mailto:…`.
        one_click: a POST to the URL unsubscribes (RFC 8058); without the URL it says nothing.
        extra_headers: by name; none of `OURS`, no `Content-…`.
        date: aware.
    """

    message_id: str
    from_name: str
    from_email: str
    to_name: str
    to_email: str
    subject: str
    date: datetime
    html: str | None = None
    text: str | None = None
    html_part: bytes | None = None
    pre_header: str = ""
    reply_to: str | None = None
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    list_unsubscribe_url: str | None = None
    list_unsubscribe_mailto: str | None = None
    one_click: bool = False
    extra_headers: Mapping[str, str] = field(default_factory=dict)


def build(mail: Mail) -> bytes:
    """Write the mail down: CRLF, ASCII throughout, no line over 998 octets and none that begins with a dot.

    The same mail is the same bytes.

    Raises:
        InvalidMail: an address, name or header could not be written without harm, or there is no content.

    Source: JC 3.5; AC 2.17; RFC 2369, RFC 8058; reliability S55 to S58, S97.
    """
    return b"".join([*_headers(mail), *_body(mail)])


def envelope_for(mail: Mail, *, mail_from: str) -> Envelope:
    """Build the mail and address it to everybody it goes to, each once, To first.

    Raises:
        InvalidMail: as `build`, and for an unusable CC or BCC.
    """
    recipients = [ascii_address(mail.to_email, "To")]
    recipients += [ascii_address(address, "CC") for address in mail.cc]
    recipients += [ascii_address(address, "BCC") for address in mail.bcc]
    bounces_to = ascii_address(mail_from, "Return-Path") if mail_from else ""
    return Envelope(bounces_to, tuple(dict.fromkeys(recipients)), build(mail), is_wire_ready=True)


def _headers(mail: Mail) -> list[bytes]:
    lines = [
        text_header("Date", _date(mail.date)),
        address_header("From", [(mail.from_name, ascii_address(mail.from_email, "From"))]),
        address_header("To", [(mail.to_name, ascii_address(mail.to_email, "To"))]),
    ]
    if mail.cc:
        lines.append(address_header("Cc", [("", ascii_address(address, "CC")) for address in mail.cc]))
    for address in mail.bcc:
        ascii_address(address, "BCC")
    reply_to = _usable(mail.reply_to)
    if reply_to:
        lines.append(address_header("Reply-To", [("", reply_to)]))
    lines += [subject_header(mail.subject), text_header("Message-ID", _message_id(mail.message_id))]
    lines += _unsubscribing(mail)
    for name, value in mail.extra_headers.items():
        if name.lower() in OURS or name.lower().startswith("content-"):
            raise InvalidMail("an extra header that the mail already has")
        lines.append(text_header(name, value))
    return lines


def _unsubscribing(mail: Mail) -> list[bytes]:
    urls = [url for url in (mail.list_unsubscribe_url, mail.list_unsubscribe_mailto) if url]
    if mail.list_unsubscribe_url and not re.match(r"https?://[^/]", mail.list_unsubscribe_url, re.IGNORECASE):
        raise InvalidMail("List-Unsubscribe: not a web address")
    if mail.list_unsubscribe_mailto and not re.match(r"mailto:[^?]", mail.list_unsubscribe_mailto, re.IGNORECASE):
        raise InvalidMail("List-Unsubscribe: not a mailto URL")
    if not urls:
        return []
    lines = [url_header("List-Unsubscribe", urls)]
    if mail.one_click and mail.list_unsubscribe_url:
        lines.append(text_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return lines


@lru_cache(maxsize=64)
def _date(instant: datetime) -> str:
    if instant.tzinfo is None:
        raise InvalidMail("Date: without a time zone")
    return format_datetime(instant.astimezone(UTC))


def _message_id(text: str) -> str:
    found = _MESSAGE_ID.fullmatch(text)
    if found is None:
        raise InvalidMail("Message-ID: not left@domain")
    return f"<{found[1]}>"


def _usable(reply_to: str | None) -> str | None:
    try:
        return ascii_address(reply_to, "Reply-To") if reply_to else None
    except InvalidMail:
        return None


def _body(mail: Mail) -> list[bytes]:
    parts: list[bytes] = []
    if mail.text:
        parts.append(part_of(mail.text, b"plain"))
    if mail.html_part is not None:
        parts.append(mail.html_part)
    elif mail.html:
        parts.append(part_of(with_pre_header(mail.html, mail.pre_header), b"html"))
    return body_of(parts, seed=mail.message_id)


def with_pre_header(document: str, pre_header: str) -> str:
    """The HTML with the pre-header as its first, hidden text: behind `<body>`, or where that tag would stand."""
    shown = pre_header.strip()
    if not shown:
        return document
    return at_start_of_body(document, pre_header_of(html.escape(shown)))


def pre_header_of(escaped: str) -> str:
    """What holds a pre-header and hides it."""
    return f'<div style="{_PRE_HEADER_STYLE}">{escaped}</div>'


def at_start_of_body(document: str, fragment: str) -> str:
    """The HTML with a piece put behind `<body>`, or where that tag would stand."""
    place = _start_of_body(document)
    return f"{document[:place]}{fragment}{document[place:]}"


def _start_of_body(document: str) -> int:
    doctype = _DOCTYPE.match(document)
    otherwise = doctype.end() if doctype else 0
    at = 0
    while found := _LANDMARK.search(document, at):
        mark = found[0].lower()
        at = found.end()
        if mark == "<body":
            tag = _TAG_END.match(document, at)
            return tag.end() if tag else otherwise
        if mark.startswith("</head"):
            otherwise = at
            continue
        # what looks like a tag inside a comment or a style sheet is none
        close = re.compile("-->" if mark == "<!--" else f"</{mark[1:]}", re.IGNORECASE).search(document, at)
        if close is None:
            break
        at = close.end()
    return otherwise
