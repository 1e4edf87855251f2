"""A list, journeys that mail its people, and journeys that wait for what they do."""

from dataclasses import dataclass
from typing import Any

from tests.end_to_end.counts import SENT, Counts, Person
from tests.end_to_end.installation import PEOPLE, Installation, crowd
from tests.end_to_end.visits import TARGETS

DOMAINS = ("one.example", "two.example", "three.example")
WELCOME = ("First", "Second")
"""Subjects of the mails that everybody gets."""
FAREWELL = "Third"
"""Subject of the one that those get who may still be written to."""
NO_BOX = max(2, PEOPLE // 20)
"""People whose mail server refuses mails at once; as many again whose box is full."""
_TEXTS = {
    "leave": "{{ Link:Unsubscribe }}",
    "view": "{{ Link:WebBrowser }}",
    "forward": "{{ Link:Forward }}",
    "abuse": "{{ Link:ReportAbuse }}",
    "never": "{{ Link:Suppression }}",
}
PAUSE = {"Action": "Wait", "Published": True, "WaitAmount": 1, "WaitUnit": "seconds"}
LONG_WAIT = {"Action": "Wait", "Published": True, "WaitAmount": 300, "WaitUnit": "days"}


@dataclass(frozen=True)
class Stage:
    """What was made."""

    list_id: int
    welcome: int
    """Journey that sends two mails."""
    farewell: int
    """Journey that sends one."""
    actions: dict[str, int]
    """Subject → SendEmail action."""
    waiting: dict[str, int]
    """Name → journey that lets people in by what they do, and keeps them."""


async def set_stage(each: Installation) -> Stage:
    """Make it all."""
    list_id = int((await each.ask("list.create", SubscriberListName="News"))["ListID"])
    emails = {subject: await _email(each, subject) for subject in (*WELCOME, FAREWELL)}
    sends = {subject: {"Action": "SendEmail", "Published": True, "EmailID": emails[subject]} for subject in emails}
    welcome, first = await _journey(
        each, "Welcome", [sends["First"], PAUSE, sends["Second"]], Trigger="ListSubscription", Trigger_ListID=list_id
    )
    farewell, last = await _journey(each, "Farewell", [sends[FAREWELL]], Trigger="Manual")
    triggers: dict[str, dict[str, Any]] = {
        "Readers": {"Trigger": "EmailOpen", "Trigger_EmailID": emails["First"]},
        "Followers": {"Trigger": "EmailLinkClick", "Trigger_EmailID": 0},
        "Buyers": {"Trigger": "EmailConversion", "Trigger_EmailID": emails["Second"]},
        "Big spenders": {"Trigger": "RevenueHit", "Trigger_Value": "50.00"},
        "Leavers": {"Trigger": "ListUnsubscription", "Trigger_ListID": list_id},
        "Shoppers": {"Trigger": "WebsiteEvent_customEvent", "Trigger_ListID": list_id},
        "Visitors": {"Trigger": "WebsiteEvent_pageView", "Trigger_ListID": list_id},
    }
    waiting = {name: (await _journey(each, name, [LONG_WAIT], **trigger))[0] for name, trigger in triggers.items()}
    return Stage(list_id, welcome, farewell, {"First": first[0], "Second": first[2], FAREWELL: last[0]}, waiting)


async def _email(each: Installation, subject: str) -> int:
    email_id = int((await each.ask("email.create"))["EmailID"])
    links = {text: target.replace("&", "&amp;") for text, target in TARGETS.items()} | _TEXTS
    await each.ask(
        "email.update",
        EmailID=email_id,
        ValidateScope="AutoResponder",
        EmailName=subject,
        Subject=subject,
        FromName="News",
        FromEmail="news@example.com",
        HTMLContent="<html><body>"
        + "".join(f'<a href="{target}">{text}</a>' for text, target in links.items())
        + "</body></html>",
        PlainContent="{{ Link:Unsubscribe }}",
    )
    return email_id


async def _journey(
    each: Installation, name: str, actions: list[dict[str, Any]], **trigger: Any
) -> tuple[int, list[int]]:
    journey_id = int((await each.ask("journey.create", Name=name, **trigger))["JourneyID"])
    saved = await each.ask("journey.actions.update", JourneyID=journey_id, Actions=actions)
    await each.ask("journey.enable", JourneyID=journey_id)
    return journey_id, [int(action["ActionID"]) for action in saved["Actions"]]


async def arrive(each: Installation, stage: Stage) -> dict[str, Person]:
    """Everybody subscribes and gets the welcoming mails, while workers die; people by address."""

    async def subscribe(address: str) -> None:
        body, requests = await each.call(
            "subscriber.subscribe", ListID=stage.list_id, EmailAddress=address, IPAddress="127.0.0.1"
        )
        # whoever was not answered may be on the list already
        assert body["Success"] or (requests > 1 and body["ErrorCode"] == [9]), body

    async def deaths() -> None:
        for share in (10, 3):
            await each.until_mails(PEOPLE // share)
            await each.replace_worker()

    def of(name: str, number: int) -> str:
        return f"{name}{number}@{DOMAINS[number % 3]}"

    each.start_worker()
    each.start_worker()
    addresses = [of("p", number) for number in range(PEOPLE - 2 * NO_BOX)]
    await crowd(subscribe, addresses, meanwhile=deaths)
    await each.settle()
    # refusals while workers die would be refusals that nobody wrote down
    without = [of(name, number) for name in ("gone", "full") for number in range(NO_BOX)]
    await crowd(subscribe, without)
    await each.settle()
    people = {address: Person(address) for address in (*addresses, *without)}
    for mail in each.office.taken.mails.values():
        people[mail.address].mails.append(mail)
    return people


async def take_leave(each: Installation, stage: Stage, people: dict[str, Person]) -> None:
    """A last mail is owed to everybody, and offered to those alone who may be written to."""
    await each.ask("subscribers.journey.bulk", ListID=stage.list_id, JourneyID=stage.farewell, Mode="enroll")
    await each.settle()
    offered = [mail.address for box in (each.office.taken, each.office.refused) for mail in box.of(FAREWELL)]
    assert sorted(offered) == sorted(person.address for person in people.values() if person.may_be_mailed)


def count_mails(each: Installation, counts: Counts) -> None:
    """Count what the mail server took."""
    for mail in each.office.taken.mails.values():
        counts.happened(SENT, mail)
