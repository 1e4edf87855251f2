"""Templates: a text with tags, parsed once and rendered for many."""

from dataclasses import dataclass

from journeys_api.delivery.personalization.context import Context
from journeys_api.delivery.personalization.encoding import Mode
from journeys_api.delivery.personalization.nodes import (
    Decision,
    Op,
    Program,
    bind,
    decided,
    decisions_in,
    is_known,
    run,
    with_decisions,
)
from journeys_api.delivery.personalization.parser import Parsed, parse

MOST_OUTLINES = 64
"""Kept for one text and mode: more than its conditionals make for most people, fewer than its spinners could make."""


@dataclass(frozen=True, eq=False, slots=True)
class Outline:
    """A text whose conditionals and spinners are decided and whose values are open; one object for all who share it."""

    parts: tuple[str | Op, ...]
    """Texts, and functions that write a value; one function for all tags that mean the same."""


@dataclass(frozen=True, slots=True)
class _Bound:
    program: Program
    decisions: list[Decision]
    outlines: dict[tuple[int, ...], Outline]


class Template:
    """A text with tags. Keep it as long as the text stays as it is; it may be rendered from several threads."""

    def __init__(self, parsed: Parsed) -> None:
        self._parsed = parsed
        self._static: str | None = None
        if parsed.is_static:
            self._static = "".join([part for part in bind(parsed.nodes, Mode.TEXT) if isinstance(part, str)])
        self._bound: dict[Mode, _Bound] = {}
        self._remotes = [Template(address) for address in parsed.remotes]
        self._includes = [Template(address) for address in parsed.includes]

    @property
    def is_static(self) -> bool:
        """Whether it is the same text for everybody."""
        return self._static is not None

    @property
    def names(self) -> frozenset[tuple[str, str]]:
        """What it may ask a context for: namespace and name as the template spells it; compare without case.

        The namespace is empty for `Now`, `link` and `MFROMDomain`. Nested names stay whole: `("Event",
        "Property:a:b")`.
        """
        return self._parsed.names

    @property
    def problems(self) -> tuple[str, ...]:
        """What its author should hear of, such as a conditional that is never closed: that text stays as it stands."""
        return self._parsed.problems

    @property
    def remote_contents(self) -> tuple[str, ...]:
        """The addresses of its remote contents as they stand in the source, tags included."""
        return self._parsed.remote_contents

    def remote_urls(self, context: Context) -> tuple[str, ...]:
        """The addresses to fetch for this context, each once; their texts go into `Context.remote` under the same."""
        return tuple(dict.fromkeys(remote.render(context, mode=Mode.URL) for remote in self._remotes))

    def included_urls(self, context: Context) -> tuple[str, ...]:
        """As `remote_urls`, of what `%RemoteContentBeforeSend=…%` names: their texts are templates, too."""
        return tuple(dict.fromkeys(include.render(context, mode=Mode.URL) for include in self._includes))

    def unreadable_tags(self, context: Context | None = None) -> tuple[str, ...]:
        """The tags in braces that stay as they stand, because nobody knows what they mean.

        Mail shows them, so that the author notices; a short message with one is not sent.

        Args:
            context: also tell which bare names, such as `{{ city }}`, are no fields here.
        """
        if context is None:
            return self._parsed.unreadable
        unknown = [tag.source for tag in self._parsed.bare_tags if not is_known(tag.expression, context)]
        return tuple(dict.fromkeys((*self._parsed.unreadable, *unknown)))

    def render(self, context: Context, *, mode: Mode) -> str:
        """The text for one context. One pass: what values bring along is never read as tags.

        Raises:
            RenderingTooLarge: the text would pass 32 Mi characters; it will another time, too.
            Exception: what a function among the context's values raises, and nothing else.
        """
        if self._static is not None:
            return self._static
        return run(self._for(mode).program, context)

    def outline(self, context: Context, *, mode: Mode) -> Outline | None:
        """What the text is for one context before values are filled in; None when it is too rare to keep.

        To join the parts, each function called with the context, is to `render`.

        Raises:
            Exception: as `render`.
        """
        bound = self._for(mode)
        choices = tuple(decided(bound.decisions, context)) if bound.decisions else ()
        outline = bound.outlines.get(choices)
        if outline is None and len(bound.outlines) < MOST_OUTLINES:
            outline = bound.outlines[choices] = Outline(tuple(with_decisions(bound.program, iter(choices))))
        return outline

    def _for(self, mode: Mode) -> _Bound:
        bound = self._bound.get(mode)
        if bound is None:
            program = bind(self._parsed.nodes, mode)
            bound = self._bound[mode] = _Bound(program, decisions_in(program), {})
        return bound


def compile(text: str) -> Template:
    """Parse a text with tags. Every text is a template: what is no tag is text.

    Takes time in proportion to the length of the text, whatever it contains.
    """
    return Template(parse(text))
