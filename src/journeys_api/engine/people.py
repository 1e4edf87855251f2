"""People on their way: who stands where, and where each of a batch goes next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import chain, repeat
from typing import Any, NamedTuple

import orjson

from journeys_api.models import DeliveryKind
from journeys_api.trigger_events import Happened


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """What a person has passed in a batch, shared by all who came the same way: `Batch` makes each once."""

    before: "Path | None" = None
    """None: the beginning, which no action was passed on."""
    action_id: int = 0
    outcome: str = ""
    note: str | None = None
    reached: int | None = None
    """The action that one stands at then, when it counts as reached by standing there."""
    length: int = 0
    """Actions passed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What people had in common when they were taken, and keep whatever the batch does."""

    owner_id: int
    journey_id: int
    list_id: int
    depth: int


class Person(NamedTuple):
    """One active enrollment as it was taken."""

    place: str
    """Where the row is: locked, so it stays there."""
    enrollment_id: int
    subscriber_id: int
    seq: int
    entered_at: datetime | None
    """When it came to where it stood; None: its cohort knows."""
    cause_text: str
    """What let it in, if that was a website event (`{"Event": …}` among others); otherwise empty."""
    origin: Origin

    @property
    def owner_id(self) -> int:
        """The account."""
        return self.origin.owner_id

    @property
    def list_id(self) -> int:
        """The list whose subscriber this is."""
        return self.origin.list_id

    @property
    def depth(self) -> int:
        """How many journeys in a row led here."""
        return self.origin.depth

    @property
    def event(self) -> dict[str, Any]:
        """`{"Event": …}` of the website event that let the person in; empty for all who came in otherwise."""
        cause = orjson.loads(self.cause_text) if self.cause_text else {}
        return {"Event": cause["Event"]} if "Event" in cause else {}


def by_event(people: Iterable[Person]) -> list[tuple[dict[str, Any], list[Person]]]:
    """People with what a message may say of the event that let them in: all to whom none did together."""
    without: list[Person] = []
    found: list[tuple[dict[str, Any], list[Person]]] = []
    for person in people:
        if person.cause_text and (event := person.event):
            found.append((event, [person]))
        else:
            without.append(person)
    return [*found, ({}, without)] if without else found


@dataclass(slots=True)
class Taken:
    """Enrollments as the database tells of them: a text a column, the inside of an array, read if somebody asks."""

    count: int
    places: str
    enrollment_ids: str
    subscriber_ids: str
    seqs: str
    entered: Sequence[datetime] | None
    causes: Sequence[str] | None

    def people(self, origin: Origin) -> list[Person]:
        """Each for itself."""
        return list(
            map(
                Person,
                self.places[1:-1].split('","'),
                _numbers(self.enrollment_ids),
                _numbers(self.subscriber_ids),
                _numbers(self.seqs),
                self.entered or repeat(None),
                self.causes or repeat(""),
                repeat(origin, self.count),
            )
        )


def _numbers(array: str) -> Iterable[int]:
    return map(int, array.split(","))


class Cohort:
    """People who stand at one action and have come there the same way: they are moved as one.

    What the batch changes is written back at its end. Nobody is in two cohorts.
    """

    __slots__ = ("_people", "_taken", "action_id", "attempts", "count", "entered_at", "origin", "path")

    def __init__(
        self,
        origin: Origin,
        who: "Taken | list[Person]",
        *,
        action_id: int | None,
        attempts: int,
        entered_at: datetime | None,
        path: Path,
    ) -> None:
        self.origin = origin
        self.action_id = action_id
        self.attempts = attempts
        self.entered_at = entered_at
        """When all of them came to where they stand; None: each at an instant of its own."""
        self.path = path
        self._taken: Taken | None = None
        self._people: list[Person] | None = None
        if isinstance(who, Taken):
            self._taken, self.count = who, who.count
        else:
            self._people, self.count = who, len(who)

    @property
    def people(self) -> list[Person]:
        """Each for itself."""
        if self._people is None:
            assert self._taken is not None
            self._people = self._taken.people(self.origin)
        return self._people

    def places(self) -> str:
        """Where their rows are, as the inside of an array of `tid`."""
        if self._taken is not None:
            return self._taken.places
        return '"' + '","'.join([person.place for person in self.people]) + '"'

    def part(self, people: list[Person]) -> "Cohort":
        """Some of them, who go another way from here on."""
        return Cohort(
            self.origin,
            people,
            action_id=self.action_id,
            attempts=self.attempts,
            entered_at=self.entered_at,
            path=self.path,
        )


class Crowd(Sequence[Person]):
    """Everybody at one action: cohorts, and one after the other who is in them."""

    def __init__(self, cohorts: Sequence[Cohort]) -> None:
        self.cohorts = cohorts

    def __len__(self) -> int:
        """How many people."""
        return sum(cohort.count for cohort in self.cohorts)

    def __iter__(self) -> Iterator[Person]:
        """Everybody."""
        return chain.from_iterable(cohort.people for cohort in self.cohorts)

    def __getitem__(self, index: Any) -> Any:
        """One of them, or some."""
        return list(self)[index]

    def halves(self) -> "tuple[Crowd, Crowd]":
        """Two crowds of what must be two people at least: of whole cohorts, or of one cohort cut in the middle."""
        if len(self.cohorts) > 1:
            half = len(self.cohorts) // 2
            return Crowd(self.cohorts[:half]), Crowd(self.cohorts[half:])
        (cohort,) = self.cohorts
        half = cohort.count // 2
        return Crowd([cohort.part(cohort.people[:half])]), Crowd([cohort.part(cohort.people[half:])])


class Way(Enum):
    """Where a person goes from an action."""

    PROCEED = "proceed"
    WAIT = "wait"
    TRUE = "true"
    FALSE = "false"
    EXIT = "exit"
    RETRY = "retry"
    """The action failed inside: again later, and after the last try the enrollment fails."""


@dataclass(frozen=True, slots=True)
class Move:
    """One person's way from an action."""

    way: Way
    outcome: str = "done"
    """What the history says: `done`, `skipped`, `true`, `false`, `exited`, `failed`."""
    note: str | None = None
    until: datetime | None = None
    """For WAIT: when to look again."""


DONE = Move(Way.PROCEED)
TRUE = Move(Way.TRUE, "true")
FALSE = Move(Way.FALSE, "false")


def skipped(note: str) -> Move:
    """Go on without the action's effect; the history says why."""
    return Move(Way.PROCEED, "skipped", note)


def exited(note: str) -> Move:
    """End here without completing."""
    return Move(Way.EXIT, "exited", note)


def wait_until(instant: datetime) -> Move:
    """Stay, and be looked at again then."""
    return Move(Way.WAIT, until=instant)


@dataclass(frozen=True, slots=True)
class Owed:
    """A message that people are owed by the action they stand at, each of them once."""

    kind: DeliveryKind
    people: Sequence[Person]
    email_id: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    not_before: datetime | None = None
    destination: str = ""
    """A webhook's host, an SMS gateway's id, the account of mails with remote contents; empty for other mail."""


@dataclass
class Moves:
    """What an action answers: everybody's way, what is owed, and what happened that other journeys may wait for."""

    usual: Move
    """The way of all who have none of their own."""
    own: Mapping[int, Move] = field(default_factory=dict)
    """By enrollment id."""
    owed: list[Owed] = field(default_factory=list)
    happened: list[tuple[Happened, int]] = field(default_factory=list)
    """With the depth that each is recorded at."""

    @classmethod
    def proceed(cls, noted: Mapping[int, str] | None = None) -> "Moves":
        """Everybody goes on; those in `noted` (by enrollment id) untouched by the action, with the reason."""
        skips = {note: skipped(note) for note in set((noted or {}).values())}
        return cls(DONE, {enrollment_id: skips[note] for enrollment_id, note in (noted or {}).items()})
