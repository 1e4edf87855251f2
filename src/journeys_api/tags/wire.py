"""Wire shapes of tags."""

from journeys_api.models import Tag


def tag_row(tag: Tag, *, subscriber_count: int | None) -> dict[str, object]:
    """A tag as `subscriber.tags.get` answers it; None leaves the count out."""
    row: dict[str, object] = {"TagID": tag.tag_id, "TagName": tag.name, "TagDescription": tag.description}
    if subscriber_count is not None:
        row["SubscriberCount"] = subscriber_count
    return row
