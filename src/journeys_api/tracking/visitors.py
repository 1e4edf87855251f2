"""Who visits a tracked link: a person, or a machine that shows itself by how it asks.

Nothing is judged by the time since sending: who opens at once may well be a person. Machines that look like a browser
are known by what they do next (`tracking.judging`).

Source: reliability S95; `docs/compatibility.md`, "What counts".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2
from crawleruseragents import CRAWLER_USER_AGENTS_DATA
from starlette.types import Scope

LONGEST_AGENT = 400
LONGEST_ADDRESS = 64

PICTURE_PROXIES = {
    "GoogleImageProxy": "Gmail",
    "YahooMailProxy": "Yahoo Mail",
    "FastmailUA": "Fastmail",
    "Shortwave Image Fetcher": "Shortwave",
}
"""Servers of mailbox providers that fetch a picture when a person opens the mail, so their visits are people's."""
APPLE = "Mozilla/5.0"
"""All that Apple's privacy proxy says of itself; it fetches every picture of every mail, opened or not."""

SCANNERS = (
    r"\b(?:barracuda|proofpoint|mimecast|messagelabs|symantec|trend ?micro|fireeye|forcepoint|ironport|sophos|zscaler|"
    r"fortiguard|fortisandbox|checkpoint|vade ?secure|hornetsecurity|spamtitan|mailscanner|clamav|safelinks)|"
    r"office (?:existence|protocol) discovery|\burlscan\b|\bphish(?:tank|fort)\b"
)
"""Scanners of mail and programs that look at a link before they open it, which the list of crawlers leaves out."""
_PEOPLE_AMONG_CRAWLERS = frozenset({"MetaIAB Facebook", r"AP3A\.240617\.008", r"mail\.ru", *PICTURE_PROXIES})
"""Entries of the list that people's own browsers match: inside an app, a system's build, a portal's toolbar."""
_HTTP_LIBRARY = "http-library"
"""Entries that name a program to write programs with, such as curl: they do not say who asks."""

_SPACES = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of who asks."""

    ip_address: str
    user_agent: str
    automated: str | None
    """Why it is taken for a machine; None: for a person, so far."""


def visitor_of(scope: Scope) -> Visitor:
    """Look at a request: its client, after trusted proxies, and what its headers say."""
    headers = _headers(scope)
    agent = _clean(headers.get("user-agent", ""), LONGEST_AGENT)
    client = scope.get("client")
    address = _clean(str(client[0]) if client else "", LONGEST_ADDRESS)
    return Visitor(address, agent, _by_request(scope["method"], headers) or machine_named(agent))


def _by_request(method: str, headers: Mapping[str, str]) -> str | None:
    """What a request that is not for somebody's eyes says of itself."""
    if method == "HEAD":
        return "HEAD"
    for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"):
        said = headers.get(name, "").lower()
        if "prefetch" in said or "prerender" in said or "preview" in said:
            return "prefetch"
    return None


def machine_named(agent: str) -> str | None:
    """The machine that a user agent names; None for a browser, a mail program, and what nobody knows."""
    return _machine_named(agent) if agent else None


@lru_cache(maxsize=8192)
def _machine_named(agent: str) -> str | None:
    if proxy_named(agent) is not None:
        return None
    if agent == APPLE:
        return "Apple privacy proxy"
    found = _scanners().search(agent) or _crawlers().search(agent)
    return f"bot: {found.group().strip()[:60]}" if found else None


def proxy_named(agent: str) -> str | None:
    """The mailbox provider whose server fetches a picture for the person who opens a mail."""
    return next((whose for name, whose in PICTURE_PROXIES.items() if name in agent), None)


@lru_cache(maxsize=1)
def _scanners() -> Any:
    return re2.compile(f"(?i){SCANNERS}")


@lru_cache(maxsize=1)
def _crawlers() -> Any:
    """The list of known crawlers as one automaton: its time does not depend on how long the list is."""
    options = re2.Options()
    options.max_mem = 64 << 20
    names = [
        f"(?:{entry['pattern']})"
        for entry in CRAWLER_USER_AGENTS_DATA
        if entry["pattern"] not in _PEOPLE_AMONG_CRAWLERS and _HTTP_LIBRARY not in entry.get("tags", ())
    ]
    return re2.compile("|".join(names), options)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _clean(text: str, most: int) -> str:
    """Short, on one line, without what no column keeps."""
    return _SPACES.sub(" ", text[:most]).strip()
