"""From a subscription over HTTP to numbers, with real processes that are killed: the test counts for itself.

`JOURNEYS_TEST_PEOPLE` says how many people take the journey; each of them does something else with each mail.
"""

import asyncio
import email
import email.policy
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import make_url

from journeys_api.embedded import EmbeddedPostgres
from journeys_api.migrate import migrate
from tests.conftest import ADMIN_KEY, SECRET_KEY
from tests.delivery.mail.sinks import Sink
from tests.process.conftest import a_data_dir
from tests.process.running import Served, environment_of, servers
from tests.simulation.world import delivery_of

pytestmark = pytest.mark.process
PEOPLE = int(os.environ.get("JOURNEYS_TEST_PEOPLE", "60"))
PATIENCE = 120 + PEOPLE / 10
PUBLIC = "http://journeys.test"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
TARGETS = ("https://shop.example/one", "https://shop.example/two")
DOMAINS = ("one.example", "two.example", "three.example")
FILTERS = {"opened": "OpenCount", "clicked": "ClickCount", "unsubscribed": "UnsubscribeCount"}


@dataclass
class Mail:
    """A mail that the server took."""

    delivery_id: int
    subject: str
    address: str
    picture: str
    links: list[str]
    leave: str


@dataclass
class Counts:
    """What the test did, by subject of the mail: each a set of addresses, and the conversions."""

    done: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    conversions: dict[str, list[int]] = field(default_factory=dict)
    """Cents of each."""
    touched: dict[str, str] = field(default_factory=dict)
    """Address → subject of the mail that was opened or clicked last."""

    def did(self, mail: Mail, *what: str) -> None:
        """Somebody did this with a mail, perhaps once more."""
        for each in what:
            self.done.setdefault(mail.subject, {}).setdefault(each, set()).add(mail.address)
        if "OpenCount" in what:
            self.touched[mail.address] = mail.subject

    def of(self, subjects: Iterable[str], sent: Counter[str]) -> dict[str, float]:
        """The eleven numbers of some mails."""
        cents = [each for subject in subjects for each in self.conversions.get(subject, [])]
        numbers = {
            name: sum(len(self.done.get(subject, {}).get(name, ())) for subject in subjects)
            for name in ("OpenCount", "ClickCount", "UnsubscribeCount")
        }
        nothing = dict.fromkeys(("BrowserViewCount", "ForwardCount", "BounceCount", "SpamComplaintCount"), 0)
        total = sum(sent[subject] for subject in subjects)
        return {
            "SendCount": total,
            "DeliveryCount": total,
            **numbers,
            **nothing,
            "ConversionCount": len(cents),
            "TotalRevenue": sum(cents) / 100,
        }


class Installation:
    """Processes on a database of their own, and the world around them."""

    def __init__(self, url: str, environment: dict[str, str], directory: Path, sink: Sink, served: Served) -> None:
        self.url, self.environment, self.directory, self.sink = url, environment, directory, sink
        self.served = served
        self.key = ""
        self.http = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=16))
        self.workers: list[subprocess.Popen[bytes]] = []

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return subprocess.run(
            [sys.executable, "-m", "journeys_api.cli", *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start_worker(self) -> None:
        """One more worker."""
        with (self.directory / f"worker-{len(self.workers)}.log").open("wb") as log:
            self.workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "journeys_api.cli", "worker"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.directory,
                    env=self.environment,
                )
            )

    def kill_worker(self) -> None:
        """The oldest one that lives dies, without a word."""
        victim = next(each for each in self.workers if each.poll() is None)
        victim.send_signal(signal.SIGKILL)
        victim.wait()

    async def ask(self, command: str, *, door: str = "legacy", **parameters: Any) -> dict[str, Any]:
        """Call a command; it must succeed."""
        path, method = "/api.php", "POST"
        if door == "rest":
            from journeys_api.commands.registry import COMMANDS

            method, path = COMMANDS[command.replace("_", "")].routes[0]
        given = {"Command": command, "APIKey": self.key, **parameters}
        answer = await self.http.request(method, self.served.url + path, json=given)
        body: dict[str, Any] = answer.json()
        assert answer.status_code == 200, body
        assert body.get("Success", True) is True, body
        return body

    async def visit(self, url: str, *, method: str = "GET", agent: str = BROWSER) -> int:
        """Follow a link of a mail; the status. Whoever gets no answer tries again."""
        address = url.replace(PUBLIC, self.served.url)
        content = b"List-Unsubscribe=One-Click" if method == "POST" else None
        headers = {"User-Agent": agent, "Content-Type": "application/x-www-form-urlencoded"}
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return (await self.http.request(method, address, content=content, headers=headers)).status_code
                except httpx.TransportError:
                    await asyncio.sleep(0.1)

    async def value(self, statement: str) -> int:
        """A number from the database."""
        connection = await asyncpg.connect(
            make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        try:
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    async def until(self, statement: str) -> None:
        """Wait until a statement counts nothing."""
        async with asyncio.timeout(PATIENCE):
            while await self.value(statement):  # noqa: ASYNC110 (other processes tell nobody)
                await asyncio.sleep(0.2)

    def mails(self) -> dict[int, Mail]:
        """Every mail that was taken, once."""
        found = {}
        for raw in self.sink.messages:
            message = email.message_from_bytes(raw, policy=email.policy.default)
            body = message.get_body(("html",))
            assert body is not None
            html = body.get_content()
            delivery_id = delivery_of(raw)
            found[delivery_id] = Mail(
                delivery_id,
                str(message["Subject"]),
                str(message["To"]).strip("<>"),
                re.findall(rf'"({PUBLIC}/t/o/[^"]+)"', html)[0],
                re.findall(rf'"({PUBLIC}/t/k/[^"]+)"', html),
                str(message["List-Unsubscribe"]).strip("<>"),
            )
        return found


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """An API process without a worker, an SMTP server, an account."""
    with a_data_dir() as data_dir, EmbeddedPostgres(data_dir).own() as url:
        await migrate(url)
        async with Sink().open() as sink:
            environment = environment_of(data_dir) | {
                "JOURNEYS_DATABASE_URL": url,
                "JOURNEYS_SECRET_KEY": SECRET_KEY,
                "JOURNEYS_ADMIN_API_KEY": ADMIN_KEY,
                "JOURNEYS_SMTP_URL": sink.url(),
                "JOURNEYS_PUBLIC_URL": PUBLIC,
                "JOURNEYS_RATE_LIMITS": "off",
            }
            with servers(environment, tmp_path) as serve:
                served = await asyncio.to_thread(serve, "--no-worker", JOURNEYS_DATABASE_URL=url)
                made = Installation(url, environment, tmp_path, sink, served)
                user = ("user", "create", "--username", "ada", "--email", "ada@example.com", "--password", "secret1234")
                assert made.command(*user).returncode == 0
                made.key = made.command("key", "create", "--user", "ada").stdout.strip()
                yield made
                for worker in made.workers:
                    worker.kill()
                    worker.wait()
                await made.http.aclose()


async def _email(each: Installation, subject: str) -> int:
    email_id = int((await each.ask("email.create"))["EmailID"])
    links = "".join(f'<a href="{target}">{target}</a>' for target in TARGETS)
    await each.ask(
        "email.update",
        EmailID=email_id,
        ValidateScope="AutoResponder",
        EmailName=subject,
        Subject=subject,
        FromName="News",
        FromEmail="news@example.com",
        HTMLContent=f'<html><body>{links}<a href="{{{{ Link:Unsubscribe }}}}">leave</a></body></html>',
        PlainContent="{{ Link:Unsubscribe }}",
    )
    return email_id


async def _all(work: Callable[[Any], Awaitable[Any]], of: Iterable[Any]) -> None:
    """Do something for each, sixteen at a time."""
    left = list(of)

    async def some() -> None:
        while left:
            await work(left.pop())

    await asyncio.gather(*(some() for _ in range(16)))


async def _play(each: Installation, counts: Counts, mails: list[Mail], chance: random.Random) -> None:
    """Somebody's mails, one after the other: looked at, followed, left, or fetched by machines.

    All of them take the same link of a mail: two links within a second would be a scanner's.
    """
    has_left = False
    for mail in mails:
        link = mail.links[len(mail.address) % 2]
        for behaviour in chance.sample(("look", "follow", "robot", "head", "leave", "nothing"), 3):
            if behaviour == "look":
                for _ in range(chance.randint(1, 3)):
                    assert await each.visit(mail.picture) == 200
                counts.did(mail, "OpenCount")
            elif behaviour == "follow":
                for _ in range(chance.randint(1, 2)):
                    assert await each.visit(link) == 302
                counts.did(mail, "OpenCount", "ClickCount")
            elif behaviour == "robot":
                assert await each.visit(chance.choice([mail.picture, link]), agent=ROBOT) in (200, 302)
            elif behaviour == "head":
                assert await each.visit(chance.choice([mail.picture, link]), method="HEAD") in (200, 302)
            elif behaviour == "leave" and chance.random() < 0.3:
                assert [await each.visit(mail.leave, method="POST") for _ in range(2)] == [200, 200]
                if not has_left:  # whoever has left cannot leave again
                    counts.did(mail, "UnsubscribeCount")
                has_left = True


async def _convert(each: Installation, counts: Counts, list_id: int, address: str, chance: random.Random) -> None:
    """Somebody who looked at a mail buys something, and the shop reports it more than once."""
    for number in range(chance.randint(0, 2)):
        cents = chance.randint(1, 9999)
        for _ in range(chance.randint(1, 2)):
            await each.ask(
                "event.track",
                Event="conversion",
                ListID=list_id,
                Email=address,
                Properties={
                    "conversion-id": f"{address}-{number}",
                    "conversion-name": "Order",
                    "conversion-value": f"{cents / 100:.2f}",
                },
            )
        counts.conversions.setdefault(counts.touched[address], []).append(cents)


async def test_every_number_is_what_happened(installation: Installation) -> None:
    each, counts = installation, Counts()
    list_id = int((await each.ask("list.create", SubscriberListName="News"))["ListID"])
    sends = [
        {"Action": "SendEmail", "Published": True, "EmailID": await _email(each, subject)}
        for subject in ("First", "Second")
    ]
    pause = {"Action": "Wait", "Published": True, "WaitAmount": 1, "WaitUnit": "seconds"}
    journey_id = int(
        (await each.ask("journey.create", Name="J", Trigger="ListSubscription", Trigger_ListID=list_id))["JourneyID"]
    )
    saved = await each.ask("journey.actions.update", JourneyID=journey_id, Actions=[sends[0], pause, sends[1]])
    first, _, second = (int(action["ActionID"]) for action in saved["Actions"])
    await each.ask("journey.enable", JourneyID=journey_id)

    # people come, workers die
    addresses = [f"p{number}{'x' * (number % 2)}@{DOMAINS[number % 3]}" for number in range(PEOPLE)]
    each.start_worker()
    each.start_worker()

    async def subscribe(address: str) -> None:
        await each.ask("subscriber.subscribe", ListID=list_id, EmailAddress=address, IPAddress="127.0.0.1")

    coming = asyncio.create_task(_all(subscribe, addresses))
    for share in (10, 3):
        async with asyncio.timeout(PATIENCE):
            while len(each.sink.messages) < PEOPLE // share:  # noqa: ASYNC110 (other processes tell nobody)
                await asyncio.sleep(0.05)
        each.kill_worker()
        each.start_worker()
    await coming
    await each.until("SELECT count(*) FROM trigger_events")
    # leases of the dead end, as minutes would end them
    unsent = "SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')"
    async with asyncio.timeout(PATIENCE):
        while await each.value(unsent) or await each.value("SELECT count(*) FROM enrollments WHERE state = 'active'"):
            await each.value(
                "WITH ended AS (UPDATE deliveries SET lease_expires_at = now() - interval '1 second' "
                "WHERE state = 'sending' RETURNING 1) SELECT count(*) FROM ended"
            )
            await asyncio.sleep(2)

    # everybody does something with each mail, a worker and the API die meanwhile
    mails: dict[str, list[Mail]] = {}
    for mail in each.mails().values():
        mails.setdefault(mail.address, []).append(mail)
    played = asyncio.create_task(_all(lambda one: _play(each, counts, mails[one], random.Random(one)), sorted(mails)))
    await asyncio.sleep(0)
    each.kill_worker()
    each.start_worker()
    await played
    await each.until("SELECT count(*) FROM tracking_hits")
    buyers = sorted(counts.touched)
    await _all(lambda one: _convert(each, counts, list_id, one, random.Random(one)), buyers)
    each.kill_worker()
    each.start_worker()

    # what the API tells is what the test counted
    sent = Counter(mail.subject for some in mails.values() for mail in some)
    assert sent == {"First": PEOPLE, "Second": PEOPLE}
    expected = counts.of(("First", "Second"), sent)
    assert min(expected["OpenCount"], expected["ClickCount"], expected["ConversionCount"]) > 0
    for door in ("rest", "legacy"):
        told = await each.ask("journey.get", door=door, JourneyID=journey_id, IncludeActivityCounters=True)
        numbers = told["JourneyStats"]
        assert numbers["AggregatedEmailActions"] == expected, door
        assert numbers["WindowedEmailActions"] == expected
        assert (numbers["ActiveSubscribers"], numbers["TotalSubscribers"]) == (0, PEOPLE)
        assert (numbers["TotalEnrolledLifetime"], numbers["TotalEnrolledInRange"]) == (PEOPLE, PEOPLE)
        assert sum(day["Amount"] for day in numbers["DaysRevenue"]) == pytest.approx(expected["TotalRevenue"])
        listed = (await each.ask("journey.list", door=door))["Journeys"][0]["JourneyStats"]
        assert listed == {key: numbers[key] for key in listed}
        for action, subject in ((told["Actions"][0], "First"), (told["Actions"][2], "Second")):
            own = counts.of([subject], sent)
            assert action["Stats"]["EmailSent"] == own["SendCount"]
            assert action["Stats"]["EmailOpened"] == own["OpenCount"]
            assert action["Stats"]["EmailClicked"] == own["ClickCount"]
            assert action["Stats"]["EmailConverted"] == own["ConversionCount"]
            assert action["Stats"]["EmailUnsubscribed"] == own["UnsubscribeCount"]
            assert (action["Revenue"], action["CompletedRuns"]) == (own["TotalRevenue"], PEOPLE)
        for action_id, subject in ((first, "First"), (second, "Second")):
            for name, counter in FILTERS.items():
                page = {"JourneyID": journey_id, "ActionID": action_id, "RecordsPerRequest": 1000}
                people = await each.ask("journey.action.subscribers", door=door, **page, FilterJSON=[name])
                who = counts.done[subject].get(counter, set())
                assert people["TotalSubscribers"] == len(who)
                assert [row["EmailAddress"] for row in people["Subscribers"]] == sorted(who)[:1000]
        by_domain = (await each.ask("journey.stats.byisp", door=door, JourneyID=journey_id))["ByISP"]
        assert {row["Domain"]: row["Sent"] for row in by_domain} == Counter(
            mail.address.partition("@")[2] for some in mails.values() for mail in some
        )
    verified = await asyncio.to_thread(each.command, "stats", "verify")
    assert (verified.returncode, verified.stdout) == (0, "Every number follows from the facts.\n"), verified.stderr
