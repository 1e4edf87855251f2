"""What a batch of people does: where everybody goes, kept by those who go the same way, and written at its end."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from journeys_api.engine.deliveries import OwedAt
from journeys_api.engine.flows import Flow, FlowAction
from journeys_api.engine.people import Move, Moves, Path, Person, Way
from journeys_api.trigger_events import Happened

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
    settled: dict[Settled, list[Person]] = field(default_factory=lambda: defaultdict(list))
    owed: list[OwedAt] = field(default_factory=list)
    happened: dict[tuple[int, int], list[Happened]] = field(default_factory=lambda: defaultdict(list))
    """By (owner, depth)."""
    deltas: dict[tuple[int, int, int], Delta] = field(default_factory=lambda: defaultdict(Delta))
    """By (owner, journey, action)."""
    _paths: dict[tuple[Path, int, str, str | None, int | None], Path] = field(default_factory=dict)

    def begin(self, person: Person) -> None:
        """The person has taken no step yet: it is one of those who reached the action where it stands."""
        reached = self._counts_as_reached(person.journey_id, person.action_id)
        if reached is not None:
            person.path = self._path(self.start, 0, "", None, reached, length=0)

    def move(self, action: FlowAction, people: Sequence[Person], moves: Moves) -> list[tuple[int, list[Person]]]:
        """Take note of everybody's way from the action; who stands at which other action now."""
        for owed in moves.owed:
            # the person goes on: what is owed belongs to the action and the visit of now
            self.owed.append(OwedAt(owed, action.action_id, owed.person.seq + 1))
        for happened, depth in moves.happened:
            self.happened[(people[0].owner_id, depth)].append(happened)
        going: list[tuple[int, list[Person]]] = []
        for move, group in _by_way(people, moves):
            if move.way is Way.WAIT:
                assert move.until is not None
                for person in group:
                    person.attempts = 0
                self.stay(group, move.until)
                continue
            leaving = self._retry(group, move) if move.way is Way.RETRY else group
            there = self._leave(action, leaving, move) if leaving else None
            if there is not None:
                going.append((there, leaving))
        return going

    def _retry(self, people: Iterable[Person], move: Move) -> list[Person]:
        """Have the action tried again later; those who had their last try."""
        lost = []
        for person in people:
            if person.attempts < len(LADDER):
                wait = LADDER[person.attempts]
                person.attempts += 1
                self.stay([person], self.now + wait, move.note)
            else:
                lost.append(person)
        return lost

    def _leave(self, action: FlowAction, people: list[Person], move: Move) -> int | None:
        """These have done the action: history, numbers, and where they stand now (None: nowhere, they have ended)."""
        ends = move.way in (Way.EXIT, Way.RETRY)
        branches = {Way.TRUE: action.true_action_id, Way.FALSE: action.false_action_id}
        there = None if ends else branches.get(move.way, action.next_action_id)
        reached = self._counts_as_reached(action.journey_id, there)
        paths: dict[Path, Path] = {}
        for person in people:
            before = person.path
            path = paths.get(before)
            if path is None:
                path = paths[before] = self._path(before, action.action_id, move.outcome, move.note, reached)
            person.path = path
            person.seq += 1
            person.attempts = 0
            person.action_id = there
            person.entered_at = self.now
        left = self._numbers(people[0], action.action_id)
        left.active -= len(people)
        if ends:
            self._close(people, "exited" if move.way is Way.EXIT else "failed", move.note)
            return None
        left.completed += len(people)
        if there is None:
            self._close(people, "completed", None)
            return None
        arrived = self._numbers(people[0], there)
        arrived.active += len(people)
        arrived.total += len(people)
        return there

    def stay(self, people: Iterable[Person], until: datetime, reason: str | None = None) -> None:
        """Look at these people again then."""
        for person in people:
            self.settled[Settled(person.path, person.action_id, "active", until, person.attempts, reason)].append(
                person
            )

    def drop(self, people: Sequence[Person], reason: str) -> None:
        """End people who stand nowhere any more."""
        for person in people:
            if person.action_id is not None:
                self._numbers(person, person.action_id).active -= 1
                person.action_id = None
        self._close(people, "exited", reason)

    def _close(self, people: Sequence[Person], state: str, reason: str | None) -> None:
        self._numbers(people[0]).active -= len(people)
        for person in people:
            self.settled[Settled(person.path, None, state, None, person.attempts, reason)].append(person)

    def _numbers(self, person: Person, action_id: int = 0) -> Delta:
        return self.deltas[(person.owner_id, person.journey_id, action_id)]

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


def _by_way(people: Sequence[Person], moves: Moves) -> Iterable[tuple[Move, list[Person]]]:
    """People by the move they share."""
    if not moves.own:
        return [(moves.usual, list(people))]
    # by the object, which is quicker than by its value, and actions give many people one
    groups: dict[int, tuple[Move, list[Person]]] = {}
    own, usual = moves.own, moves.usual
    for person in people:
        move = own.get(person.enrollment_id, usual)
        group = groups.get(id(move))
        if group is None:
            groups[id(move)] = (move, [person])
        else:
            group[1].append(person)
    return groups.values()
