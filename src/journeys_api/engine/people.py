"""People on their way: who stands where, and where each of a batch goes next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from journeys_api.models import DeliveryKind
from journeys_api.trigger_events import Happened


@dataclass(slots=True)
class Person:
    """One active enrollment in a batch; what the batch changes is written back at its end."""

    enrollment_id: int
    owner_id: int
    journey_id: int
    list_id: int
    subscriber_id: int
    email_address: str
    action_id: int | None
    entered_at: datetime
    seq: int
    attempts: int
    depth: int
    cause: dict[str, Any]
    """What let the person in: `kind`, and for website events `Event`."""
    hops: int = 0
    """Actions passed in this batch."""


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
    """A message that a person is owed by the action it stands at."""

    kind: DeliveryKind
    person: Person
    email_id: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    not_before: datetime | None = None
    destination: str = ""
    """A webhook's host, an SMS gateway's id, the account of mails with remote contents; empty for other mail."""


@dataclass
class Moves:
    """What an action answers: everybody's way, what is owed, and what happened that other journeys may wait for."""

    each: dict[int, Move]
    """By enrollment id; everybody of the batch is in it."""
    owed: list[Owed] = field(default_factory=list)
    happened: list[tuple[Happened, int]] = field(default_factory=list)
    """With the depth that each is recorded at."""

    @classmethod
    def proceed(cls, people: Iterable[Person], noted: Mapping[int, str] | None = None) -> "Moves":
        """Everybody goes on; those in `noted` (by enrollment id) untouched by the action, with the reason."""
        noted = noted or {}
        return cls(
            {
                person.enrollment_id: skipped(noted[person.enrollment_id]) if person.enrollment_id in noted else DONE
                for person in people
            }
        )

    @classmethod
    def same(cls, people: Sequence[Person], move: Move) -> "Moves":
        """Everybody the same way."""
        return cls({person.enrollment_id: move for person in people})
