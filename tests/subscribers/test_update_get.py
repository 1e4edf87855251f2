"""`subscriber.update`, `subscriber.get`, `subscriber.exists` (AC 2.5)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journeys_api.app import Application
from journeys_api.models import Enrollment, EnrollmentState
from tests.conftest import Client, Maker
from tests.subscribers.people import (
    IP,
    LARGEST_ID,
    create,
    get,
    make_field,
    make_list,
    make_tag,
    refused,
    statuses,
)


async def update(client: Client, list_id: int, subscriber_id: int, **changes: Any) -> None:
    """Change a subscriber."""
    await client.ok("subscriber.update", SubscriberListID=list_id, SubscriberID=subscriber_id, **changes)


INVALID: list[tuple[str, dict[str, Any], list[int]]] = [
    ("subscriber.update", {"SubscriberID": None}, [1]),
    ("subscriber.update", {"SubscriberID": None, "SubscriberListID": ""}, [1, 2]),
    ("subscriber.update", {"EmailAddress": ""}, [3]),
    ("subscriber.update", {"EmailAddress": "nobody"}, [4]),
    ("subscriber.update", {"SubscriberListID": "abc"}, [5]),
    ("subscriber.update", {"SubscriberListID": LARGEST_ID}, [5]),
    ("subscriber.update", {"SubscriberID": "abc"}, [6]),
    ("subscriber.update", {"SubscriberID": 2**63}, [6]),
    ("subscriber.update", {"SubscriberID": LARGEST_ID}, [6]),
    ("subscriber.update", {"EmailAddress": "TAKEN@example.com"}, [7]),
    ("subscriber.update", {"Fields": {"99999999": "x", "Shoe": "y"}}, [11]),
    ("subscriber.update", {"SubscriberID": [], "SubscriberListID": {}, "EmailAddress": "x"}, [4, 5, 6]),
    ("subscriber.get", {"EmailAddress": None}, [1]),
    ("subscriber.get", {"EmailAddress": None, "ListID": None}, [1, 2]),
    ("subscriber.get", {"EmailAddress": "stranger@example.com"}, [3]),
    ("subscriber.get", {"EmailAddress": None, "SubscriberID": LARGEST_ID}, [3]),
    ("subscriber.get", {"EmailAddress": None, "SubscriberID": "abc"}, [3]),
    ("subscriber.get", {"EmailAddress": "a\x00"}, [3]),
    ("subscriber.get", {"ListID": LARGEST_ID}, [4]),
    ("subscriber.get", {"ListID": "-1"}, [4]),
    ("subscriber.exists", {"ListID": None, "EmailAddress": None}, [1, 2]),
    ("subscriber.exists", {"EmailAddress": ""}, [2]),
    ("subscriber.exists", {"ListID": LARGEST_ID}, [3]),
    ("subscriber.exists", {"ListID": "1.0"}, [3]),
]


@pytest.mark.parametrize(("command", "changed", "codes"), INVALID)
async def test_what_is_missing_or_invalid_is_refused_with_every_code(
    api: Client, command: str, changed: dict[str, Any], codes: list[int]
) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "a@example.com")
    await create(api, list_id, "taken@example.com")
    before = await get(api, list_id, "a@example.com")
    if command == "subscriber.update":
        given: dict[str, Any] = {"SubscriberListID": list_id, "SubscriberID": subscriber_id}
    else:
        given = {"ListID": list_id, "EmailAddress": "a@example.com"}

    assert await refused(api, command, **(given | changed)) == codes
    assert await get(api, list_id, "a@example.com") == before


@pytest.mark.parametrize(
    "changes",
    [
        {"SubscriptionStatus": "Happy"},
        {"BounceType": "Rubber"},
        {"UnsubscriptionDate": "never"},
        {"UnsubscriptionIP": "x"},
        {"Fields": "text"},
    ],
)
async def test_a_value_without_a_code_of_its_own_cannot_be_read(api: Client, changes: dict[str, Any]) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "a@example.com")

    answer = await api.call("subscriber.update", SubscriberListID=list_id, SubscriberID=subscriber_id, **changes)

    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 100000)


async def test_an_update_changes_what_is_sent_and_nothing_else(api: Client) -> None:
    list_id = await make_list(api)
    changed, cleared, kept = [await make_field(api, list_id) for _ in range(3)]
    subscriber_id = await create(
        api, list_id, "a@example.com", CustomFields={changed: "old", cleared: "old", kept: "old"}
    )
    before = await get(api, list_id, "a@example.com")

    answer = await api.ok(
        "subscriber.update",
        ListID=list_id,
        SubscriberID=str(subscriber_id),
        EmailAddress="New@example.com",
        BounceType="Hard",
        Fields={f"CUSTOMFIELD{changed}": "new", str(cleared): "", str(kept): None},
    )

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert await get(api, list_id, "new@example.com") == before | {
        "EmailAddress": "New@example.com",
        "BounceType": "Hard",
        f"CustomField{changed}": "new",
        f"CustomField{cleared}": "",
    }


async def test_an_address_may_change_its_case(api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "a@example.com")

    await update(api, list_id, subscriber_id, EmailAddress="A@example.com")

    assert await statuses(api, list_id) == {"A@example.com": "Subscribed"}


async def test_values_of_global_fields_go_along_to_a_new_address_that_has_none(api: Client) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    field_id = await make_field(api, list_id, IsGlobal="Yes")
    await create(api, other_list_id, "old@example.com", CustomFields={str(field_id): "mine"})
    await create(api, other_list_id, "own@example.com", CustomFields={str(field_id): "own"})
    subscriber_id = await create(api, list_id, "old@example.com")

    await update(api, list_id, subscriber_id, EmailAddress="new@example.com")
    assert (await get(api, list_id, "new@example.com"))[f"CustomField{field_id}"] == "mine"
    assert (await get(api, other_list_id, "old@example.com"))[f"CustomField{field_id}"] == "mine"

    await update(api, list_id, subscriber_id, EmailAddress="own@example.com")
    assert (await get(api, list_id, "own@example.com"))[f"CustomField{field_id}"] == "own"


async def test_a_global_value_can_be_changed_and_removed(api: Client) -> None:
    list_id = await make_list(api)
    field_id, other_id = [await make_field(api, list_id, IsGlobal="Yes") for _ in range(2)]
    subscriber_id = await create(api, list_id, "A@example.com", CustomFields={field_id: "old", other_id: "stays"})

    await update(api, list_id, subscriber_id, Fields={field_id: "new"})
    assert (await get(api, list_id, "a@example.com"))[f"CustomField{field_id}"] == "new"

    await update(api, list_id, subscriber_id, Fields={field_id: ""})
    row = await get(api, list_id, "a@example.com")
    assert (row[f"CustomField{field_id}"], row[f"CustomField{other_id}"]) == ("", "stays")


@pytest.mark.parametrize("date", ["0001-01-01", "1899-12-31", "9999-12-31 23:59:59"])
async def test_no_date_makes_a_list_unreadable(api: Client, date: str) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "a@example.com")

    answer = await api.call(
        "subscriber.update", SubscriberID=subscriber_id, SubscriberListID=list_id, UnsubscriptionDate=date
    )

    assert answer.status_code < 500
    row = await get(api, list_id, "a@example.com")
    assert row["UnsubscriptionDate"] == (date if answer.json()["Success"] else "0000-00-00 00:00:00")


async def test_a_status_is_only_written_down(api: Client) -> None:
    target = await make_list(api)
    list_id = await make_list(api, OptOutSubscribeTo=target, OptOutAddToSuppressionList="Yes")
    subscriber_id = await create(api, list_id, "a@example.com")

    await update(api, list_id, subscriber_id, SubscriptionStatus="unsubscribed", UnsubscriptionIP=IP)
    row = await get(api, list_id, "a@example.com")
    assert (row["SubscriptionStatus"], row["UnsubscriptionIP"]) == ("Unsubscribed", IP)
    assert row["UnsubscriptionDate"] > "2026"
    assert await statuses(api, target) == {}
    assert (await api.ok("subscriber.get", ListID=list_id, SubscriberID=subscriber_id))["Suppressed"] is False

    await update(api, list_id, subscriber_id, SubscriptionStatus="Subscribed", UnsubscriptionDate="2026-02-03")
    row = await get(api, list_id, "a@example.com")
    assert (row["SubscriptionStatus"], row["UnsubscriptionDate"]) == ("Subscribed", "2026-02-03 00:00:00")
    assert row["SubscriptionDate"] == "2026-01-02 03:04:05"


@pytest.mark.parametrize(
    ("fields", "more", "codes"),
    [
        ({"required": ""}, {}, [8]),
        ({"required": []}, {}, []),
        ({"unique": "taken"}, {}, []),
        ({"number": "x"}, {}, []),
        ({"number": {"a": "b"}}, {}, [10]),
        ({}, {}, []),
        ({"required": []}, {"EnforceRequiredFields": True}, [8]),
        ({"required": "1", "unique": "taken"}, {"EnforceRequiredFields": True}, [9]),
        ({"required": "1", "number": "x"}, {"EnforceRequiredFields": True}, [10]),
        ({"number": "1"}, {"EnforceRequiredFields": True}, [8]),
        ({"number": "1"}, {"EnforceRequiredFields": True, "IgnoreAllOtherCustomFieldsExceptGivenOnes": True}, []),
        ({"required": "1", "unique": "own"}, {"EnforceRequiredFields": True}, []),
    ],
)
async def test_what_an_update_enforces_of_the_fields(
    api: Client, fields: dict[str, Any], more: dict[str, Any], codes: list[int]
) -> None:
    list_id = await make_list(api)
    ids = {
        "required": await make_field(api, list_id, IsRequired="Yes"),
        "unique": await make_field(api, list_id, IsUnique="Yes"),
        "number": await make_field(api, list_id, ValidationMethod="Numbers"),
    }
    await create(api, list_id, "first@example.com", CustomFields={ids["unique"]: "taken"})
    subscriber_id = await create(api, list_id, "a@example.com", CustomFields={ids["unique"]: "own"})
    before = await get(api, list_id, "a@example.com")

    given = {f"CustomField{ids[name]}": value for name, value in fields.items()}
    answer = await api.call(
        "subscriber.update", SubscriberListID=list_id, SubscriberID=subscriber_id, Fields=given, **more
    )

    assert answer.json()["ErrorCode"] == (codes or 0)
    if codes:
        assert await get(api, list_id, "a@example.com") == before


async def test_a_stored_value_satisfies_a_required_field_that_is_not_sent(api: Client) -> None:
    list_id = await make_list(api)
    required = await make_field(api, list_id, IsRequired="Yes")
    shared = await make_field(api, list_id, IsRequired="Yes", IsGlobal="Yes")
    subscriber_id = await create(api, list_id, "a@example.com", CustomFields={required: "here", shared: "there"})

    await update(api, list_id, subscriber_id, EmailAddress="b@example.com", EnforceRequiredFields=True)


async def test_a_subscriber_of_another_list_or_account_is_not_found(api: Client, make: Maker) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    elsewhere = await create(api, other_list_id, "a@example.com")
    stranger = await make.client()
    foreign_list_id = await make_list(stranger)
    foreign = await create(stranger, foreign_list_id, "a@example.com")

    for subscriber_id in (elsewhere, foreign):
        named = {"SubscriberListID": list_id, "SubscriberID": subscriber_id}
        assert await refused(api, "subscriber.update", EmailAddress="b@example.com", **named) == [6]
        assert await refused(api, "subscriber.get", **named) == [3]
    assert await refused(api, "subscriber.get", ListID=foreign_list_id, SubscriberID=foreign) == [4]
    assert await refused(api, "subscriber.exists", ListID=foreign_list_id, EmailAddress="a@example.com") == [3]
    assert await refused(api, "subscriber.update", SubscriberListID=foreign_list_id, SubscriberID=foreign) == [5]


async def test_a_subscriber_is_found_by_address_in_any_case_or_by_id(api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "Ann@example.com")
    other_id = await create(api, list_id, "bob@example.com")

    by_address = await api.ok("subscriber.get", ListID=list_id, EmailAddress="ANN@EXAMPLE.COM")
    by_id = await api.ok("subscriber.get", SubscriberListID=list_id, SubscriberID=subscriber_id)

    assert by_address == by_id
    assert by_id["SubscriberInformation"]["EmailAddress"] == "Ann@example.com"
    both = {"ListID": list_id, "EmailAddress": "ann@example.com", "SubscriberID": other_id}
    assert await refused(api, "subscriber.get", **both) == [3]


async def test_tags_and_suppression_are_told(api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "Ann@example.com")
    tag_id = await make_tag(api, list_id, "VIP")
    await api.ok("subscriber.tag", SubscriberListID=list_id, TagID=tag_id, SubscriberID=subscriber_id)
    await api.ok("suppression.import", EmailAddresses=["ann@example.com"])

    answer = await api.ok("subscriber.get", ListID=list_id, SubscriberID=subscriber_id)
    without = await api.ok("subscriber.get", ListID=list_id, SubscriberID=subscriber_id, IncludeTags="no")

    assert answer["Suppressed"] is True
    assert answer["SubscriberTags"] == [{"TagID": tag_id, "TagName": "VIP"}]
    assert without["SubscriberTags"] == []
    assert (answer["SubscriberSegments"], answer["SubscriberWebsiteEvents"]) == ([], [])
    assert [row["ActivityType"] for row in answer["SubscriberActivity"]] == ["tagged", "subscription"]
    assert answer["TotalRevenue"] == 0
    nothing = await api.ok("subscriber.get", ListID=list_id, SubscriberID=subscriber_id, IncludeActivity="no")
    assert nothing["SubscriberActivity"] == []


async def test_existence_does_not_depend_on_status_or_case(api: Client) -> None:
    list_id = await make_list(api)
    subscriber_id = await create(api, list_id, "ann@example.com")
    await update(api, list_id, subscriber_id, SubscriptionStatus="Unsubscribed")

    here = await api.ok("subscriber.exists", ListID=list_id, EmailAddress="ANN@example.com")
    absent = await api.ok("subscriber.exists", ListID=list_id, EmailAddress="bob@example.com")

    assert (here["Exists"], here["SubscriberID"]) == (True, subscriber_id)
    assert (absent["Exists"], absent["SubscriberID"]) == (False, 0)


def wait(**more: Any) -> dict[str, Any]:
    """An action."""
    return {"Action": "Wait", "WaitUnit": "hours", "WaitAmount": 1, "Published": True, **more}


async def enroll(app: Application, client: Client, subscriber: dict[str, Any], **columns: Any) -> int:
    """Put a pass through a journey in place; its id."""
    assert client.account
    now = datetime(2026, 3, 12, 9, tzinfo=UTC)
    made = Enrollment(
        owner_id=client.account.user_id,
        subscriber_id=subscriber["SubscriberID"],
        email_address=subscriber["EmailAddress"],
        entered_at=now,
        created_at=now,
        **columns,
    )
    async with app.sessions.begin() as session:
        session.add(made)
    return made.enrollment_id


async def test_journeys_are_told_with_the_step_on_the_longest_way(app: Application, api: Client) -> None:
    list_id = await make_list(api)
    await create(api, list_id, "a@example.com")
    subscriber = await get(api, list_id, "a@example.com")
    journey_id = int((await api.ok("journey.create", Name="Welcome"))["JourneyID"])
    tree = [
        wait(),
        wait(Published=False),
        {
            "Action": "Decision",
            "Published": True,
            "Actions": {"True": [wait()], "False": [wait(), wait(Published=False), wait()]},
        },
        wait(),
    ]
    saved = await api.ok("journey.actions.update", JourneyID=journey_id, Actions=json.dumps(tree))
    places = [action["ActionID"] for action in saved["Actions"]]
    last_of_false = int(saved["Actions"][2]["Actions"]["False"][2]["ActionID"])
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    waiting = await enroll(
        app,
        api,
        subscriber,
        list_id=list_id,
        journey_id=journey_id,
        state=EnrollmentState.ACTIVE,
        action_id=last_of_false,
        due_at=later,
    )
    done = await enroll(
        app,
        api,
        subscriber,
        list_id=list_id,
        journey_id=journey_id,
        state=EnrollmentState.COMPLETED,
        ended_at=datetime(2026, 3, 13, 9, tzinfo=UTC),
    )
    await enroll(
        app,
        api,
        subscriber,
        list_id=list_id,
        journey_id=journey_id,
        state=EnrollmentState.EXITED,
        ended_at=datetime(2026, 3, 13, 9, tzinfo=UTC),
    )

    answer = await api.ok("subscriber.get", ListID=list_id, EmailAddress="a@example.com")
    without = await api.ok("subscriber.get", ListID=list_id, EmailAddress="a@example.com", IncludeJourneys=0)

    assert len(places) == 4
    assert answer["SubscriberJourneys"] == {
        "InProgress": [
            {
                "JourneyID": journey_id,
                "JourneyName": "Welcome",
                "EntryID": waiting,
                "RelActionID": last_of_false,
                "SnoozedUntil": later.strftime("%Y-%m-%d %H:%M:%S"),
                "EnrolledAt": "2026-03-12 09:00:00",
                "CurrentStep": 4,
                "TotalSteps": 5,
            }
        ],
        "Completed": [
            {
                "JourneyID": journey_id,
                "JourneyName": "Welcome",
                "EntryID": done,
                "RelActionID": 0,
                "EnrolledAt": "2026-03-12 09:00:00",
                "CompletedAt": "2026-03-13 09:00:00",
                "CurrentStep": 5,
                "TotalSteps": 5,
            }
        ],
    }
    assert without["SubscriberJourneys"] == []
    await api.ok("journeys.delete", Journeys=str(journey_id))
    assert (await api.ok("subscriber.get", ListID=list_id, EmailAddress="a@example.com"))["SubscriberJourneys"] == []
