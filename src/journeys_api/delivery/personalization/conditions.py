"""Conditions of `{{ if … }}` and `[IF:…]`: how two texts compare.

Source: AC 4, "Conditionals"; JC 3.8.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from html import unescape

from journeys_api.delivery.personalization.context import Context
from journeys_api.delivery.personalization.expressions import MAX_LENGTH, Expression, expression_of, is_blank

Test = Callable[[Context], bool]
Comparison = Callable[[str, str], bool]

OPERATOR = re.compile(r"<>|!=|==|>=|<=|=|>|<")
MAX_NUMBER = 60
"""Characters of a text that is compared as a number."""
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)


def modern_condition(text: str) -> tuple[Expression, Test] | None:
    """Read `Subscriber:Country=US`, what stands behind `{{ if `; None when that is no condition.

    Without an operator it asks whether there is a value, as `<>` does.
    """
    if len(text) > MAX_LENGTH:
        return None
    text = unescape(text) if "&" in text else text
    found = OPERATOR.search(text)
    expression = expression_of(text[: found.start()] if found else text)
    if expression is None or expression.fallback is not None:
        return None
    operator = found.group() if found else "<>"
    return expression, test_of(expression.read, operator, unquoted(text[found.end() :]) if found else "")


def test_of(read: Callable[[Context], str], operator: str, value: str) -> Test:
    """A function that compares what `read` gives with a value."""
    compare = comparison_of(operator, has_value=bool(value))
    return lambda context: compare(read(context), value)


def comparison_of(operator: str, *, has_value: bool) -> Comparison:
    """The meaning of an operator. `<>` asks for a value; with one behind it, it is the other spelling of `!=`."""
    if operator == "<>" and not has_value:
        return lambda left, _: not is_blank(left)
    return _COMPARISONS[operator]


def unquoted(text: str) -> str:
    """An operand without the blanks around it and one pair of quotes."""
    text = text.strip()
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text


def _number(text: str) -> Decimal | None:
    return _short_number(text) if len(text) <= MAX_NUMBER else None


@lru_cache(maxsize=4096)
def _short_number(text: str) -> Decimal | None:
    text = text.strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _is_equal(left: str, right: str) -> bool:
    """The same number (`5` and `5.0`) or the same text, with case, as PHP compares them."""
    if left.strip() == right.strip():
        return True
    one, other = _number(left), _number(right)
    return one is not None and one == other


def _ordered(compare: Callable[[int], bool]) -> Comparison:
    """An order holds between two numbers, or between two texts that are none, such as dates.

    Nothing is neither above nor below anything: who told no age is not younger than 30.
    """

    def is_ordered(left: str, right: str) -> bool:
        if is_blank(left) or is_blank(right):
            return False
        one, other = _number(left), _number(right)
        if one is not None and other is not None:
            return compare((one > other) - (one < other))
        if one is None and other is None:
            return compare((left > right) - (left < right))
        return False

    return is_ordered


_COMPARISONS: dict[str, Comparison] = {
    "=": _is_equal,
    "==": _is_equal,
    "!=": lambda left, right: not _is_equal(left, right),
    "<>": lambda left, right: not _is_equal(left, right),
    ">": _ordered(lambda order: order > 0),
    "<": _ordered(lambda order: order < 0),
    ">=": _ordered(lambda order: order >= 0),
    "<=": _ordered(lambda order: order <= 0),
}
