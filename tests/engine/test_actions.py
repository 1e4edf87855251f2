"""What each of the eighteen action types does to the people who come by, seen from outside."""

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest

from journeys_api.trigger_events import Happened, shard_of
from tests.conftest import Client
from tests.delivery.egress.servers import answer, serving
from tests.engine.conftest import Audience, Work, running, telephone

DONE = ("done", None)
WAITING = {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}


async def pass_through(api: Client, audience: Audience, work: Work, address: str, *actions: dict[str, Any]) -> int:
    """Let somebody new walk through a journey of these actions as far as it goes at once; the journey."""
    journey_id = await running(api, *actions)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()
    return journey_id


async def test_wait_holds_for_its_amount_and_debug_for_its_seconds(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 2},
        {"Action": "Debug", "SleepSeconds": 90, "DebugMessage": "here"},
    )

    await work.run(hours=47)
    assert await work.steps(journey_id) == []
    await work.run(hours=1, seconds=5)
    assert await work.steps(journey_id) == [("Wait", *DONE)]
    await work.run(seconds=80)
    assert await work.ends(journey_id) == [("active", None)]
    await work.run(seconds=11)

    assert await work.steps(journey_id) == [("Wait", *DONE), ("Debug", *DONE)]
    assert await work.ends(journey_id) == [("completed", None)]


async def test_a_wait_without_parameters_holds_nobody(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await pass_through(api, audience, work, address, {"Action": "Wait"}, {"Action": "Debug"})

    assert await work.ends(journey_id) == [("completed", None)]


async def test_a_field_gets_the_value_with_its_merge_tags_filled_in(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field()
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {
            "Action": "UpdateCustomFieldValue",
            "TargetCustomFieldID": field_id,
            "NewCustomFieldValue": "at {{ Subscriber:EmailAddress }}",
        },
        {
            "Action": "UpdateCustomFieldValue",
            "TargetCustomFieldID": field_id,
            "NewCustomFieldValue": "at %Subscriber:EmailAddress%",
        },
    )

    (row,) = await work.rows(
        "SELECT custom_values ->> CAST(:field AS text) AS value FROM subscribers WHERE list_id = :list",
        field=str(field_id),
        list=audience.list_id,
    )
    assert row.value == f"at {address}"
    assert [(outcome, note) for _, outcome, note in await work.steps(journey_id)] == [
        DONE,
        ("skipped", "the field has that value already, or is not on the person's list"),
    ]


async def test_tags_are_set_and_removed_and_what_was_so_already_is_noted(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "AddTag", "TargetTagID": tag_id},
        {"Action": "AddTag", "TargetTagID": tag_id},
        {"Action": "RemoveTag", "TargetTagID": tag_id},
        {"Action": "RemoveTag", "TargetTagID": tag_id},
        {"Action": "AddTag", "TargetTagID": tag_id},
    )

    assert await work.steps(journey_id) == [
        ("AddTag", *DONE),
        ("AddTag", "skipped", "tagged already, or not on the tag's list"),
        ("RemoveTag", *DONE),
        ("RemoveTag", "skipped", "does not carry the tag"),
        ("AddTag", *DONE),
    ]
    told = await api.ok("subscriber.get", ListID=audience.list_id, EmailAddress=address)
    assert [tag["TagID"] for tag in told["SubscriberTags"]] == [tag_id]


async def test_subscribe_and_unsubscribe_move_the_address_between_lists(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    other = int((await api.ok("list.create", SubscriberListName="Other"))["ListID"])
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "Subscribe", "TargetListID": other},
        {"Action": "Subscribe", "TargetListID": other},
        {"Action": "Unsubscribe", "TargetListID": audience.list_id},
        {"Action": "Unsubscribe", "TargetListID": audience.list_id},
    )

    assert await work.steps(journey_id) == [
        ("Subscribe", *DONE),
        ("Subscribe", "skipped", "on the list already"),
        ("Unsubscribe", *DONE),
        ("Unsubscribe", "skipped", "not subscribed to the list"),
    ]
    statuses = [
        (await api.ok("subscriber.get", ListID=each, EmailAddress=address))["SubscriberInformation"][
            "SubscriptionStatus"
        ]
        for each in (audience.list_id, other)
    ]
    assert statuses == ["Unsubscribed", "Subscribed"]


async def test_subscribe_takes_the_address_that_a_person_has_by_then(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    other = int((await api.ok("list.create", SubscriberListName="Other"))["ListID"])
    journey_id = await running(api, {"Action": "Debug"}, WAITING, {"Action": "Subscribe", "TargetListID": other})
    mover, gone = await audience.subscribe(address), await audience.subscribe(f"gone.{address}")
    for each in (mover, gone):
        await audience.enter(journey_id, each)
    await work.run()
    await audience.update(mover, EmailAddress=f"new.{address}")
    await work.change("DELETE FROM subscribers WHERE subscriber_id = :gone", gone=gone)

    await work.run(days=1)

    assert (await work.steps(journey_id))[2::3] == [
        ("Subscribe", *DONE),
        ("Subscribe", "skipped", "the subscriber is gone"),
    ]
    come = await work.rows("SELECT email_address FROM subscribers WHERE list_id = :list", list=other)
    assert [row.email_address for row in come] == [f"new.{address}"]


async def test_delete_subscriber_removes_the_person_from_the_own_list_only_and_ends_every_journey(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    other = Audience(api, int((await api.ok("list.create", SubscriberListName="Other"))["ListID"]))
    await other.subscribe(address)
    subscriber_id = await audience.subscribe(address)
    waiting = await running(api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1})
    deleting = await running(api, {"Action": "DeleteSubscriber"}, {"Action": "Debug"})
    await audience.enter(waiting, subscriber_id)
    await work.run()

    await audience.enter(deleting, subscriber_id)
    await work.run()

    assert await work.ends(deleting) == [("exited", "DeleteSubscriber")]
    assert await work.ends(waiting) == [("exited", "subscriber deleted")]
    assert await work.steps(deleting) == [("DeleteSubscriber", "exited", "DeleteSubscriber")]
    left = await work.rows("SELECT list_id FROM subscribers WHERE email_address = :address", address=address)
    assert [row.list_id for row in left] == [other.list_id]


async def test_exit_this_journey_ends_without_completing(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, {"Action": "ExitThisJourney"}, {"Action": "Debug"})
    chained = await running(api, Trigger="JourneyCompleted", Trigger_Value=journey_id)
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()

    assert await work.ends(journey_id) == [("exited", "ExitThisJourney")]
    assert await work.steps(journey_id) == [("ExitThisJourney", "exited", "ExitThisJourney")]
    assert await work.ends(chained) == []


@pytest.mark.parametrize(
    ("action", "own", "others"),
    [("ExitAllOtherJourneys", "completed", "exited"), ("ExitAllJourneys", "exited", "exited")],
)
async def test_leaving_all_journeys(
    api: Client, audience: Audience, work: Work, address: str, action: str, own: str, others: str
) -> None:
    subscriber_id = await audience.subscribe(address)
    bystander = await audience.subscribe(f"x{address}")
    waiting = [await running(api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}) for _ in range(2)]
    for journey_id in waiting:
        await audience.enter(journey_id, subscriber_id)
        await audience.enter(journey_id, bystander)
    await work.run()
    leaving = await running(api, {"Action": action})

    await audience.enter(leaving, subscriber_id)
    await work.run()

    assert [state for state, _ in await work.ends(leaving)] == [own]
    for journey_id in waiting:
        assert [state for state, _ in await work.ends(journey_id)] == [others, "active"]


async def test_exit_journey_ends_one_or_several_named_ones(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    subscriber_id = await audience.subscribe(address)
    first, second, third = [
        await running(api, {"Action": "Wait", "WaitUnit": "days", "WaitAmount": 1}) for _ in range(3)
    ]
    for journey_id in (first, second, third):
        await audience.enter(journey_id, subscriber_id)
    one = await running(api, {"Action": "ExitJourney", "TargetJourneyID": first}, {"Action": "Debug"})
    await audience.enter(one, subscriber_id)
    await work.run()
    assert [(await work.ends(each))[0][0] for each in (first, second, third)] == ["exited", "active", "active"]

    several = await running(api, {"Action": "ExitJourney", "TargetJourneyID": [second, third]})
    await audience.enter(several, subscriber_id)
    await work.run()

    assert [(await work.ends(each))[0][0] for each in (second, third)] == ["exited", "exited"]
    assert await work.ends(one) == await work.ends(several) == [("completed", None)]


async def test_leaving_comes_before_what_a_later_action_lets_in(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    tagged = await running(api, WAITING, Trigger="Tag", Trigger_Value=tag_id)
    await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "ExitAllOtherJourneys"},
        {"Action": "AddTag", "TargetTagID": tag_id},
    )

    assert await work.ends(tagged) == [("active", None)]


async def test_leaving_comes_after_what_an_earlier_action_lets_in(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    tagged = await running(api, WAITING, Trigger="Tag", Trigger_Value=tag_id)
    started = await running(api, WAITING)
    await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "AddTag", "TargetTagID": tag_id},
        {"Action": "StartJourney", "TargetJourneyID": started},
        {"Action": "ExitAllOtherJourneys"},
    )

    assert await work.ends(tagged) == await work.ends(started) == [("exited", "left by a journey")]


async def test_a_journey_is_begun_anew_by_leaving_it_first(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    tagged = await running(api, WAITING, Trigger="Tag", Trigger_Value=tag_id)
    anew = await running(
        api,
        {"Action": "ExitJourney", "TargetJourneyID": tagged},
        {"Action": "RemoveTag", "TargetTagID": tag_id},
        {"Action": "AddTag", "TargetTagID": tag_id},
    )
    subscriber_id = await audience.subscribe(address)
    await api.ok("subscriber.tag", ListID=audience.list_id, SubscriberID=subscriber_id, TagID=tag_id)
    await work.run()

    await audience.enter(anew, subscriber_id)
    await work.run()

    assert await work.ends(tagged) == [("exited", "left by a journey"), ("active", None)]
    assert await work.refusals(tagged) == []


async def test_leaving_spares_whom_a_call_lets_in_before_the_event_is_looked_at(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    subscriber_id = await audience.subscribe(address)
    before, after = [await running(api, WAITING) for _ in range(2)]
    leaving = await running(api, {"Action": "ExitAllOtherJourneys"})
    await audience.enter(before, subscriber_id)
    await audience.enter(leaving, subscriber_id)
    work.pass_time()
    await work.worker.engine.step(shard_of(subscriber_id))

    await audience.enter(after, subscriber_id)
    await work.run()

    assert await work.ends(before) == [("exited", "left by a journey")]
    assert await work.ends(after) == [("active", None)]


async def test_exit_journey_that_names_its_own_ends_there(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api)
    await api.ok(
        "journey.actions.update",
        JourneyID=journey_id,
        Actions=[
            {"Action": "ExitJourney", "TargetJourneyID": journey_id, "Published": True},
            {"Action": "Debug", "Published": True},
        ],
    )
    await audience.enter(journey_id, await audience.subscribe(address))
    await work.run()

    assert await work.ends(journey_id) == [("exited", "ExitJourney")]


async def test_start_journey_lets_into_another_whose_criteria_decide(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    free = await running(api, {"Action": "Debug"})
    wanted = [[{"type": "fields", "field_id": "EmailAddress", "operator": "is", "value": "nobody@example.com"}]]
    strict = await running(api, {"Action": "Debug"}, Run_Criteria=wanted)
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "StartJourney", "TargetJourneyID": free},
        {"Action": "StartJourney", "TargetJourneyID": strict},
    )

    assert await work.ends(journey_id) == await work.ends(free) == [("completed", None)]
    assert await work.ends(strict) == []
    assert await work.refusals(strict) == ["the run criteria are not met"]


async def test_what_is_not_published_is_passed_over_with_its_branches(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    everybody = [[{"type": "fields", "field_id": "EmailAddress", "operator": "is set"}]]
    branch = {"True": [{"Action": "AddTag", "TargetTagID": tag_id, "Published": True}], "False": []}
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "Debug"},
        {"Action": "AddTag", "TargetTagID": tag_id, "Published": False},
        {"Action": "Decision", "Criteria": everybody, "Actions": branch, "Published": False},
        {"Action": "RemoveTag", "TargetTagID": tag_id},
    )

    done = [(action, outcome) for action, outcome, _ in await work.steps(journey_id) if outcome == "done"]
    assert done == [("Debug", "done")]
    assert (await work.steps(journey_id))[-1] == ("RemoveTag", "skipped", "does not carry the tag")
    assert await work.ends(journey_id) == [("completed", None)]


async def test_a_decision_without_rules_goes_to_the_false_side(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    sides = {
        "True": [{"Action": "ExitThisJourney", "Published": True}],
        "False": [{"Action": "Debug", "Published": True}],
    }
    journey_id = await pass_through(api, audience, work, address, {"Action": "Decision", "Actions": sides})

    assert [step[:2] for step in await work.steps(journey_id)] == [("Decision", "false"), ("Debug", "done")]


async def test_nested_branches_part_a_group_and_join_again_behind(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    def named(piece: str) -> list[list[dict[str, str]]]:
        return [[{"type": "fields", "field_id": "EmailAddress", "operator": "begins with", "value": piece}]]

    inner = {
        "Action": "Decision",
        "Published": True,
        "Criteria": named(f"aa{address}"),
        "Actions": {"True": [{"Action": "Debug", "Published": True}], "False": []},
    }
    journey_id = await running(
        api,
        {
            "Action": "Decision",
            "Criteria": named("a"),
            "Actions": {"True": [inner], "False": [{"Action": "Wait", "Published": True}]},
        },
        {"Action": "ExitThisJourney"},
    )
    for each in (f"aa{address}", f"ab{address}", f"b{address}"):
        await audience.enter(journey_id, await audience.subscribe(each))
    await work.run()

    assert await work.history(journey_id) == [
        (
            f"aa{address}",
            [("Decision", "true"), ("Decision", "true"), ("Debug", "done"), ("ExitThisJourney", "exited")],
        ),
        (f"ab{address}", [("Decision", "true"), ("Decision", "false"), ("ExitThisJourney", "exited")]),
        (f"b{address}", [("Decision", "false"), ("Wait", "done"), ("ExitThisJourney", "exited")]),
    ]


async def test_connectors_of_a_decision_alternate(api: Client, audience: Audience, work: Work, address: str) -> None:
    def rule(operator: str, value: str) -> dict[str, str]:
        return {"type": "fields", "field_id": "EmailAddress", "operator": operator, "value": value}

    right, wrong = rule("is", address), rule("is", "nobody@example.com")
    cases = [
        ("and", [[right, wrong]], "true"),
        ("and", [[right], [wrong]], "false"),
        ("or", [[right, wrong]], "false"),
        ("or", [[right], [wrong]], "true"),
    ]
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        *(
            {"Action": "Decision", "CriteriaOperator": operator, "Criteria": criteria}
            for operator, criteria, _ in cases
        ),
    )

    assert [outcome for _, outcome, _ in await work.steps(journey_id)] == [wanted for *_, wanted in cases]


async def test_the_old_yes_no_branches_too(api: Client, audience: Audience, work: Work, address: str) -> None:
    def branch(right: str) -> dict[str, Any]:
        return {
            "Action": "YesNo",
            "CriteriaLeft": "EmailAddress",
            "CriteriaOperator": "Begins with",
            "CriteriaRight": right,
            "Actions": {
                "Yes": [{"Action": "Debug", "Published": True}],
                "No": [{"Action": "Wait", "Published": True}],
            },
        }

    journey_id = await pass_through(api, audience, work, address, branch("ada"), branch("bob"))

    assert [step[:2] for step in await work.steps(journey_id)] == [
        ("YesNo", "true"),
        ("Debug", "done"),
        ("YesNo", "false"),
        ("Wait", "done"),
    ]


@pytest.mark.parametrize("obstacle", ["not subscribed", "hard bounced", "suppressed"])
async def test_send_email_passes_over_whom_it_may_not_write_to(
    api: Client, audience: Audience, work: Work, address: str, email_id: int, obstacle: str
) -> None:
    subscriber_id = await audience.subscribe(address)
    match obstacle:
        case "not subscribed":
            await audience.update(subscriber_id, SubscriptionStatus="Unsubscribed")
        case "hard bounced":
            await audience.update(subscriber_id, BounceType="Hard")
        case "suppressed":
            await api.ok("suppression.import", EmailAddressesBulk=address.upper())
    journey_id = await running(api, {"Action": "SendEmail", "EmailID": email_id}, {"Action": "Debug"})

    await audience.enter(journey_id, subscriber_id)
    await work.run()

    assert await work.steps(journey_id) == [("SendEmail", "skipped", obstacle), ("Debug", *DONE)]
    assert await work.ends(journey_id) == [("completed", None)]
    assert await work.deliveries(journey_id) == []
    assert work.mails_to(address) == []


async def test_send_email_uses_the_senders_of_its_action(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {
            "Action": "SendEmail",
            "EmailID": email_id,
            "From": {"Name": "Bea", "Email": "bea@example.org"},
            "ReplyTo": {"Name": "Desk", "Email": "desk@example.org"},
        },
    )

    assert await work.deliveries(journey_id) == [("mail", "sent", None)]
    (mail,) = work.mails_to(address)
    assert mail["From"] == "Bea <bea@example.org>"
    assert "desk@example.org" in mail["Reply-To"]
    assert f"Hi {address}" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


async def test_a_short_message_leaves_through_the_gateway_with_its_tags_filled_in(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    gateway_id, _ = await telephone(api, admin, audience)
    journey_id = await running(
        api,
        {"Action": "SendSMS", "message": "Hi {{ Subscriber:EmailAddress }}", "gateway_id": gateway_id},
        {"Action": "Debug"},
    )
    subscriber_id = await audience.subscribe(address, **{f"CustomField{_}": "+14155550123"})

    await audience.enter(journey_id, subscriber_id)
    await work.run()

    assert await work.deliveries(journey_id) == [("sms", "sent", None)]
    (line,) = (work.maildir.parent / "sms.log").read_text().splitlines()
    sent = json.loads(line)
    assert (sent["To"], sent["From"], sent["Message"]) == ("+14155550123", "Shop", f"Hi {address}")
    assert await work.steps(journey_id) == [("SendSMS", *DONE), ("Debug", *DONE)]


async def test_a_short_message_waits_for_its_window(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    gateway_id, field_id = await telephone(api, admin, audience)
    day = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(work.clock.instant.weekday() + 2) % 7]
    journey_id = await running(
        api,
        {
            "Action": "SendSMS",
            "message": "Hi",
            "gateway_id": gateway_id,
            "delivery_window_enabled": True,
            "delivery_window": {"timezone": "UTC", "start_time": "00:00", "end_time": "23:59", "days": [day]},
        },
    )
    await audience.enter(journey_id, await audience.subscribe(address, **{f"CustomField{field_id}": "+14155550123"}))
    await work.run()

    assert await work.ends(journey_id) == [("completed", None)]
    assert await work.deliveries(journey_id) == [("sms", "pending", None)]
    await work.run(hours=48)
    assert await work.deliveries(journey_id) == [("sms", "sent", None)]


async def test_who_has_unsubscribed_gets_no_short_message(
    api: Client, admin: Client, audience: Audience, work: Work, address: str
) -> None:
    gateway_id, field_id = await telephone(api, admin, audience)
    person = await audience.subscribe(address, **{f"CustomField{field_id}": "+14155550123"})
    await api.ok("subscriber.unsubscribe", ListID=audience.list_id, EmailAddress=address, IPAddress="127.0.0.1")
    journey_id = await running(
        api,
        {"Action": "SendSMS", "message": "Hi", "gateway_id": gateway_id, "skip_if_no_phone": False},
        {"Action": "Debug"},
    )

    await audience.enter(journey_id, person)
    await work.run()

    assert await work.steps(journey_id) == [("SendSMS", "skipped", "not subscribed"), ("Debug", *DONE)]
    assert await work.deliveries(journey_id) == []


@pytest.mark.parametrize("skips", [True, False])
async def test_without_a_number_the_action_says_who_goes_on(
    api: Client, admin: Client, audience: Audience, work: Work, address: str, skips: bool
) -> None:
    gateway_id, _ = await telephone(api, admin, audience)
    journey_id = await pass_through(
        api,
        audience,
        work,
        address,
        {"Action": "SendSMS", "message": "Hi", "gateway_id": gateway_id, "skip_if_no_phone": skips},
        {"Action": "Debug"},
    )

    if skips:
        assert await work.steps(journey_id) == [("SendSMS", "skipped", "no telephone number"), ("Debug", *DONE)]
    else:
        assert await work.ends(journey_id) == [("active", "no telephone number")]
    assert await work.deliveries(journey_id) == []


async def test_a_webhook_is_called_with_the_documented_body_and_its_signature(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field("Town")
    async with serving() as server:
        journey_id = await running(
            api,
            {
                "Action": "Webhook",
                "WebhookURL": server.url(),
                "WebhookSecurity": {"Method": "HMAC", "SecretKey": "sesame"},
                "WebhookBody": {"Who": "{{ Subscriber:EmailAddress }}", "Deep": [{"List": "{{ List:Name }}"}], "N": 1},
                "WebhookHeaders": {"X-Kind": "test"},
            },
            Name="Hooked",
            Trigger="ListSubscription",
            Trigger_ListID=audience.list_id,
        )
        subscriber_id = await audience.subscribe(address, **{f"CustomField{field_id}": "Ulm"})
        await work.run()

    (call,) = server.calls
    body = json.loads(call.body)
    assert call.line.startswith("POST /hook ")
    assert call.headers["x-octeth-signature"] == hmac.new(b"sesame", call.body, hashlib.sha256).hexdigest()
    assert call.headers["x-kind"] == "test"
    assert body["Journey"] == {
        "JourneyID": journey_id,
        "JourneyName": "Hooked",
        "JourneyTrigger": f"ListSubscription:{audience.list_id}",
    }
    assert body["List"] == {"ListID": audience.list_id, "ListName": "News"}
    assert body["CustomFields"] == {str(field_id): "Town"}
    assert (body["Subscriber"]["SubscriberID"], body["Subscriber"]["EmailAddress"]) == (subscriber_id, address)
    assert body["Subscriber"]["CustomFields"] == {str(field_id): "Ulm"}
    assert body["Subscriber"]["SubscriptionStatus"] == "Subscribed"
    assert set(body["Subscriber"]) >= {
        "BounceType",
        "SubscriptionDate",
        "SubscriptionIP",
        "UnsubscriptionDate",
        "UnsubscriptionIP",
        "OptInDate",
    }
    assert body["CustomPayload"] == {"Who": address, "Deep": [{"List": "News"}], "N": 1}
    assert await work.deliveries(journey_id) == [("webhook", "sent", "http_200")]
    assert await work.ends(journey_id) == [("completed", None)]


async def test_a_webhook_tells_of_a_person_whom_its_journey_deletes(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field("Town")
    statuses = iter((503, 200))

    async def unwilling_at_first(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(next(statuses)))
        await writer.drain()

    async with serving(unwilling_at_first) as server:
        journey_id = await running(
            api,
            {
                "Action": "Webhook",
                "WebhookURL": server.url(path="/of/{{ Subscriber:EmailAddress }}"),
                "WebhookBody": {"from": f"{{{{ CustomField{field_id} }}}}"},
            },
            {"Action": "DeleteSubscriber"},
        )
        person = await audience.subscribe(address, **{f"CustomField{field_id}": "Ulm"})
        await audience.enter(journey_id, person)
        await work.run()
        assert await work.deliveries(journey_id) == [("webhook", "pending", "http_503")]
        await work.run(seconds=6)

    assert await work.ends(journey_id) == [("exited", "DeleteSubscriber")]
    assert await work.rows("SELECT 1 FROM subscribers WHERE subscriber_id = :person", person=person) == []
    assert await work.deliveries(journey_id) == [("webhook", "sent", "http_200")]
    first, second = server.calls
    body = json.loads(second.body)
    assert json.loads(first.body) == body
    assert body["Subscriber"]["EmailAddress"] == address
    assert body["Subscriber"]["CustomFields"] == {str(field_id): "Ulm"}
    assert body["CustomPayload"] == {"from": "Ulm"}
    assert address.replace("@", "%40") in second.line
    kept = "SELECT 1 FROM deliveries WHERE journey_id = :j AND deleted_subscriber IS NOT NULL"
    assert await work.rows(kept, j=journey_id) == [], "and nobody is kept longer than that takes"


async def test_only_webhooks_outlive_a_deletion_by_a_journey(
    api: Client, audience: Audience, work: Work, address: str, email_id: int
) -> None:
    async with serving(answer(503)) as server:
        journey_id = await running(
            api,
            {"Action": "SendEmail", "EmailID": email_id},
            {"Action": "Webhook", "WebhookURL": server.url()},
            {"Action": "DeleteSubscriber"},
        )
        await audience.enter(journey_id, await audience.subscribe(address))
        await work.run()
    assert await work.deliveries(journey_id) == [
        ("mail", "withdrawn", "the subscriber is gone"),
        ("webhook", "pending", "http_503"),
    ]
    kept = "SELECT deleted_subscriber ->> 'email_address' AS who FROM deliveries WHERE journey_id = :j"
    assert [row.who for row in await work.rows(f"{kept} ORDER BY delivery_id", j=journey_id)] == [None, address]

    await api.ok("journey.delete", JourneyID=journey_id)
    await work.run()

    assert (await work.deliveries(journey_id))[1] == ("webhook", "withdrawn", "journey deleted")
    assert [row.who for row in await work.rows(kept, j=journey_id)] == [None, None]


async def test_a_webhook_about_a_person_deleted_by_a_command_is_withdrawn(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await running(api, {"Action": "Webhook", "WebhookURL": "http://127.0.0.1/"})
    person = await audience.subscribe(address)
    await audience.enter(journey_id, person)
    await work.move()

    await api.ok("subscribers.delete", SubscriberListID=audience.list_id, Subscribers=str(person))
    await work.run()

    ((_, state, _),) = await work.deliveries(journey_id)
    assert state == "withdrawn"


async def test_a_refused_webhook_is_recorded_and_holds_nobody(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    async with serving(answer(404)) as server:
        journey_id = await pass_through(
            api, audience, work, address, {"Action": "Webhook", "WebhookURL": server.url()}, {"Action": "Debug"}
        )

    assert await work.deliveries(journey_id) == [("webhook", "refused", "http_404")]
    assert await work.ends(journey_id) == [("completed", None)]
    assert "x-octeth-signature" not in server.calls[0].headers


async def test_a_value_in_a_webhooks_address_stays_one_piece_of_it(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field("Town")
    async with serving() as server:
        await running(
            api,
            {"Action": "Webhook", "WebhookURL": f"{server.url()}/{{{{ Subscriber:CustomField{field_id} }}}}?k=1"},
            Trigger="ListSubscription",
            Trigger_ListID=audience.list_id,
        )
        await audience.subscribe(address, **{f"CustomField{field_id}": "../x?y=@z"})
        await work.run()

    (call,) = server.calls
    assert call.line.startswith("POST /hook/..%2Fx%3Fy%3D%40z?k=1 ")


MISSING = 2**40
LOST: list[tuple[dict[str, Any], str]] = [
    ({"Action": "SendEmail"}, "no email is chosen"),
    ({"Action": "SendEmail", "EmailID": MISSING}, "the email is gone"),
    ({"Action": "SendSMS"}, "the message is empty"),
    ({"Action": "SendSMS", "message": "Hi"}, "no gateway is chosen"),
    ({"Action": "SendSMS", "message": "Hi", "gateway_id": MISSING}, "the gateway is gone"),
    ({"Action": "Webhook"}, "the webhook has no address"),
    ({"Action": "Webhook", "WebhookURL": "http://[::1"}, "the webhook's address cannot be read"),
    ({"Action": "AddTag"}, "no tag is chosen"),
    ({"Action": "AddTag", "TargetTagID": MISSING}, "the tag is gone"),
    ({"Action": "RemoveTag", "TargetTagID": MISSING}, "the tag is gone"),
    ({"Action": "Subscribe"}, "no list is chosen"),
    ({"Action": "Subscribe", "TargetListID": MISSING}, "the list is gone"),
    ({"Action": "Unsubscribe", "TargetListID": MISSING}, "the list is gone"),
    ({"Action": "UpdateCustomFieldValue"}, "no custom field is chosen"),
    ({"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": MISSING}, "the custom field is gone"),
    ({"Action": "StartJourney"}, "no journey is chosen"),
    ({"Action": "StartJourney", "TargetJourneyID": MISSING}, "the journey is gone"),
    ({"Action": "ExitJourney"}, "no journey is chosen"),
    ({"Action": "ExitJourney", "TargetJourneyID": MISSING}, "the journey is gone"),
]


async def test_a_step_that_misses_its_record_is_held_with_the_reason(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    subscriber_id = await audience.subscribe(address)
    journeys = [await running(api, action) for action, _ in LOST]
    for journey_id in journeys:
        await audience.enter(journey_id, subscriber_id)
    await work.run()

    found = [(await work.ends(journey_id))[0] for journey_id in journeys]
    assert found == [("active", reason) for _, reason in LOST]
    assert [await work.steps(journey_id) for journey_id in journeys] == [[] for _ in LOST]


async def test_a_strangers_record_is_like_a_missing_one(
    api: Client, make: Any, audience: Audience, work: Work, address: str
) -> None:
    stranger = await make.client()
    theirs = int((await stranger.ok("list.create", SubscriberListName="Theirs"))["ListID"])
    tag_id = int((await stranger.ok("subscriber.tags.create", ListID=theirs, TagName="t"))["TagID"])
    email_id = int((await stranger.ok("email.create"))["EmailID"])
    journey = await running(stranger)
    actions: list[dict[str, Any]] = [
        {"Action": "Subscribe", "TargetListID": theirs},
        {"Action": "AddTag", "TargetTagID": tag_id},
        {"Action": "SendEmail", "EmailID": email_id},
        {"Action": "StartJourney", "TargetJourneyID": journey},
        {"Action": "ExitJourney", "TargetJourneyID": [journey]},
    ]
    subscriber_id = await audience.subscribe(address)
    journeys = [await running(api, action) for action in actions]
    for journey_id in journeys:
        await audience.enter(journey_id, subscriber_id)
    await work.run()

    assert [(await work.ends(journey_id))[0] for journey_id in journeys] == [
        ("active", "the list is gone"),
        ("active", "the tag is gone"),
        ("active", "the email is gone"),
        ("active", "the journey is gone"),
        ("active", "the journey is gone"),
    ]
    assert await work.ends(journey) == []


async def test_a_failing_step_is_tried_five_times_more_and_then_its_person_fails(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    journey_id = await pass_through(
        api, audience, work, address, {"Action": "AddTag", "TargetTagID": MISSING}, {"Action": "Debug"}
    )

    attempts = []
    for minutes in (15, 30, 60, 120, 240):
        (row,) = await work.rows("SELECT attempts, state FROM enrollments WHERE journey_id = :j", j=journey_id)
        attempts.append((row.attempts, row.state))
        await work.run(minutes=minutes - 1)
        (row,) = await work.rows("SELECT attempts FROM enrollments WHERE journey_id = :j", j=journey_id)
        assert row.attempts == attempts[-1][0], "not before its time"
        await work.run(minutes=1, seconds=2)

    assert attempts == [(number, "active") for number in range(1, 6)]
    assert await work.ends(journey_id) == [("failed", "the tag is gone")]
    assert await work.steps(journey_id) == [("AddTag", "failed", "the tag is gone")]
    told = (await api.ok("journey.get", JourneyID=journey_id))["Actions"][0]
    assert int(told["CompletedRuns"]) == 0


async def test_a_step_that_can_be_done_after_all_goes_on(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    tag_id = await audience.tag()
    journey_id = await pass_through(api, audience, work, address, {"Action": "AddTag"}, {"Action": "Debug"})
    assert await work.ends(journey_id) == [("active", "no tag is chosen")]
    actions = (await api.ok("journey.get", JourneyID=journey_id))["Actions"]
    actions[0]["ActionParameters"] = {"TargetTagID": tag_id}

    await api.ok("journey.actions.update", JourneyID=journey_id, Actions=actions)
    await work.run(minutes=16)

    assert await work.steps(journey_id) == [("AddTag", *DONE), ("Debug", *DONE)]
    assert await work.ends(journey_id) == [("completed", None)]


async def test_a_decision_that_cannot_be_evaluated_takes_no_branch_and_holds_up_nobody_else(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    broken = [[{"type": "fields", "field_id": str(MISSING), "operator": "is", "value": "x"}]]
    stuck = await running(api, {"Action": "Decision", "Criteria": broken}, {"Action": "Debug"})
    fine = await running(api, {"Action": "Debug"})
    subscriber_id = await audience.subscribe(address)
    await audience.enter(stuck, subscriber_id)
    await audience.enter(fine, subscriber_id)
    await work.run()

    ((state, reason),) = await work.ends(stuck)
    assert state == "active"
    assert reason is not None
    assert reason.startswith("the criteria cannot be evaluated")
    assert await work.steps(stuck) == []
    assert await work.ends(fine) == [("completed", None)]


async def test_what_a_website_event_brought_is_there_for_the_messages_and_the_next_journeys(
    api: Client, audience: Audience, work: Work, address: str
) -> None:
    field_id = await audience.field()
    writing = await running(
        api,
        {
            "Action": "UpdateCustomFieldValue",
            "TargetCustomFieldID": field_id,
            "NewCustomFieldValue": "{{ Event:Property:colour }}",
        },
    )
    await running(api, {"Action": "StartJourney", "TargetJourneyID": writing}, Trigger="WebsiteEvent_customEvent")
    subscriber_id = await audience.subscribe(address)

    event = {"Event": {"name": "paint", "Property": {"colour": "red"}}}
    await work.happen(api, Happened("WebsiteEvent_customEvent", audience.list_id, subscriber_id, 0, event))
    await work.run()

    (row,) = await work.rows(
        "SELECT custom_values ->> CAST(:field AS text) AS value FROM subscribers WHERE subscriber_id = :person",
        field=str(field_id),
        person=subscriber_id,
    )
    assert row.value == "red"
