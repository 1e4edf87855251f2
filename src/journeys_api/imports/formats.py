"""CSV as people have it: every record that can be read is, and of the others one says where they stand and why.

Python's reader judges single records; which lines make a record is decided here, because one quotation mark too many
must cost the line that it stands on, and not everything behind it.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LONGEST = 64 * 1024
"""Bytes of one record, at most."""
MOST_LINES = 100
"""Lines of one record, at most: a field that is never closed ends there."""
MOST_IN_VAIN = 100_000
"""Lines of a piece that are read beside their own turn, at most, for the end of a field that has none: a file that is
broken all over costs some seconds and not minutes. From then on a field ends on its own line."""

TOO_LONG = f"the record is longer than {LONGEST} bytes"
NOT_CLOSED = "a field is opened and never closed"
NOT_UTF8 = "not UTF-8"
HAS_NUL = "a NUL character"


@dataclass(frozen=True)
class Format:
    """The characters that a file is written with; each one character, or the empty text for none."""

    terminator: str
    encloser: str = ""
    escape: str = ""

    def reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        """Python's own reader of this format, which refuses what it cannot be sure of."""
        return csv.reader(
            lines,
            delimiter=self.terminator,
            quotechar=self.encloser or None,
            quoting=csv.QUOTE_MINIMAL if self.encloser else csv.QUOTE_NONE,
            escapechar=self.escape if self.escape and self.escape != self.encloser else None,
            doublequote=True,
            strict=True,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One record, or what is wrong with it."""

    lines: int
    """How many lines it takes."""
    cells: list[str]
    trouble: str = ""
    in_vain: int = 0
    """How many lines behind it were read, and are records of their own."""


def records(lines: Sequence[bytes], form: Format, *, of_these: int) -> Iterator[Record]:
    """The records that begin in the first `of_these` lines.

    Args:
        lines: without their line feeds; those behind `of_these` are there for a record to end in.
    """
    marks = tuple(mark for mark in (form.encloser, form.escape) if mark)
    place, spare = 0, MOST_IN_VAIN
    while place < of_these:
        record = _record(lines, place, form, marks, most=min(MOST_LINES, 1 + spare))
        yield record
        place += record.lines
        spare -= record.in_vain


def _record(lines: Sequence[bytes], place: int, form: Format, marks: tuple[str, ...], *, most: int) -> Record:
    raw = lines[place]
    if len(raw) > LONGEST:
        return Record(1, [], TOO_LONG)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Record(1, [], NOT_UTF8)
    if "\x00" in text:
        return Record(1, [], HAS_NUL)
    text = text.removesuffix("\r")
    for mark in marks:
        if mark in text:
            return _marked(_Feed(lines, place, most), form)
    return Record(1, text.split(form.terminator))


class _Feed:
    """Gives the reader line after line, while they may belong to one record."""

    def __init__(self, lines: Sequence[bytes], place: int, most: int) -> None:
        self._lines = lines
        self._first = self._next = place
        self._last = min(len(lines), place + most)
        self._room = LONGEST
        self.trouble = ""

    @property
    def given(self) -> int:
        """How many lines were taken."""
        return self._next - self._first

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if self._next >= self._last:
            raise StopIteration
        raw = self._lines[self._next]
        self._next += 1
        self._room -= len(raw) + 1
        if self._room < -1:
            self.trouble = self.trouble or TOO_LONG
            raise StopIteration
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.trouble = NOT_UTF8
            raise StopIteration from None
        if "\x00" in text:
            self.trouble = HAS_NUL
            raise StopIteration
        return text + "\n"


def _marked(feed: _Feed, form: Format) -> Record:
    reader = form.reader(feed)
    try:
        cells = next(reader)
    except StopIteration:
        return Record(1, [""])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return Record(1, [], feed.trouble or NOT_CLOSED, in_vain=feed.given - 1)
        return Record(1, [], f"not CSV: {error}".splitlines()[0], in_vain=feed.given - 1)
    return Record(feed.given, cells)
