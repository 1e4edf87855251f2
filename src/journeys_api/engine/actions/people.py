"""Actions on the subscribers themselves: lists, tags, fields. Each is SQL over the whole group."""

from collections.abc import Awaitable, Callable, Sequence

from journeys_api.delivery import personalization
from journeys_api.delivery.contexts import load_audience
from journeys_api.engine.admissions import living
from journeys_api.engine.people import Moves, Person
from journeys_api.engine.registry import Standing, StepFailed, action
from journeys_api.engine.subjects import GONE
from journeys_api.fields import service as fields
from journeys_api.fields.errors import FieldNotFound
from journeys_api.journeys.action_types import (
    TargetListParameters,
    TargetTagParameters,
    UpdateCustomFieldValueParameters,
)
from journeys_api.lists import service as lists
from journeys_api.lists.errors import ListNotFound
from journeys_api.models import SubscriberList
from journeys_api.subscribers import effects
from journeys_api.tags import service as tags
from journeys_api.tags.errors import TagNotFound


def _by_depth(people: Sequence[Person]) -> dict[int, list[Person]]:
    """The group by the depth that what it sets off is recorded at; nearly always one."""
    grouped: dict[int, list[Person]] = {}
    for person in people:
        grouped.setdefault(person.depth + 1, []).append(person)
    return grouped


async def _changed_by(
    standing: Standing, people: Sequence[Person], effect: Callable[..., Awaitable[set[int]]], **given: int
) -> set[int]:
    """Have an effect on the group, each part at the depth that it sets events off at; the subscribers it changed."""
    changed: set[int] = set()
    for depth, group in _by_depth(people).items():
        changed |= await effect(
            standing.session,
            owner_id=standing.owner_id,
            subscriber_ids=[person.subscriber_id for person in group],
            now=standing.now,
            depth=depth,
            **given,
        )
    return changed


async def _list(standing: Standing, list_id: int | None) -> SubscriberList:
    if not list_id:
        raise StepFailed("no list is chosen")
    try:
        return await lists.get_list(standing.session, owner_id=standing.owner_id, list_id=list_id)
    except ListNotFound:
        raise StepFailed("the list is gone") from None


async def _require_tag(standing: Standing, tag_id: int | None) -> int:
    if not tag_id:
        raise StepFailed("no tag is chosen")
    try:
        await tags.get_tag(standing.session, owner_id=standing.owner_id, tag_id=tag_id)
    except TagNotFound:
        raise StepFailed("the tag is gone") from None
    return tag_id


@action("AddTag")
async def add_tag(standing: Standing, people: Sequence[Person], parameters: TargetTagParameters) -> Moves:
    """Tag the group; whoever carries the tag already, or is not on its list, goes on with that in the history."""
    tag_id = await _require_tag(standing, parameters.target_tag_id)
    changed = await _changed_by(standing, people, effects.tag_many, tag_id=tag_id)
    return _noted(people, changed, "tagged already, or not on the tag's list")


@action("RemoveTag")
async def remove_tag(standing: Standing, people: Sequence[Person], parameters: TargetTagParameters) -> Moves:
    """Take the tag off the group."""
    tag_id = await _require_tag(standing, parameters.target_tag_id)
    changed = await _changed_by(standing, people, effects.untag_many, tag_id=tag_id)
    return _noted(people, changed, "does not carry the tag")


def _noted(people: Sequence[Person], changed: set[int], otherwise: str) -> Moves:
    return Moves.proceed({person.enrollment_id: otherwise for person in people if person.subscriber_id not in changed})


@action("Subscribe")
async def subscribe(standing: Standing, people: Sequence[Person], parameters: TargetListParameters) -> Moves:
    """Subscribe the group's addresses of today to another list of the account."""
    target = await _list(standing, parameters.target_list_id)
    everybody = {(person.owner_id, person.subscriber_id) for person in people}
    addresses = {
        subscriber_id: address
        for (_, subscriber_id), (_, address) in (await living(standing.session, everybody)).items()
    }
    came: set[str] = set()
    for depth, group in _by_depth(people).items():
        came |= await effects.subscribe_many(
            standing.session,
            owner_id=standing.owner_id,
            list_id=target.list_id,
            addresses=[addresses[person.subscriber_id] for person in group if person.subscriber_id in addresses],
            now=standing.now,
            depth=depth,
        )
    noted: dict[int, str] = {}
    for person in people:
        address = addresses.get(person.subscriber_id)
        if address is None:
            noted[person.enrollment_id] = GONE
        elif address.lower() not in came:
            noted[person.enrollment_id] = "on the list already"
    return Moves.proceed(noted)


@action("Unsubscribe")
async def unsubscribe(standing: Standing, people: Sequence[Person], parameters: TargetListParameters) -> Moves:
    """Unsubscribe the group's addresses from a list, by that list's own rules."""
    target = await _list(standing, parameters.target_list_id)
    left = await _changed_by(standing, people, effects.unsubscribe_many, list_id=target.list_id)
    return _noted(people, left, "not subscribed to the list")


async def _render_each(standing: Standing, people: Sequence[Person], text: str) -> dict[int, str]:
    """The text with its merge tags filled in, by enrollment. Who is gone gets it without values."""
    template = personalization.compile(text)
    if template.is_static:
        return {person.enrollment_id: text for person in people}
    audience = await load_audience(standing.session, {(person.owner_id, person.subscriber_id) for person in people})
    rendered: dict[int, str] = {}
    for person in people:
        subscriber = audience.subscribers.get((person.owner_id, person.subscriber_id))
        values = audience.values(subscriber) if subscriber is not None else {}
        context = personalization.Context(
            now=standing.now,
            time_zone=standing.flow.time_zone,
            seed=person.enrollment_id,
            values={**values, "Event": {}, **person.event},
        )
        rendered[person.enrollment_id] = template.render(context, mode=personalization.Mode.TEXT)
    return rendered


@action("UpdateCustomFieldValue")
async def update_custom_field_value(
    standing: Standing, people: Sequence[Person], parameters: UpdateCustomFieldValueParameters
) -> Moves:
    """Write a field; merge tags of the new value are filled in for each person."""
    if not parameters.target_field_id:
        raise StepFailed("no custom field is chosen")
    try:
        field = await fields.get_field(
            standing.session, owner_id=standing.owner_id, field_id=parameters.target_field_id
        )
    except FieldNotFound:
        raise StepFailed("the custom field is gone") from None
    rendered = await _render_each(standing, people, parameters.new_value or "")
    changed: set[int] = set()
    for depth, group in _by_depth(people).items():
        changed |= await effects.set_values(
            standing.session,
            owner_id=standing.owner_id,
            field_id=field.field_id,
            values={person.subscriber_id: rendered[person.enrollment_id] for person in group},
            now=standing.now,
            depth=depth,
        )
    return _noted(people, changed, "the field has that value already, or is not on the person's list")
