"""What a test did, counted by the test: nothing here was ever told by the server."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from tests.end_to_end.post_office import Mail

FILTERS = {
    "opened": "OpenCount",
    "clicked": "ClickCount",
    "converted": "ConversionCount",
    "browser_viewed": "BrowserViewCount",
    "forwarded": "ForwardCount",
    "unsubscribed": "UnsubscribeCount",
    "bounced": "BounceCount",
    "spam_complaint": "SpamComplaintCount",
}
"""Filter of `journey.action.subscribers` → the number that counts the same."""
SENT = "SendCount"


@dataclass(eq=False)
class Person:
    """Somebody on the list, and what their deeds come to."""

    address: str
    mails: list[Mail] = field(default_factory=list)
    touched: Mail | None = None
    """What they opened or clicked last."""
    has_left: bool = False
    is_suppressed: bool = False
    bounces: str = "Not Bounced"
    soft_bounces: int = 0

    @property
    def may_be_mailed(self) -> bool:
        """Whether another mail would be sent."""
        return not self.has_left and not self.is_suppressed and self.bounces != "Hard"


@dataclass
class Counts:
    """How often what happened to which mail, a mail being its subject and its address."""

    facts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(number, subject, address)."""
    cents: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(subject, address)."""

    def happened(self, number: str, mail: Mail) -> None:
        """It counts once a mail, however often it happens."""
        self.facts[number, mail.subject, mail.address] = 1

    def has_happened(self, number: str, mail: Mail) -> bool:
        """Whether it counts already."""
        return (number, mail.subject, mail.address) in self.facts

    def happened_again(self, number: str, mail: Mail, cents: int = 0) -> None:
        """It counts each time."""
        self.facts[number, mail.subject, mail.address] += 1
        self.cents[mail.subject, mail.address] += cents

    def numbers(self, subjects: Collection[str], domain: str = "") -> dict[str, float]:
        """The eleven numbers of mails, of all or those to one domain."""
        found: Counter[str] = Counter()
        cents = 0
        for (number, subject, address), times in self.facts.items():
            if subject in subjects and domain in ("", address.partition("@")[2]):
                found[number] += times
        for (subject, address), brought in self.cents.items():
            if subject in subjects and domain in ("", address.partition("@")[2]):
                cents += brought
        names = (SENT, *FILTERS.values())
        return {**{name: found[name] for name in names}, "DeliveryCount": found[SENT], "TotalRevenue": cents / 100}

    def people(self, subject: str, *numbers: str, is_any: bool = False) -> list[str]:
        """The addresses to whose mail all of it happened, or any of it; in order."""
        did = [{address for name, of, address in self.facts if (name, of) == (number, subject)} for number in numbers]
        return sorted(set.union(*did) if is_any else set.intersection(*did))
