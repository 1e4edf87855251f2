"""What must hold of the engine's rows after anything that people and owners do, in any order."""

import random
from typing import Any

import pytest

from tests.conftest import Client
from tests.engine.conftest import Audience, Work, running

INVARIANTS = {
    "an enrollment is active with a place and a time, or ended with neither a time nor a doubt": """
        SELECT enrollment_id, state FROM enrollments WHERE owner_id = :owner AND NOT (
            state = 'active' AND action_id IS NOT NULL AND due_at IS NOT NULL AND ended_at IS NULL
            OR state IN ('completed', 'exited', 'failed') AND due_at IS NULL AND ended_at IS NOT NULL)
    """,
    "active people stand at a present action of their journey": """
        SELECT enrollment_id FROM enrollments e WHERE owner_id = :owner AND state = 'active' AND NOT EXISTS (
            SELECT FROM journey_actions a
            WHERE a.action_id = e.action_id AND a.journey_id = e.journey_id AND a.removed_at IS NULL)
    """,
    "nobody is active who is not there": """
        SELECT enrollment_id FROM enrollments e WHERE owner_id = :owner AND state = 'active' AND NOT EXISTS (
            SELECT FROM subscribers s WHERE s.owner_id = e.owner_id AND s.subscriber_id = e.subscriber_id)
    """,
    "nobody is active twice in a journey": """
        SELECT journey_id, subscriber_id FROM enrollments WHERE owner_id = :owner AND state = 'active'
        GROUP BY journey_id, list_id, subscriber_id HAVING count(*) > 1
    """,
    "steps are numbered without a gap or a fork": """
        SELECT e.enrollment_id, e.seq, count(s.seq) FROM enrollments e LEFT JOIN steps s USING (owner_id, enrollment_id)
        WHERE e.owner_id = :owner GROUP BY e.enrollment_id, e.seq
        HAVING count(s.seq) <> e.seq OR count(DISTINCT s.seq) <> e.seq OR coalesce(max(s.seq), 0) <> e.seq
    """,
    "one timer says what an active enrollment says": """
        SELECT e.enrollment_id FROM enrollments e WHERE e.owner_id = :owner AND e.state = 'active' AND 1 <> (
            SELECT count(*) FROM timers t WHERE t.owner_id = e.owner_id AND t.enrollment_id = e.enrollment_id
            AND t.journey_id = e.journey_id AND t.due_at = e.due_at AND t.shard = e.subscriber_id % 16)
    """,
    "an enabled journey with timers is in the round, not too late": """
        SELECT t.journey_id, t.shard FROM timers t JOIN journeys j ON j.journey_id = t.journey_id
        WHERE t.owner_id = :owner AND j.status = 'Enabled' AND j.deleted_at IS NULL AND NOT EXISTS (
            SELECT FROM runnable_journeys r
            WHERE r.shard = t.shard AND r.journey_id = t.journey_id AND r.next_due_at <= t.due_at)
    """,
    "a journey's numbers are those of its enrollments": """
        WITH said AS (
            SELECT journey_id, sum(active_count) AS active, sum(total_count) AS total FROM (
                SELECT journey_id, active_count, total_count FROM journey_totals WHERE owner_id = :owner
                UNION ALL SELECT journey_id, active_count, total_count FROM counter_deltas
                WHERE owner_id = :owner AND action_id = 0) AS both_kinds GROUP BY journey_id
        ), found AS (
            SELECT journey_id, count(*) FILTER (WHERE state = 'active') AS active, count(*) AS total
            FROM enrollments WHERE owner_id = :owner GROUP BY journey_id
        )
        SELECT journey_id, said.active, said.total, found.active, found.total
        FROM said FULL JOIN found USING (journey_id)
        WHERE (coalesce(said.active, 0), coalesce(said.total, 0)) IS DISTINCT FROM
            (coalesce(found.active, 0), coalesce(found.total, 0))
        AND journey_id IN (SELECT journey_id FROM journeys WHERE owner_id = :owner AND deleted_at IS NULL)
    """,
    "an action's numbers are those of the people at it and of the steps taken": """
        WITH said AS (
            SELECT action_id, sum(active_count) AS active, sum(completed_runs) AS runs FROM (
                SELECT action_id, active_count, completed_runs FROM action_totals WHERE owner_id = :owner
                UNION ALL SELECT action_id, active_count, completed_runs FROM counter_deltas
                WHERE owner_id = :owner AND action_id <> 0) AS both_kinds GROUP BY action_id
        ), found AS (
            SELECT a.action_id,
                (SELECT count(*) FROM enrollments e
                 WHERE e.owner_id = :owner AND e.action_id = a.action_id AND e.state = 'active') AS active,
                (SELECT count(*) FROM steps s WHERE s.owner_id = :owner AND s.action_id = a.action_id
                 AND s.outcome NOT IN ('exited', 'failed')) AS runs
            FROM journey_actions a WHERE a.owner_id = :owner
        )
        SELECT action_id, said.active, found.active, said.runs, found.runs FROM said FULL JOIN found USING (action_id)
        WHERE (coalesce(said.active, 0), coalesce(said.runs, 0)) IS DISTINCT FROM
            (coalesce(found.active, 0), coalesce(found.runs, 0))
        AND action_id IN (SELECT a.action_id FROM journey_actions a JOIN journeys j USING (journey_id)
                          WHERE j.owner_id = :owner AND j.deleted_at IS NULL)
    """,
    "every mail that a step owed is owed once": """
        SELECT a.action_id FROM journey_actions a WHERE a.owner_id = :owner AND a.action = 'SendEmail' AND
            (SELECT count(*) FROM steps s WHERE s.action_id = a.action_id AND s.outcome = 'done') <>
            (SELECT count(*) FROM deliveries d WHERE d.action_id = a.action_id)
    """,
    "what the queues of a quiet engine hold is nothing": """
        SELECT kind FROM trigger_events WHERE owner_id = :owner
        UNION ALL SELECT kind FROM journey_jobs WHERE owner_id = :owner
    """,
}


async def check(work: Work, owner_id: int, after: list[str]) -> None:
    """Ask every invariant; what breaks one comes with what was done before."""
    for name, statement in INVARIANTS.items():
        assert await work.rows(statement, owner=owner_id) == [], (name, after)


class Play:
    """An account whose people and owner do things at random."""

    def __init__(self, dice: random.Random, audience: Audience, work: Work, email_id: int, tag_id: int) -> None:
        self.dice = dice
        self.api = audience.api
        self.audience = audience
        self.work = work
        self.email_id = email_id
        self.tag_id = tag_id
        self.people: list[int] = []
        self.journeys: list[int] = []

    def tree(self, depth: int = 0) -> list[dict[str, Any]]:
        """Some actions."""
        return [self.action(depth) for _ in range(self.dice.randint(1, 4))]

    def action(self, depth: int) -> dict[str, Any]:
        """One action, published as a rule."""
        kinds = ("Wait", "Wait", "AddTag", "RemoveTag", "SendEmail", "Debug", "StartJourney", "Exit", "Decision")
        kind = self.dice.choice(kinds[: 8 if depth > 1 else 9])
        published = {"Published": self.dice.random() < 0.85}
        match kind:
            case "Wait":
                return {**published, "Action": kind, "WaitUnit": "hours", "WaitAmount": self.dice.randint(0, 4)}
            case "AddTag" | "RemoveTag":
                return {**published, "Action": kind, "TargetTagID": self.dice.choice((self.tag_id, self.tag_id, 0))}
            case "SendEmail":
                return {**published, "Action": kind, "EmailID": self.email_id}
            case "StartJourney" if self.journeys:
                return {**published, "Action": kind, "TargetJourneyID": self.dice.choice(self.journeys)}
            case "Exit":
                return {**published, "Action": self.dice.choice(("ExitThisJourney", "ExitAllOtherJourneys"))}
            case "Decision":
                rule = {"type": "tags", "operator": "has this tag", "value": str(self.tag_id)}
                branches = {"True": self.tree(depth + 1), "False": self.tree(depth + 1)}
                return {**published, "Action": kind, "Criteria": [[rule]], "Actions": branches}
        return {**published, "Action": "Debug"}

    async def begin(self) -> None:
        """Some journeys and people."""
        triggers: list[dict[str, Any]] = [
            {"Trigger": "ListSubscription", "Trigger_ListID": self.audience.list_id},
            {"Trigger": "Tag", "Trigger_Value": self.tag_id},
            {"Trigger": "Manual"},
        ]
        for trigger in triggers:
            journey_id = await running(self.api, **trigger)
            await self.api.ok("journey.actions.update", JourneyID=journey_id, Actions=self.tree())
            self.journeys.append(journey_id)
        for _ in range(3):
            await self.do("come")

    async def do(self, what: str) -> None:
        """One thing; a refusal of it is fine."""
        journey_id = self.dice.choice(self.journeys)
        person = self.dice.choice(self.people) if self.people else 0
        about = {"JourneyID": journey_id, "ListID": self.audience.list_id, "SubscriberID": person}
        match what:
            case "come":
                name = f"p{self.dice.randrange(10**9)}@example.com"
                self.people.append(await self.audience.subscribe(name))
            case "trigger" | "remove" | "exit":
                await self.api.call(f"subscriber.journey.{what}", **about)
            case "tag" | "untag":
                await self.api.call(
                    f"subscriber.{what}",
                    SubscriberListID=self.audience.list_id,
                    TagID=self.tag_id,
                    SubscriberID=person,
                )
            case "forget":
                await self.api.call("subscribers.delete", SubscriberListID=self.audience.list_id, Subscribers=[person])
            case "enable" | "disable" | "delete":
                await self.api.call(f"journey.{what}", JourneyID=journey_id)
            case "edit":
                tree = (await self.api.call("journey.get", JourneyID=journey_id)).json().get("Actions", [])
                kept = [each for each in tree if self.dice.random() < 0.6]
                actions = [*kept, *self.tree()]
                self.dice.shuffle(actions)
                await self.api.call("journey.actions.update", JourneyID=journey_id, Actions=actions)
            case "publish":
                tree = (await self.api.call("journey.get", JourneyID=journey_id)).json().get("Actions", [])
                wanted = [{"ActionID": each["ActionID"], "Published": self.dice.random() < 0.6} for each in tree]
                await self.api.call("journey.actions.published", JourneyID=journey_id, Actions=wanted)


DEEDS = [
    "come",
    "come",
    "forget",
    "trigger",
    "trigger",
    "remove",
    "exit",
    "tag",
    "untag",
    "enable",
    "disable",
    "edit",
    "publish",
]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_done_the_rows_agree(
    api: Client, audience: Audience, work: Work, email_id: int, seed: int
) -> None:
    assert api.account
    dice = random.Random(seed)
    play = Play(dice, audience, work, email_id, await audience.tag())
    await play.begin()

    done: list[str] = []
    for number in range(8):
        for deed in dice.choices(DEEDS, k=4):
            await play.do(deed)
            done.append(deed)
        if number == 6:
            await play.do("delete")
            done.append("delete")
        await work.run(hours=dice.choice((0, 1, 3)))
        # nobody asks for the numbers of a deleted journey, and nothing else of it is left out
        await check(work, api.account.user_id, done)
