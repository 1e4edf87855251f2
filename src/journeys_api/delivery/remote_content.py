"""Texts of mails that lie on other servers: whole bodies behind `FetchURL`, and pieces behind `%RemoteContent=…%`.

Tags inside a body, and inside what `%RemoteContentBeforeSend=…%` names, are read; `%RemoteContent=…%` is put in as it
came. A body that cannot be had makes its mail wait: nothing is sent, and the delivery is tried again like one that the
mail server put off. A piece that cannot be had is empty. What was fetched is kept for a minute, so that a million mails
of one address are a few fetches; who asks for an address that is being fetched waits for that one.

Source: AC 2.8, 4; rulings 7; `docs/compatibility.md`, "Running journeys".
"""

import asyncio
import codecs
import contextlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, TypeVar

from journeys_api.delivery import personalization
from journeys_api.delivery.egress import Egress, EgressFailed, EgressRefused, Response
from journeys_api.delivery.envelopes import InvalidMail
from journeys_api.delivery.personalization import Context, Mode, Template
from journeys_api.delivery.web_urls import UrlRefused, parse_url

FETCH_DEADLINE: Final = timedelta(seconds=10)
LONGEST_CONTENT: Final = 1024 * 1024
MAIL_DEADLINE: Final = timedelta(seconds=45)
"""For all that one mail fetches, waiting for its turn included; leases on mails are longer."""
MOST_PIECES: Final = 20
"""Remote contents of one mail, of either kind."""
KEPT: Final = timedelta(seconds=60)
KEPT_UNREACHABLE: Final = timedelta(seconds=15)
MOST_KEPT_BYTES: Final = 32 * LONGEST_CONTENT
MOST_KEPT: Final = 10_000
AT_ONCE: Final = 32
AT_ONCE_OF_A_HOST: Final = 8

_T = TypeVar("_T")
_HEADERS: Final = {"Accept": "text/html, text/*;q=0.9, application/xhtml+xml;q=0.9, */*;q=0.1"}
_AWAY: Final = frozenset({"dns_failed", "dns_timed_out", "connect_failed"})
"""Failures of a whole host: its other addresses need not be tried for a while."""
_TEXT: Final = re.compile(r"(?:text/[^;]*|application/(?:[^;]*[+/])?(?:xml|json)|)\s*(?:;|$)", re.IGNORECASE)
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_CODECS: Final = re.compile(
    r"ascii|iso8859-\d+|cp125\d|koi8-[ru]|utf-16(-[lb]e)?|gb2312|gbk|gb18030|big5|euc_\w+|shift_jis"
)
"""Python knows others that are no character sets of the web, and some that take long over a little."""


class ContentUnavailable(Exception):
    """A text cannot be had now; the message is a constant word for the reason."""


@dataclass(frozen=True)
class Content:
    """A text that was fetched."""

    text: str

    @cached_property
    def template(self) -> Template:
        """The text with its tags read."""
        return personalization.compile(self.text)


@dataclass(frozen=True)
class Bodies:
    """The texts of a mail that is not personalized yet; of each body either the text is here or its address."""

    html: Template
    text: Template
    html_url: Template | None = None
    text_url: Template | None = None
    lines: Sequence[Template] = ()
    """Subject and pre-header, which may hold remote contents, too."""
    was_fetched: bool = False
    """Whether something of it came from elsewhere."""

    @property
    def is_remote(self) -> bool:
        """Whether anything has to be fetched."""
        if self.html_url is not None or self.text_url is not None:
            return True
        return any(each.remote_contents for each in (self.html, self.text, *self.lines))


class RemoteContents:
    """Fetches and keeps remote texts for one process."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._turns: dict[str, _Turn] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def gather(self, bodies: Bodies, context: Context) -> tuple[Bodies, Context]:
        """The mail's texts and the context to render them with, when everything is here. Never inside a transaction.

        Addresses are personalized first, each value percent-encoded.

        Raises:
            ContentUnavailable: a whole body cannot be had, or it all took too long.
            InvalidMail: more remote contents than a mail may have.
        """
        try:
            async with asyncio.timeout(MAIL_DEADLINE.total_seconds()):
                html, text = await _all(self._body(bodies.html_url, context), self._body(bodies.text_url, context))
                here = replace(
                    bodies,
                    html=html or bodies.html,
                    text=text or bodies.text,
                    html_url=None,
                    text_url=None,
                    was_fetched=True,
                )
                texts = (here.html, here.text, *here.lines)
                included = await self._pieces({url for each in texts for url in each.included_urls(context)})
                templates = {url: content.template for url, content in included.items()}
                pieces = await self._pieces(
                    {url for each in (*texts, *templates.values()) for url in each.remote_urls(context)}
                )
        except TimeoutError:
            raise ContentUnavailable("remote content: took too long") from None
        remote = {url: content.text for url, content in pieces.items()}
        return here, replace(context, remote=remote, included=templates)

    async def _body(self, url: Template | None, context: Context) -> Template | None:
        if url is None:
            return None
        try:
            content = await self.fetch(url.render(context, mode=Mode.URL))
        except ContentUnavailable as unavailable:
            raise ContentUnavailable(f"remote content: {unavailable}") from None
        if not content.text.strip():
            raise ContentUnavailable("remote content: empty")
        return content.template

    async def _pieces(self, urls: Collection[str]) -> dict[str, Content]:
        """What could be had of them.

        Raises:
            InvalidMail: they are too many.
        """
        if len(urls) > MOST_PIECES:
            raise InvalidMail(f"more than {MOST_PIECES} remote contents")
        found = await _all(*(self._piece(url) for url in urls))
        return {url: content for url, content in zip(urls, found, strict=True) if content is not None}

    async def _piece(self, url: str) -> Content | None:
        try:
            return await self.fetch(url)
        except ContentUnavailable:
            return None

    async def fetch(self, url: str) -> Content:
        """The text at an address, at most a minute old.

        Raises:
            ContentUnavailable: the address is not to be called, or gave no text.
        """
        try:
            host = parse_url(url).authority
        except UrlRefused as refused:
            raise ContentUnavailable(str(refused)) from None
        async with self._turn(url, 1):
            known = self._known(url)
            if known is None:
                async with self._turn(host, AT_ONCE_OF_A_HOST), self._at_once:
                    known = self._known(host) or await self._fetch(url, host)
        if isinstance(known, ContentUnavailable):
            raise ContentUnavailable(str(known))
        return known

    async def _fetch(self, url: str, host: str) -> Content | ContentUnavailable:
        try:
            content = _read(await self._egress.request("GET", url, headers=_HEADERS, body=b""))
        except (EgressRefused, EgressFailed) as failed:
            unavailable = ContentUnavailable(failed.reason)
            self._keep(host if failed.reason in _AWAY else url, unavailable, KEPT_UNREACHABLE)
            return unavailable
        except ContentUnavailable as unavailable:
            self._keep(url, unavailable, KEPT_UNREACHABLE)
            return unavailable
        self._keep(url, content, KEPT)
        return content

    def _known(self, key: str) -> Content | ContentUnavailable | None:
        kept = self._kept.get(key)
        if kept is None or kept.until <= asyncio.get_running_loop().time():
            return None
        self._kept.move_to_end(key)
        return kept.found

    def _keep(self, key: str, found: Content | ContentUnavailable, lifetime: timedelta) -> None:
        size = len(key) + (len(found.text) if isinstance(found, Content) else 0)
        self._kept_bytes += size - (self._kept.pop(key).size if key in self._kept else 0)
        self._kept[key] = _Kept(found, asyncio.get_running_loop().time() + lifetime.total_seconds(), size)
        while self._kept_bytes > MOST_KEPT_BYTES or len(self._kept) > MOST_KEPT:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= oldest.size

    @contextlib.asynccontextmanager
    async def _turn(self, key: str, at_once: int) -> AsyncIterator[None]:
        """Hold one of so many places of an address or a host; who waits longest is next."""
        turn = self._turns.setdefault(key, _Turn(asyncio.Semaphore(at_once)))
        turn.people += 1
        try:
            async with turn.places:
                yield
        finally:
            turn.people -= 1
            if not turn.people:
                del self._turns[key]


@dataclass(frozen=True)
class _Kept:
    found: Content | ContentUnavailable
    until: float
    """By the loop's clock."""
    size: int


@dataclass
class _Turn:
    places: asyncio.Semaphore
    people: int = field(default=0)
    """Who holds or waits for a place."""


async def _all(*each: Coroutine[Any, Any, _T]) -> list[_T]:
    """What they all return; the first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in each]
    except* (ContentUnavailable, InvalidMail) as group_failed:
        raise group_failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _read(response: Response) -> Content:
    """The text of an answer.

    Raises:
        ContentUnavailable: it is no success, was cut off, or is no text.
    """
    if not 200 <= response.status < 300:
        raise ContentUnavailable(f"http_{response.status}")
    if not response.is_complete:
        raise ContentUnavailable("answer_too_large" if len(response.body) >= LONGEST_CONTENT else "answer_cut_off")
    kind = response.headers.get("content-type", "").strip()
    if not _TEXT.match(kind) or response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ContentUnavailable("answer_no_text")
    text = response.body.decode(_codec(kind), errors="replace")
    # no mail can carry a NUL, and no reader of HTML sees one
    return Content(text.replace("\x00", "\ufffd"))


def _codec(content_type: str) -> str:
    """The codec of a content type's charset; UTF-8 for none, and for one that the web does not use."""
    named = _CHARSET.search(content_type)
    with contextlib.suppress(LookupError):
        name = codecs.lookup(named[1]).name if named else ""
        if _CODECS.fullmatch(name):
            return name
    return "utf-8-sig"
