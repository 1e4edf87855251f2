"""`subscribers.get`, `.search`, `.delete`, `subscriber.tag`, `.untag` (AC 2.5, 2.6)."""

import json
from typing import Any

import pytest

from tests.conftest import Client, Maker
from tests.subscribers.people import (
    IP,
    LARGEST_ID,
    create,
    make_field,
    make_list,
    make_tag,
    refused,
    rule,
    statuses,
    tagged,
)

EVERYBODY = rule("EmailAddress", "contains", "@")
UNKNOWN_TYPE = json.dumps([[{"type": "horoscope"}]])
GONE_TAG = json.dumps([[{"type": "tags", "operator": "has this tag", "value": LARGEST_ID}]])
TOO_DEEP = json.dumps([[[[{"type": "fields", "field_id": "EmailAddress", "operator": "is set"}]]]])
NO_RULES = ["0", "null", '"text"', "[]", "[[]]", "[[{}]]", "{}", "[[{", '[["type"]]', '[{"type": "fields"}, []]']

GIVEN: dict[str, dict[str, Any]] = {
    "subscribers.get": {"SubscriberListID": "LIST", "SubscriberSegment": "Active"},
    "subscribers.search": {"ListID": "LIST", "Operator": "and"},
    "subscribers.delete": {"SubscriberListID": "LIST", "Subscribers": "PERSON"},
    "subscriber.tag": {"SubscriberListID": "LIST", "TagID": "TAG", "SubscriberID": "PERSON"},
    "subscriber.untag": {"SubscriberListID": "LIST", "TagID": "TAG", "SubscriberID": "PERSON"},
}
"""A call of each command that works, but for the ids."""

INVALID: list[tuple[str, dict[str, Any], list[int]]] = [
    ("subscribers.get", {"SubscriberListID": None, "SubscriberSegment": None}, [1, 2]),
    ("subscribers.get", {"SubscriberSegment": "Inactive"}, [2]),
    ("subscribers.get", {"SubscriberSegment": 17}, [2]),
    ("subscribers.get", {"SubscriberSegment": LARGEST_ID}, [2]),
    ("subscribers.get", {"SubscriberSegment": []}, [2]),
    ("subscribers.get", {"SubscriberListID": "abc"}, [3]),
    ("subscribers.get", {"SubscriberListID": LARGEST_ID}, [3]),
    ("subscribers.get", {"SearchField": "ShoeSize", "SearchKeyword": "x"}, [4]),
    ("subscribers.get", {"SearchField": "CustomField1", "SearchKeyword": "x"}, [4]),
    ("subscribers.get", {"SearchField": LARGEST_ID, "SearchKeyword": "x"}, [4]),
    ("subscribers.get", {"SearchField": LARGEST_ID}, [4]),
    ("subscribers.get", {"SearchField": 2**63, "SubscriberListID": "x"}, [3, 4]),
    ("subscribers.search", {"ListID": None, "Operator": None}, [1, 2]),
    ("subscribers.search", {"Operator": "xor"}, [2]),
    ("subscribers.search", {"ListID": "abc"}, [3]),
    ("subscribers.search", {"ListID": LARGEST_ID}, [3]),
    ("subscribers.search", {"RulesJSON": GONE_TAG}, [4]),
    ("subscribers.search", {"Rules": "legacy"}, [4]),
    ("subscribers.search", {"RulesJSON": UNKNOWN_TYPE}, [6]),
    ("subscribers.search", {"RulesJSON": TOO_DEEP}, [6]),
    ("subscribers.search", {"RulesJSON": [[{"type": "fields"}]]}, [6]),
    ("subscribers.search", {"RulesJSON": "x", "ListID": "x", "Operator": "x"}, [2, 3, 6]),
    *(("subscribers.search", {"RulesJSON": rules}, [6]) for rules in NO_RULES),
    ("subscribers.delete", {"Subscribers": None}, [1, 3, 4]),
    ("subscribers.delete", {"Subscribers": None, "RulesJSON": "", "RulesOperator": "and"}, [1, 3]),
    ("subscribers.delete", {"SubscriberListID": None}, [2]),
    ("subscribers.delete", {"SubscriberListID": LARGEST_ID}, [5]),
    ("subscribers.delete", {"SubscriberListID": "x"}, [5]),
    ("subscribers.delete", {"Subscribers": None, "RulesJSON": GONE_TAG}, [6]),
    ("subscribers.delete", {"Subscribers": None, "RulesJSON": UNKNOWN_TYPE}, [6]),
    *(("subscribers.delete", {"Subscribers": None, "RulesJSON": rules}, [7]) for rules in NO_RULES),
    ("subscribers.delete", {"Subscribers": "1,x"}, [8]),
    ("subscribers.delete", {"Subscribers": "0"}, [8]),
    ("subscribers.delete", {"Subscribers": ","}, [8]),
    ("subscribers.delete", {"Subscribers": f"1,{2**63}"}, [8]),
    ("subscribers.delete", {"Subscribers": {"a": 1}, "SubscriberListID": "x", "RulesJSON": 0}, [5, 7, 8]),
]
for _command in ("subscriber.tag", "subscriber.untag"):
    INVALID += [
        (_command, {"TagID": None, "SubscriberListID": None}, [1, 2]),
        (_command, {"SubscriberListID": "x"}, [4]),
        (_command, {"SubscriberListID": LARGEST_ID}, [4]),
        (_command, {"SubscriberID": "x"}, [5]),
        (_command, {"SubscriberID": LARGEST_ID}, [5]),
        (_command, {"TagID": "1,x"}, [6]),
        (_command, {"TagID": LARGEST_ID}, [6]),
        (_command, {"TagID": 0}, [6]),
        (_command, {"SubscriberID": None}, [6, 7]),
        (_command, {"SubscriberID": None, "RulesOperator": "and"}, [6]),
        (_command, {"SubscriberID": None, "RulesJSON": EVERYBODY}, [7]),
        (_command, {"SubscriberID": None, "RulesJSON": GONE_TAG, "RulesOperator": "and"}, [8]),
        (_command, {"SubscriberID": None, "RulesJSON": UNKNOWN_TYPE, "RulesOperator": "or"}, [8]),
        *((_command, {"SubscriberID": None, "RulesJSON": rules, "RulesOperator": "or"}, [7]) for rules in NO_RULES),
    ]


@pytest.mark.parametrize(("command", "changed", "codes"), INVALID)
async def test_what_is_missing_or_invalid_is_refused_with_every_code(
    api: Client, command: str, changed: dict[str, Any], codes: list[int]
) -> None:
    list_id = await make_list(api)
    person = await create(api, list_id, "a@example.com")
    tag_id = await make_tag(api, list_id, "VIP")
    ids = {"LIST": list_id, "PERSON": person, "TAG": tag_id}
    given = {name: ids.get(value, value) for name, value in GIVEN[command].items()}

    assert await refused(api, command, **(given | changed)) == codes
    assert await tagged(api, list_id) == {"a@example.com": []}


async def test_the_named_segments_hold_who_they_say(api: Client) -> None:
    list_id = await make_list(api)
    left = {"Status": "Unsubscribed", "UnsubscriptionDate": "2026-01-01", "UnsubscriptionIP": IP}
    await create(api, list_id, "plain@example.com")
    await create(api, list_id, "soft@example.com", BounceType="Soft")
    await create(api, list_id, "hard@example.com", BounceType="Hard")
    await create(api, list_id, "pending@example.com", Status="Opt-In Pending")
    await create(api, list_id, "left@example.com", **left)
    await api.ok("suppression.import", EmailAddresses=["plain@example.com"], ListID=list_id)
    await api.ok("suppression.import", EmailAddresses=["LEFT@example.com"])

    found = {}
    for segment in ("active", "Suppressed", "Unsubscribed", "Soft bounced", "HARD BOUNCED", "Opt-in pending"):
        answer = await api.ok("subscribers.get", SubscriberListID=list_id, SubscriberSegment=segment)
        found[segment] = [row["EmailAddress"].partition("@")[0] for row in answer["Subscribers"]]
        assert answer["TotalSubscribers"] == len(found[segment])

    assert found == {
        "active": ["plain", "soft"],
        "Suppressed": ["left", "plain"],
        "Unsubscribed": ["left"],
        "Soft bounced": ["soft"],
        "HARD BOUNCED": ["hard"],
        "Opt-in pending": ["pending"],
    }


async def test_a_page_of_a_segment_has_whole_rows(api: Client) -> None:
    list_id = await make_list(api)
    field_id, global_id = await make_field(api, list_id), await make_field(api, list_id, IsGlobal="Yes")
    await create(api, list_id, "Ann@example.com", CustomFields={field_id: "x", global_id: "y"})

    answer = await api.ok("subscribers.get", ListID=list_id, SubscriberSegment="Active")

    [row] = answer["Subscribers"]
    alone = await api.ok("subscriber.get", ListID=list_id, EmailAddress="ann@example.com")
    assert row == alone["SubscriberInformation"]
    assert (row[f"CustomField{field_id}"], row[f"CustomField{global_id}"]) == ("x", "y")


async def paged(client: Client, list_id: int, **paging: Any) -> list[str]:
    """The names of a page of the active segment."""
    answer = await client.ok("subscribers.get", SubscriberListID=list_id, SubscriberSegment="Active", **paging)
    return [row["EmailAddress"].partition("@")[0] for row in answer["Subscribers"]]


async def test_pages_come_in_a_total_order(api: Client) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id)
    for name, city, day in (("b", "Rome", "03"), ("C", "Oslo", "01"), ("a", "Rome", "02")):
        await create(
            api, list_id, f"{name}@example.com", CustomFields={field_id: city}, SubscriptionDate=f"2026-01-{day}"
        )

    assert await paged(api, list_id) == ["a", "b", "C"]
    assert await paged(api, list_id, OrderType="desc") == ["C", "b", "a"]
    assert await paged(api, list_id, OrderField="SubscriptionDate") == ["C", "a", "b"]
    assert await paged(api, list_id, OrderField=f"customfield{field_id}") == ["C", "b", "a"]
    assert await paged(api, list_id, OrderField="SubscriberID", OrderType="DESC") == ["a", "C", "b"]
    assert await paged(api, list_id, OrderField="1; DROP TABLE") == ["a", "b", "C"]
    assert await paged(api, list_id, RecordsPerRequest=1, RecordsFrom=1) == ["b"]
    assert await paged(api, list_id, RecordsPerRequest=0) == ["a", "b", "C"]
    assert await paged(api, list_id, RecordsPerRequest=LARGEST_ID, RecordsFrom=LARGEST_ID) == []
    assert await paged(api, list_id, RecordsPerRequest="2") == ["a", "b"]


async def test_a_page_comes_in_the_order_of_a_field_of_all_lists(api: Client) -> None:
    list_id = await make_list(api)
    global_id = await make_field(api, list_id, IsGlobal="Yes")
    for name, values in (("A", {global_id: "Rome"}), ("b", {global_id: "Oslo"}), ("c", {})):
        await create(api, list_id, f"{name}@example.com", CustomFields=values)

    assert await paged(api, list_id, OrderField=f"CustomField{global_id}") == ["b", "A", "c"]
    assert await paged(api, list_id, OrderField=f"CustomField0{global_id}", OrderType="DESC") == ["A", "b", "c"]


@pytest.mark.parametrize("kind", [{"DataType": "number"}, {"ValidationMethod": "Numbers"}])
@pytest.mark.parametrize("is_global", ["Yes", "No"])
async def test_a_field_of_numbers_orders_by_their_size(api: Client, kind: dict[str, str], is_global: str) -> None:
    list_id = await make_list(api)
    field_id = await make_field(api, list_id, IsGlobal=is_global, **kind)
    values = {
        "ten": "10",
        "nine": "9",
        "less": "-10.5",
        "digits": "7" * 100,
        "few": "few",
        "nan": "NaN",
        "endless": "1e400000",
        "long": "7" * 101,
        "none": "",
        "odd": "1-2",
    }
    for name, value in values.items():
        await create(api, list_id, f"{name}{list_id}@example.com", CustomFields={field_id: value})
    await create(api, list_id, f"absent{list_id}@example.com")

    up = await paged(api, list_id, OrderField=f"CustomField{field_id}")
    down = await paged(api, list_id, OrderField=f"CustomField{field_id}", OrderType="DESC")
    searched = await api.ok(
        "subscribers.search", ListID=list_id, Operator="and", OrderField=f"CustomField{field_id}", RecordsPerRequest=3
    )

    names = [f"{name}{list_id}" for name in ("less", "nine", "ten", "digits")]
    assert (up[:4], down[:4]) == (names, names[::-1])
    assert up[4:] == down[:3:-1]
    assert [row["EmailAddress"].partition("@")[0] for row in searched["Subscribers"]] == names[:3]


async def test_a_field_that_the_list_does_not_have_orders_by_address(api: Client) -> None:
    list_id, other = await make_list(api), await make_list(api)
    elsewhere = await make_field(api, other)
    for name in ("b", "C", "a"):
        await create(api, list_id, f"{name}@example.com")

    for field_id in (0, elsewhere, LARGEST_ID, "9" * 50):
        assert await paged(api, list_id, OrderField=f"CustomField{field_id}") == ["a", "b", "C"]


async def test_who_has_no_value_comes_last_in_both_directions(api: Client) -> None:
    list_id = await make_list(api)
    for name, date in (("a", {}), ("b", {"OptInDate": "2026-01-01"}), ("c", {"OptInDate": "2026-01-02"})):
        await create(api, list_id, f"{name}@example.com", **date)

    assert await paged(api, list_id, OrderField="OptInDate") == ["b", "c", "a"]
    assert await paged(api, list_id, OrderField="OptInDate", OrderType="DESC") == ["c", "b", "a"]


async def test_a_segment_can_be_searched(api: Client) -> None:
    list_id = await make_list(api)
    field_id, global_id = await make_field(api, list_id), await make_field(api, list_id, IsGlobal="Yes")
    ann = await create(api, list_id, "ann_1@example.com", CustomFields={field_id: "100% Wool", global_id: "Rome"})
    await create(api, list_id, "annx1@example.com", SubscriptionIP="198.51.100.9")

    def search(field: object, keyword: str) -> dict[str, Any]:
        return {"SearchField": field, "SearchKeyword": keyword}

    assert await paged(api, list_id, **search("EmailAddress", "ANN_1")) == ["ann_1"]
    assert await paged(api, list_id, SearchKeyword="annx") == ["annx1"]
    assert await paged(api, list_id, **search("SubscriberID", str(ann))) == ["ann_1"]
    assert await paged(api, list_id, **search("subscriptiondate", "2026-01-02 03")) == ["ann_1", "annx1"]
    assert await paged(api, list_id, **search("SubscriptionIP", "198.51")) == ["annx1"]
    assert await paged(api, list_id, **search("OptInDate", "2026")) == []
    assert await paged(api, list_id, **search(field_id, "0% wool")) == ["ann_1"]
    assert await paged(api, list_id, **search(str(global_id), "rom")) == ["ann_1"]
    assert await paged(api, list_id, **search(field_id, "\\")) == []
    assert await paged(api, list_id, SearchField="EmailAddress") == ["ann_1", "annx1"]


async def test_a_search_answers_rows_with_tags_and_suppression(api: Client) -> None:
    list_id = await make_list(api)
    ann = await create(api, list_id, "ann@example.com")
    await create(api, list_id, "bob@example.com")
    tag_id = await make_tag(api, list_id, "VIP")
    await api.ok("subscriber.tag", SubscriberListID=list_id, TagID=tag_id, SubscriberID=ann)
    await api.ok("suppression.import", EmailAddresses=["ann@example.com"])

    answer = await api.ok(
        "subscribers.search", ListID=list_id, Operator="AND", RulesJSON=rule("EmailAddress", "is", "ann@example.com")
    )

    assert answer["TotalSubscribers"] == 1
    [row] = answer["Subscribers"]
    alone = await api.ok("subscriber.get", ListID=list_id, SubscriberID=ann)
    assert row == alone["SubscriberInformation"] | {
        "SubscriberTags": [{"TagID": tag_id, "TagName": "VIP"}],
        "Suppressed": True,
        "TotalRevenue": 0,
    }


async def test_a_search_without_rules_is_the_whole_list_and_can_be_counted(api: Client) -> None:
    list_id = await make_list(api)
    for name in "abc":
        await create(api, list_id, f"{name}@example.com")

    whole = await api.ok("subscribers.search", ListID=list_id, Operator="or", RulesJSON="", RecordsPerRequest=2)
    only_total = await api.ok("subscribers.search", ListID=list_id, Operator="or", OnlyTotal=1)

    assert [row["EmailAddress"] for row in whole["Subscribers"]] == ["a@example.com", "b@example.com"]
    assert whole["TotalSubscribers"] == 3
    assert (only_total["TotalSubscribers"], only_total["Subscribers"]) == (3, [])


async def test_the_connector_alternates_with_the_operator(api: Client) -> None:
    list_id = await make_list(api)
    for name in ("ab", "a", "b"):
        await create(api, list_id, f"{name}@example.com")
    has_a, has_b = [
        {"type": "fields", "field_id": "EmailAddress", "operator": "begins with", "value": value} for value in "ab"
    ]

    async def found(operator: str, rules: list[Any]) -> list[str]:
        answer = await api.ok("subscribers.search", ListID=list_id, Operator=operator, RulesJSON=json.dumps(rules))
        return [row["EmailAddress"].partition("@")[0] for row in answer["Subscribers"]]

    assert await found("and", [[has_a], [has_b]]) == []
    assert await found("and", [[has_a, has_b]]) == ["a", "ab", "b"]
    assert await found("or", [[has_a], [has_b]]) == ["a", "ab", "b"]


async def test_a_rule_that_cannot_be_evaluated_names_its_place(api: Client) -> None:
    list_id = await make_list(api)

    answer = await api.call("subscribers.search", ListID=list_id, Operator="and", RulesJSON=GONE_TAG)

    assert answer.json()["ErrorText"][0].startswith("Problem with the segment engine: ")


async def test_deleting_takes_the_lists_own_and_passes_over_others(api: Client, make: Maker) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    ann = await create(api, list_id, "ann@example.com")
    await create(api, list_id, "bob@example.com")
    elsewhere = await create(api, other_list_id, "ann@example.com")
    stranger = await make.client()
    foreign_list_id = await make_list(stranger)
    foreign = await create(stranger, foreign_list_id, "ann@example.com")
    tag_id = await make_tag(api, list_id, "VIP")
    await api.ok("subscriber.tag", SubscriberListID=list_id, TagID=tag_id, SubscriberID=ann)

    answer = await api.ok(
        "subscribers.delete", SubscriberListID=list_id, Subscribers=f" {ann}, {elsewhere},{foreign},{LARGEST_ID}"
    )

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    assert list(await statuses(api, list_id)) == ["bob@example.com"]
    assert list(await statuses(api, other_list_id)) == ["ann@example.com"]
    assert list(await statuses(stranger, foreign_list_id)) == ["ann@example.com"]


async def test_deleting_by_rules_takes_whom_they_match(api: Client) -> None:
    list_id = await make_list(api)
    for name in ("a1", "a2", "b1"):
        await create(api, list_id, f"{name}@example.com")

    await api.ok("subscribers.delete", ListID=list_id, RulesJSON=rule("EmailAddress", "begins with", "a"))

    assert list(await statuses(api, list_id)) == ["b1@example.com"]


async def test_deleting_from_the_suppressions_keeps_the_subscribers(api: Client, admin: Client) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    address = f"ann{list_id}@example.com"
    ann = await create(api, list_id, address)
    await create(api, list_id, "bob@example.com")
    for scope in ({}, {"ListID": list_id}, {"ListID": other_list_id}):
        await api.ok("suppression.import", EmailAddresses=[address, "bob@example.com"], **scope)
    await admin.ok("suppression.import", EmailAddresses=[address])

    await api.ok("subscribers.delete", SubscriberListID=list_id, Subscribers=[ann], Suppressed="true")

    assert list(await statuses(api, list_id)) == [address, "bob@example.com"]
    assert list((await api.ok("suppression.browse"))["SuppressedEmails"]) == ["bob@example.com"]
    assert list((await api.ok("suppression.browse", ListID=list_id))["SuppressedEmails"]) == ["bob@example.com"]
    check = await api.ok("suppression.check", EmailAddresses=[address], ListID=other_list_id)
    assert [match["Scope"] for match in check["Results"][address]["MatchedScopes"]] == ["PerList", "SystemWide"]


async def test_forty_thousand_ids_are_one_deletion(api: Client) -> None:
    list_id = await make_list(api)
    ann = await create(api, list_id, "ann@example.com")
    await create(api, list_id, "bob@example.com")
    ids = ",".join(str(LARGEST_ID - number) for number in range(40_000))

    await api.ok("subscribers.delete", SubscriberListID=list_id, Subscribers=f"{ann},{ids}")

    assert list(await statuses(api, list_id)) == ["bob@example.com"]


@pytest.mark.parametrize("spelled", ["csv", "array", "one"])
async def test_tags_are_given_and_taken_by_ids(api: Client, spelled: str) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    ann, bob = [await create(api, list_id, f"{name}@example.com") for name in ("ann", "bob")]
    await create(api, list_id, "eve@example.com")
    vip, new = await make_tag(api, list_id, "VIP"), await make_tag(api, list_id, "new")
    foreign_tag = await make_tag(api, other_list_id, "other")
    spellings: dict[str, dict[str, Any]] = {
        "csv": {"TagID": f"{vip}, {foreign_tag},{new}", "SubscriberID": f"{ann},{bob},{LARGEST_ID}"},
        "array": {"TagID": [vip, new], "SubscriberID": [str(ann), bob]},
        "one": {"TagID": vip, "SubscriberID": ann},
    }
    named = spellings[spelled]

    answer = await api.ok("subscriber.tag", ListID=list_id, TriggerEvents=0, **named)
    await api.ok("subscriber.tag", SubscriberListID=list_id, **named)

    assert answer == {"Success": True, "ErrorCode": 0, "ErrorText": ""}
    expected = ["VIP"] if spelled == "one" else ["new", "VIP"]
    assert await tagged(api, list_id) == {
        "ann@example.com": expected,
        "bob@example.com": [] if spelled == "one" else expected,
        "eve@example.com": [],
    }

    await api.ok("subscriber.untag", SubscriberListID=list_id, **(named | {"TagID": vip}))
    await api.ok("subscriber.untag", SubscriberListID=list_id, **(named | {"TagID": vip}))
    assert (await tagged(api, list_id))["ann@example.com"] == expected[:-1]


async def test_tags_are_given_and_taken_by_rules(api: Client) -> None:
    list_id, other_list_id = await make_list(api), await make_list(api)
    for name in ("a1", "a2", "b1"):
        await create(api, list_id, f"{name}@example.com")
    await create(api, other_list_id, "a1@example.com")
    tag_id = await make_tag(api, list_id, "VIP")
    rules = rule("EmailAddress", "begins with", "a")

    await api.ok("subscriber.tag", SubscriberListID=list_id, TagID=tag_id, RulesJSON=rules, RulesOperator="and")
    assert await tagged(api, list_id) == {"a1@example.com": ["VIP"], "a2@example.com": ["VIP"], "b1@example.com": []}
    assert await tagged(api, other_list_id) == {"a1@example.com": []}

    by_tag = json.dumps([{"type": "tags", "operator": "has this tag", "value": str(tag_id)}])
    await api.ok("subscriber.untag", SubscriberListID=list_id, TagID=tag_id, RulesJSON=by_tag, RulesOperator="xor")
    assert set(map(len, (await tagged(api, list_id)).values())) == {0}


@pytest.mark.parametrize("command", list(GIVEN))
async def test_another_accounts_records_are_answered_like_missing_ones(api: Client, make: Maker, command: str) -> None:
    stranger = await make.client()
    foreign_list_id = await make_list(stranger)
    foreign = {
        "LIST": foreign_list_id,
        "PERSON": await create(stranger, foreign_list_id, "a@example.com"),
        "TAG": await make_tag(stranger, foreign_list_id, "VIP"),
    }
    list_id = await make_list(api)
    own = {
        "LIST": list_id,
        "PERSON": await create(api, list_id, "a@example.com"),
        "TAG": await make_tag(api, list_id, "VIP"),
    }

    for kind in set(GIVEN[command].values()) & set(own):
        given = {name: (own | {kind: foreign[kind]}).get(value, value) for name, value in GIVEN[command].items()}
        absent = {name: (own | {kind: LARGEST_ID}).get(value, value) for name, value in GIVEN[command].items()}
        assert (await api.call(command, **given)).json() == (await api.call(command, **absent)).json()
    assert await tagged(stranger, foreign_list_id) == {"a@example.com": []}
