"""What providers tell of mails, in one generic shape that theirs are easily put into (docs/inbound.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.bounces import service as bounces
from journeys_api.bounces.message_ids import named_in
from journeys_api.bounces.service import ReturnKind
from journeys_api.bounces.severity import Severity, severity_of
from journeys_api.commands.reading import Unreadable, email_address
from journeys_api.strict_json import fold

MOST_EVENTS = 500
LONGEST_TEXT = 500
_NOTHING_TO_DO = frozenset({"delivered", "delivery", "deferred", "delayed", "open", "opened", "click", "clicked"})
_OTHERS = {
    **dict.fromkeys(("complaint", "complained", "spam", "spam_complaint"), ReturnKind.COMPLAINT),
    **dict.fromkeys(("unsubscribe", "unsubscribed"), ReturnKind.UNSUBSCRIBE),
}


class BadEvents(Exception):
    """The body is not of the documented shape; the text names the place and no value."""


@dataclass(frozen=True)
class ProviderEvent:
    """One event."""

    kind: ReturnKind | None
    """None: one that changes nothing here."""
    names: str
    email: str
    """In lower case; "": not said."""
    occurred_at: datetime
    detail: Mapping[str, str] = field(default_factory=dict)


def read_events(given: Any, *, now: datetime) -> list[ProviderEvent]:
    """The events of a body, all or none.

    Raises:
        BadEvents: an event without a known type, or without anything to tell the mail by.
    """
    if isinstance(given, dict) and isinstance(given.get("events"), list):
        given = given["events"]
    events = given if isinstance(given, list) else [given]
    if len(events) > MOST_EVENTS:
        raise BadEvents(f"more than {MOST_EVENTS} events")
    return [_event(each, f"[{place}]", now) for place, each in enumerate(events)]


def _event(given: Any, place: str, now: datetime) -> ProviderEvent:
    if not isinstance(given, dict):
        raise BadEvents(f"{place}: not an object")
    told = {fold(name): value for name, value in given.items()}
    names = " ".join(_text(told, name, place) for name in ("message_id", "x_message_id"))
    email = _text(told, "email", place)
    if email:
        try:
            email = email_address(email).lower()
        except Unreadable:
            raise BadEvents(f"{place}.email: not an address") from None
    if not names.strip() and not email:
        raise BadEvents(f"{place}: none of message_id, x_message_id, email")
    status, diagnostic = _text(told, "status", place), _text(told, "diagnostic", place)
    return ProviderEvent(
        kind=_kind(told, status, diagnostic, place),
        names=names,
        email=email,
        occurred_at=_instant(told.get("timestamp"), place, now),
        detail={"status": status, "diagnostic": diagnostic},
    )


def _kind(told: Mapping[str, Any], status: str, diagnostic: str, place: str) -> ReturnKind | None:
    said = fold(_text(told, "type", place))
    if said in _NOTHING_TO_DO:
        return None
    if said in _OTHERS:
        return _OTHERS[said]
    if said not in ("bounce", "bounced"):
        raise BadEvents(f"{place}.type: none of bounce, complaint, delivered, unsubscribe")
    severity = fold(_text(told, "severity", place))
    if severity and severity not in list(Severity):
        raise BadEvents(f"{place}.severity: none of hard, soft, block")
    return ReturnKind(severity or severity_of(status, diagnostic).value)


def _text(told: Mapping[str, Any], name: str, place: str) -> str:
    value = told.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\x00" in value:
        raise BadEvents(f"{place}.{name}: not a text")
    return value.strip()[:LONGEST_TEXT]


def _instant(value: Any, place: str, now: datetime) -> datetime:
    try:
        if value is None or value == "":
            return now
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise BadEvents(f"{place}.timestamp: neither seconds since 1970 nor ISO 8601")


async def deliveries_of(session: AsyncSession, events: Sequence[ProviderEvent], *, key: bytes) -> list[int | None]:
    """The mail that each event is about: by its name where one is given, else the last one to the address.

    None: an unknown mail. A name that is not ours is not made up for by the address.
    """
    addressed = {each.email for each in events if each.kind is not None and not each.names.strip()}
    latest = await bounces.latest_mails(session, addressed)
    return [next(named_in(key, each.names), None) if each.names.strip() else latest.get(each.email) for each in events]
