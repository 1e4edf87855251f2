"""The OpenAPI document of both doors, derived from the table of commands."""

from collections.abc import Iterable, Mapping
from typing import Any

from journeys_api import __version__
from journeys_api.commands.registry import CONTRACT, Command, Envelope, Param, Refusal, Scope
from journeys_api.http import describing
from journeys_api.http.doors import LEGACY_NAME

Json = dict[str, Any]

BODY_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
LEGACY_PATH = f"/{LEGACY_NAME}"
SCHEMES: dict[str, Json] = {
    "APIKey": {"type": "apiKey", "in": "header", "name": "APIKey", "description": "A user's API key."},
    "APIKeyParameter": {"type": "apiKey", "in": "query", "name": "APIKey", "description": "A user's API key."},
    "SessionID": {
        "type": "apiKey",
        "in": "query",
        "name": "SessionID",
        "description": "What `user.login` or `admin.login` answered.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "description": "A user's API key or the administrator's."},
    "AdminAPIKey": {"type": "apiKey", "in": "header", "name": "AdminAPIKey", "description": "The administrator's key."},
    "AdminAPIKeyParameter": {
        "type": "apiKey",
        "in": "query",
        "name": "AdminAPIKey",
        "description": "The administrator's key.",
    },
}
_USERS = ("APIKey", "APIKeyParameter", "Bearer", "SessionID")
_ADMINISTRATORS = ("AdminAPIKey", "AdminAPIKeyParameter", "Bearer", "SessionID")
_SCHEMES_OF: dict[Scope, tuple[str, ...]] = {
    Scope.USER: _USERS,
    Scope.ADMIN: _ADMINISTRATORS,
    Scope.USER_OR_ADMIN: tuple(dict.fromkeys(_USERS + _ADMINISTRATORS)),
    Scope.PUBLIC: (),
}
_CODE: Json = {"type": "integer"}
_ERROR: Json = {
    "type": "object",
    "required": ["Code", "Message"],
    "properties": {"Code": _CODE, "Message": {"type": "string"}},
}


def openapi_document(commands: Iterable[Command], *, public_url: str | None) -> Json:
    """OpenAPI 3.1: every command with its parameters, codes, messages, statuses and examples.

    A GET's parameters are described as query parameters only: it may bring a JSON body too, which few clients can send.
    """
    table = sorted(commands, key=lambda command: command.name)
    paths: Json = {}
    for command in table:
        for place, (method, path) in enumerate(command.routes):
            paths.setdefault(path, {})[method.lower()] = _operation(command, method, is_first=place == 0)
    paths[LEGACY_PATH] = _legacy_operations(table)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Journeys API", "version": __version__, "description": describing.INTRODUCTION},
        "servers": [{"url": public_url.rstrip("/") if public_url else "/"}],
        "tags": [{"name": name} for name in dict.fromkeys([*sorted(map(describing.noun, table)), LEGACY_NAME])],
        "paths": paths,
        "components": {
            "schemas": {
                **_general_schemas(),
                **{command.name: _request_schema(command) for command in table},
                **{_answer_name(command): _shape(command.answer, is_whole=True) for command in table if command.answer},
            },
            "responses": _general_responses(),
            "securitySchemes": SCHEMES,
        },
    }


def _operation(command: Command, method: str, *, is_first: bool) -> Json:
    facts = (describing.documentation(command), describing.callers(command), describing.limits(command))
    operation: Json = {
        "operationId": command.name if is_first else f"{command.name}.{method.lower()}",
        "tags": [describing.noun(command)],
        "summary": command.title,
        "description": "\n\n".join(fact for fact in facts if fact),
        "security": [{scheme: []} for scheme in _SCHEMES_OF[command.scope]],
        "responses": _responses(command),
        **_marks(command),
    }
    if method == "GET":
        operation["parameters"] = [_query_parameter(param, command) for param in command.params]
    elif command.params:
        operation["requestBody"] = _request_body(command)
    return operation


def _marks(command: Command) -> Json:
    marks: Json = {"x-command": command.name, "x-source": describing.origin(command.source) or CONTRACT}
    if command.permission:
        marks["x-permission"] = command.permission
    if command.limit:
        marks["x-rate-limit"] = {"calls": command.limit.count, "seconds": command.limit.seconds}
    return marks


def _query_parameter(param: Param, command: Command) -> Json:
    schema = _param_schema(param, command)
    described: Json = {"name": param.wire, "in": "query", "required": param.missing is not None}
    described["description"] = schema.pop("description", "")
    if schema.get("type") in ("array", "object") or "type" not in schema:
        return {**described, "content": {"application/json": {"schema": schema}}}
    return {**described, "schema": schema}


def _request_body(command: Command) -> Json:
    nested = {
        param.wire: {"contentType": "application/json"}
        for param in command.params
        if param.read.schema.get("type") in ("array", "object")
    }
    content: Json = {}
    for media_type in BODY_TYPES:
        content[media_type] = {"schema": {"$ref": _schema(command.name)}}
        if nested and media_type != "application/json":
            content[media_type]["encoding"] = nested
        if command.example and media_type == "application/json":
            content[media_type]["example"] = dict(command.example)
    return {"required": any(param.missing is not None for param in command.params), "content": content}


def _request_schema(command: Command) -> Json:
    """The command's parameters, whichever door they come in by; at `/api.php` its `Command` is required."""
    properties: Json = {
        "Command": {"const": command.name, "description": f"Required at `{LEGACY_PATH}`, and in any case of letters."}
    }
    properties |= {param.wire: _param_schema(param, command) for param in command.params}
    schema: Json = {
        "type": "object",
        "title": command.title or command.name,
        "description": _request_description(command),
        "properties": properties,
        **_marks(command),
        "x-codes": [_code_mark(refusal, command) for refusal in command.refusals],
    }
    required = [param.wire for param in command.params if param.missing is not None]
    if required:
        schema["required"] = required
    return schema


def _request_description(command: Command) -> str:
    facts = [describing.documentation(command), describing.callers(command), describing.limits(command)]
    if command.refusals:
        facts.append("\n".join(f"- {each.code}: {each.message} ({each.status})" for each in _ascending(command)))
    return "\n\n".join(fact for fact in facts if fact)


def _code_mark(refusal: Refusal, command: Command) -> Json:
    mark: Json = {"Code": refusal.code, "Message": refusal.message, "Status": refusal.status}
    addition = describing.origin(refusal.source, inherited=command.source)
    return {**mark, "Source": addition} if addition else mark


def _param_schema(param: Param, command: Command) -> Json:
    schema = dict(param.read.schema)
    told = [describing.parameter(param, command), schema.pop("description", "")]
    if described := " ".join(sentence for sentence in told if sentence):
        schema["description"] = described
    default = describing.default_of(param)
    if default is not None:
        schema["default"] = default
    if param.missing is not None and schema.get("type") == "string" and "enum" not in schema:
        schema["minLength"] = 1  # "" is absence
    if param.wire in command.example:
        schema["examples"] = [command.example[param.wire]]
    if param.also:
        schema["x-also"] = list(param.also)
    addition = describing.origin(param.source, inherited=command.source)
    if addition:
        schema["x-source"] = addition
    return schema


def _responses(command: Command) -> Json:
    """Every status of the command at REST, with an example for each code."""
    responses: Json = {"200": _success(command)}
    general = _general_statuses(command)
    own: dict[int, list[Refusal]] = {}
    for refusal in _ascending(command):
        own.setdefault(refusal.status, []).append(refusal)
    for status in sorted({*own, *general}):
        if status not in own:
            responses[str(status)] = {"$ref": f"#/components/responses/{general[status][0]}"}
            continue
        examples: Json = {}
        for refusal in own[status]:
            name = str(refusal.code) if str(refusal.code) not in examples else f"{refusal.code}-{len(examples)}"
            examples[name] = {"summary": refusal.message, "value": describing.refused(command, refusal)}
        schemas = [{"$ref": _schema(ENVELOPE_NAMES[command.envelope])}]
        if status in general:
            schemas.append({"$ref": _schema("HardFailure")})
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
    content: Json = {"schema": {"$ref": _schema(_answer_name(command))} if command.answer else {"type": "object"}}
    if command.answer:
        content["example"] = dict(command.answer)
    return {"description": "Success", "content": {"application/json": content}}


def _general_statuses(command: Command) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Status → name of the shared response and its codes, for what every command may answer."""
    statuses = {name: (status, codes) for name, (status, codes, _) in _GENERAL_RESPONSES.items()}
    names = ["NotReadable", "TooSlow", "TooLarge", "TooManyRequests", "Failed", "Unavailable"]
    if command.scope is not Scope.PUBLIC:
        names += ["Unauthenticated", "Forbidden"]
    return {statuses[name][0]: (name, statuses[name][1]) for name in names}


_GENERAL_RESPONSES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "NotReadable": (400, (100000,), "100000: the request cannot be read."),
    "LegacyNotAccepted": (400, (100000, 100001, 100003), "The request cannot be read, or names no command."),
    "Unauthenticated": (401, (99998,), "99998: no credential, an unknown or expired one, or two that differ."),
    "Forbidden": (403, (99999,), "99999: the caller may not call this command."),
    "TooSlow": (408, (100000,), "100000: the body did not arrive in time."),
    "TooLarge": (413, (100000,), "100000: the body is too large."),
    "TooManyRequests": (429, (429,), "429: too many calls; `Retry-After` says how long to wait."),
    "Failed": (500, (100005,), "100005: something failed inside; nothing was changed."),
    "Unavailable": (503, (100005,), "100005: the database cannot be reached; nothing was changed."),
}


def _general_responses() -> Json:
    responses: Json = {}
    for name, (status, codes, description) in _GENERAL_RESPONSES.items():
        response: Json = {
            "description": description,
            "content": {
                "application/json": {
                    "schema": {"$ref": _schema("HardFailure")},
                    "examples": {str(code): _general_example(code) for code in codes},
                }
            },
        }
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
}


def _general_schemas() -> Json:
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


def _shape(value: Any, *, is_whole: bool = False) -> Json:
    """The types of an example. What is null or empty there may be anything; every key of the whole is always there."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer"}
    if isinstance(value, float):
        return {"type": "number"}
    if isinstance(value, str):
        return {"type": "string"}
    if isinstance(value, Mapping) and value:
        schema: Json = {"type": "object", "properties": {str(key): _shape(item) for key, item in value.items()}}
        return {**schema, "required": [str(key) for key in value]} if is_whole else schema
    if isinstance(value, list | tuple) and value:
        return {"type": "array", "items": _shape(value[0])}
    return {}


def _legacy_operations(table: list[Command]) -> Json:
    calls = [{"allOf": [{"$ref": _schema(command.name)}, {"required": ["Command"]}]} for command in table]
    text = f"Every command, named by `Command`; the schema `{table[0].name if table else 'command'}` and its like list "
    shared: Json = {
        "tags": [LEGACY_NAME],
        "description": text + "the parameters and codes of each.",
        "security": [{}, *({scheme: []} for scheme in SCHEMES)],
        "responses": {
            "200": {
                "description": "What the command answers: its success, or its refusal",
                "content": {
                    "application/json": {"schema": {"$ref": _schema("LegacyAnswer")}},
                    "text/xml": {"schema": {"type": "string"}},
                },
            },
            **{
                str(_GENERAL_RESPONSES[name][0]): {"$ref": f"#/components/responses/{name}"}
                for name in ("LegacyNotAccepted", "TooSlow", "TooLarge", "TooManyRequests", "Failed", "Unavailable")
            },
        },
    }
    names: Json = {"type": "string", "enum": [command.name for command in table]}
    named = {"name": "Command", "in": "query", "required": True, "schema": names}
    rest: Json = {"name": "Parameters", "in": "query", "style": "form", "explode": True}
    rest |= {"description": "The parameters of the command.", "schema": {"type": "object"}}
    as_xml = {"name": "ResponseFormat", "in": "query", "schema": {"type": "string", "enum": ["JSON", "XML"]}}
    content = {media_type: {"schema": {"oneOf": calls}} for media_type in BODY_TYPES}
    return {
        "get": {
            **shared,
            "operationId": "call.get",
            "summary": "Call any command",
            "parameters": [named, as_xml, rest],
        },
        "post": {
            **shared,
            "operationId": "call",
            "summary": "Call any command",
            "parameters": [as_xml],
            "requestBody": {"required": True, "content": content},
        },
    }


def _ascending(command: Command) -> list[Refusal]:
    return sorted(command.refusals, key=lambda refusal: refusal.code)


def _answer_name(command: Command) -> str:
    return f"{command.name}.answer"


def _schema(name: str) -> str:
    return f"#/components/schemas/{name}"
