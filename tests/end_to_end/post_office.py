"""A mail server that takes a journey's mails, refuses whom it has no box for, and shows what it took."""

import email
import email.policy
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from tests.delivery.mail.sinks import Sink
from tests.simulation.world import delivery_of
from tests.tracking.conftest import links_of, part_of

REFUSED: Final = {"gone": "550 5.1.1 no such user", "full": "552 5.2.2 mailbox full"}
"""Start of an address → what its mails are answered."""
FORWARDED = "Fwd: "
_TO = re.compile(rb"^to:\s*<?([^>\r\n]+)", re.IGNORECASE | re.MULTILINE)
_SUBJECT = re.compile(rb"^subject:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(eq=False)
class Mail:
    """A mail as the mail server got it."""

    delivery_id: int
    subject: str
    address: str
    raw: bytes
    mark: str = ""
    """What its links tell their targets; known once somebody has followed one."""

    @cached_property
    def links(self) -> dict[str, str]:
        """Text of a link → its path; also `picture`, and `one-click` for mail programs."""
        message = email.message_from_bytes(self.raw, policy=email.policy.default)
        one_click = str(message["List-Unsubscribe"]).strip("<>")
        return {**links_of(part_of(message, "html")), "one-click": urlsplit(one_click).path}

    @cached_property
    def name(self) -> str:
        """What it is known by when it comes back."""
        return str(email.message_from_bytes(self.raw)["X-MessageID"])


@dataclass
class Box:
    """Mails by delivery: what is handed over twice is one mail."""

    mails: dict[int, Mail] = field(default_factory=dict)

    def of(self, subject: str) -> list[Mail]:
        """Those with this subject."""
        return [mail for mail in self.mails.values() if mail.subject == subject]


class PostOffice(Sink):
    """Remembers each mail once, however often it is handed over."""

    def __init__(self) -> None:
        super().__init__()
        self.taken, self.refused, self.friends = Box(), Box(), Box()
        """What people got, what they have no box for, and what their friends got."""
        self.handed_over = 0

    def judge(self, message: bytes) -> str:
        """Take it, or say why not."""
        self.handed_over += 1
        mail = Mail(delivery_of(message), _header(_SUBJECT, message), _header(_TO, message), message)
        answer = next((said for start, said in REFUSED.items() if mail.address.startswith(start)), None)
        box = self.friends if mail.subject.startswith(FORWARDED) else self.taken if answer is None else self.refused
        box.mails.setdefault(mail.delivery_id, mail)
        return answer or super().judge(message)


def _header(pattern: re.Pattern[bytes], message: bytes) -> str:
    found = pattern.search(message)
    assert found is not None, message[:1000]
    return found[1].decode().strip()
