"""Numbers of every day of a window as JSON text (rulings 8).

A list of ten thousand journeys has 310,000 days a month, most of them without anything: those are rendered once a
window, and the others filled into a text. As dicts they would cost ten times as much to be made and rendered.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson

from journeys_api.commands.wire import day, money
from journeys_api.stats.windows import Window


class Series:
    """How one kind of series looks: every day of the window has a line, zeros where nothing happened.

    Args:
        keys: names on the wire by counter; the last counter is the revenue, which is answered in currency units.
        is_by_day: an object keyed by the day, newest first; otherwise a list of objects with a `Date`, oldest first.
    """

    def __init__(self, keys: Mapping[str, str], *, is_by_day: bool) -> None:
        *counters, last = keys
        # an attrgetter of one name gives no tuple
        self._numbers = attrgetter(*counters) if len(counters) > 1 else lambda _: ()
        self._cents = attrgetter(last)
        self._is_by_day = is_by_day
        self._filling = "".join(f'"{keys[counter]}":%d,' for counter in counters) + f'"{keys[last]}":%s}}'
        self._nothing = self._filling % (*(0 for _ in counters), 0)
        self._brackets = "{%s}" if is_by_day else "[%s]"
        # few are kept: one may be of ten years
        self._beginnings = lru_cache(maxsize=4)(self._made)

    def render(self, days: Mapping[date, Any], window: Window) -> orjson.Fragment:
        """The series.

        Args:
            days: rows with the counters, all of days of the window.
        """
        beginnings, lines = self._beginnings(window)
        lines = lines.copy()
        for each, counted in days.items():
            at = (window.end_on - each).days if self._is_by_day else (each - window.start_on).days
            cents = self._cents(counted)
            lines[at] = beginnings[at] + self._filling % (*self._numbers(counted), money(cents))
        return orjson.Fragment(self._brackets % ",".join(lines))

    def _made(self, window: Window) -> tuple[Sequence[str], list[str]]:
        """What the lines of a window begin with, and the lines of a window without anything."""
        if self._is_by_day:
            beginnings = [f'"{day(each)}":{{' for each in reversed(list(window.days()))]
        else:
            beginnings = [f'{{"Date":"{day(each)}",' for each in window.days()]
        return beginnings, [beginning + self._nothing for beginning in beginnings]
