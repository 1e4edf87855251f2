"""What a rendering may know: the values of one message's recipient, account and surroundings."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from journeys_api.delivery.personalization.dates import in_default_form, moment_of, zone_named
from journeys_api.delivery.personalization.encoding import Mode

Value: TypeAlias = (
    "str | int | float | Decimal | datetime | date | Mapping[str, Any] | Sequence[Any] | Callable[[], str] | None"
)
"""A text, something with an obvious text, a JSON tree, or a function that makes the text once it is needed."""

NAMESPACES = ("Subscriber", "User", "List", "Campaign", "Journey", "Action", "Entry", "UserGroup", "Link", "Event")
CANONICAL = {name.lower(): name for name in NAMESPACES}

_HASHED = {"HashedSubscriberID": "SubscriberID", "HashedCampaignID": "CampaignID"}
"""Names that stand for the MD5 of another one, unless the caller gives them."""
_HASHED_FOLDED = {name.lower(): of for name, of in _HASHED.items()}


class Renderable(Protocol):
    """A text with tags that is part of another one."""

    def render(self, context: "Context", *, mode: Mode) -> str:
        """The text for one context."""


class _Missing:
    """No value of that name, which is not the same as an empty one."""


_MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Context:
    """The values of one message. Rendering twice from the same one gives the same text.

    Args:
        values: by namespace (spelled as in `NAMESPACES`), then by name. Custom fields are names of `Subscriber`:
            `CustomField<ID>` and the alias, both. `Event` has `name`, and under `Property` the tree of properties.
            `HashedSubscriberID` and `HashedCampaignID` may be left out.
        now: the instant that `Now` and `%Date=…%` show.
        time_zone: the zone that they, and aware instants among the values, are shown in.
        seed: decides spinners and `%Random:…%`; the delivery's id, so that a retry says the same.
        link: what `{{link}}` of a short message is; None where there is no such thing, "" where it is switched off.
        remote: the texts that `Template.remote_urls` asked for; one that is missing is empty.
        included: the texts that `Template.included_urls` asked for, whose own tags are read; likewise.
        mfrom_domain: what `%MFROMDomain%` is.
    """

    now: datetime
    values: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    time_zone: str = "UTC"
    seed: int = 0
    link: str | Callable[[], str] | None = None
    remote: Mapping[str, str] = field(default_factory=dict)
    included: Mapping[str, Renderable] = field(default_factory=dict)
    mfrom_domain: str = ""
    _folded: dict[int, dict[str, str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _made: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def zone(self) -> tzinfo:
        """The zone that dates are shown in."""
        return zone_named(self.time_zone)

    @property
    def local_now(self) -> datetime:
        """The instant of the rendering as the zone's clocks show it."""
        now = self.now if self.now.tzinfo else self.now.replace(tzinfo=UTC)
        return now.astimezone(self.zone)

    def has(self, namespace: str, name: str) -> bool:
        """Whether there is a value of that name, be it empty."""
        return not isinstance(self._find(namespace, name, is_exact=False), _Missing)

    def text(self, namespace: str, name: str, *, is_exact: bool = False) -> str:
        """The value as text; empty when there is none.

        Args:
            is_exact: compare the name with case, as the `%…%` form does.
        """
        value = self._find(namespace, name, is_exact=is_exact)
        return value if isinstance(value, str) else self.as_text(value)

    def moment(self, namespace: str, name: str, *, is_exact: bool = False) -> datetime | None:
        """The value as a moment in the zone; None when it is none."""
        value = self._find(namespace, name, is_exact=is_exact)
        if callable(value):
            value = self.as_text(value)
        return moment_of(value, zone=self.zone, now=self.local_now)

    def as_text(self, value: object) -> str:
        """How a value reads: instants as `2024-12-25 14:30:00` in the zone, trees as JSON, nothing as the empty text.

        A function is called once, however often its name occurs.
        """
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, _Missing):
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float | Decimal):
            return _digits(value)
        if isinstance(value, datetime):
            moment = moment_of(value, zone=self.zone, now=self.now)
            return in_default_form(moment) if moment else ""
        if isinstance(value, date):
            return value.isoformat()
        if callable(value):
            if id(value) not in self._made:
                self._made[id(value)] = str(value())
            return self._made[id(value)]
        return _json(value)

    def _find(self, namespace: str, name: str, *, is_exact: bool) -> object:
        values = self.values.get(namespace)
        if values is None:
            return _MISSING
        found = self._member(values, name, is_exact=is_exact)
        if isinstance(found, _Missing):
            if ":" in name:
                return self._walk(values, name.split(":"), is_exact=is_exact)
            of = _HASHED.get(name) if is_exact else _HASHED_FOLDED.get(name.lower())
            if of is not None and of in values:
                plain = self.as_text(values[of])
                return hashlib.md5(plain.encode(errors="replace"), usedforsecurity=False).hexdigest()
        return found

    def _member(self, values: Mapping[str, Any], name: str, *, is_exact: bool) -> object:
        if name in values:
            return values[name]
        if is_exact:
            return _MISSING
        # the values live as long as the context, which holds them: their id stays theirs
        folded = self._folded.get(id(values))
        if folded is None:
            folded = self._folded[id(values)] = {}
            for key in values:
                folded.setdefault(str(key).lower(), key)
        lowered = name.lower()
        return values[folded[lowered]] if lowered in folded else _MISSING

    def _walk(self, tree: object, path: list[str], *, is_exact: bool) -> object:
        for step in path:
            if isinstance(tree, Mapping):
                tree = self._member(tree, step, is_exact=is_exact)
            elif isinstance(tree, list | tuple) and step.isascii() and step.isdigit() and len(step) < 10:
                tree = tree[int(step)] if int(step) < len(tree) else _MISSING
            else:
                return _MISSING
        return tree


def _digits(number: int | float | Decimal) -> str:
    """Without an exponent and without an idle `.0`, as a reader writes it; nothing for what is no finite number."""
    exact = Decimal(repr(number)) if isinstance(number, float) else Decimal(number)
    if not exact.is_finite():
        return ""
    return str(int(exact)) if isinstance(number, float) and exact == exact.to_integral_value() else f"{exact:f}"


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):
        return ""
