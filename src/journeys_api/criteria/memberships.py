"""Rules about what a subscriber belongs to: tags, journeys, emails of journeys, segments, suppressions (JC 5.3).

Each is an EXISTS by key, so that a condition over a list of ten million costs one look in an index a person and rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, any_, exists, func, literal, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from journeys_api.criteria import values
from journeys_api.criteria.errors import CriteriaNotEvaluable
from journeys_api.criteria.tree import References, Rule, Scope
from journeys_api.criteria.values import BadValue
from journeys_api.models import (
    ActionSubscriber,
    Activity,
    Enrollment,
    EnrollmentState,
    JourneyAction,
    Subscriber,
    SubscriberTag,
    Suppression,
)
from journeys_api.strict_json import fold


class Tags(Enum):
    """How many of the tags, or of all there are."""

    ANY = "any"
    ALL = "all"
    NONE = "none"
    NONE_AT_ALL = "none at all"


TAG_OPERATORS: Mapping[str, tuple[Tags, bool]] = {
    "has this tag": (Tags.ANY, True),
    "does not have this tag": (Tags.NONE, True),
    "has any of these tags": (Tags.ANY, False),
    "has all of these tags": (Tags.ALL, False),
    "has no tags": (Tags.NONE_AT_ALL, False),
}
"""Folded operator → what it asks, and whether it takes one tag only."""


@dataclass(frozen=True)
class TagRule(Rule):
    """The subscriber carries tags, or does not."""

    asked: Tags
    tag_ids: tuple[int, ...]

    @property
    def references(self) -> References:
        """The tags."""
        return References(tag_ids=frozenset(self.tag_ids))

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`."""
        carried = aliased(SubscriberTag)
        its_own = carried.owner_id == scope.owner_id, carried.subscriber_id == Subscriber.subscriber_id
        if self.asked is Tags.NONE_AT_ALL:
            return not_(exists().where(*its_own).correlate_except(carried))
        among = carried.tag_id == any_(literal(list(self.tag_ids), ARRAY(BigInteger)))
        if self.asked is Tags.ALL:
            # the pair of subscriber and tag is unique: as many rows as tags are all of them
            counted = select(func.count()).where(*its_own, among).correlate_except(carried).scalar_subquery()
            return counted == len(self.tag_ids)
        carries = exists().where(*its_own, among).correlate_except(carried)
        return not_(carries) if self.asked is Tags.NONE else carries


def read_tags(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "tags", "operator", "value"}`; the value is an id, a comma list or an array of ids.

    Raises:
        BadValue: an unknown operator, or a value that is not as many ids as it takes.
    """
    asked, is_single = values.one_of(TAG_OPERATORS, rule.get("operator"))
    if asked is Tags.NONE_AT_ALL:
        return TagRule(asked, ())
    tag_ids = values.identifiers(rule.get("value"))
    if is_single and len(tag_ids) > 1:
        raise BadValue("the value must be one tag")
    return TagRule(asked, tag_ids)


JOURNEY_OPERATORS: Mapping[str, tuple[EnrollmentState, bool]] = {
    "in journey": (EnrollmentState.ACTIVE, False),
    "not in journey": (EnrollmentState.ACTIVE, True),
    "completed journey": (EnrollmentState.COMPLETED, False),
}
"""Folded operator → the enrollment it asks for, and whether the answer is turned round."""

ACTION_OPERATORS: Mapping[str, tuple[Activity, bool]] = {
    # a click implies an open
    "opened": (Activity.OPENED | Activity.CLICKED, False),
    "not opened": (Activity.OPENED | Activity.CLICKED, True),
    "clicked": (Activity.CLICKED, False),
    "not clicked": (Activity.CLICKED, True),
    "unsubscribed": (Activity.UNSUBSCRIBED, False),
    "complained": (Activity.SPAM_COMPLAINT, False),
    "not complained": (Activity.SPAM_COMPLAINT, True),
    "bounced": (Activity.BOUNCED, False),
    "not bounced": (Activity.BOUNCED, True),
}
"""Folded operator → any of these activities, and whether the answer is turned round."""


@dataclass(frozen=True)
class JourneyRule(Rule):
    """The subscriber is or was in a journey."""

    journey_id: int
    state: EnrollmentState
    is_negated: bool

    @property
    def references(self) -> References:
        """The journey."""
        return References(journey_ids=frozenset({self.journey_id}))

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`."""
        enrolled = aliased(Enrollment)
        is_there = (
            exists()
            .where(
                enrolled.owner_id == scope.owner_id,
                enrolled.subscriber_id == Subscriber.subscriber_id,
                enrolled.journey_id == self.journey_id,
                enrolled.list_id == scope.list_id,
                enrolled.state == self.state,
            )
            .correlate_except(enrolled)
        )
        return not_(is_there) if self.is_negated else is_there


@dataclass(frozen=True)
class ActionRule(Rule):
    """The subscriber did something with the email of an action, or with any email of a journey.

    A negation also matches whoever was never sent it.
    """

    journey_id: int | None
    action_id: int | None
    activity: Activity
    is_negated: bool

    @property
    def references(self) -> References:
        """The journey and the action."""
        return References(
            journey_ids=frozenset(() if self.journey_id is None else (self.journey_id,)),
            action_ids=frozenset(() if self.action_id is None else (self.action_id,)),
        )

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`."""
        reached = aliased(ActionSubscriber)
        asked = [
            reached.owner_id == scope.owner_id,
            reached.subscriber_id == Subscriber.subscriber_id,
            reached.list_id == scope.list_id,
            reached.activity.bitwise_and(int(self.activity)) != 0,
        ]
        if self.action_id is not None:
            asked.append(reached.action_id == self.action_id)
        else:
            action = aliased(JourneyAction)
            of_the_journey = select(action.action_id).where(
                action.owner_id == scope.owner_id, action.journey_id == self.journey_id
            )
            asked.append(reached.action_id.in_(of_the_journey))
        did = exists().where(*asked).correlate_except(reached)
        return not_(did) if self.is_negated else did


def read_journeys(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "journeys", "operator", "value"}`; the value is a journey's id, or an action's.

    Raises:
        BadValue: an unknown operator or no id.
    """
    operator = rule.get("operator")
    if isinstance(operator, str) and fold(operator) in JOURNEY_OPERATORS:
        state, is_negated = JOURNEY_OPERATORS[fold(operator)]
        return JourneyRule(values.identifier(rule.get("value")), state, is_negated)
    activity, is_negated = values.one_of(ACTION_OPERATORS, operator)
    return ActionRule(None, values.identifier(rule.get("value")), activity, is_negated)


def read_journey_email_action(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "journey-email-action", "operator", "journey-id", "value"}`; the value is an action's id.

    Without an action it is about every email of the journey.

    Raises:
        BadValue: an unknown operator, or neither id.
    """
    activity, is_negated = values.one_of(ACTION_OPERATORS, rule.get("operator"))
    journey_id, action_id = (
        None if rule.get(name) in (None, "", 0, "0") else values.identifier(rule[name])
        for name in ("journey-id", "value")
    )
    if journey_id is None and action_id is None:
        raise BadValue("the value must be an id")
    return ActionRule(journey_id, action_id, activity, is_negated)


SEGMENT_OPERATORS: Mapping[str, bool] = {"belongs to": False, "does not belong to": True}
"""Folded operator → whether the answer is turned round."""


@dataclass(frozen=True)
class SegmentRule(Rule):
    """The subscriber matches the rules of a segment of the same list.

    A segment that cannot be evaluated makes the whole condition so: turned round, "nobody" would become "everybody".
    """

    segment_id: int
    is_negated: bool

    @property
    def references(self) -> References:
        """The segment; what it names in turn is not told here."""
        return References(segment_ids=frozenset({self.segment_id}))

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`."""
        if self.segment_id not in scope.segments:
            raise CriteriaNotEvaluable(f"no such segment: {self.segment_id}")
        inner = scope.of_segment(self.segment_id)
        try:
            belongs = scope.segments[self.segment_id].condition(inner)
        except CriteriaNotEvaluable as error:
            raise type(error)(f"segment {self.segment_id}: {error.reason}") from None
        return not_(belongs) if self.is_negated else belongs


def read_segments(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "segments", "operator", "value"}`; the value is a segment's id.

    Raises:
        BadValue: an unknown operator or no id.
    """
    is_negated = values.one_of(SEGMENT_OPERATORS, rule.get("operator"))
    return SegmentRule(values.identifier(rule.get("value")), is_negated)


SUPPRESSION_OPERATORS: Mapping[str, bool] = {"exist": False, "not exist": True}
"""Folded operator → whether the answer is turned round."""


@dataclass(frozen=True)
class SuppressionRule(Rule):
    """The address is suppressed for the list, for the account or for everybody: what sending looks at, too."""

    is_negated: bool

    def condition(self, scope: Scope) -> ColumnElement[bool]:
        """As `Rule.condition`."""
        barred = aliased(Suppression)
        everywhere = (barred.owner_id == 0) & (barred.list_id == 0)
        here = (barred.owner_id == scope.owner_id) & ((barred.list_id == 0) | (barred.list_id == scope.list_id))
        is_barred = (
            exists()
            .where(barred.email_address == func.lower(Subscriber.email_address), or_(everywhere, here))
            .correlate_except(barred)
        )
        return not_(is_barred) if self.is_negated else is_barred


def read_suppressions(rule: Mapping[str, Any]) -> Rule:
    """The rule of `{"type": "suppressions", "operator"}`.

    Raises:
        BadValue: an unknown operator.
    """
    return SuppressionRule(values.one_of(SUPPRESSION_OPERATORS, rule.get("operator")))
