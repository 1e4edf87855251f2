"""Trigger_Criteria: all rules must match, in either dialect, under either spelling of a property."""

import json
import time
from typing import Any

import pytest

from journeys_api import criteria
from journeys_api.criteria import CriteriaInvalid


def rule(name: str, operator: str, value: Any = "") -> dict[str, Any]:
    return {"Property": name, "Operator": operator, "Value": value}


CONVERSION = {"conversion-id": "A7", "conversion-name": "Purchase", "conversion-value": 299.5, "$page_title": "Shop"}


@pytest.mark.parametrize("nothing", [None, "", [], {}, "[]"])
def test_without_rules_every_event_counts(nothing: Any) -> None:
    assert criteria.matches_event(nothing, {}) is True
    assert criteria.trigger_problems(nothing) == []


@pytest.mark.parametrize(
    "typo", [5, "x", "[", {"Property": "a"}, [5], [None], [[rule("a", "equals")]], [rule("a", "equals")] * 251]
)
def test_what_is_no_list_of_rules_is_refused_and_matches_no_event(typo: Any) -> None:
    with pytest.raises(CriteriaInvalid):
        criteria.parse_trigger(typo)
    assert criteria.matches_event(typo, CONVERSION) is False


def test_all_rules_must_match() -> None:
    named = rule("conversionName", "equals", "Purchase")

    assert criteria.matches_event([named, rule("conversionValue", "greater than", "299")], CONVERSION)
    assert not criteria.matches_event([named, rule("conversionValue", "greater than", "300")], CONVERSION)


@pytest.mark.parametrize(
    "name",
    [
        "conversion-name",
        "conversionName",
        "conversionname",
        "conversion_name",
        "conversion.conversionName",
        "Conversion.conversion-name",
    ],
)
def test_a_property_is_found_under_both_spellings_and_with_its_event(name: str) -> None:
    assert criteria.matches_event([rule(name, "equals", "purchase")], CONVERSION)


@pytest.mark.parametrize("name", ["$pageTitle", "$page_title", "pageView.$pageTitle"])
def test_the_page_title_has_two_spellings(name: str) -> None:
    assert criteria.matches_event([rule(name, "equals", "Shop")], {"$page_title": "Shop"})
    assert criteria.matches_event([rule(name, "equals", "Shop")], {"$pageTitle": "Shop"})


def test_the_spelling_as_it_stands_wins() -> None:
    properties = {"page.url": "1", "url": "2", "URL": "3"}

    for name, value in [("page.url", "1"), ("url", "2"), ("URL", "3"), ("page.URL", "3")]:
        assert criteria.matches_event([rule(name, "equals", value)], properties)


@pytest.mark.parametrize(
    ("operator", "value", "held", "matches"),
    [
        ("equals", "gold", "GOLD", True),
        ("equals", "5", 5, True),
        ("equals", "5.0", "5", True),
        ("equals", 5, "5.00", True),
        ("equals", "true", True, True),
        ("equals", "", None, True),
        ("doesn't equal", "gold", "GOLD", False),
        ("doesn’t equal", "gold", "silver", True),
        ("does not equal", "gold", None, True),
        ("contains", "_", "a_b", True),
        ("contains", "_", "axb", False),
        ("doesn't contain", "x", None, True),
        ("does not contain", "X", "axb", False),
        ("contains", '"b"', ["a", "b"], True),
        ("matches regex", r"^\d+$", 42, True),
        ("matches regex", "(?i)^GOLD$", "gold", True),
        ("doesn't match regex", "^a", None, True),
        ("does not match regex", "^a", "ab", False),
        ("greater than", "9", "10", True),
        ("greater than", 9, 1e3, True),
        ("greater than", "9", None, False),
        ("less than", "9", None, False),
        ("less than", "b", "A", True),
        ("less than", "0", -0.5, True),
        ("is set", "", "x", True),
        ("is set", "", "", False),
        ("is set", None, 0, True),
        ("is not set", "", None, True),
        ("Is Not Set", "", {}, False),
    ],
)
def test_operators_of_both_dialects(operator: str, value: Any, held: Any, matches: bool) -> None:
    assert criteria.trigger_problems([rule("p", operator, value)]) == []
    assert criteria.matches_event([rule("p", operator, value)], {"p": held}) is matches


def test_the_new_value_of_a_field_has_the_empty_name() -> None:
    lower = [{"property": "", "operator": "contains", "value": "Hard"}]

    assert criteria.matches_event(lower, {"": "hard bounce"})
    assert not criteria.matches_event(lower, {"": "soft"})


@pytest.mark.parametrize(
    ("operator", "value", "reason"),
    [
        ("is", "x", 'unknown operator "is"'),
        (None, "x", "no operator"),
        (5, "x", "unknown operator 5"),
        ("equals", None, "the value must be a text or a number"),
        ("equals", {"a": 1}, "the value must be a text or a number"),
        ("contains", "", "the value is empty"),
        ("matches regex", "(?=a)", "the pattern is not a regular expression that RE2 takes"),
    ],
)
def test_a_rule_that_cannot_be_told_is_named_and_matches_no_event(operator: Any, value: Any, reason: str) -> None:
    rules = [rule("p", "is not set"), rule("p", operator, value)]

    assert criteria.trigger_problems(rules) == [f"[1]: {reason}"]
    assert criteria.matches_event(rules, {}) is False


@pytest.mark.parametrize("untold", [{}, {"Property": "p", "Value": "x"}])
def test_a_rule_without_an_operator_matches_no_event(untold: dict[str, str]) -> None:
    assert criteria.trigger_problems([untold]) == ["[0]: no operator"]
    assert criteria.matches_event([untold], {"p": "x"}) is False


def test_json_text_is_read_like_the_array() -> None:
    assert criteria.matches_event(json.dumps([rule("p", "equals", "x")]), {"p": "x"})


@pytest.mark.parametrize("pattern", ["(a+)+$", r"^(\w+\s?)*$"])
def test_no_pattern_makes_events_wait(pattern: str) -> None:
    rules = [rule("p", "matches regex", pattern)]
    started = time.perf_counter()

    assert not any(criteria.matches_event(rules, {"p": "a" * 8191 + "!"}) for _ in range(1000))

    assert time.perf_counter() - started < 10
