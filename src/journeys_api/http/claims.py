"""Credentials that stand in a long body, found without reading it as what it says it is.

A body of sixteen megabytes takes seconds and a gigabyte to read into parameters, so it is first asked whether it comes
from somebody who may call at all.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from journeys_api.http.principals import Credentials
from journeys_api.uploads import Upload

LOOKED_AT = 1024 * 1024
"""Bytes at each end of the body."""
MOST_CLAIMS = 10
"""Places at each end where a name stands: each costs a look into the database."""

# how JSON, a form, or a multipart body goes on behind the name; every repetition has a bound: strangers write them
_VALUE = re.compile(
    rb'(?:"\s{0,20}+:\s{0,20}+"?+|=|"[^\r\n]{0,200}+\r\n(?:[^\r\n]{1,200}+\r\n){0,4}+\r\n)([^"&\s,}]{1,512})'
)


def credentials_within(body: Upload) -> Credentials:
    """Those that stand in its first or its last megabyte under their plain names, where clients put them.

    They only decide whether the body is read; the call is judged by what is read then.
    """
    ends = body.ends(LOOKED_AT)
    return Credentials(
        sessions=_claims(ends, b"sessionid"),
        keys=_claims(ends, b"apikey"),  # an administrator's is looked for among them
        admin_keys=(),
    )


def _claims(ends: tuple[bytes, bytes], name: bytes) -> tuple[str, ...]:
    first, last = ends
    places = [(first, at) for at in _from_the_start(first.lower(), name)]
    places += [(last, at) for at in _from_the_end(last.lower(), name)]
    values = (_VALUE.match(end, at + len(name)) for end, at in places)
    return tuple(dict.fromkeys(unquote(value[1].decode("latin-1")) for value in values if value is not None))


def _from_the_start(text: bytes, name: bytes) -> Iterator[int]:
    at = -1
    for _ in range(MOST_CLAIMS):
        at = text.find(name, at + 1)
        if at < 0:
            return
        yield at


def _from_the_end(text: bytes, name: bytes) -> Iterator[int]:
    at = len(text)
    for _ in range(MOST_CLAIMS):
        at = text.rfind(name, 0, at)
        if at < 0:
            return
        yield at
