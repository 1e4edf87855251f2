"""Why criteria cannot be read, or cannot be evaluated."""

from journeys_api.errors import DomainError


class CriteriaInvalid(DomainError):
    """The criteria are not a list of rules"""


class CriteriaNotEvaluable(DomainError):
    """The criteria cannot be evaluated

    Args:
        reason: which rule, and what is wrong with it; it may quote the rule, so it is for the account's own eyes.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SegmentsRecurse(CriteriaNotEvaluable):
    """A segment names itself, or segments name segments too deep"""
