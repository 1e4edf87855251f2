"""Tokens of links: they say what a link does and for whom, are short, and nobody can make or change one.

A token is a signature and some numbers, with an address to lead on to where the kind has one, masked by a key that the
signature leads to: it shows no id and carries no address of a person, and another kind's token is worth nothing.
"""

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache

LONGEST_TARGET = 2000
"""Bytes of an address that a token carries; browsers and mail programs lose links that are much longer."""
_SIGNATURE_BYTES = 16
_MOST_TOKEN = 200
_MOST_TOKEN_WITH_TARGET = 3000
_WORTH_PACKING = 48
"""Shorter addresses hardly shrink."""
_PLAIN, _PACKED = 0, 1
# what addresses are made of, the commonest last; links that are out in the world are read by it: never change it
_COMMON = (
    b"youtube.com/watch?v=linkedin.com/company/instagram.com/twitter.com/facebook.com/.de/.net/.org/.co.uk/"
    b"/products/category/collections/article/account/blog/news/shop/index.html.php?id=&token=&lang=&ref="
    b"utm_content=utm_term=utm_id=&utm_campaign=newsletter&utm_medium=email&utm_source=newsletter"
    b"http://www.https://shop.https://www..com/"
)


class Kind(StrEnum):
    """What a link does. The letters stand in links that are out in the world: never change one."""

    CONFIRM = "c"
    REJECT = "r"
    UNSUBSCRIBE = "u"
    OPEN = "o"
    CLICK = "k"
    BROWSER = "b"
    FORWARD = "f"
    REPORT_ABUSE = "a"
    SUPPRESS = "x"
    SHORT = "s"
    SITE = "w"
    """No link of its own: what a website's pages say whose visitors they have."""
    ATTRIBUTION = "p"
    """No link of its own: the parameter of a link's target that tells which message led there."""


def sign(key: bytes, kind: Kind, *numbers: int) -> str:
    """The token of a link of this kind about these numbers, each 0 … 2⁶³−1.

    Args:
        key: the server's secret key; links are signed with a key of their own made from it.
    """
    return _seal(key, kind).token(_packed(numbers))


def read(key: bytes, kind: Kind, token: str) -> tuple[int, ...] | None:
    """The numbers of a token; None when it is not one of ours, of this kind, unchanged."""
    payload = _seal(key, kind).payload(token, _MOST_TOKEN)
    return None if payload is None else tuple(number for number, _ in _numbers(payload))


def sign_click(key: bytes, owner_id: int, delivery_id: int, target: str) -> str | None:
    """The token of a link of a message that leads on to a target; None: the target is too long for one."""
    return clicks_signer(key, owner_id, delivery_id)(target)


def clicks_signer(key: bytes, owner_id: int, delivery_id: int) -> Callable[[str], str | None]:
    """`sign_click` for the many targets of one message."""
    token, beginning = _seal(key, Kind.CLICK).token, _packed((owner_id, delivery_id))

    def signed(target: str) -> str | None:
        text = _packed_text(target)
        return None if text is None else token(beginning + text)

    return signed


def read_click(key: bytes, token: str) -> tuple[int, int, str] | None:
    """The account, the message and the target of a token; None when it is not one of ours, unchanged."""
    payload = _seal(key, Kind.CLICK).payload(token, _MOST_TOKEN_WITH_TARGET)
    if payload is None:
        return None
    numbers = _numbers(payload)
    (owner_id, _), (delivery_id, end) = next(numbers), next(numbers)
    return owner_id, delivery_id, _unpacked_text(payload[end:])


def sign_attribution(key: bytes, owner_id: int, delivery_id: int) -> str:
    """What a link's target is told of the message that led there."""
    return sign(key, Kind.ATTRIBUTION, owner_id, delivery_id)


def read_attribution(key: bytes, token: str) -> tuple[int, int] | None:
    """The account and the message (a delivery) that led to a page; None when the token is not one of ours."""
    numbers = read(key, Kind.ATTRIBUTION, token)
    return None if numbers is None or len(numbers) != 2 else (numbers[0], numbers[1])


def url_of(public_url: str, kind: Kind, token: str) -> str:
    """Where a token leads."""
    return f"{public_url}/t/{kind.value}/{token}"


class _Seal:
    """Makes and opens the tokens of one kind. Its keys are prepared once: a mail has a dozen tokens of a kind."""

    def __init__(self, key: bytes, kind: Kind) -> None:
        self._signing = hmac.new(_own(key, b"sign", kind), digestmod="sha256")
        self._masking = hashlib.shake_256(_own(key, b"mask", kind))

    def token(self, payload: bytes) -> str:
        """The payload, signed and masked."""
        signature = self._signature(payload)
        return base64.urlsafe_b64encode(signature + self._masked(signature, payload)).rstrip(b"=").decode()

    def payload(self, token: str, most: int) -> bytes | None:
        """The payload of a token; None when it is not one of ours, of this kind, unchanged.

        Args:
            most: characters of the longest token.
        """
        if not token.isascii() or len(token) > most:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signature, masked = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        # a second spelling of the same bytes is not the link that we gave out
        if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
            return None
        payload = self._masked(signature, masked)
        if not hmac.compare_digest(signature, self._signature(payload)):
            return None
        return payload

    def _signature(self, payload: bytes) -> bytes:
        signing = self._signing.copy()
        signing.update(payload)
        return signing.digest()[:_SIGNATURE_BYTES]

    def _masked(self, signature: bytes, payload: bytes) -> bytes:
        """The payload under a mask that only this signature has; masking twice gives it back."""
        size = len(payload)
        masking = self._masking.copy()
        masking.update(signature)
        return (int.from_bytes(payload, "big") ^ int.from_bytes(masking.digest(size), "big")).to_bytes(size, "big")


_seal = lru_cache(maxsize=64)(_Seal)


def _own(key: bytes, purpose: bytes, kind: Kind) -> bytes:
    """A key for one purpose and kind, made from the server's."""
    return hmac.digest(key, b"journeys links " + purpose + b" " + kind.value.encode(), "sha256")


def _packed(numbers: tuple[int, ...]) -> bytes:
    """Seven bits a byte, the lowest first, the high bit set where more follow."""
    packed = bytearray()
    for number in numbers:
        while number > 0x7F:
            packed.append(number & 0x7F | 0x80)
            number >>= 7
        packed.append(number)
    return bytes(packed)


def _numbers(payload: bytes) -> Iterator[tuple[int, int]]:
    """Each number, and where it ends."""
    number = shift = 0
    for place, byte in enumerate(payload, 1):
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield number, place
            number = shift = 0


@lru_cache(maxsize=4096)
def _packed_text(text: str) -> bytes | None:
    """A text for the end of a payload; the same few are in every mail of a journey. None: it is too long."""
    plain = text.encode()
    if len(plain) > LONGEST_TARGET:
        return None
    if len(plain) < _WORTH_PACKING:
        return bytes([_PLAIN]) + plain
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=_COMMON)
    packed = packer.compress(plain) + packer.flush()
    return bytes([_PACKED]) + packed if len(packed) < len(plain) else bytes([_PLAIN]) + plain


def _unpacked_text(packed: bytes) -> str:
    form, rest = packed[0], packed[1:]
    if form == _PLAIN:
        return rest.decode()
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_COMMON)
    return unpacker.decompress(rest, LONGEST_TARGET).decode()
