"""Addresses that links lead on to, and what is added to them."""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote_plus

import idna

_WEB = re.compile(r"https?://[^/?#\\\s]", re.IGNORECASE)
_BROWSER_STRIPS = "".join(map(chr, range(0x21)))
_BROWSER_DROPS = re.compile(r"[\t\n\r]+")
_AUTHORITY = re.compile(r"(https?://)([^/?#\\]*)(.*)", re.IGNORECASE | re.DOTALL)
_NOT_VISIBLE = re.compile(r"[^!-~]+")


def with_parameters(address: str, parameters: Sequence[tuple[str, str]]) -> str:
    """The address with these at the end of its query; one that it has already stays as it is, and so does the rest."""
    before, hash_sign, fragment = address.partition("#")
    path, _, query = before.partition("?")
    there = {unquote_plus(each.partition("=")[0]) for each in query.split("&")} if query else set()
    new = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters if name not in there]
    if not new:
        return address
    return f"{path}?{'&'.join([*filter(None, [query]), *new])}{hash_sign}{fragment}"


def web_address(text: str) -> str | None:
    """The address as a browser asks for it, in visible ASCII; None when it is no absolute web address.

    What is visible ASCII already stays to the byte.
    """
    text = _BROWSER_DROPS.sub("", text.strip(_BROWSER_STRIPS))
    if not _WEB.match(text):
        return None
    if not _NOT_VISIBLE.search(text):
        return text
    return _encoded(text)


def _encoded(text: str) -> str | None:
    found = _AUTHORITY.match(text)
    if found is None:
        return None
    scheme, authority, rest = found.groups()
    user, at, host = authority.rpartition("@")
    name, colon, port = host.partition(":")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            return None
    whole = f"{scheme}{_percent(user)}{at}{name}{colon}{port}"
    # a host with a blank is none, and no browser goes there
    return None if _NOT_VISIBLE.search(whole) else whole + _percent(rest)


def _percent(text: str) -> str:
    return _NOT_VISIBLE.sub(lambda match: quote(match[0], safe="", errors="replace"), text)
