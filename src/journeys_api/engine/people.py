"""People on their way: who stands where, and where each of a batch goes next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

import orjson

from journeys_api.models import DeliveryKind
from journeys_api.trigger_events import Happened


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """What a person has passed in a batch, shared by all who came the same way; `Paths` makes each once."""

    before: "Path | None" = None
    """None: the beginning, which no action was passed on."""
    action_id: int = 0
    outcome: str = ""
    note: str | None = None
    reached: int | None = None
    """The action that one stands at then, when it counts as reached by standing there."""
    length: int = 0
    """Actions passed."""


@dataclass(slots=True)
class Person:
    """One active enrollment in a batch; what the batch changes is written back at its end."""

    place: str
    """Where the row is: locked, so it stays there."""
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
    cause_text: str
    path: Path

    @property
    def cause(self) -> dict[str, Any]:
        """What let the person in: `kind`, and for website events `Event`."""
        cause: dict[str, Any] = orjson.loads(self.cause_text)
        return cause


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
