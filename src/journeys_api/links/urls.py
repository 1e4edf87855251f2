"""The links that messages carry."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from journeys_api.links.tokens import Kind, clicks_signer, sign, url_of


class Linked(Protocol):
    """A delivery whose message carries links."""

    @property
    def owner_id(self) -> int: ...

    @property
    def list_id(self) -> int: ...

    @property
    def subscriber_id(self) -> int: ...

    @property
    def delivery_id(self) -> int: ...


class Links:
    """The links of one server's messages."""

    def __init__(self, key: bytes, *, public_url: str) -> None:
        self._key = key
        self.public_url = public_url
        self._beginnings = {kind: url_of(public_url, kind, "") for kind in Kind}
        # a mail says some of them in its head and in its text
        self._url = lru_cache(maxsize=16)(self._signed)

    def unsubscribe(self, delivery: Linked) -> str:
        """Leads to a page that takes the delivery's subscriber off its list; one-click POSTs go there too."""
        return self._of_person(Kind.UNSUBSCRIBE, delivery)

    def confirm(self, delivery: Linked) -> str:
        """Leads to a page that confirms the subscription that the delivery asks about."""
        return self._url(Kind.CONFIRM, delivery.owner_id, delivery.list_id, delivery.subscriber_id)

    def reject(self, delivery: Linked) -> str:
        """Leads to a page that rejects it."""
        return self._url(Kind.REJECT, delivery.owner_id, delivery.list_id, delivery.subscriber_id)

    def short(self, delivery: Linked, *, expires_at: datetime) -> str:
        """Leads on to the link of the delivery's short message, until then."""
        return self._url(Kind.SHORT, delivery.owner_id, delivery.delivery_id, int(expires_at.timestamp()))

    def opened(self, delivery: Linked) -> str:
        """The picture that tells that the delivery was opened."""
        return self._url(Kind.OPEN, delivery.owner_id, delivery.delivery_id)

    def clicked(self, delivery: Linked, target: str) -> str | None:
        """Leads on to the target and tells that it was followed; None: the target is too long for a link of ours."""
        return self.clicks(delivery)(target)

    def clicks(self, delivery: Linked) -> Callable[[str], str | None]:
        """`clicked` for the many targets of one message."""
        sign, beginning = (
            clicks_signer(self._key, delivery.owner_id, delivery.delivery_id),
            self._beginnings[Kind.CLICK],
        )

        def clicked(target: str) -> str | None:
            token = sign(target)
            return None if token is None else beginning + token

        return clicked

    def browser(self, delivery: Linked) -> str:
        """Leads to the delivery's mail as a page."""
        return self._url(Kind.BROWSER, delivery.owner_id, delivery.delivery_id)

    def forward(self, delivery: Linked) -> str:
        """Leads to a page that sends the delivery's mail to a friend."""
        return self._url(Kind.FORWARD, delivery.owner_id, delivery.delivery_id)

    def report_abuse(self, delivery: Linked) -> str:
        """Leads to a page that says that the delivery's mail was not wanted."""
        return self._of_person(Kind.REPORT_ABUSE, delivery)

    def suppress(self, delivery: Linked) -> str:
        """Leads to a page that keeps the delivery's subscriber from being written to at all."""
        return self._of_person(Kind.SUPPRESS, delivery)

    def _of_person(self, kind: Kind, delivery: Linked) -> str:
        return self._url(kind, delivery.owner_id, delivery.list_id, delivery.subscriber_id, delivery.delivery_id)

    def _signed(self, kind: Kind, *numbers: int) -> str:
        return self._beginnings[kind] + sign(self._key, kind, *numbers)
