"""The older forms: `%Subscriber:Name%`, `%Date=…%` and the conditions of `[IF:…]`. Names are compared with case."""

from collections.abc import Sequence
from html import unescape

from journeys_api.delivery.personalization.conditions import OPERATOR, Test, comparison_of, unquoted
from journeys_api.delivery.personalization.encoding import Mode
from journeys_api.delivery.personalization.expressions import (
    MFROM_DOMAIN,
    Expression,
    Reference,
    now_in,
    reader_of,
)
from journeys_api.delivery.personalization.nodes import Node, Text, bind, run
from journeys_api.delivery.personalization.tokens import Token

LEGACY_VALUES = frozenset({Token.LEGACY, Token.BARE, Token.DATE, Token.MFROM})


def legacy_expression(token: Token, source: str) -> Expression:
    """What a tag between percent signs reads."""
    inner = source[1:-1]
    if token is Token.DATE:
        return now_in(inner.removeprefix("Date="))
    if token is Token.MFROM:
        return Expression(MFROM_DOMAIN, reader_of(MFROM_DOMAIN))
    namespace, _, name = inner.rpartition(":") if token is Token.BARE else inner.partition(":")
    reference = Reference(namespace or "Subscriber", name, is_exact=True)
    return Expression(reference, reader_of(reference))


def legacy_test(operands: Sequence[Node]) -> Test:
    """`left operator right`, where both sides are texts with tags; without an operator: is there any text?"""
    for number, node in enumerate(operands):
        text = unescape(node.text) if isinstance(node, Text) else ""
        found = OPERATOR.search(text)
        if found:
            left = [*operands[:number], Text(text[: found.start()])]
            right = [Text(text[found.end() :]), *operands[number + 1 :]]
            return _comparing(left, found.group(), right)
    return _comparing(operands, "<>", [])


def _comparing(left: Sequence[Node], operator: str, right: Sequence[Node]) -> Test:
    before, behind = bind(left, Mode.TEXT), bind(right, Mode.TEXT)
    has_value = any(not isinstance(part, str) or bool(unquoted(part)) for part in behind)
    compare = comparison_of(operator, has_value=has_value)
    return lambda context: compare(unquoted(run(before, context)), unquoted(run(behind, context)))
