"""The rules of journeys in plain Python, without SQL, batches, shards or timers (rulings 5 to 7).

People never meet: each is simulated alone. At one instant a person's oldest event is looked at, then everybody's
passes that are due are walked, the latest pass first, and so on until nothing is left.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LADDER = [timedelta(minutes=each) for each in (15, 30, 60, 120, 240)]
MAX_DEPTH = 10
BRANCHES = ("DecisionTag", "DecisionField")


@dataclass(frozen=True)
class Node:
    """One action. `argument`: minutes of a Wait, a tag, a value, a journey, by position in the world."""

    kind: str
    argument: int = 0
    is_published: bool = True
    yes: tuple["Node", ...] = ()
    no: tuple["Node", ...] = ()


@dataclass(frozen=True)
class Plan:
    """One journey: `subject` is a tag or a journey, `only_tagged` the tag that its run criteria ask for."""

    trigger: str
    subject: int
    only_tagged: int | None
    nodes: tuple[Node, ...]


@dataclass
class Place:
    """One action in its tree, and where people go from it."""

    node: Node
    after: int | None
    yes: int | None = None
    no: int | None = None


def first_published(numbered: Sequence[tuple[int, Node]], otherwise: int | None) -> int | None:
    """Where somebody stands who comes to the beginning of these actions."""
    return next((number for number, node in numbered if node.is_published), otherwise)


def places_of(plan: Plan) -> tuple[int | None, dict[int, Place]]:
    """Where people enter, and every action by its number, depth first from 1."""
    places: dict[int, Place] = {}
    numbers = iter(range(1, 10_000))

    def number(nodes: Sequence[Node]) -> list[tuple[int, Node, list, list]]:  # type: ignore[type-arg]
        return [(next(numbers), node, number(node.yes), number(node.no)) for node in nodes]

    def link(tree: list, otherwise: int | None) -> int | None:  # type: ignore[type-arg]
        for index, (place, node, yes, no) in enumerate(tree):
            after = first_published([each[:2] for each in tree[index + 1 :]], otherwise)
            places[place] = Place(node, after, link(yes, after), link(no, after))
        return first_published([each[:2] for each in tree], otherwise)

    return link(number(plan.nodes), None), places


@dataclass
class Event:
    """Something that happened to the person."""

    kind: str
    subject: int
    depth: int


@dataclass
class Pass:
    """One enrollment."""

    journey: int
    at: int | None
    entered: datetime
    due: datetime | None
    depth: int
    state: str = "active"
    attempts: int = 0
    steps: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Somebody:
    """One subscriber, with everything that happened to them."""

    is_subscribed: bool = False
    tags: set[int] = field(default_factory=set)
    value: str = ""
    events: list[Event] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    owed: int = 0
    sent: int = 0
    withdrawn: int = 0


class Model:
    """What the journeys make of one person's events."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        self.plans = plans
        self.trees = [places_of(plan) for plan in plans]

    # What people and clients do

    def subscribe(self, person: Somebody) -> None:
        """Subscribe somebody who is not subscribed."""
        person.is_subscribed = True
        person.events.append(Event("ListSubscription", -1, 0))

    def unsubscribe(self, person: Somebody) -> None:
        """Unsubscribe somebody who is subscribed."""
        person.is_subscribed = False
        person.events.append(Event("ListUnsubscription", -1, 0))

    def tag(self, person: Somebody, tag: int, depth: int = 0) -> bool:
        """Whether the tag is new."""
        if tag in person.tags:
            return False
        person.tags.add(tag)
        person.events.append(Event("Tag", tag, depth))
        return True

    def untag(self, person: Somebody, tag: int, depth: int = 0) -> bool:
        """Whether the tag was there."""
        if tag not in person.tags:
            return False
        person.tags.remove(tag)
        person.events.append(Event("UnTag", tag, depth))
        return True

    def change(self, person: Somebody, value: str, depth: int = 0) -> bool:
        """Whether the value is another one."""
        if value == person.value:
            return False
        person.value = value
        person.events.append(Event("CustomFieldValueChanged", -1, depth))
        return True

    def let_in(self, person: Somebody, journey: int, now: datetime) -> None:
        """`subscriber.journey.trigger`: at once, not by an event."""
        self._admit(person, journey, 0, now)

    def exit(self, person: Somebody, journey: int) -> None:
        """`subscriber.journey.exit`."""
        for each in self._active(person):
            if each.journey == journey:
                each.state, each.due = "exited", None

    def deliver(self, person: Somebody) -> None:
        """Send what is owed, or withdraw what is not wanted any more."""
        if person.is_subscribed:
            person.sent += person.owed
        else:
            person.withdrawn += person.owed
        person.owed = 0

    # What the engine does

    def run(self, person: Somebody, now: datetime) -> None:
        """Everything that is due."""
        while True:
            event = person.events.pop(0) if person.events else None
            if event is not None:
                self._look_at(person, event, now)
            due = [each for each in self._active(person) if each.due is not None and each.due <= now]
            told: dict[int, list[Event]] = {}
            for each in reversed(due):
                self._walk(person, each, now, told)
            # what was told at one depth is written down together, at the end
            person.events.extend(event for events in told.values() for event in events)
            if event is None and not due:
                return

    def _active(self, person: Somebody) -> Iterator[Pass]:
        return (each for each in person.passes if each.state == "active")

    def _look_at(self, person: Somebody, event: Event, now: datetime) -> None:
        if event.kind == "Exit":
            self.exit(person, event.subject)
            return
        for journey, plan in enumerate(self.plans):
            if event.kind == "Start":
                fits = journey == event.subject
            else:
                fits = plan.trigger == event.kind and (event.subject == -1 or plan.subject == event.subject)
            if fits and event.depth > MAX_DEPTH:
                person.refused.append((journey, f"more than {MAX_DEPTH} journeys in a chain"))
            elif fits:
                self._admit(person, journey, event.depth, now)

    def _admit(self, person: Somebody, journey: int, depth: int, now: datetime) -> None:
        wanted = self.plans[journey].only_tagged
        if any(each.journey == journey for each in self._active(person)):
            person.refused.append((journey, "active already"))
            return
        if wanted is not None and wanted not in person.tags:
            person.refused.append((journey, "the run criteria are not met"))
            return
        first, _ = self.trees[journey]
        if first is None:
            person.passes.append(Pass(journey, None, now, None, depth, state="completed"))
            person.events.append(Event("JourneyCompleted", journey, depth + 1))
        else:
            person.passes.append(Pass(journey, first, now, now, depth))

    def _walk(self, person: Somebody, walker: Pass, now: datetime, told: dict[int, list[Event]]) -> None:
        places = self.trees[walker.journey][1]
        while walker.at is not None:
            place = places[walker.at]
            outcome = self._act(person, walker, place, now, told)
            if outcome is None:
                return
            walker.steps.append((walker.at, outcome))
            walker.attempts = 0
            walker.entered = now
            walker.at = {"true": place.yes, "false": place.no, "exited": None, "failed": None}.get(outcome, place.after)
            if walker.at is None:
                walker.due = None
                walker.state = outcome if outcome in ("exited", "failed") else "completed"
                if walker.state == "completed":
                    told.setdefault(walker.depth + 1, []).append(
                        Event("JourneyCompleted", walker.journey, walker.depth + 1)
                    )

    def _act(
        self, person: Somebody, walker: Pass, place: Place, now: datetime, told: dict[int, list[Event]]
    ) -> str | None:
        """The outcome for the history; None: the person stays."""
        node, deeper = place.node, walker.depth + 1
        match node.kind:
            case "Wait":
                ends = walker.entered + timedelta(minutes=node.argument)
                if ends <= now:
                    return "done"
                walker.due, walker.attempts = ends, 0
                return None
            case "Broken":
                if walker.attempts == len(LADDER):
                    return "failed"
                walker.due = now + LADDER[walker.attempts]
                walker.attempts += 1
                return None
            case "AddTag":
                return "done" if self.tag(person, node.argument, deeper) else "skipped"
            case "RemoveTag":
                return "done" if self.untag(person, node.argument, deeper) else "skipped"
            case "UpdateField":
                return "done" if self.change(person, f"value {node.argument}", deeper) else "skipped"
            case "DecisionTag":
                return "true" if node.argument in person.tags else "false"
            case "DecisionField":
                return "true" if person.value == f"value {node.argument}" else "false"
            case "ExitThisJourney":
                return "exited"
            case "ExitJourney" if node.argument == walker.journey:
                return "exited"
            case "ExitJourney" | "StartJourney":
                told.setdefault(deeper, []).append(
                    Event("Exit" if node.kind == "ExitJourney" else "Start", node.argument, deeper)
                )
                return "done"
            case "SendEmail" if person.is_subscribed:
                person.owed += 1
                return "done"
            case "SendEmail":
                return "skipped"
        raise AssertionError(node.kind)
