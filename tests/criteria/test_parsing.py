"""RulesJson is read as written, refused when it is no list of rules, and kept with a warning when a rule is odd."""

import json
from typing import Any

import pytest

from journeys_api import criteria
from journeys_api.criteria import CriteriaInvalid
from journeys_api.criteria.memberships import TagRule
from journeys_api.criteria.reading import RULES
from journeys_api.criteria.tree import MOST_RULES

TAG = {"type": "tags", "operator": "has this tag", "value": "1"}


@pytest.mark.parametrize("nothing", [None, "", [], {}, "[]", "{}", "null"])
def test_no_rules_are_empty_criteria(nothing: Any) -> None:
    assert criteria.parse(nothing, operator="and").is_empty


@pytest.mark.parametrize(
    "typo",
    [
        5,
        True,
        "has this tag",
        "[",
        '"[]"',
        {"type": "tags"},
        {"rules": [TAG]},
        [TAG, "x"],
        [[TAG], None],
        [[]],
        [[TAG], []],
        [[TAG, []]],
        [[[[TAG]]]],
        [TAG] * (MOST_RULES + 1),
    ],
)
def test_what_is_not_a_list_of_rules_is_refused_and_never_everybody(typo: Any) -> None:
    with pytest.raises(CriteriaInvalid):
        criteria.parse(typo, operator="and")


@pytest.mark.parametrize("untyped", [[{}], [[TAG, {"operator": "has no tags"}]], [[[{"types": "tags"}]]]])
def test_a_rule_without_a_type_is_one_only_where_it_may_be_kept(untyped: Any) -> None:
    with pytest.raises(CriteriaInvalid):
        criteria.parse(untyped, operator="and", needs_types=True)
    assert len(criteria.problems(criteria.parse(untyped, operator="and"))) == 1


def test_names_types_and_operators_are_read_in_any_case() -> None:
    parsed = criteria.parse([{"TYPE": "Tags", "Operator": "HAS THIS TAG", "VALUE": 1}], operator="OR")

    assert (criteria.problems(parsed), parsed.is_or) == ([], True)


@pytest.mark.parametrize("operator", ["and", "AND", "", "xor", "or ", None])
def test_an_operator_other_than_or_is_and(operator: Any) -> None:
    assert criteria.parse([TAG], operator=operator).is_or is False


def test_json_text_is_read_like_the_array() -> None:
    rules = [[TAG, [TAG]], TAG]

    assert criteria.parse(json.dumps(rules), operator="or") == criteria.parse(rules, operator="or")


def test_three_levels_are_read() -> None:
    places = [place for place, _ in criteria.parse([TAG, [TAG, [TAG, TAG]]], operator="and").rules()]

    assert places == ["[0]", "[1][0]", "[1][1][0]", "[1][1][1]"]


@pytest.mark.parametrize("value", ["3, 1,1", [3, "1"], "1,3,"])
def test_ids_are_a_comma_list_or_an_array(value: Any) -> None:
    parsed = criteria.parse([{**TAG, "operator": "has any of these tags", "value": value}], operator="and")

    assert [rule.tag_ids for _, rule in parsed.rules() if isinstance(rule, TagRule)] == [(1, 3)]


@pytest.mark.parametrize("kind", sorted(RULES))
@pytest.mark.parametrize("key", ["value", "journey-id", "email-id", "field_id"])
@pytest.mark.parametrize("operator", ["is set", "has this tag", "in journey", "opened", "belongs to", "exist"])
def test_whatever_has_references_names_records(kind: str, key: str, operator: str) -> None:
    rule = {"TYPE": kind.title(), "Operator": operator, key.upper(): "7"}
    parsed = criteria.parse([rule], operator="and")

    assert criteria.names_records(rule) >= (parsed.references != criteria.References())


def test_the_records_that_rules_name_are_known() -> None:
    rules = [
        [
            {"type": "fields", "field_id": "CustomField7", "operator": "is", "value": "x"},
            {"type": "fields", "field_id": "EmailAddress", "operator": "is", "value": "x"},
            {"type": "tags", "operator": "has all of these tags", "value": "1,2"},
        ],
        {"type": "journeys", "operator": "in journey", "value": 3},
        {"type": "journeys", "operator": "opened", "value": 4},
        {"type": "journey-email-action", "operator": "opened", "journey-id": 5, "value": 6},
        {"type": "segments", "operator": "belongs to", "value": 8},
    ]

    references = criteria.parse(rules, operator="and").references

    assert references == criteria.References(
        field_ids=frozenset({7}),
        tag_ids=frozenset({1, 2}),
        journey_ids=frozenset({3, 5}),
        action_ids=frozenset({4, 6}),
        segment_ids=frozenset({8}),
    )


def field(field_id: Any, operator: Any, value: Any = "") -> dict[str, Any]:
    return {"type": "fields", "field_id": field_id, "operator": operator, "value": value}


UNEVALUABLE: list[tuple[dict[str, Any], str]] = [
    ({"type": "sms-events"}, 'unknown type "sms-events"'),
    ({"type": 5}, "unknown type 5"),
    ({"type": None}, "unknown type null"),
    ({}, "no type"),
    ({"operator": "has no tags"}, "no type"),
    ({"type": "suppressions", "operator": "exists"}, 'unknown operator "exists"'),
    ({"type": "suppressions"}, "no operator"),
    ({"type": "suppressions", "operator": ["exist"]}, 'unknown operator ["exist"]'),
    ({**TAG, "operator": "is"}, 'unknown operator "is"'),
    ({**TAG, "value": "1,2"}, "the value must be one tag"),
    ({**TAG, "value": ""}, "the value must be one id or several"),
    ({**TAG, "value": "x"}, "the value must be an id"),
    ({**TAG, "value": "0"}, "the value must be an id"),
    ({**TAG, "value": 2**63}, "the value must be an id"),
    ({**TAG, "value": -1}, "the value must be an id"),
    ({**TAG, "value": "١"}, "the value must be an id"),
    ({**TAG, "value": 1.0}, "the value must be an id"),
    ({**TAG, "value": None}, "the value must be a text or a number"),
    ({**TAG, "value": {"a": 1}}, "the value must be a text or a number"),
    ({**TAG, "value": [[1]]}, "the value must be a text or a number"),
    ({**TAG, "operator": "has any of these tags", "value": list(range(1, 1002))}, "the value has more than 1000 ids"),
    ({"type": "journeys", "operator": "in journey", "value": "1,2"}, "the value must be an id"),
    ({"type": "journey-email-action", "operator": "in journey", "value": 1}, 'unknown operator "in journey"'),
    ({"type": "journey-email-action", "operator": "opened", "value": ""}, "the value must be an id"),
    ({"type": "segments", "operator": "belongs to", "value": "all"}, "the value must be an id"),
    (field("FirstName", "is", "x"), 'unknown field "FirstName"'),
    (field('email" OR 1=1--', "is", "x"), 'unknown field "email\\" OR 1=1--"'),
    (field(None, "is", "x"), "the value must be a text or a number"),
    (field(0, "is", "x"), "the value must be an id"),
    (field(2**63, "is", "x"), "the value must be an id"),
    (field("email", "like", "x"), 'unknown operator "like"'),
    (field("email", "x" * 80, "x"), f'unknown operator "{"x" * 56}…'),
    (field("email", "is", True), "the value must be a text or a number"),
    (field("email", "is", ["x"]), "the value must be a text or a number"),
    (field("email", "is", None), "the value must be a text or a number"),
    (field("email", "is", "a\x00b"), "the value contains a character that no text may have"),
    (field("email", "is", "x" * 8193), "the value is longer than 8192 characters"),
    (field("email", "contains", ""), "the value is empty"),
    (field("email", "is greater than", ""), "the value is empty"),
    (field("email", "is before", "2024-01-01"), 'the operator "is before" does not suit this field'),
    (field("email", "in the last X days", 3), 'the operator "in the last x days" does not suit this field'),
    (field("SubscriberID", "is", "me"), "the value must be a number"),
    (field("SubscriberID", "is after", "2024-01-01"), 'the operator "is after" does not suit this field'),
    (field("BounceType", "is", "Bouncy"), '"Bouncy" is none of this field\'s values'),
    (field("SubscriptionStatus", "is less than", "x"), 'the operator "is less than" does not suit this field'),
    (field("OptInDate", "is", "yesterday"), "the value must be a date: YYYY-MM-DD, or YYYY-MM-DD HH:MM:SS"),
    (field("OptInDate", "is", "2024-02-30"), "the value must be a date: YYYY-MM-DD, or YYYY-MM-DD HH:MM:SS"),
    (field("OptInDate", "is", "9999-12-31"), "the value must be a date: YYYY-MM-DD, or YYYY-MM-DD HH:MM:SS"),
    (field("OptInDate", "is", "2024-01-01T00:00:00"), "the value must be a date: YYYY-MM-DD, or YYYY-MM-DD HH:MM:SS"),
    (field("OptInDate", "in the last X days", "-3"), "the value must be a number of days from 0 to 36500"),
    (field("OptInDate", "in the last X days", 10**9), "the value must be a number of days from 0 to 36500"),
    (field("OptInDate", "between", "2024-01-01"), "the value must have a start and an end"),
    (field("OptInDate", "between", ["2024-01-02", "2024-01-01"]), "the range ends before it starts"),
    (field("OptInDate", "not between", {"start": "2024-01-01"}), "the value must be a text or a number"),
    (field(7, "between", "1,x"), "the value must be a number"),
    (field(7, "between", "5,1"), "the range ends before it starts"),
    (field(7, "matches regex", "(a"), "the pattern is not a regular expression that RE2 takes"),
    ({"type": "website-events", "event": "pageView", "operator": "?"}, 'unknown operator "?"'),
    ({"type": "website-events", "operator": "happened"}, "the value must be a text or a number"),
    ({"type": "campaign-events", "operator": "opened", "value": ""}, "campaigns are not kept by this server"),
]


@pytest.mark.parametrize(("rule", "reason"), UNEVALUABLE, ids=[str(n) for n in range(len(UNEVALUABLE))])
def test_a_rule_that_cannot_be_evaluated_is_kept_and_named(rule: dict[str, Any], reason: str) -> None:
    parsed = criteria.parse([[TAG, rule]], operator="and")

    assert criteria.problems(parsed) == [f"[0][1]: {reason}"]
