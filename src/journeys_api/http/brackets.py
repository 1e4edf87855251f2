"""PHP's array names: `a[b][0]=x` builds nested values, at the legacy door as at every other.

A parser of our own: the libraries for this compact sparse indexes and fold mixed ones silently, and the rule here
(rulings 3) is that an index set 0…n−1 is a list and everything else a map.
"""

from collections.abc import Iterable
from typing import Any

from journeys_api.errors import NotReadable
from journeys_api.strict_json import MAX_CONTAINERS, MAX_DEPTH

MAX_FIELDS = 20_000


class _Node(dict[str, Any]):
    """A map under construction; what a client sends is text, so no value of its own is one."""

    next_index = 0


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Build the tree of a query or form.

    A name that comes again replaces what it gave before; `a[]` takes the next free index.

    Raises:
        NotReadable: more than 20,000 fields, or arrays and objects, or deeper than 128.
    """
    root = _Node()
    made = 0
    for count, (name, value) in enumerate(pairs, start=1):
        if count > MAX_FIELDS:
            raise NotReadable(f"more than {MAX_FIELDS} fields")
        node = root
        path = _path(name)
        for step in path[:-1]:
            node = _child(node, step)
            made += not node  # one that was there before holds something
        if made > MAX_CONTAINERS:
            raise NotReadable(f"more than {MAX_CONTAINERS} arrays and objects")
        node[_index(node, path[-1])] = value
    return {name: _finished(value) for name, value in root.items()}


def _path(name: str) -> list[str]:
    """`a[b][]` → `["a", "b", ""]`. Brackets that do not close, or with text behind them, are part of a plain name."""
    opened = name.find("[")
    if opened <= 0 or not name.endswith("]"):
        return [name]
    inner = name[opened + 1 : -1].split("][")
    if any("[" in step or "]" in step for step in inner):
        return [name]
    if len(inner) >= MAX_DEPTH:
        raise NotReadable(f"nested deeper than {MAX_DEPTH}")
    return [name[:opened], *inner]


def _index(node: _Node, step: str) -> str:
    if step == "":
        step = str(node.next_index)
    if step.isascii() and step.isdigit() and len(step) < 10:
        node.next_index = max(node.next_index, int(step) + 1)
    return step


def _child(node: _Node, step: str) -> _Node:
    step = _index(node, step)
    child = node.get(step)
    if not isinstance(child, _Node):
        child = node[step] = _Node()
    return child


def _finished(value: Any) -> Any:
    if not isinstance(value, _Node):
        return value
    if value.next_index == len(value) and all(str(index) in value for index in range(len(value))):
        return [_finished(value[str(index)]) for index in range(len(value))]
    return {name: _finished(item) for name, item in value.items()}
