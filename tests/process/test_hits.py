"""Links of real mails on real servers, while PostgreSQL hangs or is killed: answered, and counted once."""

import email
import email.policy
import json
import os
import re
import signal
import stat
from typing import Any
from urllib.parse import urlsplit

import pytest

from journeys_api.embedded import EmbeddedPostgres
from tests.process.running import Answer, Serve, Served, eventually, frozen, postmaster_pid, request
from tests.process.test_embedded import run_sql

pytestmark = pytest.mark.process

AGENT = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
PEOPLE = 5


def call(server: Served, command: str, **parameters: Any) -> dict[str, Any]:
    """Call a command that must succeed."""
    body = json.dumps({"Command": command, "APIKey": server.demo_key, **parameters})
    answer = request("POST", f"{server.url}/api.php", {"Content-Type": "application/json"}, body)
    found: dict[str, Any] = json.loads(answer.body)
    assert found["Success"], (command, found)
    return found


def mailed(server: Served) -> tuple[int, list[list[str]]]:
    """A journey that has sent a mail to a few people; its id, and of each mail picture and links."""
    list_id = call(server, "list.create", SubscriberListName="News", SenderEmailAddress="news@example.com")["ListID"]
    email_id = call(server, "email.create")["EmailID"]
    links = "".join(f'<a href="https://shop.example/{number}">x</a>' for number in range(3))
    document = f'<body>{links}<a href="{{{{ Link:Unsubscribe }}}}">leave</a></body>'
    call(server, "email.update", EmailID=email_id, ValidateScope="AutoResponder", Subject="Hi", HTMLContent=document)
    given = {"Name": "Welcome", "Trigger": "ListSubscription", "Trigger_ListID": list_id}
    journey_id = call(server, "journey.create", **given)["JourneyID"]
    action = {"Action": "SendEmail", "EmailID": email_id, "Published": True}
    call(server, "journey.actions.update", JourneyID=journey_id, Actions=[action])
    call(server, "journey.enable", JourneyID=journey_id)
    for number in range(PEOPLE):
        address = f"person{number}@example.com"
        call(server, "subscriber.subscribe", ListID=list_id, EmailAddress=address, IPAddress="127.0.0.1")
    folder = server.data_dir / "mail" / "new"
    eventually(lambda: folder.is_dir() and len(list(folder.iterdir())) == PEOPLE, "the mails were not sent")
    mails = []
    for file in folder.iterdir():
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        found = re.findall(r'(?:src|href)="([^"]*/t/[ok]/[^"]+)"', message.get_content())
        mails.append([found[-1], *found[:-1]])
    return int(journey_id), mails


def visit(url: str) -> Answer:
    """Ask for a picture or a link as a browser does."""
    answer = request("GET", url, AGENT)
    assert answer.status == (200 if "/t/o/" in url else 302), (url, answer)
    if answer.status == 302:
        assert urlsplit(answer.headers["location"]).hostname == "shop.example"
    return answer


def counted(server: Served, journey_id: int) -> tuple[int, int]:
    """Opens and clicks in the journey's statistics."""
    numbers = call(server, "journey.get", JourneyID=journey_id)["JourneyStats"]["AggregatedEmailActions"]
    return numbers["OpenCount"], numbers["ClickCount"]


def facts(server: Served) -> tuple[int, int, int]:
    """Pictures and links in the ledger, and visits that are not judged."""
    with EmbeddedPostgres(server.data_dir).attach() as url:
        answer = run_sql(
            url,
            "SELECT concat_ws(' ', count(*) FILTER (WHERE kind = 'opened' AND detail ->> 'implied' IS NULL), "
            "count(*) FILTER (WHERE kind = 'clicked'), (SELECT count(*) FROM tracking_hits)) FROM message_activities",
        )
    opened, clicked, waiting = map(int, answer.split())
    return opened, clicked, waiting


def test_visits_are_answered_and_count_once_whatever_happens_to_postgresql(serve: Serve) -> None:
    server = serve()
    journey_id, mails = mailed(server)
    spool = server.data_dir / "hits"

    with frozen(server.data_dir):
        for picture, first, *_ in mails:
            visit(picture)
            visit(first)
        on_disk = list(spool.iterdir())
        assert on_disk
        assert {stat.S_IMODE(path.stat().st_mode) for path in on_disk} == {0o600}

    eventually(lambda: not list(spool.iterdir()), "what was on disk is not brought in")
    eventually(lambda: facts(server) == (PEOPLE, PEOPLE, 0), f"not every visit is in the ledger: {facts(server)}")
    assert counted(server, journey_id) == (PEOPLE, PEOPLE)

    killed = postmaster_pid(server.data_dir)
    assert killed is not None
    for number, (_, _, second, _) in enumerate(mails * 4):
        if number == PEOPLE:
            os.kill(killed, signal.SIGKILL)
        visit(second)

    eventually(server.is_ready, "the server does not become ready again")
    eventually(lambda: not list(spool.iterdir()), "what was on disk is not brought in")
    everything = (PEOPLE, 5 * PEOPLE, 0)
    eventually(lambda: facts(server) == everything, f"not every visit is in the ledger: {facts(server)}")
    assert counted(server, journey_id) == (PEOPLE, PEOPLE)

    with frozen(server.data_dir):
        visit(mails[0][3])
        server.process.kill()
        server.process.wait()
    assert list(spool.iterdir())

    again = serve()

    eventually(lambda: not list(spool.iterdir()), "what a killed process left is not brought in")
    eventually(lambda: facts(again) == (PEOPLE, 5 * PEOPLE + 1, 0), "not every visit is in the ledger")
