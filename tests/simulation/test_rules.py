"""Whatever the journeys and whatever happens: the engine does to everybody what the rules, read plainly, say."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.simulation.invariants import broken
from tests.simulation.model import BRANCHES, Model, Node, Plan, Somebody
from tests.simulation.world import SHARDS, World

QUICK = settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    # an example takes half a second: a failing one is shown as it was found
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
LONG = settings(QUICK, max_examples=1_000, derandomize=False, phases=list(Phase))
TAGS = 3
VALUES = 2
FIRST_PERSON = 1_000_000_000
"""A multiple of 16: who is numbered from here on is in the shard of the offset."""
LEAVES = (
    "Wait", "Wait", "AddTag", "AddTag", "RemoveTag", "UpdateField", "SendEmail", "SendEmail", "ExitThisJourney",
    "ExitJourney", "StartJourney", "Broken",
)  # fmt: skip
TRIGGERS = ("ListSubscription", "ListUnsubscription", "Tag", "UnTag", "CustomFieldValueChanged", "JourneyCompleted")
COMMANDS = ("subscribe", "unsubscribe", "tag", "untag", "change", "trigger", "exit", "later", "deliver")
Command = tuple[str, int, int]
"""What, to whom, with which tag, value, journey or number of minutes."""


def _trees(journeys: int) -> st.SearchStrategy[tuple[Node, ...]]:
    sizes = {"Wait": [0, 7, 60], "ExitJourney": list(range(journeys)), "StartJourney": list(range(journeys))}
    published = st.sampled_from([True, True, True, True, False])
    leaf = st.sampled_from(LEAVES).flatmap(
        lambda kind: st.builds(Node, st.just(kind), st.sampled_from(sizes.get(kind, [0, 1])), published)
    )

    def branch(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        side = st.lists(children, max_size=2).map(tuple)
        return st.builds(Node, st.sampled_from(BRANCHES), st.sampled_from([0, 1]), published, side, side)

    nodes = st.recursive(leaf, lambda children: st.one_of(leaf, branch(children)), max_leaves=5)
    return st.lists(nodes, min_size=0, max_size=5).map(tuple)


@st.composite
def journeys(draw: st.DrawFn, number: int) -> list[Plan]:
    """Journeys that may set each other off."""
    plans = []
    for own in range(number):
        others = [each for each in range(number) if each != own]
        trigger = draw(st.sampled_from(TRIGGERS if others else TRIGGERS[:-1]))
        subject = draw(st.sampled_from(others if trigger == "JourneyCompleted" else list(range(TAGS))))
        only_tagged = draw(st.sampled_from([None, None, None, 0]))
        plans.append(Plan(trigger, subject, only_tagged, draw(_trees(number))))
    return plans


def commands(people: int, number: int) -> st.SearchStrategy[list[Command]]:
    """A history of what is done to people; time passes now and then."""
    arguments = {"later": [1, 7, 60, 250], "trigger": list(range(number)), "exit": list(range(number))}
    one = st.sampled_from(COMMANDS).flatmap(
        lambda what: st.tuples(st.just(what), st.integers(0, people - 1), st.sampled_from(arguments.get(what, [0, 1])))
    )
    return st.lists(one, min_size=4, max_size=14)


class Run:
    """The same history for the engine and for the model."""

    def __init__(self, world: World, plans: Sequence[Plan], ids: Sequence[int]) -> None:
        self.world = world
        self.model = Model(plans)
        self.ids = ids
        self.people = [Somebody() for _ in ids]
        self.journeys: list[int] = []
        self.shards = sorted({each % SHARDS for each in ids})

    async def prepare(self) -> None:
        """Make the journeys through the API, whose pointers the engine follows."""
        api = self.world.api
        self.journeys = [int((await api.ok("journey.create", Name="n"))["JourneyID"]) for _ in self.model.plans]
        for journey_id, plan in zip(self.journeys, self.model.plans, strict=True):
            subjects = {"Tag": self.world.tag_ids, "UnTag": self.world.tag_ids, "JourneyCompleted": self.journeys}
            given: dict[str, Any] = {"Trigger": plan.trigger, "Trigger_ListID": self.world.list_id}
            if plan.trigger in subjects:
                given["Trigger_Value"] = subjects[plan.trigger][plan.subject]
            if plan.only_tagged is not None:
                given["Run_Criteria"] = [self._tagged(plan.only_tagged)]
            await api.ok("journey.update", JourneyID=journey_id, Name="n", **given)
            actions = [self._wire(node) for node in plan.nodes]
            await api.ok("journey.actions.update", JourneyID=journey_id, Actions=actions)
            await api.ok("journey.enable", JourneyID=journey_id)

    def _tagged(self, tag: int) -> dict[str, Any]:
        return {"type": "tags", "operator": "has this tag", "value": str(self.world.tag_ids[tag])}

    def _wire(self, node: Node) -> dict[str, Any]:
        world, argument = self.world, node.argument
        match node.kind:
            case "Wait":
                given: dict[str, Any] = {"Action": "Wait", "WaitAmount": argument, "WaitUnit": "minutes"}
            case "AddTag" | "RemoveTag":
                given = {"Action": node.kind, "TargetTagID": world.tag_ids[argument]}
            case "Broken":
                given = {"Action": "AddTag"}
            case "UpdateField":
                value = f"value {argument}"
                given = {
                    "Action": "UpdateCustomFieldValue",
                    "TargetCustomFieldID": world.field_id,
                    "NewCustomFieldValue": value,
                }
            case "ExitJourney" | "StartJourney":
                given = {"Action": node.kind, "TargetJourneyID": self.journeys[argument]}
            case "SendEmail":
                given = {"Action": "SendEmail", "EmailID": world.email_id}
            case "DecisionTag":
                given = {"Action": "Decision", "Criteria": [self._tagged(argument)]}
            case "DecisionField":
                rule = {"type": "fields", "field_id": world.field_id, "operator": "is", "value": f"value {argument}"}
                given = {"Action": "Decision", "Criteria": [rule]}
            case _:
                given = {"Action": node.kind}
        if node.kind in BRANCHES:
            given["Actions"] = {"True": [*map(self._wire, node.yes)], "False": [*map(self._wire, node.no)]}
        return {**given, "Published": node.is_published}

    async def do(self, command: Command) -> None:
        """Do it to both."""
        what, whom, argument = command
        person, subscriber_id = self.people[whom], self.ids[whom]
        named = {"SubscriberListID": self.world.list_id, "SubscriberID": subscriber_id}
        match what:
            case "subscribe" if not person.is_subscribed:
                self.model.subscribe(person)
                await self._call("subscriber.subscribe", **self._address(subscriber_id))
            case "unsubscribe" if person.is_subscribed:
                self.model.unsubscribe(person)
                await self._call("subscriber.unsubscribe", **self._address(subscriber_id))
            case "tag" | "untag":
                (self.model.tag if what == "tag" else self.model.untag)(person, argument)
                await self._call(f"subscriber.{what}", **named, TagID=self.world.tag_ids[argument])
            case "change":
                self.model.change(person, f"value {argument}")
                fields = {f"CustomField{self.world.field_id}": f"value {argument}"}
                address = f"p{subscriber_id}@example.com"
                await self._call("subscriber.update", **named, EmailAddress=address, Fields=fields)
            case "trigger" | "exit":
                if what == "trigger":
                    self.model.let_in(person, argument, self.world.now)
                else:
                    self.model.exit(person, argument)
                await self._call(
                    f"subscriber.journey.{what}",
                    JourneyID=self.journeys[argument],
                    ListID=self.world.list_id,
                    SubscriberID=subscriber_id,
                )
            case "later":
                self.world.pass_time(minutes=argument)
                await self._move()
            case "deliver":
                for each in self.people:
                    self.model.deliver(each)
                for sender in self.world.worker.senders:
                    await sender.run_until_quiet()

    def _address(self, subscriber_id: int) -> dict[str, Any]:
        address = f"p{subscriber_id}@example.com"
        return {"ListID": self.world.list_id, "EmailAddress": address, "IPAddress": "127.0.0.1"}

    async def _call(self, command: str, **parameters: Any) -> None:
        await self.world.api.ok(command, **parameters)

    async def _move(self) -> None:
        for person in self.people:
            self.model.run(person, self.world.now)
        # only the shards with people: the others have nothing, and looking takes its time
        while True:
            if not sum([await self.world.worker.engine.turn(shard) for shard in self.shards]):
                break
        await self.world.worker.engine.chores()

    async def compare(self) -> None:
        """Everybody's passes, steps, refusals and mails are the model's."""
        numbers = {
            row.action_id: (self.journeys.index(row.journey_id), row.order_no)
            for row in await self.world.rows(
                "SELECT action_id, journey_id, order_no FROM journey_actions WHERE journey_id = ANY(:ids)",
                ids=self.journeys,
            )
        }
        passes = await self.world.rows(
            "SELECT e.*, coalesce((SELECT json_agg(json_build_array(s.action_id, s.outcome) ORDER BY s.seq) "
            "FROM steps s WHERE s.owner_id = e.owner_id AND s.enrollment_id = e.enrollment_id), '[]') AS history "
            "FROM enrollments e WHERE e.subscriber_id = ANY(:ids) ORDER BY e.enrollment_id",
            ids=list(self.ids),
        )
        refusals = await self.world.rows(
            "SELECT subscriber_id, journey_id, reason FROM enrollment_refusals "
            "WHERE subscriber_id = ANY(:ids) ORDER BY refusal_id",
            ids=list(self.ids),
        )
        mails = await self.world.rows(
            "SELECT subscriber_id, state, count(*) AS number FROM deliveries "
            "WHERE subscriber_id = ANY(:ids) GROUP BY 1, 2",
            ids=list(self.ids),
        )
        for subscriber_id, person in zip(self.ids, self.people, strict=True):
            assert [
                (self.journeys.index(row.journey_id), row.state, [(numbers[a], o) for a, o in row.history], row.due_at)
                for row in passes
                if row.subscriber_id == subscriber_id
            ] == [
                (each.journey, each.state, [((each.journey, at), o) for at, o in each.steps], each.due)
                for each in person.passes
            ]
            assert [
                (self.journeys.index(row.journey_id), row.reason)
                for row in refusals
                if row.subscriber_id == subscriber_id
            ] == person.refused
            assert {row.state: row.number for row in mails if row.subscriber_id == subscriber_id} == {
                state: number
                for state, number in (
                    ("pending", person.owed),
                    ("sent", person.sent),
                    ("withdrawn", person.withdrawn),
                )
                if number
            }


async def _forget(world: World) -> None:
    """Empty what the example before left; its journeys and their actions stay, nobody is in them."""
    world.mailer.taken.clear()
    await world.change(
        "TRUNCATE enrollments, timers, runnable_journeys, trigger_events, steps, deliveries, counter_deltas, "
        "journey_totals, journey_days, action_totals, action_day_totals, action_days, enrollment_refusals, "
        "entry_counts, action_subscribers, people_counts, people_fences, subscriber_tags, journey_jobs"
    )
    await world.change("DELETE FROM subscribers")
    await world.change("UPDATE journeys SET status = 'Disabled'")


async def _simulate(world: World, data: st.DataObject, *, people: int, number: int, apart: int) -> None:
    plans = data.draw(journeys(number))
    history = data.draw(commands(people, number))
    await _forget(world)
    ids = await world.put_people(people, status="Unsubscribed", first=FIRST_PERSON, apart=apart)
    run = Run(world, plans, ids)
    await run.prepare()

    for command in (*history, ("later", 0, 0), ("deliver", 0, 0), ("later", 0, 500), ("deliver", 0, 0)):
        await run.do(command)

    await run.compare()
    assert await broken(world.sessions, accepted=world.mailer.taken) == []


# Rulings do not say which of one person's journeys moves first at one instant, and a batch that several people share
# may pick another than a batch of one: either everybody is alone in a shard, or there is one journey.
@pytest.mark.parametrize(("people", "number", "apart"), [(3, 3, 1), (6, 1, SHARDS)], ids=["alone", "together"])
@QUICK
@given(data=st.data())
async def test_the_engine_does_what_the_rules_say(
    shared: World, people: int, number: int, apart: int, data: st.DataObject
) -> None:
    await _simulate(shared, data, people=people, number=number, apart=apart)


@pytest.mark.fuzz
@pytest.mark.parametrize(("people", "number", "apart"), [(3, 3, 1), (6, 1, SHARDS)], ids=["alone", "together"])
@LONG
@given(data=st.data())
async def test_the_engine_does_for_long_what_the_rules_say(
    shared: World, people: int, number: int, apart: int, data: st.DataObject
) -> None:
    await _simulate(shared, data, people=people, number=number, apart=apart)


def test_the_clock_of_the_model_is_the_clock_of_the_ladder() -> None:
    from journeys_api.engine.batches import LADDER
    from tests.simulation import model

    assert list(LADDER) == model.LADDER == [timedelta(minutes=each) for each in (15, 30, 60, 120, 240)]
