"""Criteria: RulesJson → a checked tree → one SQL condition over subscribers; and the criteria of triggers."""

from journeys_api.criteria.errors import CriteriaInvalid, CriteriaNotEvaluable, SegmentsRecurse
from journeys_api.criteria.reading import check, names_records, parse, problems
from journeys_api.criteria.service import compile, compile_many, condition, missing_records, problems_of_many
from journeys_api.criteria.tree import Criteria, References
from journeys_api.criteria.triggers import matches_event, parse_trigger, trigger_problems
from journeys_api.criteria.yes_no import from_yes_no

__all__ = [
    "Criteria",
    "CriteriaInvalid",
    "CriteriaNotEvaluable",
    "References",
    "SegmentsRecurse",
    "check",
    "compile",
    "compile_many",
    "condition",
    "from_yes_no",
    "matches_event",
    "missing_records",
    "names_records",
    "parse",
    "parse_trigger",
    "problems",
    "problems_of_many",
    "trigger_problems",
]
