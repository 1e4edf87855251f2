"""How many parts a text takes, and which numbers can be written to."""

import pytest

from journeys_api.delivery.sms.parts import ALPHABET, EXTENSION, Parts, parts
from journeys_api.delivery.sms.phone_numbers import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Parts("GSM-7", 0, 0)),
        ("a", Parts("GSM-7", 1, 1)),
        ("a" * 160, Parts("GSM-7", 1, 160)),
        ("a" * 161, Parts("GSM-7", 2, 161)),
        ("a" * 306, Parts("GSM-7", 2, 306)),
        ("a" * 307, Parts("GSM-7", 3, 307)),
        ("a" * 1530, Parts("GSM-7", 10, 1530)),
        ("a" * 1600, Parts("GSM-7", 11, 1600)),
        ("€", Parts("GSM-7", 1, 2)),
        ("€" * 80, Parts("GSM-7", 1, 160)),
        ("€" * 81, Parts("GSM-7", 2, 162)),
        ("€" * 152, Parts("GSM-7", 2, 304)),  # 76 pairs fill 152 of 153 septets
        ("€" * 153, Parts("GSM-7", 3, 306)),  # 306 septets would fit into two parts, if a pair could be parted
        ("a" + "€" * 76 + "a" * 153, Parts("GSM-7", 2, 306)),
        ("é", Parts("GSM-7", 1, 1)),
        ("ç", Parts("UCS-2", 1, 1)),
        ("`", Parts("UCS-2", 1, 1)),
        ("a\t", Parts("UCS-2", 1, 2)),
        ("ж" * 70, Parts("UCS-2", 1, 70)),
        ("ж" * 71, Parts("UCS-2", 2, 71)),
        ("ж" * 134, Parts("UCS-2", 2, 134)),
        ("ж" * 135, Parts("UCS-2", 3, 135)),
        ("😀" * 35, Parts("UCS-2", 1, 70)),
        ("😀" * 36, Parts("UCS-2", 2, 72)),
        ("😀" * 66, Parts("UCS-2", 2, 132)),  # 33 pairs fill 66 of 67 units
        ("😀" * 67, Parts("UCS-2", 3, 134)),
        ("ж" + "😀" * 66 + "ж", Parts("UCS-2", 2, 134)),
        ("€" * 69 + "ж", Parts("UCS-2", 1, 70)),  # in UCS-2 a euro sign is one unit
    ],
)
def test_parts_are_counted_as_the_network_does(text: str, expected: Parts) -> None:
    assert parts(text) == expected


def test_the_alphabet_is_whole() -> None:
    assert (len(ALPHABET), len(EXTENSION)) == (127, 10)  # 128 places, one of which is the escape
    assert not ALPHABET & EXTENSION


@pytest.mark.parametrize(
    ("text", "too_long"),
    [("a" * 1600, False), ("a" * 1601, True), ("€" * 801, True), ("ж" * 700, False), ("ж" * 701, True)],
)
def test_a_text_has_a_limit(text: str, too_long: bool) -> None:
    assert parts(text).is_too_long is too_long


@pytest.mark.parametrize(
    ("number", "region", "expected"),
    [
        ("+49 170 1234567", None, "+491701234567"),
        (" +1 (415) 555-2671 ", None, "+14155552671"),
        ("0170 / 1234567", "DE", "+491701234567"),
        ("0170 / 1234567", "de", "+491701234567"),
        ("0049 170 1234567", "DE", "+491701234567"),
        ("+1 555 123 4567", None, "+15551234567"),
        ("+٤٩١٧٠١٢٣٤٥٦٧", None, "+491701234567"),
        ("0170 1234567", None, None),
        ("0170 1234567", "XX", None),
        ("+1 415 555 2671 ext. 5", None, None),
        ("+49 1", None, None),
        ("+999 1234567", None, None),
        ("12", "DE", None),
        ("", None, None),
        ("nobody", "US", None),
        ("+" + "1" * 300, None, None),
        ("+491701234567\r\nX: y", None, None),
    ],
)
def test_a_number_is_written_in_one_way_or_not_at_all(number: str, region: str | None, expected: str | None) -> None:
    assert normalise(number, region) == expected
