"""The subscribers of a batch, as a condition of the statements that judge them."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, func, literal, literal_column, select
from sqlalchemy.orm import aliased

from journeys_api.models import Subscriber

GONE = "the subscriber is gone"
"""What the history says of somebody to whom nothing can be done any more."""


def these(owner_id: int, subscriber_ids: Sequence[int]) -> ColumnElement[bool]:
    """Whether a row of `subscribers` is one of these of the account.

    The rows are named by where they are, each looked up by its key: of a condition on the key itself, next to others,
    PostgreSQL may make a pass over all of the account as long as nobody has analyzed the table.
    """
    ids = func.unnest(literal(list(subscriber_ids), ARRAY(BigInteger))).table_valued("subscriber_id")
    wanted = ids.render_derived(name="wanted")
    person = aliased(Subscriber, name="person")
    place = (
        select(literal_column("person.ctid"))
        .select_from(person)
        .where(person.owner_id == owner_id, person.subscriber_id == wanted.c.subscriber_id)
        .correlate(wanted)
        .scalar_subquery()
    )
    places = func.array(select(place).select_from(wanted).scalar_subquery())
    condition: ColumnElement[bool] = literal_column("subscribers.ctid") == any_(places)
    return condition
