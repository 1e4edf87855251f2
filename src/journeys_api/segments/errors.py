"""What can be wrong with a segment."""

from journeys_api.errors import DomainError


class SegmentNotFound(DomainError):
    """Segment not found"""
