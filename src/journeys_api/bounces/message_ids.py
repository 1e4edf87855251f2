"""The names that our mails go by, each with a proof that it is ours: what comes back of a mail is matched by them.

One name serves as the left part of the Message-ID, as `X-MessageID`, and behind the plus of the envelope's sender
(VERP). It is digits, a dot and hex digits, so that servers that change case or quote do it no harm.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator

_NAME = re.compile(r"(?<![\w.])(\d{1,19})\.([0-9a-f]{24})(?![\w])", re.ASCII | re.IGNORECASE)
_LARGEST = 2**63 - 1


def name_of(key: bytes, delivery_id: int) -> str:
    """What a mail is called, at every attempt the same; nobody else can make it."""
    mac = hmac.new(key, str(delivery_id).encode(), hashlib.sha256).hexdigest()[:24]
    return f"{delivery_id}.{mac}"


def named_in(key: bytes, text: str) -> Iterator[int]:
    """The deliveries whose names stand in a text, in order; what is not ours is passed over."""
    for found in _NAME.finditer(text):
        delivery_id = int(found[1])
        if delivery_id <= _LARGEST and hmac.compare_digest(name_of(key, delivery_id), found[0].lower()):
            yield delivery_id


def return_path(bounce_address: str, name: str) -> str:
    """The envelope's sender of a mail: bounces come back to the address with the mail's name behind a plus."""
    local, _, domain = bounce_address.rpartition("@")
    return f"{local}+{name}@{domain}"
