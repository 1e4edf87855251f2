"""The OpenAPI document of both doors, derived from the table of commands."""

import re
from collections.abc import Iterable
from typing import Any

from journeys_api import __version__
from journeys_api.commands.registry import CONTRACT, Command, Param, Refusal, Scope
from journeys_api.http import describing
from journeys_api.http.doors import LEGACY_NAME
from journeys_api.http.openapi_answers import (
    GENERAL_RESPONSES,
    answer_name,
    ascending,
    general_responses,
    general_schemas,
    responses,
    schema_reference,
    shape,
)

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
                **general_schemas(),
                **{command.name: _request_schema(command) for command in table},
                **{answer_name(command): shape(command.answer, is_whole=True) for command in table if command.answer},
            },
            "responses": general_responses(),
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
        "responses": responses(command),
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
    if param.family:
        return {**described, "style": "form", "explode": True, "schema": {"type": "object"}}
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
        content[media_type] = {"schema": {"$ref": schema_reference(command.name)}}
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
    properties |= {param.wire: _param_schema(param, command) for param in command.params if not param.family}
    families = {
        f"^{re.escape(param.family)}.+$": _param_schema(param, command) for param in command.params if param.family
    }
    schema: Json = {
        "type": "object",
        "title": command.title or command.name,
        "description": _request_description(command),
        "properties": properties,
        **({"patternProperties": families} if families else {}),
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
        facts.append("\n".join(f"- {each.code}: {each.message} ({each.status})" for each in ascending(command)))
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


def _legacy_operations(table: list[Command]) -> Json:
    calls = [{"allOf": [{"$ref": schema_reference(command.name)}, {"required": ["Command"]}]} for command in table]
    text = f"Every command, named by `Command`; the schema `{table[0].name if table else 'command'}` and its like list "
    shared: Json = {
        "tags": [LEGACY_NAME],
        "description": text + "the parameters and codes of each.",
        "security": [{}, *({scheme: []} for scheme in SCHEMES)],
        "responses": {
            "200": {
                "description": "What the command answers: its success, or its refusal",
                "content": {
                    "application/json": {"schema": {"$ref": schema_reference("LegacyAnswer")}},
                    "text/xml": {"schema": {"type": "string"}},
                },
            },
            **{
                str(GENERAL_RESPONSES[name][0]): {"$ref": f"#/components/responses/{name}"}
                for name in (
                    "LegacyNotAccepted",
                    "TooSlow",
                    "TooLarge",
                    "LegacyTooManyRequests",
                    "LegacyFailed",
                    "LegacyUnavailable",
                )
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
