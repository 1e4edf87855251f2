"""Every helper of the contract, with its sizes."""

import hashlib

import pytest

from tests.delivery.personalization.rendering import html, text

CASES = [
    ("uppercase", "sarah connor", "SARAH CONNOR"),
    ("upcase", "söhne", "SÖHNE"),
    ("lowercase", "SARAH CONNOR", "sarah connor"),
    ("downcase", "SARAH", "sarah"),
    ("UPPERCASE", "sarah", "SARAH"),
    ("capitalize", "sarah connor", "Sarah connor"),
    ("capitalize", "sarah McConnor", "Sarah McConnor"),
    ("capitalizeAll", "sarah connor", "Sarah Connor"),
    ("capitalizeAll", "SARAH", "Sarah"),
    ("capitalizeAll", "john's  o-neil", "John's  O-neil"),
    ("titleize", "sarah connor", "Sarah Connor"),
    ("camelcase", "first name", "firstName"),
    ("camelcase", "first_name-of someone", "firstNameOfSomeone"),
    ("camelcase", "FirstName", "firstName"),
    ("pascalcase", "first name", "FirstName"),
    ("pascalcase", "firstName", "FirstName"),
    ("dashcase", "firstName", "first-name"),
    ("dashcase", "First name", "first-name"),
    ("dotcase", "firstName", "first.name"),
    ("snakecase", "firstName", "first_name"),
    ("snakecase", "HTMLPage", "htmlpage"),
    ("trim", " \t a b \n", "a b"),
    ("trimLeft", "  a ", "a "),
    ("trimRight", "  a ", "  a"),
    ("ellipsis", "a" * 20, "a" * 20),
    ("ellipsis", "a" * 21, "a" * 20 + "..."),
    ("ellipsis-5", "sarah connor", "sarah..."),
    ("ellipsis-0", "sarah", "..."),
    ("truncate", "a" * 30, "a" * 20),
    ("truncate-3", "sarah", "sar"),
    ("truncate-999999", "sarah", "sarah"),
    ("truncateWords", "a b c d e", "a b c d e"),
    ("truncateWords", "a b c d e f", "a b c d e..."),
    ("truncateWords-2", " one  two three", " one  two..."),
    ("urlEncode", "a b+c@d~ü", "a+b%2Bc%40d%7E%C3%BC"),
    ("encodeURI", "a b+c@d~ü/", "a%20b%2Bc%40d~%C3%BC%2F"),
    ("decodeURI", "a%20b%2Bc%C3%BC%zz+", "a b+cü%zz+"),
    ("raw", "<b>", "<b>"),
    ("number_format", "1234.5", "1,235"),
    ("number_format", "1234567", "1,234,567"),
    ("number_format-2", "1234.5", "1,234.50"),
    ("number_format-2", "-1234.005", "-1,234.01"),
    ("number_format", "-0.4", "0"),
    ("number_format", "", "0"),
    ("number_format", "abc", "0"),
    ("number_format", "12abc", "0"),
    ("number_format-2", " 7 ", "7.00"),
    ("number_format", "9" * 60, ",".join(["999"] * 20)),
    ("number_format", "1e99999", "0"),
    ("wordwrap", "a" * 80, "a" * 75 + "\n" + "a" * 5),
    ("wordwrap-8", "A very long woooooooooooord.", "A very\nlong\nwooooooo\nooooord."),
    ("wordwrap-10", "The quick brown fox", "The quick\nbrown fox"),
    ("wordwrap-3", "a\nbb cc", "a\nbb\ncc"),
    ("wordwrap-0", "ab", "a\nb"),
    ("nl2br", "a\nb", "a\nb"),
    ("md5", "sarah@example.com", hashlib.md5(b"sarah@example.com").hexdigest()),
    ("md5", "", "d41d8cd98f00b204e9800998ecf8427e"),
    ("sha1", "sarah@example.com", hashlib.sha1(b"sarah@example.com").hexdigest()),
    ("dateFormat-d/m/Y", "2024-12-25", "25/12/2024"),
    ("dateFormat-F_j,_Y", "2024-12-25 10:11:12", "December 25, 2024"),
    ("dateFormat-H:i", "2024-12-25 10:11:12", "10:11"),
    ("dateFormat-Y", "not a date", ""),
]


@pytest.mark.parametrize(("helper", "value", "expected"), CASES)
def test_a_helper_changes_a_value(helper: str, value: str, expected: str) -> None:
    assert text(f"{{{{ {helper} Subscriber:X }}}}", {"X": value}) == expected


@pytest.mark.parametrize(
    ("helper", "value", "expected"), [("uppercase", "a<b", "A&lt;B"), ("truncate-3", "a<bc", "a&lt;b")]
)
def test_what_a_helper_gives_is_escaped_behind_it(helper: str, value: str, expected: str) -> None:
    assert html(f"{{{{ {helper} Subscriber:X }}}}", {"X": value}) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ nl2br Subscriber:X }}", "a&lt;b<br />\r\nc<br />\nd"),
        ("{{{ nl2br Subscriber:X }}}", "a<b<br />\r\nc<br />\nd"),
        ('<p title="{{ Subscriber:X }}">', '<p title="a&lt;b\r\nc\nd">'),
    ],
)
def test_line_breaks_become_visible_in_html_only_where_asked(template: str, expected: str) -> None:
    assert html(template, {"X": "a<b\r\nc\nd"}) == expected


@pytest.mark.parametrize(
    "helper",
    ["ellipsis", "truncateWords-3", "wordwrap-1", "wordwrap-999999", "camelcase", "capitalizeAll", "number_format"],
)
@pytest.mark.parametrize("value", ["a" * 200_000, "a " * 100_000, " " * 200_000, "1" * 200_000, "aB" * 100_000])
@pytest.mark.timeout(30)  # milliseconds in one pass; hours where every character looks at every other
def test_helpers_take_long_values_in_one_pass(helper: str, value: str) -> None:
    text(f"{{{{ {helper} Subscriber:X }}}}", {"X": value})
