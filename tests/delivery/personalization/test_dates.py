"""Dates: PHP's format letters, zones, and the texts that are read as dates."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from journeys_api.delivery.personalization.dates import date_format
from tests.delivery.personalization.rendering import text

WEDNESDAY = datetime(2024, 2, 7, 4, 5, 9, 12345, tzinfo=UTC)


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("d D j l N S w z", "07 Wed 7 Wednesday 3 th 3 37"),
        ("W o", "06 2024"),
        ("F m M n t L", "February 02 Feb 2 29 1"),
        ("Y y", "2024 24"),
        ("a A g G h H i s", "am AM 4 4 04 04 05 09"),
        ("u v B", "012345 012 211"),
        ("e I O P p T Z", "UTC 0 +0000 +00:00 Z UTC 0"),
        ("c", "2024-02-07T04:05:09+00:00"),
        ("r", "Wed, 07 Feb 2024 04:05:09 +0000"),
        ("U", "1707278709"),
        (r"\Y\m\d jS \o\f F \\", r"Ymd 7th of February \ "[:-1]),
        ("Y-m-d\\", "2024-02-07\\"),
        ("", ""),
    ],
)
def test_php_letters(letters: str, expected: str) -> None:
    assert date_format(letters)(WEDNESDAY) == expected


@pytest.mark.parametrize(
    ("day", "ending"),
    [
        (1, "st"),
        (2, "nd"),
        (3, "rd"),
        (4, "th"),
        (11, "th"),
        (12, "th"),
        (13, "th"),
        (21, "st"),
        (22, "nd"),
        (23, "rd"),
        (30, "th"),
    ],
)
def test_english_endings(day: int, ending: str) -> None:
    assert date_format("jS")(datetime(2024, 1, day)) == f"{day}{ending}"


@pytest.mark.parametrize(
    ("hour", "expected"), [(0, "12 12 0 AM"), (11, "11 11 11 AM"), (12, "12 12 12 PM"), (13, "1 01 13 PM")]
)
def test_hours_of_a_half_day(hour: int, expected: str) -> None:
    assert date_format("g h G A")(datetime(2024, 1, 1, hour)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ dateFormat-Y-m-d Now }}", "2024-12-25"),
        ("{{ dateFormat-F_j,_Y Now }}", "December 25, 2024"),
        ("{{ dateFormat-D,_d_M_Y Now }}", "Wed, 25 Dec 2024"),
        ("{{ dateFormat-l Now }}", "Wednesday"),
        ("{{ dateFormat-h:i_A Now }}", "02:30 PM"),
        ("{{ dateFormat-d|m|Y Now }}", "25|12|2024"),
        ("{{ dateformat-Y now }}", "2024"),
        ("{{{ dateFormat-Y Now }}}", "2024"),
        ("{{ Now }}", "2024-12-25 14:30:00"),
        ("{{ uppercase Now }}", "2024-12-25 14:30:00"),
        ("%Date=F j, Y%", "December 25, 2024"),
        ("%Date=H:i:s T%", "14:30:00 CET"),
        ("%Date=Y_m%", "2024_12"),
    ],
)
def test_now_is_the_moment_of_the_rendering_in_the_zone(template: str, expected: str) -> None:
    assert text(template, now=datetime(2024, 12, 25, 13, 30, tzinfo=UTC), time_zone="Europe/Berlin") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-12-25", "2024-12-25 00:00:00"),
        ("2024-12-25 14:30", "2024-12-25 14:30:00"),
        ("2024-12-25T14:30:05.123", "2024-12-25 14:30:05"),
        ("2024-12-25T14:30:05Z", "2024-12-25 15:30:05"),
        ("2024-12-25 14:30:05 -05:00", "2024-12-25 20:30:05"),
        ("2024/12/25", "2024-12-25 00:00:00"),
        ("12/25/2024", "2024-12-25 00:00:00"),
        ("25.12.2024", "2024-12-25 00:00:00"),
        ("25-12-2024 08:09", "2024-12-25 08:09:00"),
        ("20241225", "2024-12-25 00:00:00"),
        (" 2024-12-25 ", "2024-12-25 00:00:00"),
        ("08:09", "2026-03-04 08:09:00"),
        ("1735135200", "2024-12-25 15:00:00"),
        (1735135200, "2024-12-25 15:00:00"),
        ("1735135200123", "2024-12-25 15:00:00"),
        (date(2024, 12, 25), "2024-12-25 00:00:00"),
        (datetime(2024, 12, 25, 14, 0, tzinfo=UTC), "2024-12-25 15:00:00"),
        (datetime(2024, 12, 25, 14, 0), "2024-12-25 14:00:00"),
        (lambda: "2024-12-25", "2024-12-25 00:00:00"),
        ("0000-00-00", ""),
        ("0000-00-00 00:00:00", ""),
        ("2024-02-30", ""),
        ("2024-12-25 25:00", ""),
        ("yesterday", ""),
        ("99999999999999999999", ""),
        ("9999-12-31T23:59:59-23:59", ""),
        ("2024-12-25T10:00:00+99:99", ""),
        ("-1", ""),
        (True, ""),
        ({"a": 1}, ""),
        (datetime.max.replace(tzinfo=UTC), ""),
        ("1" * 1000, ""),
    ],
)
def test_dates_are_read_from_values(value: Any, expected: str) -> None:
    assert text("{{ dateFormat-Y-m-d_H:i:s Subscriber:X }}", {"X": value}, time_zone="Europe/Berlin") == expected


@pytest.mark.parametrize("zone", ["Nowhere/Land", "", "../../etc/passwd", "Europe", "\0"])
def test_an_unknown_zone_is_utc(zone: str) -> None:
    assert text("{{ dateFormat-H:i_e Now }}", time_zone=zone) == "05:06 UTC"


@pytest.mark.parametrize("year", [1, 9999])
def test_the_ends_of_the_calendar_can_be_written(year: int) -> None:
    every = "dDjlNSwzWFmMntLoYyaABgGhHisuveIOPpTZcrU"

    assert text(f"{{{{ dateFormat-{every} Subscriber:X }}}}", {"X": f"{year:04d}-06-15"}, time_zone="Asia/Tokyo")
