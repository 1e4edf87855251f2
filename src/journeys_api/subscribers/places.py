"""Where in a journey somebody stands: "step 3 of 7", counted along its longest way."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from journeys_api.models import JourneyAction

_Branch = tuple[int | None, str]


@dataclass(frozen=True)
class Way:
    """The published actions of a journey in one line; of two branches the longer one counts."""

    total: int
    places: dict[int, int]
    """Action → its place, from 1. An unpublished one has the place of what comes after it."""

    def place_of(self, action_id: int | None) -> int:
        """The place of an action, from 1; of one that is gone, the first."""
        return max(1, min(self.places.get(action_id or 0, 1), self.total))


def way_of(actions: Sequence[JourneyAction]) -> Way:
    """The way through an action tree.

    Args:
        actions: the journey's actions in the order of its tree, without removed ones.

    Source: AC 2.5 `subscriber.get`, SubscriberJourneys.
    """
    branches: dict[_Branch, list[JourneyAction]] = defaultdict(list)
    for action in actions:
        branches[action.parent_action_id, action.branch].append(action)
    places: dict[int, int] = {}
    return Way(_walk(branches, (None, ""), 0, places), places)


def _walk(branches: dict[_Branch, list[JourneyAction]], branch: _Branch, before: int, places: dict[int, int]) -> int:
    """Place the actions of one branch, whose way begins after `before` others; how many lie behind at its end."""
    for action in branches.get(branch, ()):
        places[action.action_id] = before + 1
        # an unpublished Decision is passed over with its branches; who stands in them has its place
        after = before + 1 if action.is_published else before
        ends = [_walk(branches, (action.action_id, side), after, places) for side in ("true", "false")]
        before = max(ends) if action.is_published else before
    return before
