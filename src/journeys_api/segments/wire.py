"""Wire shapes of segments."""

import json

from journeys_api.commands.wire import instant
from journeys_api.models import Segment


def segment_row(found: Segment) -> dict[str, object]:
    """A segment as `segments.get` answers it; `SegmentRules` is what `SegmentRulesJson` says, read."""
    return {
        "SegmentID": found.segment_id,
        "SegmentName": found.name,
        "SegmentOperator": found.operator,
        "SubscriberCount": found.subscriber_count or 0,
        "SubscriberCountLastCalculatedOn": instant(found.counted_at),
        "SegmentRules": found.rules,
        "SegmentRulesJson": json.dumps(found.rules, ensure_ascii=False, separators=(",", ":")),
        "RelListID": found.list_id,
        "Randomness": found.is_random,
        "RandomnessAudienceSize": found.random_size,
    }
