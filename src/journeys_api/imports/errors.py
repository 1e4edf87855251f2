"""What can be wrong with an import."""

from journeys_api.errors import DomainError


class FieldMappingInvalid(DomainError):
    """Field mapping is invalid"""


class SourceUnreachable(DomainError):
    """The address of the data is not one that may be fetched"""
