"""Segments at /api.php: their commands, their codes, and where rules and pages use them."""

import json
from typing import Any

import pytest

from tests.conftest import Client, Maker
from tests.subscribers.people import LARGEST_ID, create, make_field, make_list, make_tag, refused

KEYS = {
    "SegmentID",
    "SegmentName",
    "SegmentOperator",
    "SubscriberCount",
    "SubscriberCountLastCalculatedOn",
    "SegmentRules",
    "SegmentRulesJson",
    "RelListID",
    "Randomness",
    "RandomnessAudienceSize",
}


def address(operator: str, value: str) -> dict[str, Any]:
    return {"type": "fields", "field_id": "EmailAddress", "operator": operator, "value": value}


def belongs(segment_id: int, operator: str = "belongs to") -> dict[str, Any]:
    return {"type": "segments", "operator": operator, "value": segment_id}


async def make_segment(client: Client, list_id: int, *rules: Any, **more: Any) -> int:
    given = {"SegmentName": "Segment", "SegmentOperator": "and", "RulesJson": json.dumps(rules), **more}
    return int((await client.ok("segment.create", SubscriberListID=list_id, **given))["SegmentID"])


async def segments(client: Client, list_id: int, **more: Any) -> list[dict[str, Any]]:
    answer = await client.ok("segments.get", SubscriberListID=list_id, **more)
    assert answer["TotalSegmentCount"] == len(answer["Segments"])
    found: list[dict[str, Any]] = answer["Segments"]
    return found


async def people(client: Client, list_id: int, segment_id: int) -> list[str]:
    answer = await client.ok("subscribers.get", SubscriberListID=list_id, SubscriberSegment=segment_id)
    assert answer["TotalSubscribers"] == len(answer["Subscribers"])
    return [row["EmailAddress"] for row in answer["Subscribers"]]


async def make_audience(client: Client, *addresses: str) -> int:
    list_id = await make_list(client)
    for each in addresses or ("ann@a.example", "bob@b.example"):
        await create(client, list_id, each)
    return list_id


async def test_a_segment_is_made_counted_and_paged(api: Client) -> None:
    list_id = await make_audience(api)

    segment_id = await make_segment(api, list_id, [address("begins with", "ann")], SegmentName="Änn")

    (row,) = await segments(api, list_id)
    assert set(row) == KEYS
    assert (row["SegmentID"], row["SegmentName"], row["SegmentOperator"]) == (segment_id, "Änn", "and")
    assert (row["SubscriberCount"], row["RelListID"], row["Randomness"]) == (1, list_id, False)
    assert row["SegmentRules"] == json.loads(row["SegmentRulesJson"]) == [[address("begins with", "ann")]]
    assert row["SubscriberCountLastCalculatedOn"] > "2020"
    assert await people(api, list_id, segment_id) == ["ann@a.example"]


@pytest.mark.parametrize("rules", [None, "", "[]", [], "{}"])
async def test_a_segment_without_rules_is_the_whole_list(api: Client, rules: Any) -> None:
    list_id = await make_audience(api)

    segment_id = await make_segment(api, list_id, RulesJson=rules)

    assert await people(api, list_id, segment_id) == ["ann@a.example", "bob@b.example"]


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({}, [1, 2, 3]),
        ({"SubscriberListID": "x", "SegmentName": ["a"], "SegmentOperator": "xor"}, [2, 3, 4]),
        ({"SubscriberListID": 2**63, "SegmentName": "a\x00", "SegmentOperator": ""}, [2, 3, 4]),
        ({"SubscriberListID": LARGEST_ID, "SegmentName": "a", "SegmentOperator": "OR"}, [4]),
    ],
)
async def test_a_segment_that_cannot_be_made_is_refused(api: Client, given: dict[str, Any], codes: list[int]) -> None:
    assert await refused(api, "segment.create", **given) == codes


@pytest.mark.parametrize(
    "rules",
    ["nonsense", '{"rules":[]}', "[[]]", [[[[[address("is", "x")]]]]], "7", 7, '[[{"operator":"is"}]]', "[[null]]"],
)
async def test_rules_that_are_none_never_become_everybody(api: Client, rules: Any) -> None:
    list_id = await make_audience(api)
    given = {"SubscriberListID": list_id, "SegmentName": "a", "SegmentOperator": "and", "RulesJson": rules}

    answer = await api.call("segment.create", **given)

    assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 100000)
    assert "RulesJson" in answer.json()["ErrorText"]
    assert await segments(api, list_id) == []


async def test_the_older_rules_are_taken_as_rules_about_fields(api: Client) -> None:
    list_id = await make_audience(api)
    field_id = await make_field(api, list_id)
    await create(api, list_id, "eve@b.example", CustomFields={field_id: "red"})
    older = {
        "SegmentRuleField": ["EmailAddress", f"CustomField{field_id}"],
        "SegmentRuleOperator": ["Contains", "Is"],
        "SegmentRuleFilter": ["b.example", "red"],
    }

    segment_id = await make_segment(api, list_id, RulesJson=None, **older)
    answer = await api.call(
        "segment.create",
        SubscriberListID=list_id,
        SegmentName="a",
        SegmentOperator="and",
        **{**older, "SegmentRuleFilter": ["b"]},
    )

    assert await people(api, list_id, segment_id) == ["eve@b.example"]
    assert answer.json()["ErrorCode"] == 100000


async def test_an_update_changes_what_is_sent(api: Client) -> None:
    list_id, other = await make_audience(api), await make_audience(api, "zoe@z.example")
    segment_id = await make_segment(
        api, list_id, [address("begins with", "ann")], Randomness=True, RandomnessAudienceSize=5
    )

    await api.ok("segment.update", SegmentID=segment_id, SegmentName="Two", SubscriberListID="nonsense")
    (kept,) = await segments(api, list_id)
    await api.ok(
        "segment.update",
        SegmentID=segment_id,
        SegmentName="Three",
        SegmentOperator="OR",
        SubscriberListID=other,
        RulesJson="[]",
        RandomnessAudienceSize=7,
    )
    (moved,) = await segments(api, other)

    assert kept["SegmentName"] == "Two"
    assert (kept["Randomness"], kept["RandomnessAudienceSize"], kept["SubscriberCount"]) == (True, 5, 1)
    assert (moved["SegmentName"], moved["SegmentOperator"], moved["SegmentRules"]) == ("Three", "or", [])
    assert (moved["Randomness"], moved["RandomnessAudienceSize"], moved["SubscriberCount"]) == (False, 7, 1)
    assert await segments(api, list_id) == []


async def test_an_update_that_cannot_be_is_refused_and_changes_nothing(api: Client, make: Maker) -> None:
    list_id = await make_audience(api)
    segment_id = await make_segment(api, list_id, [address("begins with", "ann")])
    stranger = await make.client()
    theirs = await make_list(stranger)
    foreign = await make_segment(stranger, theirs)
    before = await segments(api, list_id, IncludeTotals=False)

    assert await refused(api, "segment.update") == [1, 2]
    assert await refused(api, "segment.update", SegmentID="x", SegmentName=" ", SegmentOperator="x") == [4, 5]
    for unknown in (foreign, LARGEST_ID, 0):
        assert await refused(api, "segment.update", SegmentID=unknown, SegmentName="x") == [4]
    for unknown in (theirs, LARGEST_ID):
        moving = {"SegmentID": segment_id, "SegmentName": "x", "SubscriberListID": unknown}
        assert await refused(api, "segment.update", **moving) == [6]

    assert await segments(api, list_id, IncludeTotals=False) == before
    assert [row["SegmentName"] for row in await segments(stranger, theirs)] == ["Segment"]


async def test_segments_come_in_the_order_asked_for(api: Client) -> None:
    list_id = await make_audience(api)
    everybody = await make_segment(api, list_id, SegmentName="b", SegmentOperator="or")
    nobody = await make_segment(api, list_id, [address("is", "x@y.example")], SegmentName="C")
    one = await make_segment(api, list_id, [address("begins with", "ann")], SegmentName="a")

    async def order(**given: Any) -> list[int]:
        return [row["SegmentID"] for row in await segments(api, list_id, **given)]

    assert await order() == [nobody, everybody, one]
    assert await order(OrderType="asc", OrderField="nonsense") == [one, everybody, nobody]
    assert await order(OrderType="ASC", OrderField="SegmentID") == [everybody, nobody, one]
    assert await order(OrderField="SubscriberCount") == [everybody, one, nobody]
    assert await order(OrderType="ASC", OrderField="SegmentOperator") == [nobody, one, everybody]
    assert await order(OrderType="ASC", OrderField="SubscriberCountLastCalculatedOn") == [everybody, nobody, one]
    assert await order(SegmentID=one) == [one]
    assert await order(SegmentID=LARGEST_ID) == []


async def test_numbers_of_the_last_time_are_answered_unasked(api: Client) -> None:
    list_id = await make_audience(api)
    await make_segment(api, list_id)

    (never,) = await segments(api, list_id, IncludeTotals=False)
    await segments(api, list_id)
    await create(api, list_id, "eve@e.example")
    (last,) = await segments(api, list_id, IncludeTotals=False)

    assert (never["SubscriberCount"], never["SubscriberCountLastCalculatedOn"]) == (0, "0000-00-00 00:00:00")
    assert last["SubscriberCount"] == 2


async def test_segments_of_no_list_are_refused(api: Client, make: Maker) -> None:
    foreign = await make_list(await make.client())

    assert await refused(api, "segments.get") == [1]
    for unknown in ("x", foreign, LARGEST_ID):
        assert await refused(api, "segments.get", SubscriberListID=unknown) == [1]


async def test_segments_are_deleted_and_strangers_ones_are_not(api: Client, make: Maker) -> None:
    list_id = await make_audience(api)
    first, second = await make_segment(api, list_id), await make_segment(api, list_id)
    stranger = await make.client()
    theirs = await make_list(stranger)
    foreign = await make_segment(stranger, theirs)

    assert await refused(api, "segments.delete") == [1]
    assert await refused(api, "segments.delete", Segments="x,") == [1]
    await api.ok("segments.delete", Segments=f"{first}, x,{foreign},{LARGEST_ID}")

    assert [row["SegmentID"] for row in await segments(api, list_id)] == [second]
    assert [row["SegmentID"] for row in await segments(stranger, theirs)] == [foreign]


async def test_segments_name_segments(api: Client) -> None:
    list_id = await make_audience(api, "ann@a.example", "bob@b.example", "amy@b.example")
    a = await make_segment(api, list_id, [address("begins with", "a")])
    not_b = await make_segment(api, list_id, [address("does not contain", "b.example")])
    both = await make_segment(api, list_id, [belongs(a)], [belongs(not_b)])
    neither = await make_segment(api, list_id, [belongs(both, "does not belong to")])

    counts = {row["SegmentID"]: row["SubscriberCount"] for row in await segments(api, list_id)}
    found = await api.ok(
        "subscribers.search", ListID=list_id, Operator="and", RulesJSON=json.dumps([[belongs(neither)]])
    )

    assert await people(api, list_id, both) == ["ann@a.example"]
    assert counts == {a: 2, not_b: 1, both: 1, neither: 2}
    assert [row["EmailAddress"] for row in found["Subscribers"]] == ["amy@b.example", "bob@b.example"]


async def test_segments_in_a_circle_or_gone_have_nobody(api: Client, make: Maker) -> None:
    list_id = await make_audience(api)
    tag_id = await make_tag(api, list_id, "gone")
    stranger = await make.client()
    foreign = await make_segment(stranger, await make_list(stranger))
    first = await make_segment(api, list_id)
    second = await make_segment(api, list_id, [belongs(first, "does not belong to")])
    await api.ok("segment.update", SegmentID=first, SegmentName="x", RulesJson=json.dumps([[belongs(second)]]))
    tagless = await make_segment(
        api, list_id, [{"type": "tags", "operator": "does not have this tag", "value": str(tag_id)}]
    )
    await api.ok("subscriber.tags.delete", SubscriberListID=list_id, TagIDs=str(tag_id))
    unknown = await make_segment(api, list_id, [{"type": "moon-phase", "operator": "is", "value": "full"}])
    whole = await make_segment(api, list_id)

    for segment_id in (first, second, tagless, unknown):
        assert await people(api, list_id, segment_id) == []
    counts = {row["SegmentID"]: row["SubscriberCount"] for row in await segments(api, list_id)}
    assert counts == {first: 0, second: 0, tagless: 0, unknown: 0, whole: 2}
    search = {"ListID": list_id, "Operator": "and"}
    for rule, code in ((belongs(first), 5), (belongs(foreign), 4), (belongs(tagless, "does not belong to"), 4)):
        assert await refused(api, "subscribers.search", **search, RulesJSON=json.dumps([[rule]])) == [code]


async def test_a_chain_of_segments_that_is_too_long_is_told_so(api: Client) -> None:
    list_id = await make_audience(api)
    chain = [await make_segment(api, list_id)]
    for _ in range(11):
        chain.append(await make_segment(api, list_id, [belongs(chain[-1])]))

    assert len(await people(api, list_id, chain[8])) == 2
    for last in chain[9:]:
        given = {"ListID": list_id, "Operator": "and", "RulesJSON": json.dumps([[belongs(last)]])}
        assert await refused(api, "subscribers.search", **given) == [5]


async def test_a_random_segment_has_so_many_and_always_the_same(api: Client) -> None:
    list_id = await make_audience(api, *(f"person{number}@a.example" for number in range(12)), "bob@b.example")
    rules = [[address("contains", "a.example")]]
    drawn = [await make_segment(api, list_id, *rules, Randomness=True, RandomnessAudienceSize=5) for _ in range(3)]

    samples = [await people(api, list_id, each) for each in drawn]
    again = [await people(api, list_id, each) for each in drawn]
    within = [address("is not", samples[0][0])], [belongs(drawn[0])]
    fewer = await api.ok("subscribers.search", ListID=list_id, Operator="and", RulesJSON=json.dumps(within))

    assert [len(sample) for sample in samples] == [5, 5, 5]
    assert again == samples
    assert len({tuple(sample) for sample in samples}) > 1
    assert all("a.example" in each for sample in samples for each in sample)
    assert [row["EmailAddress"] for row in fewer["Subscribers"]] == samples[0][1:]
    assert {row["SubscriberCount"] for row in await segments(api, list_id)} == {5}


async def test_a_subscriber_is_told_with_the_segments_that_they_belong_to(api: Client) -> None:
    list_id = await make_audience(api)
    ann = await make_segment(api, list_id, [address("begins with", "ann")], SegmentName="Ann")
    await make_segment(api, list_id, [address("begins with", "bob")])
    await make_segment(api, list_id, [belongs(LARGEST_ID)])
    who = {"ListID": list_id, "EmailAddress": "ann@a.example"}

    told = await api.ok("subscriber.get", **who)
    untold = await api.ok("subscriber.get", **who, IncludeSegments=False)

    assert told["SubscriberSegments"] == [{"SegmentID": ann, "SegmentName": "Ann"}]
    assert untold["SubscriberSegments"] == []


async def test_a_page_of_another_lists_segment_is_refused(api: Client) -> None:
    list_id, other = await make_audience(api), await make_audience(api)
    segment_id = await make_segment(api, other)

    assert await refused(api, "subscribers.get", SubscriberListID=list_id, SubscriberSegment=segment_id) == [2]


async def test_lists_tell_how_many_segments_they_have_and_take_them_along(api: Client) -> None:
    few, many = await make_list(api), await make_list(api)
    for _ in range(2):
        segment_id = await make_segment(api, many)

    rows = (await api.ok("lists.get", OrderField="SegmentCount", OrderType="DESC"))["Lists"]
    single = (await api.ok("list.get", ListID=many, GetStats=True))["List"]
    await api.ok("lists.delete", Lists=str(many))

    assert [(row["ListID"], row["SegmentCount"]) for row in rows] == [(many, 2), (few, 0)]
    assert single["SegmentCount"] == 2
    assert await refused(api, "segment.update", SegmentID=segment_id, SegmentName="x") == [4]


async def test_everybody_of_a_segment_may_be_tagged_unsubscribed_and_deleted(api: Client) -> None:
    list_id = await make_audience(api)
    tag_id = await make_tag(api, list_id, "vip")
    segment_id = await make_segment(api, list_id, [address("begins with", "ann")])
    chosen = {"RulesJSON": json.dumps([[belongs(segment_id)]]), "RulesOperator": "and"}

    await api.ok("subscriber.tag", SubscriberListID=list_id, TagID=tag_id, **chosen)
    tagged = await api.ok("subscriber.get", ListID=list_id, EmailAddress="ann@a.example")
    await api.ok("subscriber.unsubscribe", ListID=list_id, IPAddress="203.0.113.7", **chosen)
    left = await api.ok("subscribers.get", SubscriberListID=list_id, SubscriberSegment="Unsubscribed")
    await api.ok("subscribers.delete", SubscriberListID=list_id, **chosen)
    stay = await api.ok("subscribers.search", ListID=list_id, Operator="and")

    assert [tag["TagID"] for tag in tagged["SubscriberTags"]] == [tag_id]
    assert [row["EmailAddress"] for row in left["Subscribers"]] == ["ann@a.example"]
    assert [row["EmailAddress"] for row in stay["Subscribers"]] == ["bob@b.example"]


async def test_a_name_has_an_end(api: Client) -> None:
    list_id = await make_list(api)
    given = {"SubscriberListID": list_id, "SegmentOperator": "and", "RulesJson": json.dumps([address("is", "a@b.c")])}

    made = await api.ok("segment.create", SegmentName="n" * 250, **given)

    assert await refused(api, "segment.create", SegmentName="n" * 251, **given) == [2]
    too_long = {"SegmentID": made["SegmentID"], "SegmentName": "ñ" * 3000}
    assert await refused(api, "segment.update", **too_long) == [2]
