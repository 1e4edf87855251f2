"""What can be wrong with a job."""

from journeys_api.errors import DomainError


class JobNotFound(DomainError):
    """Job not found"""
