"""A tree of texts reads back the same from every encoding at both doors, within what the encoding can carry."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from journeys_api.http.brackets import MAX_FIELDS
from tests.http.conftest import Wired

BOUNDARY = "a-boundary-that-no-text-holds"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
# brackets separate, an empty one appends, and a quoted name of a part has no agreed way to hold these four
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\x00[]"\\\r\n'), min_size=1, max_size=6)


def _as_php_sees_it(tree: dict[str, Any]) -> Any:
    """A map of the names 0 … n−1 is a list in PHP, and so here."""
    if all(str(index) in tree for index in range(len(tree))):
        return [tree[str(index)] for index in range(len(tree))]
    return tree


def _maps(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.lists(NAMES, min_size=1, max_size=4, unique_by=lambda name: name.lower())
    return names.flatmap(lambda known: st.fixed_dictionaries(dict.fromkeys(known, children))).map(_as_php_sees_it)


TREES = st.recursive(
    TEXTS, lambda children: _maps(children) | st.lists(children, min_size=1, max_size=4), max_leaves=12
)
ROOTS = st.one_of(_maps(TREES), st.lists(TREES, min_size=1, max_size=4), TEXTS.filter(bool))


def _pairs(name: str, tree: Any) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _pairs(f"{name}[{key}]", value)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _pairs(f"{name}[{index}]", value)
    else:
        yield name, tree


def _barely_quoted(text: str) -> str:
    return "".join(quote(character) if character in "&=+%" else character for character in text)


def _encoded(tree: Any) -> Iterator[tuple[str, bytes, str]]:
    """(query, body, content type) of the tree in every encoding."""
    pairs = list(_pairs("Tree", tree))
    assert len(pairs) < MAX_FIELDS
    yield "&" + "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs), b"", ""
    form = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    yield "", form.encode(), "application/x-www-form-urlencoded"
    # as clients write who escape nothing but what separates
    raw = "&".join(f"{_barely_quoted(name)}={_barely_quoted(value)}" for name, value in pairs)
    yield "", raw.encode(), "application/x-www-form-urlencoded"
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs
    )
    yield "", f"{parts}--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"
    yield "", json.dumps({"Tree": tree}).encode(), "application/json"
    yield "", json.dumps({"Tree": tree}, ensure_ascii=False).encode(), "application/json; charset=utf-8"


async def _read_back(http: httpx.AsyncClient, address: str, query: str, body: bytes, content_type: str) -> Any:
    headers = {"Content-Type": content_type} if body else {}
    answer = await http.post(f"{address}?Command=test.echo{query}", content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["Tree"]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(tree=ROOTS)
async def test_every_encoding_carries_a_tree_of_texts_to_both_doors(wired: Wired, tree: Any) -> None:
    for query, body, content_type in _encoded(tree):
        for address in ("/api/v1/test.echo", "/api.php"):
            assert await _read_back(wired.http, address, query, body, content_type) == tree, (content_type, body)
