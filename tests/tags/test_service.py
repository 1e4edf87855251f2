"""Tagging and untagging as other nouns call it: only the tag's own list, only what is new, set by set."""

import asyncio

import pytest
from sqlalchemy import event, select

from journeys_api.app import Application
from journeys_api.models import Subscriber
from journeys_api.tags import service
from journeys_api.tags.errors import TagNotFound
from tests.conftest import Client, Maker
from tests.lists.rows import NOW, make_list, make_people, owner_of


async def _tag(api: Client, list_id: int, name: str) -> int:
    tag_id: int = (await api.ok("subscriber.tags.create", ListID=list_id, TagName=name))["TagID"]
    return tag_id


async def test_only_new_pairs_on_the_tags_own_list_are_set(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id, other = await make_list(api), await make_list(api, "Other")
    ann, bob = await make_people(app, api, list_id, "ann@example.com", "bob@example.com")
    [eve] = await make_people(app, api, other, "eve@example.com")
    vip, new = await _tag(api, list_id, "VIP"), await _tag(api, list_id, "new")
    async with app.sessions.begin() as session:
        first = await service.tag_subscribers(
            session, owner_id=owner_id, tag_ids=[vip], subscriber_ids=[ann, eve, 2**62], now=NOW
        )

        second = await service.tag_subscribers(
            session, owner_id=owner_id, tag_ids=[vip, new, vip], subscriber_ids=[ann, bob, ann], now=NOW
        )

        carried = await service.tags_of(session, owner_id=owner_id, subscriber_ids=[ann, bob, eve])

    assert first == [(vip, ann)]
    assert sorted(second) == sorted([(vip, bob), (new, ann), (new, bob)])
    assert {person: [tag.name for tag in tags] for person, tags in carried.items()} == {
        ann: ["new", "VIP"],
        bob: ["new", "VIP"],
        eve: [],
    }


async def test_people_may_be_named_by_a_statement(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id = await make_list(api)
    people = await make_people(app, api, list_id, *(f"p{number}@example.com" for number in range(100)))
    tag_id = await _tag(api, list_id, "many")
    chosen = select(Subscriber.subscriber_id).where(
        Subscriber.owner_id == owner_id, Subscriber.list_id == list_id, Subscriber.email_address.startswith("p1")
    )
    statements: list[str] = []
    engine = app.engine.sync_engine

    def count(_: object, __: object, statement: str, *___: object) -> None:
        if not statement.startswith("SET LOCAL"):
            statements.append(statement)

    async with app.sessions.begin() as session:
        await session.connection()
        event.listen(engine, "before_cursor_execute", count)
        try:
            tagged = await service.tag_subscribers(
                session, owner_id=owner_id, tag_ids=[tag_id], subscriber_ids=chosen, now=NOW
            )
            untagged = await service.untag_subscribers(
                session, owner_id=owner_id, tag_ids=[tag_id], subscriber_ids=chosen, now=NOW
            )
        finally:
            event.remove(engine, "before_cursor_execute", count)

    assert len(tagged) == 11
    assert sorted(untagged) == sorted(tagged)
    assert {person for _, person in tagged} <= set(people)
    assert len(statements) == 2


async def test_only_pairs_that_were_there_are_removed(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id = await make_list(api)
    ann, bob = await make_people(app, api, list_id, "ann@example.com", "bob@example.com")
    vip, new = await _tag(api, list_id, "VIP"), await _tag(api, list_id, "new")
    async with app.sessions.begin() as session:
        await service.tag_subscribers(session, owner_id=owner_id, tag_ids=[vip, new], subscriber_ids=[ann], now=NOW)

        removed = await service.untag_subscribers(
            session, owner_id=owner_id, tag_ids=[vip], subscriber_ids=[ann, bob], now=NOW
        )

        again = await service.untag_subscribers(
            session, owner_id=owner_id, tag_ids=[vip], subscriber_ids=[ann], now=NOW
        )
        left = await service.tags_of(session, owner_id=owner_id, subscriber_ids=[ann])

    assert (removed, again) == ([(vip, ann)], [])
    assert [tag.tag_id for tag in left[ann]] == [new]


async def test_nothing_crosses_accounts(app: Application, api: Client, make: Maker) -> None:
    stranger = await make.client()
    theirs = await make_list(stranger)
    [their_person] = await make_people(app, stranger, theirs, "ann@example.com")
    their_tag = await _tag(stranger, theirs, "VIP")
    mine = owner_of(api).user_id
    async with app.sessions.begin() as session:
        await service.tag_subscribers(
            session, owner_id=owner_of(stranger).user_id, tag_ids=[their_tag], subscriber_ids=[their_person], now=NOW
        )

        tagged = await service.tag_subscribers(
            session, owner_id=mine, tag_ids=[their_tag], subscriber_ids=[their_person], now=NOW
        )
        untagged = await service.untag_subscribers(
            session, owner_id=mine, tag_ids=[their_tag], subscriber_ids=[their_person], now=NOW
        )
        carried = await service.tags_of(session, owner_id=mine, subscriber_ids=[their_person])

        with pytest.raises(TagNotFound):
            await service.get_tag(session, owner_id=mine, tag_id=their_tag)

    assert (tagged, untagged, carried) == ([], [], {their_person: []})


async def test_nobody_and_no_tag_are_fine(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    async with app.sessions.begin() as session:
        assert await service.tags_of(session, owner_id=owner_id, subscriber_ids=[]) == {}
        assert await service.tag_subscribers(session, owner_id=owner_id, tag_ids=[], subscriber_ids=[], now=NOW) == []
        assert await service.untag_subscribers(session, owner_id=owner_id, tag_ids=[], subscriber_ids=[], now=NOW) == []


async def test_taggings_at_once_in_opposite_orders_share_the_pairs_out(app: Application, api: Client) -> None:
    owner_id = owner_of(api).user_id
    list_id = await make_list(api)
    people = await make_people(app, api, list_id, *(f"p{number}@example.com" for number in range(50)))
    tags = [await _tag(api, list_id, name) for name in ("a", "b")]

    async def tag(order: int) -> list[tuple[int, int]]:
        async with app.sessions.begin() as session:
            return await service.tag_subscribers(
                session, owner_id=owner_id, tag_ids=tags[::order], subscriber_ids=people[::order], now=NOW
            )

    set_by = await asyncio.gather(*(tag(order) for order in (1, -1, 1, -1)))

    pairs = [pair for pairs in set_by for pair in pairs]
    assert len(pairs) == len(set(pairs)) == 100
