"""A mail that a journey sent, and what its recipient does with it over HTTP."""

import re
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running
from tests.engine.conftest import address as address
from tests.engine.conftest import audience as audience
from tests.engine.conftest import work as work

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
ONE, TWO = "https://shop.example/one?a=1&b=2", "https://shop.example/two"
HTML = (
    '<html><body><p>Hi {{ Subscriber:EmailAddress }}</p><a href="https://shop.example/one?a=1&amp;b=2">one</a>'
    '<a href="https://shop.example/two">two</a><a href="{{ Link:Unsubscribe }}">leave</a>'
    '<a href="{{ Link:WebBrowser }}">view</a><a href="%Link:Forward%">forward</a>'
    '<a href="{{ Link:ReportAbuse }}">abuse</a><a href="{{ Link:Suppression }}">never</a>'
    '<a href="{{ Link:SubscriberArea }}">me</a></body></html>'
)
TEXT = "Hi {{ Subscriber:EmailAddress }}: https://shop.example/plain. {{ Link:Unsubscribe }}"


@dataclass
class Sent:
    """A mail that was sent, and who follows its links."""

    api: Client
    audience: Audience
    work: Work
    address: str
    journey_id: int
    email_id: int
    subscriber_id: int
    links: dict[str, str] = field(default_factory=dict)
    """Text of a link → its path, and `picture`."""

    @property
    def mail(self) -> EmailMessage:
        """As it lies in the Maildir."""
        return self.work.mails_to(self.address)[0]

    @property
    def html(self) -> str:
        """The HTML part."""
        return part_of(self.mail, "html")

    @property
    def text(self) -> str:
        """The text part."""
        return part_of(self.mail, "plain")

    async def follow(self, link: str, method: str = "GET", **request: Any) -> httpx.Response:
        """Ask for one of its links, as a browser unless the headers say otherwise."""
        headers = {"User-Agent": BROWSER, **request.pop("headers", {})}
        return await self.api.http.request(method, self.links.get(link, link), headers=headers, **request)

    async def judge(self) -> None:
        """Let a while pass and have the visits judged."""
        await self.work.run(seconds=5)

    async def numbers(self) -> dict[str, Any]:
        """What the journey's statistics count, without zeros and what was sent."""
        await self.judge()
        answer = await self.api.ok("journey.get", JourneyID=self.journey_id)
        counted = answer["JourneyStats"]["AggregatedEmailActions"]
        return {name: count for name, count in counted.items() if count and name not in ("SendCount", "DeliveryCount")}

    async def ledger(self) -> list[Any]:
        """What is written down of the message, in order."""
        await self.judge()
        assert self.api.account
        return await self.work.rows(
            "SELECT kind, is_counted, automated, detail FROM message_activities WHERE owner_id = :owner "
            "ORDER BY occurred_at, kind",
            owner=self.api.account.user_id,
        )


def part_of(mail: EmailMessage, kind: str) -> str:
    """The text of a mail's HTML or plain part."""
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def links_of(document: str) -> dict[str, str]:
    """Text of a link → its path, and `picture`."""
    found = {
        text: urlsplit(url).path
        for url, text in re.findall(r'<a href="(http://journeys\.test/[^"]+)">(\w+)<', document)
    }
    picture = re.search(r'<img src="(http://journeys\.test/t/o/[^"]+)"', document)
    return {**found, "picture": urlsplit(picture[1]).path} if picture else found


async def send(
    api: Client,
    audience: Audience,
    work: Work,
    address: str,
    *,
    html: str = HTML,
    action: dict[str, Any] | None = None,
    **email: Any,
) -> Sent:
    """Have a journey send a mail to somebody new on the list."""
    email_id = int((await api.ok("email.create"))["EmailID"])
    content = {"Subject": "Hello", "HTMLContent": html, "PlainContent": TEXT, **email}
    await api.ok("email.update", EmailID=email_id, ValidateScope="AutoResponder", **content)
    journey_id = await running(
        api,
        {"Action": "SendEmail", "EmailID": email_id, **(action or {})},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    subscriber_id = await audience.subscribe(address)
    await work.run()
    assert [state for _, state, _ in await work.deliveries(journey_id)] == ["sent"]
    sent = Sent(api, audience, work, address, journey_id, email_id, subscriber_id)
    sent.links = links_of(sent.html)
    return sent


@pytest.fixture
async def sent(api: Client, audience: Audience, work: Work, address: str) -> Sent:
    """One mail, sent."""
    return await send(api, audience, work, address)
