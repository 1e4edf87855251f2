"""From a text to the nodes of a template.

One pass from left to right over the tags; blocks that are open stand on a stack. A block that is not well formed is
taken apart again: its tags become text, and what it held stays where it was.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

from journeys_api.delivery.personalization.chance import chosen, random_text
from journeys_api.delivery.personalization.conditions import Test, modern_condition
from journeys_api.delivery.personalization.encoding import Mode
from journeys_api.delivery.personalization.expressions import Expression, expression_of
from journeys_api.delivery.personalization.legacy import LEGACY_VALUES, legacy_expression, legacy_test
from journeys_api.delivery.personalization.markup import Markup, State
from journeys_api.delivery.personalization.nodes import (
    Branch,
    Case,
    Cased,
    Choice,
    Included,
    Made,
    Node,
    Tag,
    Text,
    bind,
    run,
)
from journeys_api.delivery.personalization.tokens import INSIDE_BRACKETS, ONLY_VALUES, OUTSIDE, Token

MAX_DEPTH = 32
MAX_REPORTED = 100
"""Problems and unreadable tags that are kept; a broken template of megabytes tells enough with these."""

_IF = re.compile(r"if\s+(.+)", re.IGNORECASE | re.DOTALL)
_REMOTE_ADDRESS = re.compile(r"%RemoteContent(BeforeSend)?=(.*)%", re.DOTALL)


@dataclass
class Parsed:
    """A template's nodes, and what its callers want to know of it."""

    nodes: list[Node]
    names: frozenset[tuple[str, str]]
    problems: tuple[str, ...]
    unreadable: tuple[str, ...]
    bare_tags: tuple[Tag, ...]
    """Tags that are such only for subscribers with a field of that name."""
    remotes: tuple["Parsed", ...]
    includes: tuple["Parsed", ...]
    remote_contents: tuple[str, ...]

    @property
    def is_static(self) -> bool:
        """Whether there is nothing but text."""
        return all(isinstance(node, Text) for node in self.nodes)


class _Kind(Enum):
    ROOT = "root"
    IF = "if"
    LEGACY_IF = "legacy if"
    SPIN = "spin"
    CASE = "case"


_BRACKETS = (_Kind.SPIN, _Kind.CASE)


@dataclass(slots=True)
class _Block:
    """A block whose end has not come yet."""

    kind: _Kind
    source: str
    before: tuple[State, bool]
    """Where the document stood at its beginning: each of its parts begins there."""
    test: Test | None = None
    case: Case | None = None
    parts: list[list[Node]] = field(default_factory=lambda: [[]])
    separators: list[str] = field(default_factory=list)
    """What stood between the parts, to take the block apart again."""
    refused: dict[_Kind, int] = field(default_factory=dict)
    """Conditionals inside that are text; their ends are text too."""


def parse(text: str, *, only_values: bool = False) -> Parsed:
    """Read a template; whatever the text, it is one.

    Args:
        only_values: know the tags of single values only, as within an address.
    """
    return _Parser(text, only_values=only_values).parsed()


class _Parser:
    def __init__(self, text: str, *, only_values: bool) -> None:
        self._text = text
        self._only_values = only_values
        self._markup = Markup()
        self._is_first = True
        self._stack = [_Block(_Kind.ROOT, "", (self._markup.state, True))]
        self._names: set[tuple[str, str]] = set()
        self._problems: dict[str, None] = {}
        self._unreadable: dict[str, None] = {}
        self._expressions: dict[str, Expression | None] = {}
        self._bare_tags: dict[str, Tag] = {}
        self._remotes: list[Parsed] = []
        self._includes: list[Parsed] = []
        self._remote_contents: list[str] = []
        self._ordinal = 0
        self._at = 0
        self._texts: list[str] = []
        """Text that has been passed and stands in no node yet."""
        self._open_cases = 0

    def parsed(self) -> Parsed:
        while found := self._pattern().search(self._text, self._at):
            if found.start() > self._at:
                self._texts.append(self._text[self._at : found.start()])
            self._at = found.end()
            _TAKE[found.lastgroup or ""](self, found.group())
        self._texts.append(self._text[self._at :])
        while len(self._stack) > 1:
            self._take_apart()
        self._flush()
        return Parsed(
            nodes=self._stack[0].parts[0],
            names=frozenset(self._names),
            problems=tuple(self._problems),
            unreadable=tuple(self._unreadable),
            bare_tags=tuple(self._bare_tags.values()),
            remotes=tuple(self._remotes),
            includes=tuple(self._includes),
            remote_contents=tuple(self._remote_contents),
        )

    def _pattern(self) -> re.Pattern[str]:
        if self._only_values:
            return ONLY_VALUES
        return INSIDE_BRACKETS if self._stack[-1].kind in _BRACKETS else OUTSIDE

    # values

    def _modern(self, source: str) -> None:
        is_raw = source.startswith("{{{")
        inner = source[3:-3] if is_raw else source[2:-2]
        word = inner.strip()
        if not is_raw and not self._only_values:
            condition = _IF.fullmatch(word)
            if condition:
                self._open_condition(_Kind.IF, source, partial(self._modern_test, condition[1]))
                return
            if word.lower() == "else":
                self._else(_Kind.IF, source)
                return
            if word.lower() == "endif":
                self._end_condition(_Kind.IF, source)
                return
        if inner not in self._expressions:
            self._expressions[inner] = expression_of(inner)
        expression = self._expressions[inner]
        if expression is None:
            self._refuse(source)
        else:
            self._add_tag(source, expression, is_raw=is_raw)

    def _random(self, source: str) -> None:
        self._add_made(Made(random_text(source, self._next_ordinal())))

    def _add_tag(self, source: str, expression: Expression, *, is_raw: bool = False) -> None:
        self._flush()
        self._names.add((expression.reference.namespace, expression.reference.name))
        place, is_markup = self._markup.place(), self._markup.is_markup()
        tag = Tag(source, expression, place, is_markup, is_raw=is_raw, is_first=self._is_first)
        if expression.needs_field:
            self._bare_tags.setdefault(source, tag)
        self._stack[-1].parts[-1].append(tag)
        self._pass_tag()

    def _add_made(self, made: Made | Included) -> None:
        self._flush()
        self._stack[-1].parts[-1].append(made)
        self._pass_tag()

    def _remote(self, source: str) -> None:
        found = _REMOTE_ADDRESS.fullmatch(source)
        assert found is not None, "the pattern of the tags is the stricter one"
        address = self._part(found[2].replace("&amp;", "&"))
        self._remote_contents.append(found[2])
        program = bind(address.nodes, Mode.URL)
        if found[1]:
            self._includes.append(address)
            self._add_made(Included(lambda context: run(program, context)))
        else:
            self._remotes.append(address)
            self._add_made(Made(lambda context: context.remote.get(run(program, context), ""), is_cased=False))

    def _part(self, text: str) -> Parsed:
        """A text within a tag, with the tags inside it."""
        part = parse(text, only_values=True)
        self._names |= part.names
        for source in part.unreadable:
            self._note_unreadable(source)
        for tag in part.bare_tags:
            self._bare_tags.setdefault(tag.source, tag)
        return part

    def _pass_tag(self) -> None:
        self._is_first = False
        self._markup.pass_tag()

    def _next_ordinal(self) -> int:
        self._ordinal += 1
        return self._ordinal

    # text

    def _flush(self) -> None:
        """Make a node of the text that has been passed: before a tag, and where a block or a part of it begins."""
        if not self._texts:
            return
        text = "".join(self._texts)
        self._texts.clear()
        self._is_first = self._is_first and (not text or text.isspace())
        nodes = self._stack[-1].parts[-1]
        if self._open_cases:
            nodes.extend([Text(piece, is_markup) for piece, is_markup in self._markup.pieces(text)])
        elif text:
            self._markup.pass_text(text)
            nodes.append(Text(text))

    def _refuse(self, source: str) -> None:
        """A tag that nobody knows the meaning of is text."""
        self._note_unreadable(source)
        self._texts.append(source)

    def _note_unreadable(self, source: str) -> None:
        if len(self._unreadable) < MAX_REPORTED:
            self._unreadable[source] = None

    def _report(self, source: str, trouble: str) -> None:
        if len(self._problems) < MAX_REPORTED:
            self._problems[f"{source if len(source) <= 80 else source[:80] + '…'} {trouble}"] = None

    # blocks

    def _here(self) -> tuple[State, bool]:
        self._flush()
        return self._markup.state, self._is_first

    def _is_too_deep(self, source: str) -> bool:
        """Whether no block may be opened here; its tag is text then."""
        if len(self._stack) <= MAX_DEPTH:
            return False
        self._report(source, f"is nested deeper than {MAX_DEPTH}")
        self._texts.append(source)
        return True

    def _open(self, block: _Block) -> None:
        self._flush()
        self._stack.append(block)
        self._open_cases += block.kind is _Kind.CASE

    def _close_top(self) -> _Block:
        self._flush()
        block = self._stack.pop()
        self._open_cases -= block.kind is _Kind.CASE
        return block

    def _begin_part(self, block: _Block, separator: str) -> None:
        self._flush()
        block.separators.append(separator)
        block.parts.append([])
        self._markup.state, self._is_first = block.before

    def _take_apart(self) -> None:
        """The innermost block has no end: its tags are text."""
        block = self._close_top()
        if block.kind is not _Kind.SPIN or block.separators:
            self._report(block.source, "is never closed")
        nodes = self._stack[-1].parts[-1]
        nodes.append(Text(block.source))
        for number, part in enumerate(block.parts):
            if number:
                nodes.append(Text(block.separators[number - 1]))
            nodes.extend(part)

    # conditionals

    def _open_condition(self, kind: _Kind, source: str, read: Callable[[], Test | None]) -> None:
        if not self._is_too_deep(source):
            test = read()
            if test is not None:
                self._open(_Block(kind, source, self._here(), test=test))
                return
            self._report(source, "is no condition")
            self._refuse(source)
        refused = self._stack[-1].refused
        refused[kind] = refused.get(kind, 0) + 1

    def _condition_of(self, kind: _Kind, source: str, *, is_end: bool) -> _Block | None:
        """The open conditional that an else or an end belongs to, made the innermost block; None when it is text."""
        for number in range(len(self._stack) - 1, -1, -1):
            block = self._stack[number]
            if block.refused.get(kind):
                block.refused[kind] -= is_end
                break
            if block.kind is kind:
                while len(self._stack) > number + 1:
                    self._take_apart()
                return block
        else:
            self._report(source, "belongs to no condition")
        self._texts.append(source)
        return None

    def _else(self, kind: _Kind, source: str) -> None:
        block = self._condition_of(kind, source, is_end=False)
        if block is None:
            return
        if block.separators:
            self._report(source, "is the second of its condition")
            self._texts.append(source)
        else:
            self._begin_part(block, source)

    def _end_condition(self, kind: _Kind, source: str) -> None:
        block = self._condition_of(kind, source, is_end=True)
        if block is None:
            return
        self._close_top()
        assert block.test is not None, "a conditional without a test is text"
        otherwise = block.parts[1] if block.separators else []
        self._stack[-1].parts[-1].append(Branch(block.test, block.parts[0], otherwise))

    def _modern_test(self, condition: str) -> Test | None:
        read = modern_condition(condition)
        if read is None:
            return None
        expression, test = read
        self._names.add((expression.reference.namespace, expression.reference.name))
        return test

    def _legacy_if(self, source: str) -> None:
        self._open_condition(_Kind.LEGACY_IF, source, partial(self._legacy_test, source[len("[IF:") : -1]))

    def _legacy_test(self, condition: str) -> Test:
        return legacy_test(self._part(condition).nodes)

    # brackets

    def _open_case(self, source: str) -> None:
        if not self._is_too_deep(source):
            self._open(_Block(_Kind.CASE, source, self._here(), case=Case(source[1:-1])))

    def _open_spinners(self, brackets: str) -> None:
        pairs = min(len(brackets) // 2, MAX_DEPTH + 1 - len(self._stack))
        for _ in range(pairs):
            self._open(_Block(_Kind.SPIN, "[[", self._here()))
        if len(brackets) > 2 * pairs:
            self._texts.append(brackets[2 * pairs :])

    def _bar(self, source: str) -> None:
        block = self._stack[-1]
        if block.kind is _Kind.SPIN:
            self._begin_part(block, source)
        else:
            self._texts.append(source)

    def _close(self, brackets: str) -> None:
        block = self._stack[-1]
        if block.kind is _Kind.CASE and block.case is not None:
            self._at -= len(brackets) - 1
            self._close_top()
            self._stack[-1].parts[-1].append(Cased(block.case, block.parts[0]))
        elif brackets == "]":
            self._texts.append(brackets)
        elif block.separators:
            self._close_top()
            choose = chosen(len(block.parts), self._next_ordinal())
            self._stack[-1].parts[-1].append(Choice(choose, block.parts))
        else:
            self._take_apart()
            self._texts.append(brackets)


def _take_legacy_value(token: Token, parser: _Parser, source: str) -> None:
    parser._add_tag(source, legacy_expression(token, source))


_TAKE: dict[str, Callable[[_Parser, str], None]] = {
    Token.MODERN.name: _Parser._modern,
    **{token.name: partial(_take_legacy_value, token) for token in LEGACY_VALUES},
    Token.RANDOM.name: _Parser._random,
    Token.REMOTE.name: _Parser._remote,
    Token.IF.name: _Parser._legacy_if,
    Token.ELSE.name: lambda parser, source: parser._else(_Kind.LEGACY_IF, source),
    Token.ENDIF.name: lambda parser, source: parser._end_condition(_Kind.LEGACY_IF, source),
    Token.CASE.name: _Parser._open_case,
    Token.SPIN.name: _Parser._open_spinners,
    Token.BAR.name: _Parser._bar,
    Token.CLOSE.name: _Parser._close,
}
"""What the parser does with each kind of tag."""
