"""Tables as CSV that no spreadsheet takes for more than text."""

import csv
import io
from collections.abc import Iterable

ARMED = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (reliability S63)."""


def unarmed(cell: object) -> object:
    """The cell with an apostrophe before what would be a formula; numbers are what they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(ARMED) else cell


def lines(rows: Iterable[Iterable[object]]) -> bytes:
    """RFC 4180, UTF-8."""
    written = io.StringIO()
    csv.writer(written).writerows([unarmed(cell) for cell in row] for row in rows)
    return written.getvalue().encode()
