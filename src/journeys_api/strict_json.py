"""JSON as the doors read it: RFC 8259 and nothing else, every name once, bounded depth.

Python's parsers accept NaN, lone surrogates and duplicate names; stored, the first two make every later answer fail.
"""

import json
import math
import re
from typing import Any, NoReturn

from journeys_api.errors import NotReadable

MAX_DEPTH = 128
MAX_CONTAINERS = 20_000
"""Arrays and objects of one document: a whole journey has some thousand. Each costs far more than the two octets that
it takes to write one, and a body is read before anybody knows who sent it."""

MAX_VALUES = 1_000_000
"""Values of one document: more than a million addresses fit into the longest body, and numbers of one digit do not."""

FREE_FORM = frozenset({"webhookbody", "webhookheaders", "properties", "meta", "credentials"})
"""Folded names of the maps whose own names belong to the caller: their spelling is kept and may differ by case only."""


# what is never closed goes to the end, so that no place is looked at twice
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL)


class _Repeating(dict[str, Any]):
    """An object in which a name stood twice; refused unless it is free-form."""


def fold(name: str) -> str:
    """A parameter name as it is compared: without case. Names of the contract are ASCII; others fold to themselves."""
    return name.lower() if name.isascii() else name


def folded(mapping: dict[str, Any]) -> dict[str, Any]:
    """The mapping with folded names; `check` has made sure that no two collide."""
    return {fold(name): value for name, value in mapping.items()}


def loads(document: bytes | str, *, is_free: bool = False) -> Any:
    """Parse and check a JSON document.

    Args:
        is_free: whether it is the inside of a free-form map.

    Raises:
        NotReadable: not UTF-8, not JSON, NaN or Infinity, a repeated name, a lone surrogate, deeper than 128, more than
            20,000 arrays and objects, more than a million values.
    """
    try:
        text = document.decode("utf-8") if isinstance(document, bytes) else document
        _refuse_crowds(text)
        tree = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded
        )
    except UnicodeDecodeError:
        raise NotReadable("the body is not UTF-8") from None
    except RecursionError:
        raise NotReadable(f"nested deeper than {MAX_DEPTH}") from None
    except ValueError:
        raise NotReadable("not valid JSON") from None
    check(tree, is_free=is_free)
    return tree


def check(tree: Any, *, depth: int = 0, is_free: bool = False) -> None:
    """Walk a parsed value and refuse what must not come in, whichever encoding it came by.

    Raises:
        NotReadable: as `loads`.
    """
    if isinstance(tree, str):
        _check_text(tree)
    elif isinstance(tree, dict):
        if depth >= MAX_DEPTH:
            raise NotReadable(f"nested deeper than {MAX_DEPTH}")
        if not is_free and (isinstance(tree, _Repeating) or len({fold(name) for name in tree}) != len(tree)):
            raise NotReadable("a name occurs twice")
        for name, value in tree.items():
            _check_text(name)
            check(value, depth=depth + 1, is_free=is_free or fold(name) in FREE_FORM)
    elif isinstance(tree, list):
        if depth >= MAX_DEPTH:
            raise NotReadable(f"nested deeper than {MAX_DEPTH}")
        for value in tree:
            check(value, depth=depth + 1, is_free=is_free)


def _refuse_crowds(text: str) -> None:
    if _containers(text) > MAX_CONTAINERS and _containers(_STRING.sub("", text)) > MAX_CONTAINERS:
        raise NotReadable(f"more than {MAX_CONTAINERS} arrays and objects")
    if text.count(",") > MAX_VALUES and _STRING.sub("", text).count(",") > MAX_VALUES:
        raise NotReadable(f"more than {MAX_VALUES} values")


def _containers(text: str) -> int:
    return text.count("[") + text.count("{")


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise NotReadable("a lone surrogate") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    return mapping if len(mapping) == len(pairs) else _Repeating(mapping)


def _refuse_constant(name: str) -> NoReturn:
    raise NotReadable(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotReadable("a number is too large")
    return number


def _bounded(digits: str) -> int | str:
    # past 64 bits an integer stays text: no column holds it, no JSON writer of ours writes it, and the parameter's own
    # reader shall say that it is invalid
    if len(digits) > 20:
        return digits
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits
