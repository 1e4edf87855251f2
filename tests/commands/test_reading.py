"""What each reader takes for a value, and what it refuses: only what a column can hold gets through."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import pytest

from journeys_api.commands import reading
from journeys_api.commands.reading import Unreadable

LARGEST = 2**63 - 1


class Colour(StrEnum):
    """Two states."""

    RED = "Red"
    DARK_BLUE = "Dark Blue"


def each(read: Callable[[Any], Any], *values: object) -> list[tuple[Callable[[Any], Any], Any]]:
    """The reader with each of the values."""
    return [(read, value) for value in values]


TAKEN: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (reading.identifier, 7, 7),
    (reading.identifier, "7", 7),
    (reading.identifier, "007", 7),
    (reading.identifier, str(LARGEST), LARGEST),
    (reading.text, 7, "7"),
    (reading.text, 1.5, "1.5"),
    (reading.text, True, "true"),
    (reading.text, " kept ", " kept "),
    (reading.boolean, "ON", True),
    (reading.boolean, "maybe", False),
    (reading.day, "2024-02-29", date(2024, 2, 29)),
    (reading.instant, "2025-01-05", datetime(2025, 1, 5, tzinfo=UTC)),
    (reading.instant, "2025-01-05 23:59:59", datetime(2025, 1, 5, 23, 59, 59, tzinfo=UTC)),
    (reading.email_address, "Zoë.O'Hara+x@example.com", "Zoë.O'Hara+x@example.com"),
    (reading.email_address, "a@b.test", "a@b.test"),
    (reading.ip, "192.0.2.1", "192.0.2.1"),
    (reading.ip, "2001:DB8::0001", "2001:db8::1"),
    (reading.array_of_any, [1], [1]),
    (reading.array_of_any, "[1,[2]]", [1, [2]]),
    (reading.array_of_any, {"10": "c", "2": "b", "0": "a"}, ["a", "b", "c"]),
    (reading.object_of_any, {"a": 1}, {"a": 1}),
    (reading.object_of_any, '{"a":[]}', {"a": []}),
    (reading.object_of_any, [], {}),
    (reading.object_of_any, ["x"], {"0": "x"}),
    (reading.members, " a, b,,c ,", ["a", "b", "c"]),
    (reading.members, '["a", 2, null, ""]', ["a", "2"]),
    (reading.members, ["a,b", 3], ["a,b", "3"]),
    (reading.members, {"4": "b", "0": " a "}, ["a", "b"]),
    (reading.known_ids, {"0": "1", "2": "x", "3": [2], "5": 3}, [1, 3]),
    (reading.known_ids, '[1, {"a": 2}, [3], null, true, 1.5, "4 ", 0]', [1, 4]),
    (reading.ids, "1, 2,3", [1, 2, 3]),
    (reading.ids, [1, "2"], [1, 2]),
    (reading.ids, 5, [5]),
    (reading.number(1, 3), "3", 3),
    (reading.choice(Colour), "dark BLUE", Colour.DARK_BLUE),
    (reading.one_of("ASC", "DESC"), "desc", "DESC"),
    (reading.bounded_text(3), "äöü", "äöü"),
]
REFUSED: list[tuple[Callable[[Any], Any], Any]] = [
    *each(reading.identifier, -1, "-1", "+1", " 1", "1 ", "1.0", 1.0, "1e3", "0x1", "1_0"),
    *each(reading.identifier, "１", "٣", "²", "1\n", True, False, [], [1], {}, LARGEST + 1, "9" * 99),
    *each(reading.text, "\x00", "a\x00b", [], ["a"], {}, {"a": 1}),
    *each(reading.boolean, [], {}, "\x00"),
    *each(reading.day, "2025-1-5", "20250105", "2025-02-30", "0000-00-00", "2025-W01-1", 20250105),
    *each(reading.day, "２０２５-01-05", "2025-01-05 10:00:00", " 2025-01-05", "2025-01-05\n", []),
    *each(reading.instant, "2025-01-05T10:00:00", "2025-01-05 10:00", "2025-01-05 24:00:01", "x"),
    *each(reading.instant, "2025-01-05 10:00:00Z", "2025-01-05 10:00:00.5", "now"),
    *each(reading.email_address, "", "x", "@", "a@", "@b.test", "a b@c.test", "a@b", "a@b.test\n"),
    *each(reading.email_address, "a@b.test,c@d.test", "A <a@b.test>", "a@" + "b" * 300 + ".test", []),
    *each(reading.ip, "1.2.3", "1.2.3.4/24", "01.2.3.4", "localhost", "1.2.3.4 ", []),
    *each(reading.array_of_any, "x", "{}", '"x"', "[1", "[NaN]", {"a": 1}, {}, 7, True),
    *each(reading.array_of_any, ["\x00"], [{"a\x00": 1}], '["\\u0000"]'),
    (reading.array, '[{"a":["\\u0000"]}]'),
    (reading.mapping, '{"a\\u0000":1}'),
    *each(reading.object_of_any, "x", "[1", '{"a":1,"a":2}', '{"a":1,"A":2}', 7, {"a": "\x00"}),
    *each(reading.members, [[]], [{}], {}, {"a": "b"}, "[1", "\x00"),
    *each(reading.known_ids, [], "x", [[1]], {"a": 1}, "[1", "1,\x002"),
    *each(reading.ids, "1,x", "1 2", "-1", [1.5], [True], str(LARGEST + 1)),
    *each(reading.number(1, 3), 0, "4", ""),
    *each(reading.choice(Colour), "green", "Dark  Blue", "", [], "RED "),
    *each(reading.one_of("ASC"), "ASCII", "ſ", []),
    (reading.bounded_text(3), "four"),
]


@pytest.mark.parametrize(("read", "value", "meaning"), TAKEN)
def test_a_value_is_read(read: Callable[[Any], Any], value: Any, meaning: Any) -> None:
    found = read(value)

    assert found == meaning
    assert type(found) is type(meaning)


@pytest.mark.parametrize(("read", "value"), REFUSED)
def test_a_value_is_refused(read: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(Unreadable):
        read(value)
