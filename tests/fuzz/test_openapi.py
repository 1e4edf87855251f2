"""schemathesis calls every operation of the OpenAPI document with what fits its schema and with what does not."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from journeys_api.commands.registry import COMMANDS
from journeys_api.http.openapi import openapi_document
from tests.conftest import ADMIN_KEY
from tests.fuzz.conftest import Target, judge

load_all_checks()
SHORT, LONG, LIMITED = 10, 250, 2
"""Requests for each operation."""

DOCUMENT = openapi_document(COMMANDS.values(), public_url=None)
LABELS = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
CHECKS = [content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture(scope="module")
def operations() -> dict[str, Any]:
    """Every operation by its label."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    found = {}
    for each in schema.get_all_operations():
        assert isinstance(each, Ok), each
        operation = each.ok()
        found[operation.label] = operation
    return found


def _fuzz(target: Target, operation: Any, examples: int, *, is_limited: bool, is_random: bool) -> None:
    marks = operation.definition.raw
    scheme_names = {name for requirement in marks.get("security", []) for name in requirement}
    key = {"APIKey": target.account.api_key} if "APIKey" in scheme_names else {"AdminAPIKey": ADMIN_KEY}
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=not is_random,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if is_random else [])],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def search(case: Any) -> None:
        response = case.call(base_url=target.url, headers=key)
        judge(response.status_code, response.headers["content-type"][0], response.content, is_limited=is_limited)
        case.validate_response(response, checks=CHECKS)

    search()


@pytest.mark.parametrize("label", LABELS)
def test_every_operation_answers_as_documented(target: Target, operations: dict[str, Any], label: str) -> None:
    _fuzz(target, operations[label], SHORT, is_limited=False, is_random=False)


@pytest.mark.fuzz
@pytest.mark.parametrize("label", LABELS)
def test_every_operation_answers_as_documented_for_long(target: Target, operations: dict[str, Any], label: str) -> None:
    _fuzz(target, operations[label], LONG, is_limited=False, is_random=True)


@pytest.mark.parametrize("label", LABELS)
def test_every_operation_answers_as_documented_under_limits(
    limited_target: Target, operations: dict[str, Any], label: str
) -> None:
    _fuzz(limited_target, operations[label], LIMITED, is_limited=True, is_random=False)
