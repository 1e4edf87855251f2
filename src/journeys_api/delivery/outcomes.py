"""How one attempt at a delivery ended; the same for mail, webhooks and short messages."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from journeys_api.bounces.severity import Severity


class Ending(StrEnum):
    """What an attempt means for its delivery."""

    ACCEPTED = "accepted"
    """The other side took it."""
    DEFERRED = "deferred"
    """It did not take it now; nothing was delivered, and trying again may help."""
    REFUSED = "refused"
    """It will never take it."""
    UNKNOWN = "unknown"
    """The connection broke after the content was handed over: it may have been taken."""
    POSTPONED = "postponed"
    """Nothing was tried, because it is not the time for it: this does not count as an attempt."""


@dataclass(frozen=True)
class Outcome:
    """One attempt's end."""

    ending: Ending
    reason: str = ""
    """Short, for people; no address, credential or content of the message."""
    reference: str = ""
    """The other side's own id of what it took, where it gives one."""
    retry_after: int | None = None
    """Seconds that the other side asks to wait."""
    until: datetime | None = None
    """For what is postponed: when it is the time for it; None: at once."""
    bounce: Severity | None = None
    """For mail that was not taken because of its recipient or its content: how that is to be taken."""
