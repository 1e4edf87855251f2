"""The OpenAPI document and docs/api.md: whole, valid, and what the table says now."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from schemathesis.core.result import Ok

from journeys_api.commands.registry import COMMANDS, Scope
from journeys_api.http.markdown import api_page
from journeys_api.http.openapi import openapi_document

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of the whole table."""
    return openapi_document(COMMANDS.values(), public_url="https://journeys.example/base/")


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)


def _resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(document)

    schema.validate()
    loaded = list(schema.get_all_operations())

    assert [each for each in loaded if not isinstance(each, Ok)] == []
    assert len(loaded) == sum(len(made.routes) for made in COMMANDS.values()) + 2


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = {node["$ref"] for node in _walk(document) if isinstance(node.get("$ref"), str)}

    assert [reference for reference in references if not _resolve(document, reference)] == []


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]

    assert len(ids) == len(set(ids))


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    misfits = []
    for node in _walk(document["paths"]):
        if "schema" not in node:
            continue
        schema = {**node["schema"], "components": document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema)
        examples = [node["example"]] if "example" in node else []
        examples += [example["value"] for example in node.get("examples", {}).values()]
        misfits += [(node["schema"], example) for example in examples if not validator.is_valid(example)]

    assert misfits == []


def test_every_command_is_in_the_legacy_operation_with_its_parameters_and_codes(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    posted = document["paths"]["/api.php"]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]

    assert [call["allOf"][0]["$ref"].rpartition("/")[2] for call in posted] == sorted(
        made.name for made in COMMANDS.values()
    )
    for made in COMMANDS.values():
        named = {*schemas[made.name]["properties"], *schemas[made.name].get("patternProperties", {})}
        assert len(named) == 1 + len(made.params)
        assert len(schemas[made.name]["x-codes"]) == len(made.refusals)


def test_every_route_tells_every_code_under_its_status(document: dict[str, Any]) -> None:
    for made in COMMANDS.values():
        for method, path in made.routes:
            responses = document["paths"][path][method.lower()]["responses"]
            for refusal in made.refusals:
                examples = responses[str(refusal.status)]["content"]["application/json"]["examples"].values()
                assert refusal.message in [example["summary"] for example in examples], (made.name, refusal)
            assert ("401" in responses) == (made.scope is not Scope.PUBLIC)
            assert {"200", "400", "429", "500"} <= set(responses)


def test_the_document_names_the_address_that_people_reach_it_by(document: dict[str, Any]) -> None:
    local = openapi_document([], public_url=None)

    assert document["servers"] == [{"url": "https://journeys.example/base"}]
    assert local["servers"] == [{"url": "/"}]


def test_the_page_of_commands_is_what_the_table_says_now() -> None:
    assert PAGE.read_text() == api_page(COMMANDS.values()), "python -m journeys_api.http.markdown > docs/api.md"
