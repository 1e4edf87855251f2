"""Which mails tell that they were opened and their links followed, and how their links are marked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from journeys_api.delivery.outbox import Message
from journeys_api.delivery.tracked_links import target_of, tracked_address, with_tracked_links, with_tracked_text
from journeys_api.links.targets import with_parameters
from journeys_api.links.urls import Links
from journeys_api.models import DeliveryKind, Email, SenderDomain

_UTM = {
    "utm_source": "UTMSource",
    "utm_medium": "UTMMedium",
    "utm_campaign": "UTMCampaign",
    "utm_term": "UTMTerm",
    "utm_content": "UTMContent",
}
"""Parameters of links, and the options of an email that give their values."""


@dataclass(frozen=True)
class MailTracking:
    """How one message is tracked."""

    links: Links
    row: Message
    """The delivery."""
    tracks_links: bool
    tracks_opens: bool
    marks: tuple[tuple[str, str], ...] = ()
    """UTM parameters of its links, whether they are tracked or not."""

    @cached_property
    def clicked(self) -> Callable[[str], str | None]:
        """The link of this message that leads on to a target; None when the target is too long for one."""
        return self.links.clicks(self.row)

    def html(self, document: str | None) -> str | None:
        """The HTML part as it is sent."""
        if not document or not (self.changes_links or self.tracks_opens):
            return document
        return with_tracked_links(
            document,
            self._link if self.changes_links else None,
            own=self._own,
            picture=self.links.opened(self.row) if self.tracks_opens else None,
        )

    def text(self, text: str | None) -> str | None:
        """The text part as it is sent."""
        return with_tracked_text(text, self._link, own=self._own) if text and self.changes_links else text

    def address(self, address: str) -> str | None:
        """What stands in place of a link's address; None when it stays."""
        return tracked_address(address, self._link, own=self._own) if self.changes_links else None

    def target(self, address: str) -> str | None:
        """What a link leads to by way of one of ours, which is this message's own; None where `address` says it all."""
        target = target_of(address, own=self._own) if self.tracks_links else None
        if target is None:
            return None
        marked = with_parameters(target, self.marks)
        return None if self.clicked(marked) is None else marked

    @property
    def manner(self) -> tuple[object, ...]:
        """The same for messages whose contents are changed in the same places."""
        return self.tracks_links, self.tracks_opens, self.marks

    @property
    def changes_links(self) -> bool:
        """Whether addresses of links are others than their author wrote."""
        return self.tracks_links or bool(self.marks)

    @property
    def _own(self) -> str:
        return f"{self.links.public_url}/t/"

    def _link(self, target: str) -> str | None:
        marked = with_parameters(target, self.marks) if self.marks else target
        if not self.tracks_links:
            return marked
        return self.clicked(marked) or (marked if self.marks else None)


def tracking_of(
    links: Links, row: Message, email: Email | None, domain: SenderDomain | None, *, with_picture: bool = True
) -> MailTracking:
    """How a delivery's mail is tracked: as its email and the sender domain chosen for it both want.

    Only mails of journeys are: what asks for a confirmation, and what is sent on to a friend, is not.

    Args:
        with_picture: whether opening it is to be told; a mail that is shown as a page is no opened one.
    """
    is_tracked = row.kind == DeliveryKind.MAIL.value and email is not None
    options = [each.options for each in (email, domain) if each is not None]

    def wants(name: str) -> bool:
        return is_tracked and all(each.get(name, True) for each in options)

    marks = _marks(email.options) if is_tracked and email is not None else ()
    return MailTracking(links, row, wants("LinkTracking"), with_picture and wants("OpenTracking"), marks)


def _marks(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if not options.get("UTMTracking"):
        return ()
    return tuple((name, str(options[option])) for name, option in _UTM.items() if options.get(option))
