"""Bodies that lie on disk: their long texts are the same texts, and everything else is read as from a short body."""

import asyncio
import json
import resource
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from journeys_api import strict_json
from journeys_api.errors import NotReadable
from journeys_api.http.lifting import FormLifter, JsonLifter, Lifted
from journeys_api.http.receiving import PLACES_OF_STRANGERS
from journeys_api.uploads import Upload
from tests.conftest import Client

FORM = "application/x-www-form-urlencoded"
LONGEST = 8
MIB = 1024 * 1024
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
trees = st.recursive(
    texts | st.integers(-5, 5) | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
)


def _plain(value: Any) -> Any:
    """The value with texts in the place of uploads; a lifted text really was a long one."""
    if isinstance(value, Upload):
        read = b"".join(value.blocks())
        assert value.size == len(read)
        return read.decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    assert not isinstance(value, str) or len(value) <= LONGEST, "a long text was held"
    return value


def _fed(lifter: JsonLifter | FormLifter, body: bytes, block: int) -> bytes:
    for at in range(0, len(body), block):
        lifter.feed(body[at : at + block])
    return lifter.end()


@given(tree=trees, block=st.integers(1, 20), is_ascii=st.booleans())
@example(tree=["\U0001f600" * 5, '"\\' * 9], block=1, is_ascii=True)
@example(tree=["é" * 20], block=3, is_ascii=False)
@example(tree=[LONGEST * "x" + r"\ud83d and more"], block=17, is_ascii=True)
def test_a_json_document_is_the_same_in_whatever_blocks_it_comes(tree: Any, block: int, is_ascii: bool) -> None:
    lifted = Lifted(longest=LONGEST)
    body = json.dumps(tree, ensure_ascii=is_ascii).encode()

    rest = _fed(JsonLifter(lifted), body, block)

    assert _plain(lifted.put_back(strict_json.loads(rest))) == tree
    lifted.close()


@given(values=st.lists(texts, max_size=4), block=st.integers(1, 20))
@example(values=["%&=+ é" * 9], block=1)
def test_a_form_is_the_same_in_whatever_blocks_it_comes(values: list[str], block: int) -> None:
    lifted = Lifted(longest=LONGEST)
    body = "&".join(f"n{place}={quote_plus(value)}" for place, value in enumerate(values)).encode()

    rest = _fed(FormLifter(lifted), body, block)

    pairs = [pair.split("=", 1)[1] for pair in rest.decode().split("&") if pair]
    read = [lifted.put_back(value) for value in pairs]
    assert [_plain(each) if isinstance(each, Upload) else each for each in read] == [
        value if isinstance(each, Upload) else quote_plus(value) for value, each in zip(values, read, strict=True)
    ]
    lifted.close()


@pytest.mark.parametrize(
    "document",
    [
        rb'["a lone \ud800 surrogate that is long"]',
        rb'["a bad \x escape in a long text"]',
        b'["a line feed \n in a long text"]',
        b'["bytes \xff\xfe that are not UTF-8, in a long text"]',
        b'["a long text that never ends',
    ],
)
@pytest.mark.parametrize("block", [1, 7, 100])
def test_what_is_not_json_is_refused(document: bytes, block: int) -> None:
    lifted = Lifted(longest=LONGEST)

    with pytest.raises(NotReadable):
        strict_json.loads(_fed(JsonLifter(lifted), document, block))
    lifted.close()


async def _post(api: Client, content_type: str, body: bytes) -> httpx.Response:
    assert api.account
    headers = {"Content-Type": content_type, "APIKey": api.account.api_key}
    return await api.http.post("/api/v1/subscribers.import", content=body, headers=headers)


def _long_file() -> str:
    return "".join(f"person{number}@example.com,{'x' * 2000}\n" for number in range(9000))


async def _form_of(kind: str, parameters: dict[str, Any]) -> tuple[str, bytes]:
    csv = parameters.pop("ImportFrom")["CSV"]
    fields = {name: str(value) for name, value in parameters.items()} | {
        f"ImportFrom[CSV][{name}]": value for name, value in csv.items() if name != "MappedFields"
    }
    fields["ImportFrom[CSV][MappedFields][FIELD1]"] = "EmailAddress"
    request = httpx.Request(
        "POST",
        "http://journeys.test",
        **({"data": fields} if kind == "form" else {"files": {name: (None, value) for name, value in fields.items()}}),
    )
    return request.headers["content-type"], request.read()


@pytest.mark.parametrize("kind", ["json", "form", "multipart"])
async def test_a_file_of_many_megabytes_comes_in_by_every_encoding(api: Client, kind: str) -> None:
    list_id = (await api.ok("list.create", SubscriberListName="Long"))["ListID"]
    csv = {"Data": _long_file(), "FieldTerminator": ",", "EscapedBy": "\\", "MappedFields": {"FIELD1": "EmailAddress"}}
    flags = ("AddToGlobalSuppressionList", "AddToSuppressionList", "UpdateDuplicates", "TriggerActions")
    parameters = {"ListID": list_id, "Tags": "[]", **dict.fromkeys(flags, "false"), "ImportFrom": {"CSV": csv}}
    if kind == "json":
        content_type, body = "application/json", json.dumps(parameters).encode()
    else:
        content_type, body = await _form_of(kind, parameters)
    assert len(body) > 17 * MIB

    answer = await _post(api, content_type, body)

    assert answer.status_code == 200, answer.text
    job = await api.ok("subscribers.import.get", ListID=list_id, ImportID=answer.json()["ImportID"])
    assert job["ImportJob"]["TotalSubscribers"] == 9000


def _encoded(kind: str, parameters: dict[str, str]) -> tuple[str, bytes]:
    """Content type and body of the parameters, in their order."""
    if kind == "json":
        return "application/json", json.dumps(parameters, indent=1).encode()
    if kind == "form":
        return FORM, "&".join(f"{name}={quote_plus(value)}" for name, value in parameters.items()).encode()
    head = "--x\r\nContent-Disposition: form-data; name="
    more = "\r\nContent-Type: text/plain; charset=UTF-8"
    parts = [f'{head}"{name}"{more}\r\n\r\n{value}\r\n' for name, value in parameters.items()]
    return "multipart/form-data; boundary=x", ("".join(parts) + "--x--\r\n").encode()


@pytest.mark.parametrize("kind", ["json", "form", "multipart"])
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("credential", ["APIKey", "apikey", "SessionID"])
async def test_clients_that_say_who_they_are_in_a_long_body_are_heard(
    api: Client, kind: str, credential: str, *, is_first: bool
) -> None:
    """Among much that looks like a credential."""
    assert api.account
    secret = api.account.api_key
    if credential == "SessionID":
        login = {"Username": api.account.username, "Password": api.account.password}
        secret = (await api.as_(None).at("legacy").ok("user.login", AdminAPIKey=None, **login))["SessionID"]
    email_id = (await api.ok("email.create"))["EmailID"]
    told = {"Command": "email.update", credential: secret}
    html = '<a href="?sessionid=1&apikey=2">{{ Link:Unsubscribe }}</a>é ' + "<p>ordinary text</p>" * 80_000
    content = {"EmailID": str(email_id), "ValidateScope": "AutoResponder", "Subject": "Long", "HTMLContent": html}
    content_type, body = _encoded(kind, {**told, **content} if is_first else {**content, **told})
    assert len(body) > 1.2 * MIB

    answer = await api.http.post("/api.php", content=body, headers={"Content-Type": content_type})

    assert answer.json()["Success"] is True, answer.text[:500]
    assert (await api.ok("email.get", EmailID=email_id))["EmailInformation"]["HTMLContent"] == html


BOMBS = {
    "fields": (FORM, b"ab&" * 5_500_000),
    "separators": (FORM, b"&" * 16_000_000),
    "escapes": (FORM, b"a=" + b"%41a" * 4_000_000),
    "values": ("application/json", b'{"a":[' + b"1," * 8_000_000 + b"1]}"),
    "texts": ("application/json", b'{"a":["",' + b'"",' * 5_000_000 + b'""]}'),
    "names": ("application/json", b'{"apikey":"x",' + b'"apikey":"",' * 1_200_000 + b'"a":1}'),
    "brackets": ("application/json", b"[" * 16_000_000),
    "parts": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="APIKey"\r\n\r\n\r\n' * 200_000 + b"--x--\r\n",
    ),
    "lines": ("multipart/form-data; boundary=x", b'name="apikey"' + b"\r\na: b" * 2_000_000),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("path", ["/api.php", "/api/v1/subscribers.import", "/api.php?Command=email.update"])
async def test_a_long_body_of_a_stranger_is_not_read(api: Client, bomb: str, path: str) -> None:
    content_type, body = BOMBS[bomb]
    headers = {"Content-Type": content_type, "APIKey": "nobody's"}
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        answer = await api.http.post(path, content=body, headers=headers)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer.json()["ErrorCode"] == 99998
    assert most - before < len(body)


async def test_fields_and_values_are_counted_before_they_are_made(api: Client) -> None:
    assert api.account
    key = api.account.api_key.encode()
    for content_type, body in (
        (FORM, b"APIKey=" + key + b"&ab" * 5_000_000),
        ("application/json", b'{"APIKey":"' + key + b'","a":[' + b"1," * 7_000_000 + b"1]}"),
    ):
        tracemalloc.start()
        try:
            answer = await api.http.post("/api.php", content=body, headers={"Content-Type": content_type})
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert (answer.status_code, answer.json()["ErrorCode"]) == (400, 100000)
        assert most < 6 * len(body)


@pytest.mark.parametrize("text", ["é" * 700_000, "%41" * 200_000, "%", "a%", "100%" * 200_000])
async def test_a_long_value_of_a_form_is_the_same_text(api: Client, text: str) -> None:
    email_id = (await api.ok("email.create"))["EmailID"]
    parameters = {"EmailID": str(email_id), "Subject": "s", "PlainContent": text + " {{ Link:Unsubscribe }}"}
    content_type, body = _encoded("form", {**parameters, "ValidateScope": "AutoResponder"})

    assert api.account
    headers = {"Content-Type": content_type, "APIKey": api.account.api_key}
    await api.http.post("/api.php?Command=email.update", content=body, headers=headers)

    kept = (await api.ok("email.get", EmailID=email_id))["EmailInformation"]
    assert kept["PlainContent"] == parameters["PlainContent"]


async def test_long_bodies_that_strangers_send_slowly_leave_room_for_those_who_may_call(api: Client) -> None:
    assert api.account
    arrived, go_on = 0, asyncio.Event()
    all_there = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        nonlocal arrived
        yield b"x" * (MIB + 1)
        arrived += 1
        if arrived == PLACES_OF_STRANGERS:
            all_there.set()
        await go_on.wait()

    headers = {"Content-Type": FORM}
    strangers = [
        asyncio.create_task(api.http.post("/api.php", content=slow(), headers=headers))
        for _ in range(PLACES_OF_STRANGERS)
    ]
    async with asyncio.timeout(60):
        await all_there.wait()

    long = b"a=" + b"x" * (2 * MIB)
    turned_away = await api.http.post("/api.php", content=long, headers=headers)
    key = {"APIKey": api.account.api_key, **headers}
    heard = await api.http.post("/api.php?Command=email.update", content=long, headers=key)
    short = await api.http.post("/api.php?Command=journey.list", content=b"a=b", headers=key)

    go_on.set()
    told = [(await each).json()["ErrorCode"] for each in strangers]
    again = await api.http.post("/api.php", content=long, headers=headers)
    assert (turned_away.status_code, turned_away.json()["ErrorCode"]) == (503, 100005)
    assert (heard.json()["ErrorCode"], short.json()["Success"]) == ([1, 9], True)
    assert told == [99998] * PLACES_OF_STRANGERS
    assert again.json()["ErrorCode"] == 99998


async def test_a_long_body_for_another_command_is_too_large(api: Client) -> None:
    assert api.account
    body = json.dumps({"Command": "journey.list", "APIKey": api.account.api_key, "Pad": "x" * (17 * MIB)})

    answer = await api.http.post("/api.php", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["ErrorCode"]) == (413, 100000)


@contextmanager
def _full_disk() -> Iterator[None]:
    """No file of this process grows any more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("path", ["/api/v1/subscribers.import", "/api.php"])
async def test_a_disk_that_is_full_is_told_as_what_may_pass(api: Client, path: str) -> None:
    assert api.account
    body = json.dumps({"Command": "subscribers.import.post", "APIKey": api.account.api_key, "Pad": "x" * (17 * MIB)})
    headers = {"Content-Type": "application/json"}

    with _full_disk():
        answers = [await api.http.post(path, content=body, headers=headers) for _ in range(5)]
    after = await api.http.post(path, content=body, headers=headers)

    assert [(each.status_code, each.json()["ErrorCode"]) for each in answers] == [(503, 100005)] * 5
    assert {(each.headers["retry-after"], each.headers["connection"]) for each in answers} == {("5", "close")}
    assert after.status_code < 500


async def test_a_body_that_is_long_without_a_long_text_is_too_large(api: Client) -> None:
    body = json.dumps({"Pad": ["x" * 1000] * 17_000}).encode()

    answer = await _post(api, "application/json", body)

    assert (answer.status_code, answer.json()["ErrorCode"]) == (413, 100000)
