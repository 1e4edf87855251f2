"""Mail into a Maildir, for machines without an SMTP server: a mail program, or a person, reads it there."""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
from pathlib import Path

from journeys_api.delivery.envelopes import Envelope
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.files import sync_directory

_HEAD = re.compile(rb"\r?\n\r?\n")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(<[^<>\s]+>)", re.IGNORECASE | re.MULTILINE)


class MaildirMailer:
    """Writes each message once, however often it is sent: its file is named for its Message-ID."""

    def __init__(self, directory: Path) -> None:
        """Args: directory: made when the first message is written, for its owner alone."""
        self._directory = directory

    async def send(self, envelope: Envelope) -> Outcome:
        """Write the message so that it is there in full or not at all; a full or absent disk defers it."""
        try:
            name = await asyncio.to_thread(self._write, envelope)
        except OSError as error:
            # the text of an OSError holds the path; its name is enough
            return Outcome(Ending.DEFERRED, f"Maildir: {errno.errorcode.get(error.errno or 0, 'not written')}")
        return Outcome(Ending.ACCEPTED, reference=name)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, envelope: Envelope) -> str:
        for part in ("tmp", "new", "cur"):
            (self._directory / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        name = _file_name(envelope.message)
        if self._is_there(name):
            return name
        unfinished = self._directory / "tmp" / f"{name}.{secrets.token_hex(8)}"
        try:
            with open(unfinished, "xb", opener=_private) as file:
                file.write(_delivered(envelope))
                file.flush()
                os.fsync(file.fileno())
            # two attempts at once write the same message; the later rename changes nothing
            unfinished.rename(self._directory / "new" / name)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
        sync_directory(self._directory / "new")
        return name

    def _is_there(self, name: str) -> bool:
        """Whether the message was written before, unread (`new`) or seen by a mail program (`cur`, with flags)."""
        if (self._directory / "new" / name).exists():
            return True
        with os.scandir(self._directory / "cur") as entries:
            return any(entry.name.partition(":")[0] == name for entry in entries)


def _file_name(message: bytes) -> str:
    head = _HEAD.split(message, maxsplit=1)[0]
    found = _MESSAGE_ID.search(head)
    return f"{hashlib.sha256(found[1] if found else message).hexdigest()[:32]}.journeys"


def _delivered(envelope: Envelope) -> bytes:
    """The message as a mail store keeps it: where bounces would go, whom it was for, line ends of this system."""
    to = [f"Delivered-To: {recipient}\n" for recipient in envelope.recipients]
    trace = "".join([f"Return-Path: <{envelope.mail_from}>\n", *to])
    return trace.encode("ascii") + envelope.message.replace(b"\r\n", b"\n")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
