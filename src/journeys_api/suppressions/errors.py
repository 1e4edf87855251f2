"""What can be wrong with a suppression."""

from journeys_api.errors import DomainError


class AddressNotSuppressed(DomainError):
    """Email address is not in the suppression list"""
