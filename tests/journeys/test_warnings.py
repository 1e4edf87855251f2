"""What `journey.enable` says of a journey that cannot run as it stands."""

from typing import Any

import pytest
from sqlalchemy import event, text

from journeys_api.app import Application
from tests.conftest import Client
from tests.journeys.records import UNKNOWN, a_field, a_journey, a_list, a_tag, actions_of, an_email

UNREADABLE = [[{"type": "fields", "field_id": "EmailAddress", "operator": "resembles", "value": "x"}]]


async def enabled(api: Client, *actions: dict[str, Any], **journey: Any) -> list[tuple[bool, str]]:
    """Enable a journey of these published actions; (whether about an action, message) of each warning."""
    journey_id = await a_journey(api, **journey)
    await actions_of(api, journey_id, *({"Published": True, **action} for action in actions))
    answer = await api.ok("journey.enable", JourneyID=journey_id)
    assert answer["Journey"]["Status"] == "Enabled"
    assert answer.get("Warnings", [None])
    return [(each["ActionID"] is not None, each["Message"]) for each in answer.get("Warnings", [])]


async def test_a_journey_that_can_run_is_enabled_without_the_key(api: Client, door: str) -> None:
    list_id = await a_list(api)
    journey_id = await a_journey(
        api,
        Trigger="ListSubscription",
        Trigger_ListID=list_id,
        Run_Criteria=[[{"type": "tags", "operator": "has this tag", "value": [await a_tag(api, list_id)]}]],
    )
    await actions_of(
        api,
        journey_id,
        {"Action": "SendEmail", "EmailID": await an_email(api), "Published": True},
        {"Action": "AddTag", "TargetTagID": await a_tag(api), "Published": True},
        {"Action": "Subscribe", "TargetListID": list_id, "Published": True},
        {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": await a_field(api), "Published": True},
        {"Action": "Webhook", "WebhookURL": "https://hooks.example.com/x", "Published": True},
    )

    answer = await api.at(door).ok("journey.enable", JourneyID=journey_id)

    assert "Warnings" not in answer


async def test_a_journey_without_a_published_action_says_so(api: Client) -> None:
    journey_id = await a_journey(api)
    await actions_of(api, journey_id, {"Action": "SendEmail"})

    answer = await api.ok("journey.enable", JourneyID=journey_id)

    assert answer["Warnings"] == [
        {"ActionID": None, "Message": "no action is published: whoever enters completes at once"}
    ]


NOT_CHOSEN = {
    "SendEmail": ["no email is chosen"],
    "SendSMS": ["the message is empty", "no gateway is chosen"],
    "Webhook": ["the webhook has no address"],
    "Subscribe": ["no list is chosen"],
    "Unsubscribe": ["no list is chosen"],
    "AddTag": ["no tag is chosen"],
    "RemoveTag": ["no tag is chosen"],
    "UpdateCustomFieldValue": ["no custom field is chosen"],
    "StartJourney": ["no journey is chosen"],
    "ExitJourney": ["no journey is chosen"],
}


async def test_what_is_not_chosen_is_named_with_its_action(api: Client) -> None:
    journey_id = await a_journey(api)
    saved = await actions_of(api, journey_id, *({"Action": name, "Published": True} for name in NOT_CHOSEN))

    answer = await api.ok("journey.enable", JourneyID=journey_id)

    assert answer["Warnings"] == [
        {"ActionID": action["ActionID"], "Message": f"{action['Action']}: {message}"}
        for action in saved
        for message in NOT_CHOSEN[action["Action"]]
    ]


async def test_what_is_gone_or_a_strangers_is_named(api: Client, make: Any) -> None:
    stranger = await make.client()
    found = await enabled(
        api,
        {"Action": "SendEmail", "EmailID": await an_email(stranger), "SenderDomainID": UNKNOWN},
        {"Action": "Subscribe", "TargetListID": await a_list(stranger)},
        {"Action": "AddTag", "TargetTagID": await a_tag(stranger)},
        {"Action": "UpdateCustomFieldValue", "TargetCustomFieldID": UNKNOWN},
        {"Action": "StartJourney", "TargetJourneyID": await a_journey(stranger)},
        {"Action": "ExitJourney", "TargetJourneyID": [UNKNOWN]},
        {"Action": "SendSMS", "message": "hello", "gateway_id": UNKNOWN},
    )

    assert found == [
        (True, "SendEmail: the email is gone"),
        (True, "SendEmail: the sender domain is not enabled"),
        (True, "Subscribe: the list is gone"),
        (True, "AddTag: the tag is gone"),
        (True, "UpdateCustomFieldValue: the custom field is gone"),
        (True, "StartJourney: the target journey is gone"),
        (True, "ExitJourney: the journey is gone"),
        (True, "SendSMS: the gateway is gone"),
    ]


async def test_a_started_journey_that_is_disabled_is_named(api: Client) -> None:
    found = await enabled(api, {"Action": "StartJourney", "TargetJourneyID": await a_journey(api)})

    assert found == [(True, "StartJourney: the target journey is disabled")]


async def test_actions_that_nobody_comes_to_are_not_judged(api: Client) -> None:
    found = await enabled(
        api,
        {"Action": "Wait", "WaitAmount": 1, "WaitUnit": "days"},
        {"Action": "SendEmail", "Published": False},
        {
            "Action": "Decision",
            "Published": False,
            "Criteria": UNREADABLE,
            "Actions": {"True": [{"Action": "SendEmail", "Published": True}]},
        },
    )

    assert found == []


async def test_what_a_published_branch_holds_is_judged(api: Client) -> None:
    found = await enabled(
        api, {"Action": "Decision", "Actions": {"True": [], "False": [{"Action": "AddTag", "Published": True}]}}
    )

    assert found == [(True, "AddTag: no tag is chosen")]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/x", "the address is plain http: whoever is on the way can read and change what is sent"),
        ("https://10.0.0.1/", "the address is not public: only a server that allows private addresses calls it"),
        ("https://intra.local/", "the address is not public: only a server that allows private addresses calls it"),
        ("ftp://example.com/", "the address cannot be called (url_scheme)"),
        ("https://u:p@example.com/", "the address cannot be called (url_userinfo)"),
    ],
)
async def test_an_address_that_will_not_do_is_named(api: Client, url: str, message: str) -> None:
    assert await enabled(api, {"Action": "Webhook", "WebhookURL": url}) == [(True, f"Webhook: {message}")]


async def test_an_address_with_merge_tags_is_not_judged_before_they_are_filled_in(api: Client) -> None:
    url = "https://example.com/{{ Subscriber:EmailAddress }}"

    assert await enabled(api, {"Action": "Webhook", "WebhookURL": url}) == []


async def test_criteria_that_cannot_be_evaluated_are_named_with_their_reason(api: Client) -> None:
    found = await enabled(
        api,
        {"Action": "Decision", "Criteria": [[{"type": "tags", "operator": "has this tag", "value": [UNKNOWN]}]]},
        {"Action": "YesNo", "CriteriaLeft": "Opens", "CriteriaOperator": "Is", "CriteriaRight": "1"},
        Run_Criteria=UNREADABLE,
    )

    assert [about for about, _ in found] == [False, True, True]
    assert found[0][1].startswith("Run_Criteria cannot be evaluated: [0][0]: unknown operator")
    assert found[1][1] == f"Decision: the criteria cannot be evaluated: no such tag: {UNKNOWN}"
    assert found[2][1].startswith("YesNo: the criteria cannot be evaluated: ")


async def test_a_pattern_that_is_refused_is_named(api: Client) -> None:
    rule = {"type": "fields", "field_id": "EmailAddress", "operator": "Matches Regex", "value": "(a"}

    found = await enabled(api, {"Action": "Decision", "Criteria": [[rule]]})

    assert len(found) == 1
    assert "the pattern" in found[0][1]


async def test_criteria_of_a_trigger_that_match_no_event_are_named(api: Client) -> None:
    found = await enabled(
        api,
        {"Action": "Wait"},
        Trigger="WebsiteEvent_pageView",
        Trigger_Criteria=[{"Property": "URL", "Operator": "resembles", "Value": "x"}],
    )

    assert len(found) == 1
    assert found[0][1].startswith("Trigger_Criteria[0]: unknown operator")


async def test_rules_without_a_type_or_an_operator_are_named(api: Client) -> None:
    found = await enabled(
        api,
        {"Action": "Decision", "Criteria": [[{"operator": "exist"}, {"type": "suppressions"}]]},
        Trigger="WebsiteEvent_pageView",
        Trigger_Criteria=[{}],
        Run_Criteria=[[{}, {"type": "moon-phase"}]],
    )

    assert found == [
        (False, "Trigger_Criteria[0]: no operator"),
        (False, "Run_Criteria cannot be evaluated: [0][0]: no type"),
        (False, 'Run_Criteria cannot be evaluated: [0][1]: unknown type "moon-phase"'),
        (True, "Decision: the criteria cannot be evaluated: [0][0]: no type"),
        (True, "Decision: the criteria cannot be evaluated: [0][1]: no operator"),
    ]


async def test_a_triggers_record_that_was_deleted_since_is_named(api: Client) -> None:
    email_id = await an_email(api)
    journey_id = await a_journey(api, Trigger="EmailOpen", Trigger_EmailID=email_id)
    await actions_of(api, journey_id, {"Action": "Wait", "Published": True})
    await api.ok("email.delete", EmailID=email_id)

    answer = await api.ok("journey.enable", JourneyID=journey_id)

    assert answer["Warnings"] == [{"ActionID": None, "Message": "the trigger's email is gone"}]


@pytest.mark.parametrize(
    ("trigger", "kind"),
    [
        ("Tag", "tag"),
        ("UnTag", "tag"),
        ("CustomFieldValueChanged", "custom field"),
        ("JourneyCompleted", "journey"),
        ("EmailOpen", None),
    ],
)
async def test_a_stored_0_is_named_where_it_is_no_record(
    api: Client, app: Application, trigger: str, kind: str | None
) -> None:
    journey_id = await a_journey(api)
    await actions_of(api, journey_id, {"Action": "Wait", "Published": True})
    async with app.engine.begin() as connection:
        await connection.execute(
            text("UPDATE journeys SET trigger = :trigger, trigger_parameters = :stored WHERE journey_id = :journey"),
            {"trigger": trigger, "stored": '{"Value": 0, "EmailID": 0}', "journey": journey_id},
        )

    answer = await api.ok("journey.enable", JourneyID=journey_id)

    found = [each["Message"] for each in answer.get("Warnings", [])]
    assert found == ([f"the trigger's {kind} is gone"] if kind else [])


async def test_an_inactive_gateway_is_named(api: Client, admin: Client) -> None:
    made = await admin.ok("admin.smsgateway.create", GatewayName="Log", GatewayType="Log", Status="Inactive")

    found = await enabled(api, {"Action": "SendSMS", "message": "x", "gateway_id": made["GatewayID"]})

    assert found == [(True, "SendSMS: the gateway is not active")]


OVERTAKEN = "it is withdrawn when the person is unsubscribed or deleted right behind it: put a Wait between"


async def test_a_message_that_nobody_waits_behind_before_leaving_is_named(api: Client, admin: Client) -> None:
    own, other = await a_list(api), await a_list(api)
    made = await admin.ok("admin.smsgateway.create", GatewayName="Log", GatewayType="Log", IsGlobal=True)
    mail = {"Action": "SendEmail", "EmailID": await an_email(api)}
    sms = {"Action": "SendSMS", "message": "x", "gateway_id": made["GatewayID"]}
    wait = {"Action": "Wait", "WaitUnit": "minutes", "WaitAmount": 5}
    tag = {"Action": "AddTag", "TargetTagID": await a_tag(api)}
    leave, delete = {"Action": "Unsubscribe", "TargetListID": own}, {"Action": "DeleteSubscriber"}
    leave_other = {"Action": "Unsubscribe", "TargetListID": other}
    hook = {"Action": "Webhook", "WebhookURL": "https://hooks.example.com/x"}

    def fork(*branch: dict[str, Any]) -> dict[str, Any]:
        inside = [{"Published": True, **action} for action in branch]
        return {"Action": "Decision", "Actions": {"True": inside, "False": []}}

    cases: list[tuple[list[dict[str, Any]], list[str]]] = [
        ([mail, leave], ["SendEmail"]),
        ([mail, tag, delete], ["SendEmail"]),
        ([mail, wait, leave], []),
        ([mail, wait, sms, delete], ["SendSMS"]),
        ([mail, leave_other], []),
        ([mail, {**leave, "Published": False}], []),
        ([leave, mail], []),
        ([hook, delete], []),
        ([mail, fork(leave), wait], ["SendEmail"]),
        ([fork(mail), delete], ["SendEmail"]),
        ([mail, fork(wait), delete], ["SendEmail"]),
        ([mail, fork(mail, wait), wait, delete], []),
    ]
    for actions, named in cases:
        found = await enabled(api, *actions, Trigger="ListSubscription", Trigger_ListID=own)
        assert found == [(True, f"{name}: {OVERTAKEN}") for name in named], actions

    anywhere = await enabled(api, mail, leave_other, Trigger="ListSubscription", Trigger_ListID=0)
    assert anywhere == [(True, f"SendEmail: {OVERTAKEN}")]


async def test_the_number_of_statements_does_not_grow_with_the_tree(api: Client, app: Application) -> None:
    counts: list[int] = []
    for size in (2, 40):
        journey_id = await a_journey(api)
        decision = {
            "Action": "Decision",
            "Published": True,
            "Criteria": [[{"type": "tags", "operator": "has this tag", "value": [UNKNOWN]}]],
        }
        await actions_of(api, journey_id, *({**decision} for _ in range(size)))
        seen: list[str] = []

        def count(*arguments: Any, seen: list[str] = seen) -> None:
            if "api_keys" not in arguments[2]:  # asked once a second, whoever calls
                seen.append(arguments[2])

        event.listen(app.engine.sync_engine, "before_cursor_execute", count)
        try:
            answer = await api.ok("journey.enable", JourneyID=journey_id)
        finally:
            event.remove(app.engine.sync_engine, "before_cursor_execute", count)
        assert len(answer["Warnings"]) == size
        counts.append(len(seen))

    assert counts[0] == counts[1]
