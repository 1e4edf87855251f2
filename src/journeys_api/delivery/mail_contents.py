"""What a mail is made of before it is personalized: its email's texts, and all that they may know of the person."""

from typing import Any

from journeys_api.delivery import personalization
from journeys_api.delivery.contexts import Audience, Values
from journeys_api.delivery.envelopes import InvalidMail
from journeys_api.delivery.outbox import Message
from journeys_api.delivery.personalization import Context, Template
from journeys_api.delivery.remote_content import Bodies
from journeys_api.emails.content import bodies_of
from journeys_api.links.urls import Links
from journeys_api.models import DeliveryKind, Email, Subscriber

CONFIRMATION = """\
Please confirm your subscription to {{ List:Name }}:

{{{ Link:Confirm }}}

If you did not ask for it, do nothing, or say so here:

{{{ Link:Reject }}}
"""
"""What a double opt-in list without an email of its own sends; plain text."""
MOST_TEMPLATES = 2000


class Contents:
    """Makes texts and contexts of mails; keeps the parsed texts of one process."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._templates: dict[str, Template] = {}

    def context(self, row: Message, subscriber: Subscriber, audience: Audience) -> Context:
        """What the texts of a delivery may know."""
        user = audience.users[row.owner_id][0]
        return Context(
            now=row.dated,
            time_zone=user.time_zone,
            # a mail that is sent on says what the recipient has read
            seed=row.payload.get("Forwarded", row.delivery_id),
            values={**audience.values(subscriber), **self._of_delivery(row)},
        )

    def _of_delivery(self, row: Message) -> Values:
        """The namespaces that only this message has."""
        return {
            "Journey": {"JourneyID": row.journey_id, "ActionID": row.action_id},
            "Action": {"ActionID": row.action_id},
            "Entry": {"EntryID": row.enrollment_id},
            "Event": row.payload.get("Event", {}),
            "Link": self._links_of(row),
        }

    def _links_of(self, row: Message) -> dict[str, Any]:
        links = self._links
        if row.kind == DeliveryKind.FORWARD.value:
            # a friend must not unsubscribe whoever sent the mail on
            return {}
        own = {
            "Unsubscribe": lambda: links.unsubscribe(row),
            "SubscriberArea": lambda: links.unsubscribe(row),
            "Suppression": lambda: links.suppress(row),
            "Confirm": lambda: links.confirm(row),
            "Reject": lambda: links.reject(row),
        }
        if row.kind == DeliveryKind.MAIL.value:
            own |= {
                "WebBrowser": lambda: links.browser(row),
                "Forward": lambda: links.forward(row),
                "ReportAbuse": lambda: links.report_abuse(row),
            }
        return own

    def bodies(self, email: Email | None) -> Bodies:
        """The texts of an email, or of our own that asks for a confirmation; what its type does not have is empty.

        Raises:
            InvalidMail: it has none.
        """
        if email is None:
            return Bodies(html=self.template(""), text=self.template(CONFIRMATION))
        html, plain = bodies_of(email)
        if not any((html.text, html.url, plain.text, plain.url)):
            raise InvalidMail("the email has no content")
        return Bodies(
            html=self.template(html.text),
            text=self.template(plain.text),
            html_url=self.template(html.url) if html.url else None,
            text_url=self.template(plain.url) if plain.url else None,
            lines=(self.template(email.subject), self.template(email.pre_header_text)),
        )

    def template(self, text: str) -> Template:
        """The parsed text; one is kept for each text in use."""
        known = self._templates.get(text)
        if known is None:
            if len(self._templates) >= MOST_TEMPLATES:
                self._templates.clear()
            known = self._templates[text] = personalization.compile(text)
        return known
