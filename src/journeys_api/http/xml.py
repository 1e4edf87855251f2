"""`ResponseFormat=XML` of the legacy door (legacy-client-rules 2.6, JC 6.4)."""

import re
from collections.abc import Mapping
from typing import Any

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def dumps(body: Mapping[str, Any]) -> bytes:
    """The body as XML: leaves in CDATA, list items as `node_0` …, true as `1` and false as `false`.

    Characters that XML 1.0 cannot carry are replaced by U+FFFD; a key that is no element name becomes
    `<node name="…">`.
    """
    pieces = ['<?xml version="1.0" encoding="utf-8"?><response>']
    for name, value in body.items():
        _element(pieces, name, value)
    pieces.append("</response>")
    return "".join(pieces).encode()


def _element(pieces: list[str], name: str, value: Any) -> None:
    if _NAME.fullmatch(name):
        opening = closing = name
    else:
        opening, closing = f'node name="{_attribute(name)}"', "node"
    pieces.append(f"<{opening}>")
    if isinstance(value, Mapping):
        for key, item in value.items():
            _element(pieces, str(key), item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _element(pieces, f"node_{index}", item)
    elif value is not None:
        pieces.append(f"<![CDATA[{_leaf(value)}]]>")
    pieces.append(f"</{closing}>")


def _leaf(value: Any) -> str:
    if value is True:
        return "1"
    if value is False:
        return "false"
    return _ILLEGAL.sub("\ufffd", str(value)).replace("]]>", "]]]]><![CDATA[>")


def _attribute(name: str) -> str:
    # white space as references: a parser would fold it to blanks
    escaped = _ILLEGAL.sub("\ufffd", name).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return escaped.replace("\t", "&#9;").replace("\n", "&#10;").replace("\r", "&#13;")
