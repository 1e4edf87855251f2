"""Addresses of web servers as tenants write them, read once and strictly: what was judged is what is called.

Source: reliability S78, S83.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, urlsplit

import idna

from journeys_api.delivery.public_addresses import Address, is_public

LONGEST_URL: Final = 2048
LONGEST_HOST: Final = 253
PORTS: Final = {"http": 80, "https": 443}
OTHER_PROTOCOLS: Final = frozenset(
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110}
    | {111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531}
    | {532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190}
    | {5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)
"""Ports at which something else listens that could take our lines for its own (the "bad ports" of Fetch)."""
LOCAL_NAMES: Final = ("localhost", "local", "internal", "home.arpa")
"""Names that never belong to the public, whatever a resolver says of them (RFC 6761, 6762, 8375)."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NETLOC = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\\]")
_KEPT: Final = "/?&=:@!$'()*+,;~%-._[]"


class UrlRefused(Exception):
    """The text is no address of a web server that we call; the message is a constant word and no part of the text."""


@dataclass(frozen=True)
class WebUrl:
    """One address, taken apart for good."""

    scheme: str
    host: str
    """In lower case: a name in ASCII, or an address in its canonical form without brackets."""
    address: Address | None
    """The host, where it is an address and not a name."""
    port: int
    target: str
    """Path and query as they are sent."""

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_local_name(self) -> bool:
        """Whether the host is a name that is set aside for one's own machine or network."""
        return any(self.host == name or self.host.endswith("." + name) for name in LOCAL_NAMES)

    @property
    def may_be_public(self) -> bool:
        """Whether it may be of a public place, as far as the text tells: a name is looked up when it is called."""
        return not self.is_local_name and (self.address is None or is_public(self.address))


def parse_url(url: str) -> WebUrl:
    """Read an address of `http` or `https`.

    Numeric hosts in another form than the canonical one (`127.1`, `0x7f.1`, `2130706433`, `017700000001`) are
    refused: libraries differ in what they mean.

    Raises:
        UrlRefused: with a word for what is wrong: `url_too_long`, `url_characters`, `url_scheme`, `url_userinfo`,
            `url_fragment`, `url_host` or `url_port`.
    """
    if len(url) > LONGEST_URL:
        raise UrlRefused("url_too_long")
    if not url or _FORBIDDEN.search(url):
        raise UrlRefused("url_characters")
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that do not pair
        raise UrlRefused("url_host") from None
    if parts.scheme not in PORTS:
        raise UrlRefused("url_scheme")
    if "@" in parts.netloc:
        raise UrlRefused("url_userinfo")
    if "#" in url:
        raise UrlRefused("url_fragment")
    place = _NETLOC.fullmatch(parts.netloc)
    if place is None:
        raise UrlRefused("url_host")
    host, address = _host(place["host"].lower())
    port = int(place["port"] or PORTS[parts.scheme])
    if not 0 < port < 65536 or port in OTHER_PROTOCOLS:
        raise UrlRefused("url_port")
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return WebUrl(parts.scheme, host, address, port, target)


def _host(text: str) -> tuple[str, Address | None]:
    try:
        if text.startswith("["):
            literal = IPv6Address(text[1:-1])
            if literal.scope_id is not None:  # an interface of this machine
                raise UrlRefused("url_host")
            return str(literal), literal
        name = _ascii_name(text)
        labels = name.split(".")
        if len(name) > LONGEST_HOST or not all(_LABEL.fullmatch(label) for label in labels):
            raise UrlRefused("url_host")
        return name, IPv4Address(name) if _NUMBER.fullmatch(labels[-1]) else None
    except AddressValueError:
        raise UrlRefused("url_host") from None


def _ascii_name(name: str) -> str:
    """The name as it is looked up. No mapping: a look-alike letter is refused and does not become another name."""
    if name.isascii():
        return name
    try:
        return idna.encode(name, strict=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise UrlRefused("url_host") from None
