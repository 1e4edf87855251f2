"""Checked criteria: groups of rules under alternating connectors, and what a rule has to know to become SQL."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_, true

from journeys_api.criteria.errors import CriteriaNotEvaluable, SegmentsRecurse

MOST_RULES = 250
"""Rules in one condition, those of the segments it names included. Each costs up to 3 ms until the statement is in
SQLAlchemy's cache, and up to some ten of the 32,767 parameters that a statement may have."""

MOST_SEGMENTS = 8
"""How deep segments may name segments."""


@dataclass(frozen=True)
class References:
    """The records that rules name, by id."""

    field_ids: frozenset[int] = frozenset()
    tag_ids: frozenset[int] = frozenset()
    journey_ids: frozenset[int] = frozenset()
    action_ids: frozenset[int] = frozenset()
    segment_ids: frozenset[int] = frozenset()

    def __or__(self, other: "References") -> "References":
        return References(
            field_ids=self.field_ids | other.field_ids,
            tag_ids=self.tag_ids | other.tag_ids,
            journey_ids=self.journey_ids | other.journey_ids,
            action_ids=self.action_ids | other.action_ids,
            segment_ids=self.segment_ids | other.segment_ids,
        )


@dataclass(frozen=True)
class Scope:
    """Whom a condition is about, and when. `now` is aware."""

    owner_id: int
    list_id: int | ColumnElement[int]
    now: datetime
    time_zone: str
    segments: Mapping[int, "Criteria"]
    global_field_ids: frozenset[int] | None
    """The account-wide fields among those named; None: not known, so that both places of values are looked at."""
    within: tuple[int, ...] = ()
    """The segments whose rules are being read, outermost first."""
    counted: Iterator[int] = field(default_factory=itertools.count)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone whose days count.

        Raises:
            CriteriaNotEvaluable: no such zone.
        """
        try:
            return ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise CriteriaNotEvaluable("the account's time zone is not known") from None

    @property
    def today(self) -> date:
        """The calendar day that `now` falls on in the zone."""
        return self.now.astimezone(self.zone).date()

    def of_segment(self, segment_id: int) -> "Scope":
        """The scope for the rules of a segment that a rule of this scope names.

        Raises:
            SegmentsRecurse: the segment is being read already, or segments nest too deep.
        """
        if segment_id in self.within:
            raise SegmentsRecurse(f"segment {segment_id} refers to itself")
        if len(self.within) >= MOST_SEGMENTS:
            raise SegmentsRecurse(f"segments refer to segments more than {MOST_SEGMENTS} deep")
        return replace(self, within=(*self.within, segment_id))


class Rule:
    """One rule of criteria."""

    @property
    def problem(self) -> str | None:
        """Why it cannot be evaluated; None: it can."""
        return None

    @property
    def references(self) -> References:
        """The records that it names."""
        return References()

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """TRUE or FALSE, never NULL, for every row of `subscribers`.

        Raises:
            CriteriaNotEvaluable: it cannot be told.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Unevaluable(Rule):
    """A rule that was kept although nobody can tell whom it matches."""

    reason: str

    @property
    def problem(self) -> str:
        """Why it cannot be evaluated."""
        return self.reason

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """Always raises."""
        raise CriteriaNotEvaluable(self.reason)


Node = Rule | tuple["Node", ...]
"""A rule, or the members of a group."""


@dataclass(frozen=True)
class Criteria:
    """A tree of at most three levels: groups, subgroups, rules. The connector alternates with the level (JC 5.2)."""

    groups: tuple[Node, ...] = ()
    is_or: bool = False
    """Whether one matching group is enough; then all of a group's members have to match, and so on downwards."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no rule at all."""
        return not self.groups

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Every rule with its place, such as `[0][2]`, in order."""
        return _rules(self.groups, "")

    @property
    def references(self) -> References:
        """The records that the rules name."""
        found = References()
        for _, rule in self.rules():
            found |= rule.references
        return found

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """One condition over `subscribers`; TRUE for everybody when there is no rule.

        Raises:
            CriteriaNotEvaluable: a rule cannot be evaluated, or there are too many of them.
        """
        return _joined(self.groups, scope, is_or=self.is_or) if self.groups else true()


def _rules(nodes: tuple[Node, ...], place: str) -> Iterator[tuple[str, Rule]]:
    for index, node in enumerate(nodes):
        if isinstance(node, Rule):
            yield f"{place}[{index}]", node
        else:
            yield from _rules(node, f"{place}[{index}]")


def _joined(nodes: tuple[Node, ...], scope: Scope, *, is_or: bool, place: str = "") -> ColumnElement[bool]:
    parts = [_one(node, scope, is_or=is_or, place=f"{place}[{index}]") for index, node in enumerate(nodes)]
    return or_(*parts) if is_or else and_(*parts)


def _one(node: Node, scope: Scope, *, is_or: bool, place: str) -> ColumnElement[bool]:
    if not isinstance(node, Rule):
        return _joined(node, scope, is_or=not is_or, place=place)
    if next(scope.counted) >= MOST_RULES:
        raise CriteriaNotEvaluable(f"more than {MOST_RULES} rules")
    try:
        return node.condition(scope)
    except CriteriaNotEvaluable as error:
        raise type(error)(f"{place}: {error.reason}") from None
