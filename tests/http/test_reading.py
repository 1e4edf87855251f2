"""What both doors read: places, encodings, names, brackets, and what they refuse to read."""

import json
from typing import Any

import httpx
import pytest

from tests.http.conftest import Wired

FORM = "application/x-www-form-urlencoded"
Pairs = list[tuple[str, str]]


@pytest.fixture(params=["/api/v1/test.echo", "/api.php"])
def address(request: pytest.FixtureRequest) -> str:
    """Each door in turn."""
    return str(request.param)


async def _form(wired: Wired, address: str, body: str | bytes, content_type: str = FORM) -> httpx.Response:
    content = body.encode() if isinstance(body, str) else body
    prefix = b"Command=test.echo&"
    return await wired.http.post(address, content=prefix + content, headers={"Content-Type": content_type})


async def _json(wired: Wired, address: str, body: bytes | str) -> httpx.Response:
    return await wired.json("POST", f"{address}?Command=test.echo", body if isinstance(body, bytes) else body.encode())


def _multipart(pairs: Pairs, *, boundary: str = "xyz", more: str = "") -> tuple[bytes, str]:
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'
        for name, value in pairs
    )
    return f"{parts}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


async def _parts(wired: Wired, address: str, pairs: Pairs, **more: Any) -> httpx.Response:
    body, content_type = _multipart([("Command", "test.echo"), *pairs], **more)
    return await wired.http.post(address, content=body, headers={"Content-Type": content_type})


def _unreadable(answer: httpx.Response, status: int = 400) -> bool:
    """Whether it is the shape of 100000 at both doors."""
    body = answer.json()
    return (
        answer.status_code == status
        and set(body) == {"Success", "ErrorCode", "ErrorText", "Errors"}
        and body["Success"] is False
        and body["ErrorCode"] == 100000
        and body["Errors"] == [{"Code": 100000, "Message": body["ErrorText"]}]
    )


async def test_what_is_absent_in_the_body_counts_in_the_query_string(wired: Wired, address: str) -> None:
    query = f"{address}?Command=test.echo&Text=hi"

    for body, content_type in (
        (b"Text=", FORM),
        (b'{"Text":""}', "application/json"),
        (b'{"Text":null}', "application/json"),
    ):
        answer = await wired.http.post(query, content=body, headers={"Content-Type": content_type})
        assert answer.json()["Text"] == "hi"


async def test_the_query_string_is_enough_for_a_post(wired: Wired, address: str) -> None:
    answer = await wired.http.post(f"{address}?Command=test.echo&Text=hi", headers={"Content-Type": FORM})

    assert answer.json()["Text"] == "hi"


async def test_the_body_wins_over_the_query_string(wired: Wired, address: str) -> None:
    of_form = await wired.http.post(
        f"{address}?Command=test.echo&Text=query", content="Text=body", headers={"Content-Type": FORM}
    )
    of_json = await wired.json("POST", f"{address}?Command=test.echo&text=query", {"TEXT": "body"})
    of_null = await wired.json("POST", f"{address}?Command=test.echo&Text=query", {"Text": None})

    assert [each.json()["Text"] for each in (of_form, of_json, of_null)] == ["body", "body", "query"]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("encoding", ["query", "form", "multipart", "json"])
async def test_every_method_reads_every_encoding(wired: Wired, method: str, encoding: str) -> None:
    more: dict[str, Any] = {}
    path = "/api/v1/test.echo"
    match encoding:
        case "query":
            path += "?Text=hi"
        case "form":
            more = {"content": b"Text=hi", "headers": {"Content-Type": FORM}}
        case "multipart":
            body, content_type = _multipart([("Text", "hi")])
            more = {"content": body, "headers": {"Content-Type": content_type}}
        case "json":
            more = {"content": b'{"Text":"hi"}', "headers": {"Content-Type": "application/json"}}

    answer = await wired.http.request(method, path, **more)

    assert (answer.status_code, answer.json()["Text"]) == (200, "hi")


async def test_names_are_compared_without_case(wired: Wired, address: str) -> None:
    answer = await wired.json("POST", address, {"cOmMaNd": "TEST.Echo", "tExT": "hi", "NUMBER": 7, "unknown": [1, {}]})

    assert (answer.json()["Text"], answer.json()["Number"]) == ("hi", 7)


@pytest.mark.parametrize(
    "content_type",
    [FORM, f"{FORM};charset=UTF-8", f"{FORM}; charset=UTF-8", FORM.upper(), f"{FORM};charset=utf-7", f"{FORM};;"],
)
async def test_a_media_type_is_judged_without_its_parameters(wired: Wired, address: str, content_type: str) -> None:
    answer = await _form(wired, address, "Text=caf%C3%A9", content_type)

    assert answer.json()["Text"] == "café"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json;x"])
async def test_json_is_utf_8_whatever_its_parameters_say(wired: Wired, address: str, content_type: str) -> None:
    answer = await wired.http.post(
        f"{address}?Command=test.echo", content='{"Text":"é€😀"}'.encode(), headers={"Content-Type": content_type}
    )

    assert answer.json()["Text"] == "é€😀"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/jsonx", "text/json", "application/octet-stream"]
)
async def test_another_media_type_is_not_guessed_at(wired: Wired, address: str, content_type: str) -> None:
    answer = await wired.http.post(
        f"{address}?Command=test.echo", content=b'{"Text":"hi"}', headers={"Content-Type": content_type}
    )

    assert _unreadable(answer)


async def test_a_body_without_a_media_type_is_refused_and_no_body_is_fine(wired: Wired, address: str) -> None:
    refused = await wired.http.post(f"{address}?Command=test.echo", content=b"Text=hi")
    empty = await wired.http.post(f"{address}?Command=test.echo&Text=hi")

    assert _unreadable(refused)
    assert empty.json()["Text"] == "hi"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b" {} "])
async def test_an_empty_json_body_is_no_parameters(wired: Wired, address: str, body: bytes) -> None:
    answer = await _json(wired, address, body)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("Text=a+b%20c d", "a b c d"),
        ("Text=a;b=c;d", "a;b=c;d"),
        ("Text=1%2B1=2", "1+1=2"),
        ("Text=%zz%4", "%zz%4"),
        ("Text=Zoë ☃ 😀", "Zoë ☃ 😀"),
        ("Text=first&Text=&Text=last", "last"),
        ("&&Text=hi&&", "hi"),
    ],
)
async def test_urlencoded_text_reads_as_php_reads_it(wired: Wired, address: str, encoded: str, value: str) -> None:
    answer = await _form(wired, address, encoded)

    assert answer.json()["Text"] == value


async def test_a_name_without_a_value_is_empty_text(wired: Wired, address: str) -> None:
    answer = await _form(wired, address, "Kept&Text&Text2=")

    assert (answer.json()["Kept"], answer.json()["Text"]) == ("", None)


async def test_two_spellings_of_a_name_are_duplicates(wired: Wired, address: str) -> None:
    in_json = await _json(wired, address, '{"Text":"a","text":"a"}')
    nested = await _json(wired, address, '{"Tree":{"a":{"B":1,"b":1}}}')
    in_list = await _json(wired, address, '{"Tree":[[{"B":1,"b":1}]]}')
    in_form = await _form(wired, address, "Text=1&text=1")
    in_brackets = await _form(wired, address, "Tree[a]=1&Tree[A]=2")

    assert all(_unreadable(answer) for answer in (in_json, nested, in_list, in_form, in_brackets))


async def test_a_name_that_comes_twice_in_json_is_refused(wired: Wired, address: str) -> None:
    assert _unreadable(await _json(wired, address, '{"Text":"a","Text":"b"}'))
    assert _unreadable(await _json(wired, address, '{"Tree":[{"a":1,"a":1}]}'))


async def test_a_free_form_map_keeps_its_spellings(wired: Wired, address: str) -> None:
    answer = await _json(wired, address, '{"Tree":{"WebhookHeaders":{"X-A":"1","x-a":"2"}}}')

    assert answer.json()["Tree"] == {"WebhookHeaders": {"X-A": "1", "x-a": "2"}}


@pytest.mark.parametrize(
    ("encoded", "tree"),
    [
        ("Tree[a]=1&Tree[b]=2", {"a": "1", "b": "2"}),
        ("Tree[]=1&Tree[]=2", ["1", "2"]),
        ("Tree[0]=a&Tree[1]=b", ["a", "b"]),
        ("Tree[1]=b&Tree[0]=a", ["a", "b"]),
        ("Tree[1]=b", {"1": "b"}),
        ("Tree[0]=a&Tree[2]=c", {"0": "a", "2": "c"}),
        ("Tree[999999999]=x", {"999999999": "x"}),
        ("Tree[5]=a&Tree[]=b", {"5": "a", "6": "b"}),
        ("Tree[00]=a", {"00": "a"}),
        ("Tree[-1]=a", {"-1": "a"}),
        ("Tree[a][]=1&Tree[a][]=2&Tree[b][0][c]=3", {"a": ["1", "2"], "b": [{"c": "3"}]}),
        ("Tree[][Action]=Wait&Tree[][Action]=Exit", [{"Action": "Wait"}, {"Action": "Exit"}]),
        ("Tree%5Ba%5D%5B%5D=1", {"a": ["1"]}),
        ("Tree[a]=1&Tree[a]=2", {"a": "2"}),
        ("Tree=1&Tree[a]=2", {"a": "2"}),
        ("Tree[a]=2&Tree=1", "1"),
        ("Tree[a]=1&Tree[a][b]=2", {"a": {"b": "2"}}),
        ("Tree[a]=", {"a": ""}),
        ("Tree[a b][é]=1", {"a b": {"é": "1"}}),
    ],
)
async def test_brackets_nest_as_php_nests_them(wired: Wired, address: str, encoded: str, tree: Any) -> None:
    pairs = [tuple(pair.replace("%5B", "[").replace("%5D", "]").split("=")) for pair in encoded.split("&")]

    in_form = await _form(wired, address, encoded)
    in_query = await wired.http.get(f"{address}?Command=test.echo&{encoded}")
    in_parts = await _parts(wired, address, pairs)  # type: ignore[arg-type]

    assert [each.json()["Tree"] for each in (in_form, in_query, in_parts)] == [tree, tree, tree]


@pytest.mark.parametrize("name", ["[a]", "Text]", "a]b[c", "[", "]", "[]", "Text[a", "Text[a]b", "Text[[a]]", "=", ""])
async def test_a_name_with_stray_brackets_is_a_plain_unknown_name(wired: Wired, address: str, name: str) -> None:
    answer = await _form(wired, address, f"{name}=1&Kept=hi")

    assert (answer.status_code, answer.json()["Kept"], answer.json()["Text"]) == (200, "hi", None)


async def test_the_name_before_the_brackets_is_found_without_case(wired: Wired, address: str) -> None:
    answer = await _form(wired, address, "tREE[a]=1&tREE[b]=2")

    assert answer.json()["Tree"] == {"a": "1", "b": "2"}


async def test_128_levels_are_taken_and_129_are_not(wired: Wired, address: str) -> None:
    """The map of parameters itself is the first level."""

    def json_of(levels: int) -> str:
        return '{"Tree":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"

    def form_of(levels: int) -> str:
        return "Tree" + "[0]" * (levels - 1) + "=x"

    taken = [await _json(wired, address, json_of(128)), await _form(wired, address, form_of(128))]
    refused = [await _json(wired, address, json_of(129)), await _form(wired, address, form_of(129))]

    assert [each.status_code for each in taken] == [200, 200]
    assert all(_unreadable(each) for each in refused)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_a_depth_bomb_is_refused_like_any_depth(wired: Wired, address: str, opening: str) -> None:
    bomb = '{"Tree":' + opening * 20_000 + "1" + "]}"["[{".index(opening[0])] * 20_000 + "}"

    assert _unreadable(await _json(wired, address, bomb))
    assert _unreadable(await _json(wired, address, bomb[:30_000]))
    assert _unreadable(await _form(wired, address, "Tree" + "[a]" * 20_000 + "=1"))


@pytest.mark.parametrize("member", ["[]", "{}", '[{"a":[]}]', '{"a":[[]]}'])
async def test_20000_arrays_and_objects_are_taken_and_one_more_is_refused(
    wired: Wired, address: str, member: str
) -> None:
    each = member.count("[") + member.count("{")
    fitting = (20_000 - 2) // each

    def json_of(count: int) -> str:
        return '{"Text":"[[{{","Tree":[' + ",".join([member] * count) + "]}"

    assert (await _json(wired, address, json_of(fitting))).json()["Text"] == "[[{{"
    assert _unreadable(await _json(wired, address, json_of(fitting + each)))


@pytest.mark.parametrize("text", ["[{" * 50_000, '\\"[' * 50_000, "{\\\\" * 50_000])
async def test_brackets_in_texts_are_text(wired: Wired, address: str, text: str) -> None:
    assert (await _json(wired, address, '{"Text":"' + text + '"}')).json()["Text"] == json.loads(f'"{text}"')


async def test_arrays_of_a_form_are_counted_too(wired: Wired, address: str) -> None:
    def form_of(fields: int) -> str:
        return "&".join(f"a{number}{'[b]' * 99}=x" for number in range(fields))

    assert (await _form(wired, address, form_of(200))).status_code == 200
    assert _unreadable(await _form(wired, address, form_of(203)))


async def test_20000_fields_are_taken_and_one_more_is_refused(wired: Wired, address: str) -> None:
    fields = "&".join(f"Tree[{number}]={number}" for number in range(19_999))

    taken = await _form(wired, address, fields)
    refused = await _form(wired, address, fields + "&Text=x")

    assert taken.json()["Tree"][-1] == "19998"
    assert _unreadable(refused)


async def test_20000_parts_are_taken_and_one_more_is_refused(wired: Wired, address: str) -> None:
    pairs = [("Tree[]", "x")] * 19_999

    body, content_type = _multipart([("Command", "test.echo"), *pairs], boundary="x")
    headers = {"Content-Type": content_type}
    taken = await wired.http.post("/api/v1/test.large", content=body, headers=headers)
    refused_body, _ = _multipart([("Command", "test.echo"), *pairs, ("Text", "x")], boundary="x")
    refused = await wired.http.post("/api/v1/test.large", content=refused_body, headers=headers)

    assert taken.status_code == 200
    assert _unreadable(refused)


@pytest.mark.parametrize(
    "body",
    [
        b'{"Tree":NaN}',
        b'{"Tree":[Infinity]}',
        b'{"Tree":-Infinity}',
        b'{"Tree":1e400}',
        b'{"Tree":-1e400}',
        b'{"Text":"\\ud800"}',
        b'{"Tree":{"\\udfff":1}}',
        b'{"Tree":["\\ude00\\ud83d"]}',
        b'{"Text":"\xff\xfe"}',
        b'{"Text":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"Text":"x"}'.encode("utf-16"),
        b"{",
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":01}',
        b'{"a":1} x',
        b'{"Text":"line\nbreak"}',
        b"text",
        b'"text"',
        b"7",
        b"true",
        b"[1]",
    ],
)
async def test_what_is_not_strict_json_is_refused(wired: Wired, address: str, body: bytes) -> None:
    assert _unreadable(await _json(wired, address, body))


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 30, str(2**64)])
async def test_an_integer_past_64_bits_is_its_digits(wired: Wired, address: str, digits: str) -> None:
    as_text = await _json(wired, address, f'{{"Text":{digits}}}')
    as_id = await _json(wired, address, f'{{"Number":{digits}}}')

    assert as_text.json()["Text"] == digits
    assert _unreadable(as_id)


async def test_a_surrogate_pair_is_one_character(wired: Wired, address: str) -> None:
    answer = await _json(wired, address, '{"Text":"\\ud83d\\ude00"}')

    assert answer.json()["Text"] == "😀"


@pytest.mark.parametrize("body", [b"Text=%ff", b"Text=\xff", b"%ed%a0%80=1", b"Tree[%c3]=1"])
async def test_a_form_that_is_not_utf_8_is_refused(wired: Wired, address: str, body: bytes) -> None:
    assert _unreadable(await _form(wired, address, body))


async def test_a_query_string_that_is_not_utf_8_is_refused(wired: Wired, address: str) -> None:
    assert _unreadable(await wired.http.get(f"{address}?Command=test.echo&Text=%ff"))


@pytest.mark.parametrize("tree", ['"\\u0000"', '["a\\u0000"]', '{"a\\u0000":1}', '{"a":{"b":["\\u0000"]}}'])
async def test_nul_is_refused_wherever_it_stands(wired: Wired, address: str, tree: str) -> None:
    assert _unreadable(await _json(wired, address, f'{{"Tree":{tree}}}'))


async def test_nul_in_a_form_is_refused(wired: Wired, address: str) -> None:
    assert _unreadable(await _form(wired, address, "Text=%00"))
    assert _unreadable(await _form(wired, address, "Tree[a][%00]=1"))
    assert _unreadable(await _parts(wired, address, [("Tree[a]", "\x00")]))


@pytest.mark.parametrize("value", ["[]", "{}", '{"a":1}', '["x"]'])
async def test_an_array_for_a_text_is_refused_by_name(wired: Wired, address: str, value: str) -> None:
    answer = await _json(wired, address, f'{{"Text":{value}}}')

    assert _unreadable(answer)
    assert "Text" in answer.json()["ErrorText"]


@pytest.mark.parametrize(
    "value",
    [
        '"1_000"',
        '"１２"',
        '" 7 "',
        '"+7"',
        '"٣"',
        '"1e3"',
        "7.0",
        "true",
        '"-1"',
        "-1",
        "9223372036854775808",
        '"7\\n"',
    ],
)
async def test_what_only_looks_like_a_number_is_no_id(wired: Wired, address: str, value: str) -> None:
    assert _unreadable(await _json(wired, address, f'{{"Number":{value}}}'))


@pytest.mark.parametrize("value", ["7", '"7"', '"9223372036854775807"', "9223372036854775807", "0"])
async def test_numbers_and_their_text_are_one_thing(wired: Wired, address: str, value: str) -> None:
    answer = await _json(wired, address, f'{{"Number":{value}}}')

    assert answer.json()["Number"] == int(value.strip('"'))


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        *((word, True) for word in ("1", "true", "True", "YES", "on", True, 1)),
        *((word, False) for word in ("0", "false", "no", "off", "2", "wahr", False, 0)),
        ("", None),
        (None, None),
    ],
)
async def test_booleans_arrive_as_everything(wired: Wired, address: str, value: Any, flag: bool | None) -> None:
    answer = await _json(wired, address, json.dumps({"Flag": value}))

    assert answer.json()["Flag"] is flag


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-unknown", "identity, gzip"])
async def test_compressed_bodies_are_refused(wired: Wired, address: str, coding: str) -> None:
    answer = await wired.http.post(
        f"{address}?Command=test.echo",
        content=b'{"Text":"hi"}',
        headers={"Content-Type": "application/json", "Content-Encoding": coding},
    )

    assert _unreadable(answer)


async def test_file_parts_are_refused(wired: Wired, address: str) -> None:
    assert _unreadable(await _parts(wired, address, [("Text", "hi")], more='; filename="a.txt"'))
    assert _unreadable(await _parts(wired, address, [("Text", "hi")], more='; filename=""'))


async def test_multipart_text_is_utf_8(wired: Wired, address: str) -> None:
    answer = await _parts(wired, address, [("Text", "é\r\n😀"), ("Tree[ü]", "--xyz")])

    assert (answer.json()["Text"], answer.json()["Tree"]) == ("é\r\n😀", {"ü": "--xyz"})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--x\r\n", "multipart/form-data"),
        (b"--x\r\n", "multipart/form-data; boundary="),
        (b"--x\r\n", "multipart/form-data; boundary=" + "x" * 71),
        (b"no parts at all", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="Text"\r\n\r\nhi', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="Text"\r\n\r\nhi\r\n', "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nhi\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\nhi\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (
            b'--x\r\nContent-Disposition: form-data; name="Text"\r\n\r\n\xff\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n1\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
        (b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\nhi\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    ],
)
async def test_a_broken_multipart_body_is_refused(wired: Wired, address: str, body: bytes, content_type: str) -> None:
    answer = await wired.http.post(f"{address}?Command=test.echo", content=body, headers={"Content-Type": content_type})

    assert _unreadable(answer)


async def test_a_refusal_names_no_value(wired: Wired, address: str) -> None:
    answer = await _json(wired, address, '{"Number":"hunter2","Text":["hunter2"]}')

    assert b"hunter2" not in answer.content
