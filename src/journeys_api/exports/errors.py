"""What can be wrong with an export."""

from journeys_api.errors import DomainError


class AnotherKindOfJob(DomainError):
    """The job is no export of journeys"""


class ExportNotReady(DomainError):
    """Export job is not completed yet"""
