"""The answers in the OpenAPI document: success, refusals by status, and what is no command's own."""

from collections.abc import Mapping
from typing import Any

from journeys_api.commands.registry import Command, Envelope, Refusal, Scope
from journeys_api.http import describing

Json = dict[str, Any]

_CODE: Json = {"type": "integer"}
_ERROR: Json = {
    "type": "object",
    "required": ["Code", "Message"],
    "properties": {"Code": _CODE, "Message": {"type": "string"}},
}


def responses(command: Command) -> Json:
    """Every status of the command at REST, with an example for each code."""
    responses: Json = {"200": _success(command)}
    general = _general_statuses(command)
    own: dict[int, list[Refusal]] = {}
    for refusal in ascending(command):
        own.setdefault(refusal.status, []).append(refusal)
    for status in sorted({*own, *general}):
        if status not in own:
            responses[str(status)] = {"$ref": f"#/components/responses/{general[status][0]}"}
            continue
        examples: Json = {}
        for refusal in own[status]:
            name = str(refusal.code) if str(refusal.code) not in examples else f"{refusal.code}-{len(examples)}"
            examples[name] = {"summary": refusal.message, "value": describing.refused(command, refusal)}
        schemas = [{"$ref": schema_reference(ENVELOPE_NAMES[command.envelope])}]
        if status in general:
            schemas.append({"$ref": schema_reference("HardFailure")})
            examples |= {str(code): _general_example(code) for code in general[status][1]}
        responses[str(status)] = {
            "description": "; ".join(dict.fromkeys(f"{each.code}: {each.message}" for each in own[status])),
            "content": {
                "application/json": {
                    "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
                    "examples": examples,
                }
            },
        }
    return responses


def _success(command: Command) -> Json:
    content: Json = {"schema": {"type": "object"}}
    if command.answer:
        content = {"schema": {"$ref": schema_reference(answer_name(command))}, "example": dict(command.answer)}
    return {"description": "Success", "content": {"application/json": content}}


def _general_statuses(command: Command) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Status → name of the shared response and its codes, for what every command may answer."""
    statuses = {name: (status, codes) for name, (status, codes, _) in GENERAL_RESPONSES.items()}
    names = ["NotReadable", "TooSlow", "TooLarge", "TooManyRequests", "Failed", "Unavailable"]
    if command.scope is not Scope.PUBLIC:
        names += ["Unauthenticated", "Forbidden"]
    return {statuses[name][0]: (name, statuses[name][1]) for name in names}


GENERAL_RESPONSES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "NotReadable": (400, (100000,), "100000: the request cannot be read."),
    "Unauthenticated": (401, (99998,), "99998: no credential, an unknown or expired one, or two that differ."),
    "Forbidden": (403, (99999,), "99999: the caller may not call this command."),
    "TooSlow": (408, (100000,), "100000: the body did not arrive in time."),
    "TooLarge": (413, (100000,), "100000: the body is too large."),
    "TooManyRequests": (429, (429,), "429: too many calls; `Retry-After` says how long to wait."),
    "Failed": (500, (100005,), "100005: something failed inside; nothing was changed."),
    "Unavailable": (503, (100005,), "100005: the database cannot be reached; nothing was changed."),
}
for _name in ("TooManyRequests", "Failed", "Unavailable"):
    GENERAL_RESPONSES[f"Legacy{_name}"] = GENERAL_RESPONSES[_name]
GENERAL_RESPONSES["LegacyNotAccepted"] = (
    400,
    (100000, 100001, 100003),
    "The request cannot be read, or names no command.",
)


def general_responses() -> Json:
    """What every command may answer, for all operations to refer to."""
    responses: Json = {}
    for name, (status, codes, description) in GENERAL_RESPONSES.items():
        response: Json = {
            "description": description,
            "content": {
                "application/json": {
                    "schema": {"$ref": schema_reference("HardFailure")},
                    "examples": {str(code): _general_example(code) for code in codes},
                }
            },
        }
        if name.startswith("Legacy"):
            response["content"]["text/xml"] = {"schema": {"type": "string"}}
        if status in (429, 503):
            response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
        if status == 401:
            response["headers"] = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}
        responses[name] = response
    return responses


def _general_example(code: int) -> Json:
    return {"summary": describing.GENERAL_CODES[code], "value": describing.general(code).body}


ENVELOPE_NAMES: dict[Envelope, str] = {
    Envelope.ERRORS: "RefusalErrors",
    Envelope.SUCCESS_ERRORS: "RefusalSuccessErrors",
    Envelope.CODES: "RefusalCodes",
    Envelope.CODE_OBJECTS: "RefusalCodeObjects",
    Envelope.LEGACY: "RefusalLegacy",
    Envelope.HYBRID: "RefusalHybrid",
    Envelope.SCALAR: "RefusalScalar",
    Envelope.SCALAR_ERRORS: "RefusalScalarErrors",
}


def general_schemas() -> Json:
    """The shapes of refusals, and what stands beside every answer of `/api.php`."""
    failed: Json = {"Success": {"const": False}}
    errors: Json = {"Errors": {"type": "array", "items": _ERROR, "minItems": 1}}
    codes: Json = {"ErrorCode": {"type": "array", "items": _CODE, "minItems": 1}}
    texts: Json = {"ErrorText": {"type": "array", "items": {"type": "string"}, "minItems": 1}}
    scalar: Json = {"ErrorCode": _CODE, "ErrorText": {"type": "string"}}
    shapes: dict[Envelope, Json] = {
        Envelope.ERRORS: errors,
        Envelope.SUCCESS_ERRORS: failed | errors,
        Envelope.CODES: failed | codes,
        Envelope.CODE_OBJECTS: failed | {"ErrorCode": {"type": "array", "items": _ERROR, "minItems": 1}},
        Envelope.LEGACY: failed | codes | texts,
        Envelope.HYBRID: failed | codes | errors,
        Envelope.SCALAR: failed | scalar,
        Envelope.SCALAR_ERRORS: failed | scalar | errors,
    }
    schemas = {ENVELOPE_NAMES[envelope]: _closed(properties) for envelope, properties in shapes.items()}
    schemas["HardFailure"] = _closed(failed | scalar | errors)
    schemas["LegacyAnswer"] = {
        "type": "object",
        "description": "The documented body of the command, with these keys beside it.",
        "required": ["Success"],
        "properties": {
            "Success": {"type": "boolean"},
            "ErrorCode": {
                "description": "0 on success; else a list of codes, in parallel with `ErrorText`. A scalar for 99998, "
                "99999 and what is no command's own."
            },
            "ErrorText": {"description": "Empty on success; else a list of messages, or one message."},
        },
    }
    return schemas


def _closed(properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


_LISTS_WHEN_EMPTY = frozenset({"TriggerParameters"})
"""Objects that are answered as `[]` when they are empty, as PHP writes them."""


def shape(value: Any, *, is_whole: bool = False) -> Json:
    """The types of an example. What is null or empty there may be anything; every key of the whole is always there.

    A text inside a record is null when there is none, and no example can show both.
    """
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer"}
    if isinstance(value, float):
        return {"type": "number"}
    if isinstance(value, str):
        return {"type": ["string", "null"]}
    if isinstance(value, Mapping) and value:
        known = {str(key): {} if key in _LISTS_WHEN_EMPTY else shape(item) for key, item in value.items()}
        schema: Json = {"type": "object", "properties": known}
        return {**schema, "required": list(known)} if is_whole else schema
    if isinstance(value, list | tuple) and value:
        return {"type": "array", "items": shape(value[0])}
    return {}


def ascending(command: Command) -> list[Refusal]:
    """The command's codes in their order."""
    return sorted(command.refusals, key=lambda refusal: refusal.code)


def answer_name(command: Command) -> str:
    """The name of the schema of its success."""
    return f"{command.name}.answer"


def schema_reference(name: str) -> str:
    """Where a schema stands."""
    return f"#/components/schemas/{name}"
