"""What a batch of people does: where everybody goes, kept by those who go the same way, and written at its end."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from journeys_api.engine.deliveries import OwedAt
from journeys_api.engine.flows import Flow, FlowAction
from journeys_api.engine.people import Cohort, Crowd, Move, Moves, Path, Person, Way

LADDER = (timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2), timedelta(hours=4))
"""How long a step that failed inside waits before each further try; then the enrollment fails (rulings 7)."""


class Settled(NamedTuple):
    """How a batch leaves an enrollment. Many share one: what they have in common is written once."""

    path: Path
    action_id: int | None
    state: str
    due_at: datetime | None
    attempts: int
    reason: str | None


@dataclass(slots=True)
class Delta:
    """Change of the numbers of an action, or (action 0) of a journey."""

    active: int = 0
    total: int = 0
    completed: int = 0


@dataclass
class Batch:
    """What a batch has done so far."""

    now: datetime
    flows: dict[int, Flow]
    start: Path = field(default_factory=Path)
    """Where everybody begins."""
    settled: dict[Settled, list[Cohort]] = field(default_factory=lambda: defaultdict(list))
    owed: list[OwedAt] = field(default_factory=list)
    deltas: dict[tuple[int, int, int], Delta] = field(default_factory=lambda: defaultdict(Delta))
    """By (owner, journey, action)."""
    _paths: dict[tuple[Path, int, str, str | None, int | None], Path] = field(default_factory=dict)

    def begin(self, cohort: Cohort) -> None:
        """These have taken no step yet: they are among those who reached the action where they stand."""
        reached = self._counts_as_reached(cohort.origin.journey_id, cohort.action_id)
        if reached is not None:
            cohort.path = self._path(self.start, 0, "", None, reached, length=0)

    def move(self, action: FlowAction, crowd: Crowd, moves: Moves) -> list[tuple[int, Cohort]]:
        """Take note of everybody's way from the action; who stands at which other action now."""
        if moves.owed:
            passed = _passed(crowd)
            for owed in moves.owed:
                # they go on: what is owed belongs to the action and the visits of now
                visits = [person.seq + passed[person.enrollment_id] + 1 for person in owed.people]
                self.owed.append(OwedAt(owed, action.action_id, visits))
        going: list[tuple[int, Cohort]] = []
        for cohort in crowd.cohorts:
            for move, part in _by_way(cohort, moves):
                there = self._go(action, part, move)
                if there is not None:
                    going.append((there, part))
        return going

    def _go(self, action: FlowAction, cohort: Cohort, move: Move) -> int | None:
        """These take their way from the action; where they stand now, None: they wait, or have ended."""
        if move.way is Way.WAIT:
            assert move.until is not None
            cohort.attempts = 0
            self.stay(cohort, move.until)
            return None
        if move.way is Way.RETRY and cohort.attempts < len(LADDER):
            wait = LADDER[cohort.attempts]
            cohort.attempts += 1
            self.stay(cohort, self.now + wait, move.note)
            return None
        return self._leave(action, cohort, move)

    def _leave(self, action: FlowAction, cohort: Cohort, move: Move) -> int | None:
        """These have done the action: history, numbers, and where they stand now (None: nowhere, they have ended)."""
        ends = move.way in (Way.EXIT, Way.RETRY)
        branches = {Way.TRUE: action.true_action_id, Way.FALSE: action.false_action_id}
        there = None if ends else branches.get(move.way, action.next_action_id)
        reached = self._counts_as_reached(action.journey_id, there)
        cohort.path = self._path(cohort.path, action.action_id, move.outcome, move.note, reached)
        cohort.attempts = 0
        cohort.action_id = there
        cohort.entered_at = self.now
        left = self._numbers(cohort, action.action_id)
        left.active -= cohort.count
        if ends:
            self._close(cohort, "exited" if move.way is Way.EXIT else "failed", move.note)
            return None
        left.completed += cohort.count
        if there is None:
            self._close(cohort, "completed", None)
            return None
        arrived = self._numbers(cohort, there)
        arrived.active += cohort.count
        arrived.total += cohort.count
        return there

    def stay(self, cohort: Cohort, until: datetime, reason: str | None = None) -> None:
        """Look at these people again then."""
        self._settle(cohort, "active", until, reason)

    def end(self, cohort: Cohort, reason: str) -> None:
        """End people where they stand: they have reached that action and not done it."""
        if cohort.action_id is not None:
            self._numbers(cohort, cohort.action_id).active -= cohort.count
        self._numbers(cohort).active -= cohort.count
        self._settle(cohort, "exited", None, reason)

    def _close(self, cohort: Cohort, state: str, reason: str | None) -> None:
        self._numbers(cohort).active -= cohort.count
        cohort.action_id = None
        self._settle(cohort, state, None, reason)

    def _settle(self, cohort: Cohort, state: str, due_at: datetime | None, reason: str | None) -> None:
        settled = Settled(cohort.path, cohort.action_id, state, due_at, cohort.attempts, reason)
        self.settled[settled].append(cohort)

    def _numbers(self, cohort: Cohort, action_id: int = 0) -> Delta:
        return self.deltas[(cohort.origin.owner_id, cohort.origin.journey_id, action_id)]

    def _counts_as_reached(self, journey_id: int, action_id: int | None) -> int | None:
        """The action, when standing there is having reached it; a SendEmail is reached when its mail was sent."""
        action = self.flows[journey_id].actions.get(action_id) if action_id is not None else None
        return action_id if action is not None and action.action != "SendEmail" else None

    def _path(
        self, before: Path, action_id: int, outcome: str, note: str | None, reached: int | None, length: int = 1
    ) -> Path:
        key = (before, action_id, outcome, note, reached)
        path = self._paths.get(key)
        if path is None:
            path = self._paths[key] = Path(before, action_id, outcome, note, reached, before.length + length)
        return path


def _passed(crowd: Crowd) -> Mapping[int, int]:
    """Enrollment → how many actions it has passed in this batch."""
    return {person.enrollment_id: cohort.path.length for cohort in crowd.cohorts for person in cohort.people}


def _by_way(cohort: Cohort, moves: Moves) -> list[tuple[Move, Cohort]]:
    """A cohort by the moves that its people share."""
    if not moves.own:
        return [(moves.usual, cohort)]
    # by the object, which is quicker than by its value, and actions give many people one
    groups: dict[int, tuple[Move, list[Person]]] = {}
    own, usual = moves.own, moves.usual
    for person in cohort.people:
        move = own.get(person.enrollment_id, usual)
        group = groups.get(id(move))
        if group is None:
            groups[id(move)] = (move, [person])
        else:
            group[1].append(person)
    if len(groups) == 1:
        return [(move, cohort) for move, _ in groups.values()]
    return [(move, cohort.part(people)) for move, people in groups.values()]
