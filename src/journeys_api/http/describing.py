"""What the documents say of a command, in words: shared by the OpenAPI document and the page `docs/api.md`."""

import inspect
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any

from journeys_api.commands.registry import CONTRACT, MIB, Command, Param, Refusal, Scope
from journeys_api.commands.wire import day, instant
from journeys_api.http import envelopes
from journeys_api.http.envelopes import Answer, Door

INTRODUCTION = """\
Every command can be called at two doors, which read the same parameters and run the same code.

**REST**: `/api/v1/…`. The path names the command; a parameter `Command` is optional and ignored. A success is 200 \
with the documented body, a refusal is a 4xx status with the documented codes.

**Legacy**: `/api.php`. The parameter `Command` names the command, in any case; GET and POST mean the same. Every \
answer of a command is 200, a refusal too; beside the documented body stand `Success`, `ErrorCode` (0, or a list of \
codes) and `ErrorText` (empty, or a list of messages in parallel). `/api.php/anything`, `//api.php` and \
`/any/directory/api.php` are the same door. `ResponseFormat=XML`, spelled exactly so, answers XML; anything else \
answers JSON.

**Parameters** come in the query string, as a form, as multipart fields or as JSON, with every method, GET included; \
JSON wins over the query string. Names are compared without case at every depth, and unknown names are ignored. \
Everything may be text: `7` and `"7"` are one thing; `1 true yes on` are true. `null` and `""` count as absent. \
Arrays and objects may be written as JSON, as a JSON text, or with PHP's brackets (`Actions[0][Action]=Wait`). Text is \
UTF-8. A body ends at 1 MiB unless the command says more, a form at 20,000 fields, nesting at 128 levels.

**Credentials** are `SessionID`, `APIKey` or `AdminAPIKey` as a parameter, the headers `APIKey` and `AdminAPIKey`, or \
`Authorization: Bearer <key>`. Two valid ones of different accounts are refused. Cookies are never looked at.

**Refusals** list every code of the call at once, ascending. What is missing or invalid is judged first, then the main \
record, then records it refers to. A refused call changes nothing. Another account's record is answered like one that \
never existed."""


def documentation(command: Command) -> str:
    """What the command does, for its caller: its declared text, or the handler's docstring without its notes for us."""
    written = command.doc or inspect.getdoc(command.handler) or ""
    told = [paragraph for paragraph in written.split("\n\n") if not paragraph.startswith(_NOTES)]
    return "\n\n".join(told).strip()


_NOTES = ("Source:", "Raises:", "Args:", "Returns:")


def noun(command: Command) -> str:
    """The heading that the command stands under: the package that declares it, the engine's under journeys."""
    package = command.handler.__module__.split(".")[1]
    return "journeys" if package in ("engine", "operators") else package.replace("_", " ")


def callers(command: Command) -> str:
    """Whose credential it takes, in one sentence."""
    match command.scope:
        case Scope.PUBLIC:
            return "No credential is needed."
        case Scope.ADMIN:
            return "For administrators."
        case Scope.USER:
            return f"For users with the permission `{command.permission}`." if command.permission else "For every user."
        case Scope.USER_OR_ADMIN:
            granted = f"users with the permission `{command.permission}`" if command.permission else "users"
            return f"For administrators and {granted}."


def limits(command: Command) -> str:
    """How often it may be called and how much it takes, in one sentence; empty when nothing is out of the ordinary."""
    sentences = []
    if command.limit is not None:
        sentences.append(f"At most {command.limit.count} calls in {command.limit.seconds} seconds for each account.")
    if command.counts_addresses:
        sentences.append("Calls without a valid credential count against the client address: 300 in 60 seconds.")
    if command.body_limit != MIB:
        sentences.append(f"The body may have {command.body_limit // MIB} MiB.")
    return " ".join(sentences)


def origin(source: str | None, *, inherited: str = CONTRACT) -> str:
    """Where something comes from, for what its command's own page lacks; empty for what stands there."""
    if source is None or source == inherited:
        return ""
    return source if source.startswith("ours") else "the vendor's other pages"


def parameter(param: Param, command: Command) -> str:
    """What a parameter is for, with its other spellings and where it comes from."""
    sentences = [param.doc.strip()] if param.doc else []
    if param.also:
        sentences.append("Also accepted as " + ", ".join(f"`{name}`" for name in param.also) + ".")
    if param.keeps_empty:
        sentences.append("Empty text is a value.")
    addition = origin(param.source, inherited=command.source)
    if addition:
        sentences.append(f"Added ({addition}).")
    return " ".join(sentences)


def values_of(param: Param) -> str:
    """Which values a parameter takes, in words, as far as its own text does not say it; OpenAPI has the schema."""
    schema = param.read.schema
    allowed = [str(value) for value in schema.get("enum") or schema.get("items", {}).get("enum") or () if value != ""]
    if allowed and not all(value in param.doc for value in allowed):
        return ("Any of " if "items" in schema else "One of ") + ", ".join(f"`{value}`" for value in allowed) + "."
    told = str(schema.get("description", ""))
    is_said = told.partition(";")[0].lower() in param.doc.lower()
    return "" if is_said else told if told.endswith(".") else f"{told}."


def default_of(param: Param) -> Any:
    """A parameter's default as JSON; None when it has none worth telling."""
    return _plain(param.default)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return day(value)
    if isinstance(value, str | int | float | bool) and value != "":
        return value
    if isinstance(value, list | tuple | set | frozenset) and value:
        return [_plain(item) for item in value]
    if isinstance(value, Mapping) and value:
        return {str(key): _plain(item) for key, item in value.items()}
    return None


def type_of(param: Param) -> str:
    """The name of a parameter's type, as the contract prints it."""
    if param.documented_type:
        return param.documented_type
    names = {"integer": "Integer", "boolean": "Boolean", "array": "Array", "object": "Object", "number": "Decimal"}
    return names.get(str(param.read.schema.get("type")), "String")


def general(code: int) -> Answer:
    """The REST answer of a code that is no command's own."""
    match code:
        case 99998:
            return envelopes.credential_refused(Door.REST)
        case 99999:
            return envelopes.permission_refused(Door.REST)
        case 429:
            return envelopes.rate_limited(())
        case 100000:
            return envelopes.not_readable("not valid JSON")
        case 100001:
            return envelopes.wrong_method(Door.REST, ())
        case 100003:
            return envelopes.unknown_command("journey.lst")
        case 100005:
            return envelopes.internal_failure()
    raise KeyError(code)


GENERAL_CODES: dict[int, str] = {
    429: "Too many calls, or too many refused credentials from one address; `Retry-After` says how long to wait.",
    99998: "No credential, an unknown or expired one, or two of different accounts.",
    99999: "The credential is valid, and the caller may not call this command.",
    100000: "The request cannot be read: not JSON, a name twice, too deep, NUL, or a value of the wrong kind for a "
    "parameter without a code of its own. 413 when the body is too large, 408 when it does not arrive in time.",
    100001: "A method that the address does not take. 400 at `/api.php`.",
    100003: "No such command. 404 for an unknown path under `/api/v1/`.",
    100005: "Something failed inside (500), or the database cannot be reached (503). Nothing was changed.",
}
"""The codes that every command may answer with; all but 99998 and 99999 carry their status at both doors."""


def refused(command: Command, refusal: Refusal, door: Door = Door.REST) -> Mapping[str, Any]:
    """The body of a refusal with one code."""
    return envelopes.refusal(door, command.envelope, [refusal], {}).body
