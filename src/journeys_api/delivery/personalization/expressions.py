"""What stands inside a tag: which value, through which helper, and what instead of an empty one.

`[helper] Namespace:Name [| "fallback"]`; the namespace may be left out for `Now` and for fields of the subscriber.
There is no expression language behind it: a name is looked up among the values of a context and nowhere else.
Source: AC 4, JC 3.8.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape

from journeys_api.delivery.personalization.context import CANONICAL, Context
from journeys_api.delivery.personalization.dates import date_format, in_default_form
from journeys_api.delivery.personalization.filters import ENCODING, Filter, filter_named

Read = Callable[[Context], str]

STANDARD_FIELDS = {
    name.lower(): name
    for name in (
        "EmailAddress", "FirstName", "LastName", "SubscriberID", "Status",
        "SubscriptionDate", "SubscriptionIP", "OptInDate", "HashedSubscriberID",
    )
}  # fmt: skip
"""Names that need no `Subscriber:`; others do so only where the subscriber has such a field."""

MAX_NAME = 250
MAX_LENGTH = 2000
"""Of a tag's inside; a longer one is text."""
_NAMED = re.compile(r"([A-Za-z]+)\s*:([^\"<>=!|%\x00-\x1f]+)")
_BARE = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_DATE_FORMAT = "dateformat-"


@dataclass(frozen=True, slots=True)
class Reference:
    """The value that a tag names. The namespace is empty for `Now`, `link` and the like."""

    namespace: str
    name: str
    is_exact: bool = False
    """Whether the name is compared with case: the `%…%` form."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A tag's inside, ready to be evaluated."""

    reference: Reference
    read: Read
    """The value behind its helper, not encoded yet. Blank where the fallback counts."""
    fallback: str | None = None
    """As it stands in the source."""
    is_raw: bool = False
    is_encoded: bool = False
    """Whether what is read is percent-encoded already."""
    has_breaks: bool = False
    """Whether line breaks are to be seen in HTML."""
    needs_field: bool = False
    """Whether the tag is one only if the subscriber has a field of that name."""

    @property
    def is_link(self) -> bool:
        """Whether the value is an address of our own making."""
        return self.reference.namespace == "Link" or self.reference == LINK


NOW = Reference("", "Now")
LINK = Reference("", "link")
MFROM_DOMAIN = Reference("", "MFROMDomain")


def is_blank(text: str) -> bool:
    """Whether the text counts as empty: nothing but white space."""
    return not text or text.isspace()


def expression_of(inner: str) -> Expression | None:
    """Read what stands between the braces; None when it is nothing that we know.

    Editors write `"` inside tags as `&quot;` and `>` as `&gt;`, so both spellings are read.
    """
    if len(inner) > MAX_LENGTH:
        return None
    inner = inner.replace("&quot;", '"').strip()
    inner, fallback = _split_fallback(inner)
    if "&" in inner:
        inner = unescape(inner).strip()
    words = inner.split(None, 1)
    if len(words) == 2 and (":" not in words[0] or words[0].lower().startswith(_DATE_FORMAT)):
        reference = reference_of(words[1])
        return None if reference is None else _helped(words[0], reference, fallback)
    reference = reference_of(inner)
    if reference is None:
        return None
    needs_field = fallback is None and (reference == LINK or _is_bare_field(inner))
    return Expression(reference, reader_of(reference), fallback, needs_field=needs_field)


def _is_bare_field(inner: str) -> bool:
    return ":" not in inner and inner.lower() not in STANDARD_FIELDS and inner.lower() != "now"


def reference_of(text: str) -> Reference | None:
    """Read `Namespace:Name` or a name alone, without case; None when it is neither or the namespace is unknown."""
    named = _NAMED.fullmatch(text)
    if named:
        namespace, name = CANONICAL.get(named[1].lower()), named[2].strip()
        return Reference(namespace, name) if namespace and name and len(name) <= MAX_NAME else None
    if not _BARE.fullmatch(text) or len(text) > MAX_NAME:
        return None
    folded = text.lower()
    if folded == "now":
        return NOW
    if folded == "link":
        return LINK
    return Reference("Subscriber", STANDARD_FIELDS.get(folded, text))


def _split_fallback(inner: str) -> tuple[str, str | None]:
    if inner.endswith('"'):
        opening = inner.rfind('"', 0, -1)
        before = inner[:opening].rstrip() if opening > 0 else ""
        if before.endswith("|"):
            return before[:-1].rstrip(), inner[opening + 1 : -1]
    return inner, None


def _helped(helper: str, reference: Reference, fallback: str | None) -> Expression | None:
    folded = helper.lower()
    if folded == "raw":
        return Expression(reference, reader_of(reference), fallback, is_raw=True)
    if folded == "nl2br":
        return Expression(reference, reader_of(reference), fallback, has_breaks=True)
    if folded.startswith(_DATE_FORMAT):
        # a blank cannot stand in a helper's name, so the underscore stands for it
        pattern = helper[len(_DATE_FORMAT) :].replace("_", " ")
        return Expression(reference, _date_reader(reference, pattern), fallback) if pattern else None
    function = filter_named(folded)
    if function is None:
        return None
    return Expression(
        reference,
        _filtered(reader_of(reference), function, has_fallback=fallback is not None),
        fallback,
        is_encoded=folded in ENCODING,
    )


def reader_of(reference: Reference) -> Read:
    """A function that looks the value up in a context, as text."""
    if reference == NOW:
        return lambda context: in_default_form(context.local_now)
    if reference == LINK:
        return lambda context: context.as_text(context.link)
    if reference == MFROM_DOMAIN:
        return lambda context: context.mfrom_domain
    namespace, name, is_exact = reference.namespace, reference.name, reference.is_exact

    def read(context: Context) -> str:
        values = context.values.get(namespace)
        value = None if values is None else values.get(name)
        # nearly every tag is spelled as its value is, and is a text: the slow way is for the others
        return value if isinstance(value, str) else context.text(namespace, name, is_exact=is_exact)

    return read


def now_in(pattern: str) -> Expression:
    """`%Date=pattern%`: the present moment."""
    return Expression(NOW, _date_reader(NOW, pattern))


def _date_reader(reference: Reference, pattern: str) -> Read:
    write = date_format(pattern)

    def read(context: Context) -> str:
        if reference == NOW:
            return write(context.local_now)
        moment = context.moment(reference.namespace, reference.name, is_exact=reference.is_exact)
        return "" if moment is None else write(moment)

    return read


def _filtered(read: Read, function: Filter, *, has_fallback: bool) -> Read:
    def through(context: Context) -> str:
        text = read(context)
        return "" if has_fallback and is_blank(text) else function(text)

    return through
