"""The table of commands: each is declared once, beside its handler; doors, documents and tests are derived from it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

from journeys_api.commands.call import Body, Download
from journeys_api.commands.reading import Reader, Unreadable
from journeys_api.errors import DomainError, NotReadable
from journeys_api.strict_json import fold

MIB = 1024 * 1024
CONTRACT = "contract"
"""Source of a command that stands in `journey-api-documentation.txt`; every other source names where it comes from."""


class Scope(Enum):
    """Whose credential a command takes."""

    USER = "user"
    ADMIN = "admin"
    USER_OR_ADMIN = "user or admin"
    PUBLIC = "none"


class Transaction(Enum):
    """What is done or undone together."""

    WHOLE = "one transaction around the handler"
    EACH = "each statement"
    """For commands that only read, and for those whose one write is their last statement: saves the round trips of
    beginning and ending. What is written is committed before the answer all the same."""


class Envelope(Enum):
    """The documented shape of a command's refusal (rulings 1; JC 0.1)."""

    ERRORS = "Errors"
    """`{"Errors":[{Code,Message}]}`"""
    SUCCESS_ERRORS = "Success, Errors"
    """`{"Success":false,"Errors":[{Code,Message}]}`"""
    CODES = "Success, ErrorCode"
    """`{"Success":false,"ErrorCode":[1]}`, the same at both doors."""
    CODE_OBJECTS = "Success, ErrorCode of objects"
    """`{"Success":false,"ErrorCode":[{Code,Message}]}`, the same at both doors."""
    LEGACY = "Success, ErrorCode, ErrorText"
    """`{"Success":false,"ErrorCode":[1],"ErrorText":["…"]}`"""
    HYBRID = "Success, ErrorCode, Errors"
    """`{"Success":false,"ErrorCode":[1],"Errors":[{Code,Message}]}`"""
    SCALAR_ERRORS = "Success, scalar ErrorCode, ErrorText, Errors"
    """`{"Success":false,"ErrorCode":1,"ErrorText":"…","Errors":[{Code,Message}]}`; lists at the legacy door"""
    SCALAR = "Success, scalar ErrorCode, ErrorText"
    """`{"Success":false,"ErrorCode":1,"ErrorText":"…"}`"""


@dataclass(frozen=True)
class Refusal:
    """One code of a command, with its message and its status at the REST door."""

    code: int
    message: str
    status: int = 422
    source: str | None = None
    """Where a code comes from that the command's own page lacks; None: the command's page."""

    def with_detail(self, detail: str | None) -> "Refusal":
        """The same refusal whose message also names the place of the trouble."""
        if detail is None:
            return self
        return Refusal(self.code, f"{self.message}: {detail}", self.status, self.source)


class Rejection(Exception):
    """The call is refused, with every code at once; it changes nothing."""

    def __init__(self, refusals: Iterable[Refusal], extra: Mapping[str, object] | None = None) -> None:
        self.refusals = sorted(refusals, key=lambda refusal: refusal.code)
        self.extra = dict(extra or {})
        super().__init__(", ".join(str(refusal.code) for refusal in self.refusals))


@dataclass(frozen=True)
class Limit:
    """At most `count` calls in any `seconds`, per account and command."""

    count: int
    seconds: int


HUNDRED_A_MINUTE = Limit(100, 60)


@dataclass(frozen=True)
class Param:
    """One parameter: its names on the wire and in Python, how it is read, the codes of its absence and its form."""

    wire: str
    name: str
    read: Reader
    missing: int | None = None
    """Code of its absence; None: optional."""
    invalid: int | None = None
    """Code of a value that cannot be read; None: 100000, naming the parameter."""
    also: tuple[str, ...] = ()
    """Other wire names that it is accepted under."""
    default: Any = None
    """What the handler gets when it is absent."""
    keeps_empty: bool = False
    """Whether "" is a value (it clears a text on an update) and not absence."""
    doc: str = ""
    source: str | None = None
    """Where it comes from when the command's own page lacks it."""
    refers_to: str | None = None
    """What an id names: `journey`, `action`, `list`, `subscriber`, `tag`, `field`, `email`, `user` …. From it the tests
    derive that another account's id is answered like a missing one."""
    documented_type: str | None = None
    """The type that the contract prints, where it is not the reader's own."""
    family: str | None = None
    """For names that carry an id, such as `CustomField12`: takes every parameter whose name is this text and more.
    The reader gets a map of what follows the text (folded) to the value, "" included; `wire` is then only how the
    documents write the name."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Its wire names, folded, the one that counts first."""
        return tuple(map(fold, (self.wire, *self.also)))


class Reading:
    """What has been read of a call's input, and every code it earned. A command's `check` adds to both."""

    def __init__(self, command: "Command", given: Mapping[str, Any], *, now: datetime) -> None:
        self.command = command
        self.now = now
        self.arguments: dict[str, Any] = {}
        self._present: set[str] = set()
        self._refusals: dict[int, Refusal] = {}
        for param in command.params:
            self._read(param, given if param.family is None else {fold(param.wire): self._family(param.family, given)})

    def _family(self, prefix: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
        own = {name for param in self.command.params for name in param.names if not param.family}
        length = len(prefix)
        return {
            name[length:]: value
            for name, value in given.items()
            if name.startswith(fold(prefix)) and len(name) > length and name not in own and value is not None
        } or None

    def _read(self, param: Param, given: Mapping[str, Any]) -> None:
        self.arguments[param.name] = param.default
        for name in param.names:
            value = given.get(name)
            if value is not None and (value != "" or param.keeps_empty):
                break
        else:
            if param.missing is not None:
                self.refuse(param.missing)
            return
        self._present.add(param.name)
        try:
            self.arguments[param.name] = value if value == "" else param.read(value)
        except Unreadable:
            if param.invalid is None:
                raise NotReadable(f"the value of {param.wire} cannot be read") from None
            self.refuse(param.invalid)

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.arguments[name] = value

    def has(self, name: str) -> bool:
        """Whether the parameter was sent (null and "" are absence, unless it keeps empty text)."""
        return name in self._present

    def refuse(self, code: int | Refusal, detail: str | None = None) -> None:
        """Add one of the command's codes to the answer; a Refusal where one number has several messages."""
        refusal = code if isinstance(code, Refusal) else self.command.refusal(code)
        self._refusals.setdefault(refusal.code, refusal.with_detail(detail))

    @property
    def refusals(self) -> list[Refusal]:
        """Every code so far."""
        return list(self._refusals.values())

    def raise_refusals(self) -> None:
        """End the call here when it has earned a code."""
        if self._refusals:
            raise Rejection(self.refusals)


Handler = Callable[..., Awaitable[Body | Download]]
Check = Callable[[Reading], None]


@dataclass(frozen=True)
class Command:
    """One command, whole."""

    name: str
    handler: Handler
    routes: tuple[tuple[str, str], ...] = ()
    """(method, path) at the REST door; none: `/api.php` only."""
    scope: Scope = Scope.USER
    permission: str | None = None
    limit: Limit | None = None
    params: tuple[Param, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    errors: Mapping[type[DomainError], Refusal] = field(default_factory=dict)
    """What a service raises → the code it leaves as. A subclass answers as its own entry or its base's."""
    envelope: Envelope = Envelope.LEGACY
    check: Check | None = None
    """Judges what only several parameters together tell; adds its codes to those of the readers."""
    judges_stored: bool = False
    """Whether some parameter codes depend on the stored record: the handler then takes the whole `reading`, adds to it
    and raises `Rejection` itself."""
    failure: Refusal | None = None
    """The documented code of an internal failure; None: 100005."""
    body_limit: int = MIB
    counts_addresses: bool = False
    """For a public command: whether a call without a valid credential counts against its client address (rulings 2)."""
    transaction: Transaction = Transaction.WHOLE
    changes_principals: bool = False
    """Whether it may end or change a credential's rights: what is remembered of credentials is forgotten after it."""
    title: str = ""
    doc: str = ""
    source: str = CONTRACT
    example: Mapping[str, Any] = field(default_factory=dict)
    """An input that works as shown, without the credential."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """What a success looks like."""

    def refusal(self, code: int) -> Refusal:
        """The code's own entry (of several with one number, the first: that of the validation)."""
        for refusal in self.refusals:
            if refusal.code == code:
                return refusal
        raise KeyError(f"{self.name} declares no code {code}")

    def refusal_of(self, error: DomainError) -> Refusal | None:
        """The code that an error of the domain leaves this command as; None: the command does not expect it."""
        for kind in type(error).__mro__:
            if kind in self.errors:
                return self.errors[kind].with_detail(error.detail)
        return None

    def read(self, given: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
        """The handler's arguments, from input with folded names. `now` is what defaults of dates count from.

        Raises:
            Rejection: with every missing and invalid code of the call, ascending.
            NotReadable: a value that cannot be read, of a parameter without a code of its own.
        """
        reading = Reading(self, given, now=now)
        if self.check is not None:
            self.check(reading)
        if self.judges_stored:
            return {"reading": reading}
        if reading.refusals:
            raise Rejection(reading.refusals)
        return reading.arguments


COMMANDS: dict[str, Command] = {}
"""Every command by its folded name; filled by importing `journeys_api.commands.catalog`."""


def command(
    name: str,
    *,
    errors: Mapping[type[DomainError], Refusal | int] | None = None,
    routes: Iterable[tuple[str, str]] = (),
    params: Iterable[Param] = (),
    refusals: Iterable[Refusal] = (),
    **declared: Any,
) -> Callable[[Handler], Handler]:
    """Declare the decorated coroutine as the handler of a command. The rest is as the fields of `Command`.

    Args:
        errors: an int stands for the entry of `refusals` with that code; a Refusal that is not among them is added.
    """

    def declare(handler: Handler) -> Handler:
        listed = list(refusals)
        by_code: dict[int, Refusal] = {}
        for refusal in listed:
            by_code.setdefault(refusal.code, refusal)
        mapped: dict[type[DomainError], Refusal] = {}
        for error, target in (errors or {}).items():
            mapped[error] = by_code[target] if isinstance(target, int) else target
            if mapped[error] not in listed:
                listed.append(mapped[error])
        failure = declared.get("failure")
        if failure is not None and failure not in listed:
            listed.append(failure)
        made = Command(
            name=name,
            handler=handler,
            routes=tuple(routes),
            params=tuple(params),
            refusals=tuple(listed),
            errors=mapped,
            **declared,
        )
        _check_declaration(made)
        COMMANDS[fold(name)] = made
        return handler

    return declare


def _check_declaration(made: Command) -> None:
    if fold(made.name) in COMMANDS:
        raise ValueError(f"{made.name} is declared twice")
    taken = {route for other in COMMANDS.values() for route in other.routes}
    if taken & set(made.routes):
        raise ValueError(f"{made.name}: a route is taken")
    codes = {refusal.code for refusal in made.refusals}
    wires = [name for param in made.params for name in param.names]
    if len(wires) != len(set(wires)):
        raise ValueError(f"{made.name}: a parameter is declared twice")
    for param in made.params:
        for code in (param.missing, param.invalid):
            if code is not None and code not in codes:
                raise ValueError(f"{made.name}: {param.wire} names code {code}, which is not declared")


def missing(code: int, wire: str, **more: Any) -> Refusal:
    """`Missing <wire> parameter`, 422."""
    return Refusal(code, f"Missing {wire} parameter", 422, **more)


def invalid(code: int, wire: str, **more: Any) -> Refusal:
    """`Invalid <wire> parameter`, 422."""
    return Refusal(code, f"Invalid {wire} parameter", 422, **more)


def not_found(code: int, message: str, **more: Any) -> Refusal:
    """A record that is not there or not the caller's, 404."""
    return Refusal(code, message, 404, **more)
