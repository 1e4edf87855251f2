"""A parsed template: what it is made of, and how each part becomes text for a mode.

A tree of nodes is bound once for each mode that it is rendered for. What remains is a flat list of texts and of small
functions from context to text; those that choose among several such lists can be asked which.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from html import unescape
from typing import TypeAlias

from journeys_api.delivery.personalization.conditions import Test
from journeys_api.delivery.personalization.context import Context
from journeys_api.delivery.personalization.encoding import (
    Encode,
    Mode,
    Place,
    fallback_encoding,
    raw_encoding,
    ready_encoding,
    value_encoding,
)
from journeys_api.delivery.personalization.expressions import LINK, Expression, is_blank
from journeys_api.delivery.personalization.filters import capitalize_all
from journeys_api.errors import DomainError

Op = Callable[[Context], str]
Program = list[str | Op]

MAX_RENDERED = 32 * 1024 * 1024
"""Characters of one rendered text: twice the longest email that is accepted, and what a worker can bear."""

_ENTITY = re.compile(r"(&#?[0-9A-Za-z]{1,32};)")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class RenderingTooLarge(DomainError):
    """The personalized text is too large"""


class Case(Enum):
    """What `[TITLE:…]`, `[UPPER:…]` and `[LOWER:…]` do to the text inside them."""

    TITLE = "TITLE"
    UPPER = "UPPER"
    LOWER = "LOWER"

    def of(self, text: str, *, in_word: bool = False) -> str:
        """The text in this case."""
        if self is Case.UPPER:
            return text.upper()
        return text.lower() if self is Case.LOWER else capitalize_all(text, in_word=in_word)


@dataclass(frozen=True, slots=True)
class Text:
    """What the author wrote."""

    text: str
    is_markup: bool = False
    """Whether it is part of an HTML element; told only inside the brackets of a `Cased`."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A value."""

    source: str
    expression: Expression
    place: Place
    is_markup: bool = False
    """Whether it stands inside an HTML element."""
    is_raw: bool = False
    is_first: bool = False
    """Whether nothing stands before it."""


@dataclass(frozen=True, slots=True)
class Made:
    """A text that is no value of anybody: random characters, remote content."""

    read: Op
    is_cased: bool = True


@dataclass(frozen=True, slots=True)
class Included:
    """A text from elsewhere with tags of its own, by the address that this reads."""

    read_url: Op


@dataclass(frozen=True, slots=True)
class Choice:
    """A spinner."""

    choose: Callable[[Context], int]
    variants: list[list["Node"]]


@dataclass(frozen=True, slots=True)
class Branch:
    """A conditional."""

    test: Test
    then: list["Node"]
    otherwise: list["Node"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cased:
    """Text in another case."""

    case: Case
    nodes: list["Node"]


Node: TypeAlias = Text | Tag | Made | Included | Choice | Branch | Cased


class Decision:
    """A part of a program that goes on with one of several programs."""

    def __init__(self, choose: Callable[[Context], int], programs: Sequence[Program]) -> None:
        self.choose = choose
        self.programs = programs

    def __call__(self, context: Context) -> str:
        """The text of the chosen one."""
        return run(self.programs[self.choose(context)], context)


def decisions_in(program: Program) -> list[Decision]:
    """Those that are made in any case."""
    return [part for part in program if isinstance(part, Decision)]


def decided(decisions: Sequence[Decision], context: Context) -> Iterator[int]:
    """What the decisions come to, each followed by those that it leads to."""
    for decision in decisions:
        choice = decision.choose(context)
        yield choice
        yield from decided(decisions_in(decision.programs[choice]), context)


def with_decisions(program: Program, choices: Iterator[int]) -> Program:
    """The program with each decision made, in the order of `decided`."""
    made: Program = []
    for part in program:
        if isinstance(part, Decision):
            made += with_decisions(part.programs[next(choices)], choices)
        else:
            made.append(part)
    return made


def run(program: Program, context: Context) -> str:
    """The text of a program.

    Raises:
        RenderingTooLarge: values and texts together pass `MAX_RENDERED`.
    """
    if len(program) == 1 and isinstance(program[0], str):
        return program[0]
    parts: list[str] = []
    size = 0
    for part in program:
        text = part if isinstance(part, str) else part(context)
        parts.append(text)
        size += len(text)
        # a short template may name a long value ten thousand times
        if size > MAX_RENDERED:
            raise RenderingTooLarge
    return "".join(parts)


def bind(nodes: Sequence[Node], mode: Mode, case: Case | None = None) -> Program:
    """The program of these nodes; texts that meet are joined, and tags that mean the same are one function."""
    program: Program = []
    texts: list[str] = []
    tags: dict[tuple[Tag, bool], Op] = {}
    in_word = False
    for node in nodes:
        if isinstance(node, Text):
            texts.append(_text(node, mode, case, in_word=in_word))
            if not (node.is_markup and mode is Mode.HTML):
                in_word = not node.text[-1:].isspace()
            continue
        if isinstance(node, Tag):
            bound = tags.get((node, in_word))
            if bound is None:
                bound = tags[node, in_word] = _tag(node, mode, case, in_word=in_word)
        else:
            bound = _block(node, mode, case)
        in_word = True
        if texts:
            program.append("".join(texts))
            texts.clear()
        program.append(bound)
    if texts:
        program.append("".join(texts))
    return program


def _text(node: Text, mode: Mode, case: Case | None, *, in_word: bool) -> str:
    if case is None:
        return node.text
    if mode is not Mode.HTML:
        return case.of(node.text, in_word=in_word)
    if node.is_markup:
        return node.text
    words: list[str] = []
    for part in _ENTITY.split(node.text):
        # `&nbsp;` in capitals is no blank any more
        is_entity = _ENTITY.fullmatch(part)
        words.append(part if is_entity else case.of(part, in_word=in_word))
        in_word = not unescape(part)[-1:].isspace() if part else in_word
    return "".join(words)


def _block(node: Made | Included | Choice | Branch | Cased, mode: Mode, case: Case | None) -> Op:
    if isinstance(node, Made):
        return _made(node, mode, case)
    if isinstance(node, Included):
        return _included(node, mode)
    if isinstance(node, Choice):
        return _choice(node, mode, case)
    if isinstance(node, Branch):
        return _branch(node, mode, case)
    inner = bind(node.nodes, mode, node.case)
    return lambda context: run(inner, context)


def _choice(node: Choice, mode: Mode, case: Case | None) -> Op:
    return Decision(node.choose, [bind(variant, mode, case) for variant in node.variants])


def _branch(node: Branch, mode: Mode, case: Case | None) -> Op:
    test = node.test
    then, otherwise = bind(node.then, mode, case), bind(node.otherwise, mode, case)
    return Decision(lambda context: 0 if test(context) else 1, [then, otherwise])


def _made(node: Made, mode: Mode, case: Case | None) -> Op:
    read, encode = node.read, raw_encoding(mode)
    if case is not None and node.is_cased:
        return lambda context: encode(case.of(read(context)))
    return lambda context: encode(read(context))


def _included(node: Included, mode: Mode) -> Op:
    read_url, encode = node.read_url, raw_encoding(mode)

    def op(context: Context) -> str:
        found = context.included.get(read_url(context))
        # a text that names itself ends here
        return "" if found is None else encode(found.render(replace(context, included={}), mode=mode))

    return op


def _tag(node: Tag, mode: Mode, case: Case | None, *, in_word: bool) -> Op:
    expression = node.expression
    encode = _encoding(node, mode)
    if case is not None and not expression.is_link and not (mode is Mode.HTML and node.is_markup):
        encode = _cased(case, encode, in_word=in_word)
    fallback = None if expression.fallback is None else _fallback(node, expression.fallback, mode, case)
    if expression.needs_field:
        return _field_or_source(node, encode)
    read = expression.read

    def op(context: Context) -> str:
        text = read(context)
        if fallback is not None and is_blank(text):
            return fallback
        return encode(text)

    return op


def _field_or_source(node: Tag, encode: Encode) -> Op:
    """`{{ city }}` is a tag for subscribers with such a field, and the author's own text elsewhere."""
    expression = node.expression
    return lambda context: encode(expression.read(context)) if is_known(expression, context) else node.source


def is_known(expression: Expression, context: Context) -> bool:
    """Whether the context knows what a tag names that is one only then."""
    if expression.reference == LINK:
        return context.link is not None
    return context.has(expression.reference.namespace, expression.reference.name)


def _encoding(node: Tag, mode: Mode) -> Encode:
    expression = node.expression
    if expression.is_link and mode is Mode.HEADER:
        return lambda _: ""
    if node.is_raw or expression.is_raw:
        encode = raw_encoding(mode)
    elif expression.is_link or expression.is_encoded:
        return ready_encoding(mode, node.place)
    else:
        encode = value_encoding(mode, node.place, is_first=node.is_first)
    if expression.has_breaks and mode is Mode.HTML and node.place is Place.TEXT:
        return lambda text: _LINE_BREAK.sub(r"<br />\g<0>", encode(text))
    return encode


def _cased(case: Case, encode: Encode, *, in_word: bool) -> Encode:
    return lambda text: encode(case.of(text, in_word=in_word))


def _fallback(node: Tag, fallback: str, mode: Mode, case: Case | None) -> str:
    text = fallback if case is None else case.of(fallback)
    if node.is_raw or node.expression.is_raw:
        return raw_encoding(mode)(text)
    return fallback_encoding(mode, node.place, is_first=node.is_first)(text)
