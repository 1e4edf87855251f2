"""Journeys run from the outside: subscribe over HTTP, let time pass, look at histories and mail."""

from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running


async def test_a_welcome_journey_waits_and_writes(api: Client, audience: Audience, work: Work, email_id: int) -> None:
    journey_id = await running(
        api,
        {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "hours"},
        {"Action": "SendEmail", "EmailID": email_id},
        Trigger="ListSubscription",
        Trigger_ListID=audience.list_id,
    )
    await audience.subscribe("ada@example.com")

    await work.run()
    assert await work.ends(journey_id) == [("active", None)]
    assert work.mails_to("ada@example.com") == []
    await work.run(minutes=61)

    assert await work.history(journey_id) == [("ada@example.com", [("Wait", "done"), ("SendEmail", "done")])]
    assert await work.ends(journey_id) == [("completed", None)]
    (mail,) = work.mails_to("ada@example.com")
    assert mail["Subject"] == "Hello ada@example.com"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    stats = (await api.ok("journey.get", JourneyID=journey_id))["JourneyStats"]
    assert (stats["ActiveSubscribers"], stats["TotalSubscribers"]) == (0, 1)
    assert stats["AggregatedEmailActions"]["SendCount"] == 1


async def test_somebody_let_in_by_command_takes_every_instant_action(
    api: Client, audience: Audience, work: Work
) -> None:
    tag_id = (await api.ok("subscriber.tags.create", ListID=audience.list_id, TagName="vip"))["TagID"]
    subscriber_id = await audience.subscribe()
    tagged = [[{"type": "tags", "operator": "has this tag", "value": str(tag_id)}]]
    journey_id = await running(
        api,
        {"Action": "AddTag", "TargetTagID": tag_id},
        {
            "Action": "Decision",
            "Criteria": tagged,
            "Actions": {
                "True": [{"Action": "Debug", "Published": True}],
                "False": [{"Action": "ExitThisJourney", "Published": True}],
            },
        },
        {"Action": "RemoveTag", "TargetTagID": tag_id},
    )

    answer = await api.ok(
        "subscriber.journey.trigger", JourneyID=journey_id, ListID=audience.list_id, SubscriberID=subscriber_id
    )
    await work.run()

    assert answer == {
        "Success": True,
        "JourneyIDs": [journey_id],
        "ListID": audience.list_id,
        "SubscriberID": subscriber_id,
    }
    assert await work.history(journey_id) == [
        (
            "ada@example.com",
            [("AddTag", "done"), ("Decision", "true"), ("Debug", "done"), ("RemoveTag", "done")],
        )
    ]
    assert await work.ends(journey_id) == [("completed", None)]
