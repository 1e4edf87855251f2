"""From a subscription over HTTP to numbers, with real processes that die and freeze: the test counts for itself.

`JOURNEYS_TEST_PEOPLE` says how many people there are; each of them does something else with each mail, which
`JOURNEYS_TEST_SEED` changes.
"""

import asyncio
import os
import random
import time
from datetime import UTC, datetime

import pytest

from tests.end_to_end.answers import Answers
from tests.end_to_end.counts import FILTERS, Counts, Person
from tests.end_to_end.installation import Happening, Installation, crowd
from tests.end_to_end.people import Play, count_friends
from tests.end_to_end.returns import Returns
from tests.end_to_end.shop import Shop
from tests.end_to_end.stage import FAREWELL, WELCOME, arrive, count_mails, set_stage, take_leave
from tests.end_to_end.visits import APART, Visits

# how long it takes is asked for: JOURNEYS_TEST_PEOPLE
pytestmark = [pytest.mark.process, pytest.mark.timeout(0)]
SEED = os.environ.get("JOURNEYS_TEST_SEED", "4")


async def test_every_number_is_what_happened(installation: Installation) -> None:
    each, counts, began_on = installation, Counts(), datetime.now(UTC).date()
    visits, returns = Visits(each), Returns(each, counts)
    play = Play(each, counts, visits, returns)
    watch = _Watch()

    stage = await set_stage(each)
    keys = await each.ask("website_events.tracker", ListID=stage.list_id)
    shop = Shop(each, counts, stage.list_id, keys["SiteKey"], keys["IdentityKey"])
    people = await arrive(each, stage)
    returns.refused_at_the_door(people, *WELCOME)
    watch.tell(f"{len(people)} people have {each.office.handed_over} mails")

    async def round_of(number: int, meanwhile: Happening | None = None) -> None:
        async def turn(person: Person) -> None:
            await play.turn(person, random.Random(f"{SEED} {number} {person.address}"))

        await crowd(turn, shuffled(number), meanwhile=meanwhile)
        # what somebody does next is no scanner's second link
        await asyncio.sleep(APART)
        watch.tell(f"round {number}")

    async def shopping(number: int, meanwhile: Happening) -> None:
        async def visit(person: Person) -> None:
            await shop.visit(person, random.Random(f"{SEED} {number} {person.address}"))

        # who touched what last is known before anybody buys
        await each.settle()
        await crowd(visit, shuffled(number), meanwhile=meanwhile)
        watch.tell(f"shopping {number}")

    def shuffled(number: int) -> list[Person]:
        return random.Random(f"{SEED} {number}").sample([*people.values()], len(people))

    async def death_while_mails_bounce() -> None:
        await asyncio.gather(each.kill_postgres(), returns.bounce(shuffled(0), random.Random(SEED)))
        await each.replace_worker()

    async def frozen_death() -> None:
        await each.freeze(kills_api=True)

    await round_of(1, frozen_death)
    await round_of(2, death_while_mails_bounce)
    await shopping(3, each.replace_api)
    await round_of(4, each.freeze)
    await round_of(5)
    await shopping(6, each.kill_postgres)
    await shop.remind(random.Random(SEED))
    await shop.be_visited_by_strangers()
    await returns.be_lied_to(next(mail for person in people.values() for mail in person.mails))
    await each.settle()
    watch.tell("everything has settled")
    count_friends(each, counts, people)
    await take_leave(each, stage, people)
    returns.refused_at_the_door(people, FAREWELL)
    count_mails(each, counts)
    watch.tell("the last mail has gone out")

    happened = counts.numbers(WELCOME)
    assert all(happened[number] for number in FILTERS.values()), happened
    await visits.check()
    watch.tell(f"{visits}")
    verified = await asyncio.to_thread(each.command, "stats", "verify")
    assert (verified.returncode, verified.stdout) == (0, "Every number follows from the facts.\n"), verified.stderr
    answers = Answers(each, stage, counts, people, shop, began_on)
    for door in ("rest", "legacy"):
        await answers.check(door)
    watch.tell(f"every number is {happened}")


class _Watch:
    """Says what a long run is at."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def tell(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {what}", flush=True)
