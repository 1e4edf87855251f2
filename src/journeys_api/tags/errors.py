"""What can be wrong with a tag."""

from journeys_api.errors import DomainError


class TagNotFound(DomainError):
    """Tag not found"""


class TagNameTaken(DomainError):
    """Tag name already exists"""
