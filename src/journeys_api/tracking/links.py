"""Signed links: short tokens that say what a link does and for whom, and that nobody can make or change.

A token is a signature and some numbers, masked by a key that the signature leads to: it shows no id and carries no
address, and another kind's token is worth nothing.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from enum import Enum
from typing import Any

_SIGNATURE_BYTES = 16
_MOST_TOKEN = 200


class Kind(Enum):
    """What a link does. The letters stand in links that are out in the world: never change one."""

    CONFIRM = "c"
    REJECT = "r"
    UNSUBSCRIBE = "u"
    OPEN = "o"
    CLICK = "k"
    BROWSER = "b"
    FORWARD = "f"
    REPORT_ABUSE = "a"
    SHORT = "s"


def sign(key: bytes, kind: Kind, *numbers: int) -> str:
    """The token of a link of this kind about these numbers, each 0 … 2⁶³−1.

    Args:
        key: the server's secret key; links are signed with a key of their own made from it.
    """
    payload = _packed(numbers)
    signature = _signature(key, kind, payload)
    return base64.urlsafe_b64encode(signature + _masked(key, kind, signature, payload)).rstrip(b"=").decode()


def read(key: bytes, kind: Kind, token: str) -> tuple[int, ...] | None:
    """The numbers of a token; None when it is not one of ours, of this kind, unchanged."""
    if not token.isascii() or len(token) > _MOST_TOKEN:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    signature, masked = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    # a second spelling of the same bytes is not the link that we gave out
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None
    payload = _masked(key, kind, signature, masked)
    if not hmac.compare_digest(signature, _signature(key, kind, payload)):
        return None
    return _unpacked(payload)


def url_of(public_url: str, kind: Kind, token: str) -> str:
    """Where a token leads."""
    return f"{public_url}/t/{kind.value}/{token}"


class Links:
    """The links of one server's messages."""

    def __init__(self, key: bytes, *, public_url: str) -> None:
        self._key = key
        self.public_url = public_url

    def unsubscribe(self, delivery: Any) -> str:
        """Leads to a page that takes the delivery's subscriber off its list; one-click POSTs go there too."""
        return self._url(
            Kind.UNSUBSCRIBE, delivery.owner_id, delivery.list_id, delivery.subscriber_id, delivery.delivery_id
        )

    def confirm(self, delivery: Any) -> str:
        """Leads to a page that confirms the subscription that the delivery asks about."""
        return self._url(Kind.CONFIRM, delivery.owner_id, delivery.list_id, delivery.subscriber_id)

    def reject(self, delivery: Any) -> str:
        """Leads to a page that rejects it."""
        return self._url(Kind.REJECT, delivery.owner_id, delivery.list_id, delivery.subscriber_id)

    def short(self, delivery: Any, *, expires_at: datetime) -> str:
        """Leads on to the link of the delivery's short message, until then."""
        return self._url(Kind.SHORT, delivery.owner_id, delivery.delivery_id, int(expires_at.timestamp()))

    def _url(self, kind: Kind, *numbers: int) -> str:
        return url_of(self.public_url, kind, sign(self._key, kind, *numbers))


def _signature(key: bytes, kind: Kind, payload: bytes) -> bytes:
    return hmac.new(_own(key, b"sign", kind), payload, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _masked(key: bytes, kind: Kind, signature: bytes, payload: bytes) -> bytes:
    """The payload under a mask that only this signature has; masking twice gives it back."""
    mask = hashlib.shake_256(_own(key, b"mask", kind) + signature).digest(len(payload))
    return bytes(byte ^ cover for byte, cover in zip(payload, mask, strict=True))


def _own(key: bytes, purpose: bytes, kind: Kind) -> bytes:
    """A key for one purpose and kind, made from the server's."""
    return hmac.new(key, b"journeys links " + purpose + b" " + kind.value.encode(), hashlib.sha256).digest()


def _packed(numbers: tuple[int, ...]) -> bytes:
    """Seven bits a byte, the lowest first, the high bit set where more follow."""
    packed = bytearray()
    for number in numbers:
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return bytes(packed)


def _unpacked(payload: bytes) -> tuple[int, ...]:
    numbers: list[int] = []
    number = shift = 0
    for byte in payload:
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(number)
            number = shift = 0
    return tuple(numbers)
