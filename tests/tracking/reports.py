"""Mails that mail servers send back, made for a mail that was really sent."""

from email import message_from_bytes
from email.message import EmailMessage, Message

FROM = "MAILER-DAEMON@mx.example.net"


def sent(raw: bytes) -> Message:
    """A mail as the server got it."""
    return message_from_bytes(raw)


def bounce(
    original: Message | None,
    recipient: str,
    *,
    status: str = "5.1.1",
    diagnostic: str = "smtp; 550 5.1.1 no such user",
    action: str = "failed",
    to: str = "news@example.com",
    whole: bool = True,
) -> bytes:
    """A delivery report (RFC 3464) about a mail, with the mail or its headers."""
    blocks = [
        "Reporting-MTA: dns; mx.example.net\r\n",
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: {diagnostic}\r\n",
    ]
    return _report("delivery-status", "message/delivery-status", "\r\n".join(blocks), original, to, whole)


def complaint(
    original: Message | None, recipient: str = "", *, kind: str = "abuse", to: str = "abuse@example.com", more: str = ""
) -> bytes:
    """A complaint (RFC 5965) about a mail, with the mail."""
    about = f"Original-Rcpt-To: <{recipient}>\r\n" if recipient else ""
    fields = f"Feedback-Type: {kind}\r\nUser-Agent: Feedback/1\r\nVersion: 1\r\n{about}{more}"
    return _report("feedback-report", "message/feedback-report", fields, original, to, True)


def vacation(to: str) -> bytes:
    """An automatic answer that quotes the name of the mail."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@example.com", to, "Out of office"
    mail["Auto-Submitted"] = "auto-replied"
    mail.set_content("I am away.")
    return mail.as_bytes()


def _report(kind: str, status_type: str, status: str, original: Message | None, to: str, whole: bool) -> bytes:
    parts = [
        "Content-Type: text/plain\r\n\r\nThis is what happened.\r\n",
        f"Content-Type: {status_type}\r\n\r\n{status}",
    ]
    if original is not None and whole:
        parts.append(f"Content-Type: message/rfc822\r\n\r\n{original.as_string()}")
    elif original is not None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in original.items())
        parts.append(f"Content-Type: text/rfc822-headers\r\n\r\n{headers}")
    body = "".join(f"--frontier\r\n{part}\r\n" for part in parts)
    head = (
        f"Return-Path: <>\r\nFrom: {FROM}\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        f'Auto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type={kind}; boundary="frontier"\r\n'
    )
    return f"{head}\r\n{body}--frontier--\r\n".encode()
