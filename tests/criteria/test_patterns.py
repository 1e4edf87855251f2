"""Regular expressions: RE2's, bounded, and in PostgreSQL only where both find the same."""

import time
from typing import Any

import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from journeys_api.criteria import patterns
from journeys_api.criteria.values import BadValue

SUBJECTS = [
    "",
    "a",
    "A",
    "ab",
    "aab",
    "b\n",
    "\n",
    "a\nb",
    "a.b",
    "é",
    "É",
    "_",
    "-",
    "]",
    "^",
    "\\",
    "5",
    "٣",
    " ",
    "\x0b",
]

CHARACTERS = [*"abAé5 -", r"\.", r"\\", r"\]", r"\n"]
CLASSES = [".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S"]
BRACKETS = ["[ab]", "[^a]", r"[^\n]", "[a-c5]", r"[\d_]", r"[\s\w]", r"[\]\\^-]", r"[\-a]", "[é-ü]", r"[\^]", "[$.(*|]"]
GROUPS = ["(?:a|b)", "(é)", "(a|(?:5))"]
atoms = st.sampled_from([*CHARACTERS, *CLASSES, *BRACKETS, *GROUPS, "^", "$"])
repeats = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}", "*?", "+?", "{1,2}?"])
pieces = st.tuples(atoms, repeats).map("".join)
branches = st.lists(pieces, min_size=1, max_size=3).map("".join)
expressions = st.lists(branches, min_size=1, max_size=3).map("|".join)


@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    written=st.lists(expressions, min_size=20, max_size=20),
    more=st.text(st.sampled_from("abAé5_\n. ]\\^-"), max_size=6),
)
async def test_postgresql_finds_what_re2_finds(session: AsyncSession, written: list[str], more: str) -> None:
    asked = []
    for pattern in written:
        try:
            asked.append((pattern, patterns.for_postgresql(pattern)))
        except BadValue:
            continue
    subjects = [*SUBJECTS, more]
    columns = [literal(subject).bool_op("~")(translated) for _, translated in asked for subject in subjects]

    answers = list((await session.execute(select(literal(True), *columns))).one())[1:]

    expected = [re2.search(pattern, subject) is not None for pattern, _ in asked for subject in subjects]
    assert answers == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        r"(a)\1",
        "(" * 5000,
        "((x{1,255}){1,255}){1,255}",
        "a{1001}",
        "x" * 513,
        "é" * 257,
        "[",
        "*",
        "a**",
        "\\",
    ],
)
def test_a_pattern_that_re2_refuses_is_refused_at_once_and_silently(pattern: str, capfd: Any) -> None:
    started = time.perf_counter()

    with pytest.raises(BadValue):
        patterns.compiled(pattern)

    assert time.perf_counter() - started < 10
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "pattern",
    [
        *[
            "(?i)a",
            "(?P<n>a)",
            r"\bword\b",
            r"\pL",
            r"\x41",
            r"\Aa",
            r"\Qa\E",
            r"\_",
            "[[:alpha:]]",
            "[a-]",
            "[]a]",
            "]",
        ],
        *["a{", "a{,2}", "a|", "()", "^*", "***=a", "a{256}", "(a{50}){50}", "(?:" * 21 + "a" + ")" * 21],
    ],
)
def test_a_pattern_that_the_database_reads_otherwise_is_not_translated(pattern: str) -> None:
    with pytest.raises(BadValue):
        patterns.for_postgresql(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", r"^(\w+\s?)*$", "(a|aa)+$", ".*.*.*.*x"])
async def test_no_pattern_makes_anybody_wait(session: AsyncSession, pattern: str) -> None:
    subject = "a" * 8191 + "!"
    started = time.perf_counter()

    await session.execute(text("SET LOCAL statement_timeout = '2s'"))
    answer = await session.scalar(select(literal(subject).bool_op("~")(patterns.for_postgresql(pattern))))

    assert answer is False
    assert [patterns.found(pattern, subject) for _ in range(100)] == [False] * 100
    assert time.perf_counter() - started < 10


async def test_the_largest_patterns_that_are_translated_run(session: AsyncSession) -> None:
    for pattern in (r"(?:\w{1,60}[^a]{1,60}){1,15}x", "(?:.{30}|é{20}){30}", "a{255}b{255}c{255}d{255}"):
        assert await session.scalar(select(literal("aé5" * 2000).bool_op("~")(patterns.for_postgresql(pattern)))) in {
            True,
            False,
        }
