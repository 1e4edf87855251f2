"""Submitted values: what is empty, what is stored, what passes which validation method."""

import time

import pytest

from journeys_api.fields.errors import InvalidFieldValue
from journeys_api.fields.validation import php_format
from journeys_api.fields.values import check_value, is_empty, normalised, parts
from journeys_api.models import CustomField


def _field(
    field_type: str = "Single line", method: str = "Disabled", rule: str = "", data_type: str = "", *choices: str
) -> CustomField:
    return CustomField(
        field_name="Field",
        field_type=field_type,
        validation_method=method,
        validation_rule=rule,
        data_type=data_type,
        choices=[{"label": choice.upper(), "value": choice, "selected": False} for choice in choices],
    )


@pytest.mark.parametrize("value", [None, "", "  ", "\t\n", [], [""], [" "], ["", "", ""], [[], [""]], {}, {"0": ""}])
def test_nothing_and_blanks_are_missing(value: object) -> None:
    assert is_empty(value)
    assert normalised(_field(), value) == ""


@pytest.mark.parametrize("value", ["0", 0, "x", 0.0, False, [0], ["", "x"], {"0": "x"}])
def test_zero_is_a_value(value: object) -> None:
    assert not is_empty(value)


@pytest.mark.parametrize(
    ("field_type", "value", "stored"),
    [
        ("Single line", "  as sent ", "  as sent "),
        ("Single line", 7, "7"),
        ("Single line", 7.5, "7.5"),
        ("Single line", True, "true"),
        ("Paragraph text", "a\nb", "a\nb"),
        ("Checkboxes", ["a", "", None, "b"], "a||||b"),
        ("Checkboxes", {"3": "b", "1": "a"}, "a||||b"),
        ("Checkboxes", "a", "a"),
        ("Drop down", ["a"], "a"),
        ("Date field", ["5", "3", "1990"], "1990-03-05"),
        ("Date field", [29, 2, 2024], "2024-02-29"),
        ("Date field", {"0": "5", "1": "3", "2": "1990"}, "1990-03-05"),
        ("Date field", "1990-03-05", "1990-03-05"),
        ("Time field", ["9", "5"], "09:05"),
        ("Time field", [23, 59, 58], "23:59:58"),
    ],
)
def test_a_value_is_stored_as_text(field_type: str, value: object, stored: str) -> None:
    assert normalised(_field(field_type), value) == stored


@pytest.mark.parametrize(
    ("field_type", "value"),
    [
        ("Single line", "a\x00b"),
        ("Single line", {"a": "b"}),
        ("Checkboxes", [["a"]]),
        ("Checkboxes", ["a\x00"]),
        ("Date field", ["30", "2", "2024"]),
        ("Date field", ["5", "", "1990"]),
        ("Date field", ["5", "3"]),
        ("Date field", ["5", "3", "0"]),
        ("Date field", ["5", "March", "1990"]),
        ("Date field", ["5", "3", "9" * 20]),
        ("Time field", ["24", "0"]),
        ("Time field", ["9"]),
        ("Time field", ["-1", "0"]),
    ],
)
def test_what_cannot_be_stored_is_invalid(field_type: str, value: object) -> None:
    with pytest.raises(InvalidFieldValue):
        normalised(_field(field_type), value)


@pytest.mark.parametrize(
    ("method", "rule", "good", "bad"),
    [
        ("Disabled", "", ["anything", "…"], []),
        ("Numbers", "", ["0", "0123"], ["1.5", "-1", "1a", "१", "1 "]),
        ("Letters", "", ["abcXYZ"], ["a1", "a b", "é"]),
        ("Numbers and letters", "", ["a1", "1"], ["a-1", "a b"]),
        ("Email address", "", ["a@example.com", "a+b@sub.example.com"], ["a@", "a", "a b@example.com"]),
        ("URL", "", ["http://example.com", "https://example.com:8080/a?b=c"], ["ftp://a.b", "example.com", "http://"]),
        ("URL", "", [], ["http://exa mple.com", "http://[", "http://a:99999/", "javascript:alert(1)"]),
        ("Date", "", ["2024-02-29"], ["2023-02-29", "29.02.2024", "tomorrow"]),
        ("Date", "d/m/Y", ["29/02/2024"], ["2024-02-29", "30/02/2024"]),
        ("Date", "no format", ["2024-02-29"], ["29/02/2024"]),
        ("Time", "", ["09:05", "23:59:58"], ["24:00", "9"]),
        ("Time", "g:i A", ["9:05 PM"], ["21:05"]),
        ("Custom", "^[a-c]+$", ["abc"], ["abd", "ABC"]),
        ("Custom", "/^[a-c]+$/i", ["abc", "ABC"], ["abd"]),
        ("Custom", "b", ["abc"], ["xyz"]),
        ("Custom", "(", [], ["anything, because the stored rule cannot be read"]),
    ],
)
def test_a_validation_method_judges_a_scalar(method: str, rule: str, good: list[str], bad: list[str]) -> None:
    field = _field(method=method, rule=rule)

    assert [check_value(field, value) for value in good] == good
    for value in bad:
        with pytest.raises(InvalidFieldValue):
            check_value(field, value)


def test_an_empty_value_passes_every_method() -> None:
    assert check_value(_field(method="Numbers"), " ") == ""


@pytest.mark.parametrize(
    ("data_type", "method", "good", "bad"),
    [
        ("number", "Numbers", ["1.5", "-3", "+7", "0"], ["1,5", "1e3", "."]),
        ("datetime", "Disabled", ["2024-01-31 12:00:00", "2024-01-31"], ["31.1.2024", "now"]),
        ("timestamp", "Disabled", ["2024-01-31 12:00:00"], ["12"]),
        ("date", "Disabled", ["2024-01-31"], ["2024-01-32"]),
        ("time", "Disabled", ["12:00"], ["noon"]),
    ],
)
def test_a_data_type_judges_too(data_type: str, method: str, good: list[str], bad: list[str]) -> None:
    field = _field(method=method, data_type=data_type)

    assert [check_value(field, value) for value in good] == good
    for value in bad:
        with pytest.raises(InvalidFieldValue):
            check_value(field, value)


def test_the_members_of_an_array_are_judged_by_enum_alone() -> None:
    boxes = _field("Checkboxes", "Numbers")
    chosen = _field("Checkboxes", "Enum", "", "multi-select", "red", "blue")

    assert check_value(boxes, ["a", "b"]) == "a||||b"
    assert check_value(chosen, ["red", "blue"]) == "red||||blue"
    assert parts(check_value(chosen, "blue")) == ["blue"]
    for value in (["red", "green"], "green", "RED"):
        with pytest.raises(InvalidFieldValue):
            check_value(chosen, value)


def test_a_pattern_that_would_hang_elsewhere_ends_at_once() -> None:
    field = _field(method="Custom", rule="^(a+)+$")
    started = time.perf_counter()

    with pytest.raises(InvalidFieldValue):
        check_value(field, "a" * 50_000 + "!")

    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("rule", "expected"), [("d.m.Y", "%d.%m.%Y"), ("Y%m", "%Y%%%m"), ("", None), ("soon", None), ("--", None)]
)
def test_php_date_formats_are_translated(rule: str, expected: str | None) -> None:
    assert php_format(rule) == expected
