"""The shapes of answers at both doors: envelopes, hard failures, methods, XML."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from tests.http.conftest import Server, Wired

ONE = {"Code": 1, "Message": "Missing Second parameter"}
TWO = {"Code": 2, "Message": "Missing First parameter"}
TEXTS = [ONE["Message"], TWO["Message"]]
PARALLEL = {"Success": False, "ErrorCode": [1, 2], "ErrorText": TEXTS}
REST_BODIES: dict[str, Any] = {
    "errors": {"Errors": [ONE, TWO]},
    "success_errors": {"Success": False, "Errors": [ONE, TWO]},
    "codes": {"Success": False, "ErrorCode": [1, 2]},
    "code_objects": {"Success": False, "ErrorCode": [ONE, TWO]},
    "legacy": PARALLEL,
    "hybrid": {"Success": False, "ErrorCode": [1, 2], "Errors": [ONE, TWO]},
    "scalar": {"Success": False, "ErrorCode": 1, "ErrorText": ONE["Message"]},
}
LEGACY_BODIES: dict[str, Any] = {
    "errors": {**PARALLEL, "Errors": [ONE, TWO]},
    "success_errors": {**PARALLEL, "Errors": [ONE, TWO]},
    "codes": REST_BODIES["codes"],
    "code_objects": REST_BODIES["code_objects"],
    "legacy": PARALLEL,
    "hybrid": {**PARALLEL, "Errors": [ONE, TWO]},
    "scalar": REST_BODIES["scalar"],
}


def _hard(code: int, body: Mapping[str, Any]) -> bool:
    """Whether it is the one shape of what is no command's own, at both doors."""
    return body == {
        "Success": False,
        "ErrorCode": code,
        "ErrorText": body["ErrorText"],
        "Errors": [{"Code": code, "Message": body["ErrorText"]}],
    }


async def _legacy(wired: Wired, command: str, method: str = "POST", **parameters: Any) -> httpx.Response:
    return await wired.json(method, "/api.php", {"Command": command, **parameters})


@pytest.mark.parametrize("envelope", REST_BODIES)
async def test_a_refusal_at_rest_is_the_documented_envelope_alone(wired: Wired, envelope: str) -> None:
    answer = await wired.json("POST", f"/api/v1/test.refuse.{envelope}", {})

    assert (answer.status_code, answer.json()) == (422, REST_BODIES[envelope])


@pytest.mark.parametrize("envelope", LEGACY_BODIES)
async def test_a_legacy_refusal_is_200_with_parallel_lists_beside_the_envelope(wired: Wired, envelope: str) -> None:
    answer = await _legacy(wired, f"test.refuse.{envelope}")

    assert (answer.status_code, answer.json()) == (200, LEGACY_BODIES[envelope])


async def test_every_code_is_answered_at_once_ascending_with_the_lowest_ones_status(wired: Wired) -> None:
    path = "/api/v1/test.refuse.errors"

    both_missing = await wired.json("POST", path)
    first_missing = await wired.json("POST", path, {"Second": "x"})
    second_missing = await wired.json("POST", path, {"First": "x"})
    both_invalid = await wired.json("POST", path, {"First": [], "Second": {}})

    answers = [both_missing, first_missing, second_missing, both_invalid]
    codes = [[error["Code"] for error in answer.json()["Errors"]] for answer in answers]
    assert codes == [[1, 2], [2, 3], [1, 4], [3, 4]]
    assert [answer.status_code for answer in answers] == [422, 400, 422, 422]


@pytest.mark.parametrize("empty", [None, ""])
async def test_null_and_empty_text_are_absence(wired: Wired, empty: str | None) -> None:
    answer = await wired.json("POST", "/api/v1/test.refuse.errors", {"First": empty, "Second": empty})

    assert [error["Code"] for error in answer.json()["Errors"]] == [1, 2]


async def test_a_success_at_rest_is_the_body_alone_and_at_the_legacy_door_stands_beside_it(wired: Wired) -> None:
    rest = await wired.json("GET", "/api/v1/test.act", {"Note": ""})
    legacy = await _legacy(wired, "test.act")

    assert rest.json() == {"Note": ""}
    assert legacy.json() == {"Success": True, "ErrorCode": 0, "ErrorText": "", "Note": ""}


@pytest.mark.parametrize("sent", ["no.such.command", "", "Journey List", 'a"b\\c\n', "é"])
async def test_an_unknown_command_is_named_as_sent(wired: Wired, sent: str) -> None:
    answer = await _legacy(wired, sent)

    assert answer.status_code == 400
    assert _hard(100003, answer.json())
    assert answer.json()["ErrorText"] == f'Invalid API command: "{sent}" not found.'


@pytest.mark.parametrize("sent", [None, 7, True, ["test.echo"], {"a": "b"}])
async def test_a_command_that_is_no_text_is_none(wired: Wired, sent: Any) -> None:
    answer = await _legacy(wired, sent)

    assert answer.status_code == 400
    assert answer.json()["ErrorText"] == 'Invalid API command: "" not found.'


async def test_no_command_at_all_is_an_unknown_one(wired: Wired) -> None:
    answer = await wired.http.get("/api.php")

    assert (answer.status_code, _hard(100003, answer.json())) == (400, True)


@pytest.mark.parametrize(
    "path", ["/api/v1/no.such", "/api/v1", "/api/v1/", "/api/v1/test.echo/more", "/api/v1/TEST.ECHO"]
)
async def test_an_unknown_rest_path_is_404_in_the_same_shape(wired: Wired, path: str) -> None:
    answer = await wired.http.get(f"/api/v1/{path}")
    bare = await wired.http.get("/api/v1")

    assert (answer.status_code, _hard(100003, answer.json())) == (404, True)
    assert bare.status_code == 404


async def test_dots_in_a_path_lead_nowhere(server: Server) -> None:
    answer = await server.ask(b"GET /api/v1/%2e%2e/%2e%2e/metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    assert (answer.status, answer.json()["ErrorCode"]) == (404, 100003)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_at_the_legacy_door_are_400(wired: Wired, method: str) -> None:
    answer = await wired.http.request(method, "/api.php?Command=test.act&Note=x&ResponseFormat=XML")

    assert (answer.status_code, _hard(100001, answer.json())) == (400, True)
    assert answer.headers["allow"] == "GET, POST"
    assert wired.happened[-1:] != ["x"]


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_other_methods_at_rest_are_405(wired: Wired, method: str) -> None:
    answer = await wired.http.request(
        method, "/api/v1/test.act?Note=y&_method=GET", headers={"X-HTTP-Method-Override": "GET"}
    )

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET"
    assert wired.happened[-1:] != ["y"]


@pytest.mark.parametrize(
    "header", [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")]
)
async def test_a_browsers_guess_never_acts(wired: Wired, header: tuple[str, str]) -> None:
    answer = await wired.http.get("/api/v1/test.act?Note=guessed", headers=[header])

    assert answer.status_code == 403
    assert wired.happened[-1:] != ["guessed"]


@pytest.mark.parametrize("command", ["test.fail", "test.surprise", "test.unsayable"])
async def test_a_failure_inside_tells_nothing_of_the_inside(wired: Wired, command: str) -> None:
    rest = await wired.http.get(f"/api/v1/{command}")
    legacy = await _legacy(wired, command)

    assert (rest.status_code, legacy.status_code) == (500, 500)
    assert _hard(100005, rest.json())
    assert _hard(100005, legacy.json())
    assert rest.json()["ErrorText"] == "An internal error occurred."


async def test_a_documented_failure_is_the_commands_own_code(wired: Wired) -> None:
    rest = await wired.http.get("/api/v1/test.fail.documented")
    legacy = await _legacy(wired, "test.fail.documented")

    assert (rest.status_code, rest.json()) == (500, {"Errors": [{"Code": 10, "Message": "Failed to do it"}]})
    assert (legacy.status_code, legacy.json()["ErrorCode"]) == (200, [10])


async def _xml(wired: Wired, query: str) -> tuple[httpx.Response, ElementTree.Element]:
    answer = await wired.http.get(f"/api.php?{query}&ResponseFormat=XML")
    return answer, ElementTree.fromstring(answer.content)


async def test_xml_carries_every_value_back(wired: Wired) -> None:
    answer, root = await _xml(wired, "Command=test.odd")

    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert root.tag == "response"
    assert root.findtext("Success") == "1"
    assert root.findtext("ErrorCode") == "0"
    assert root.findtext("ErrorText") == ""
    assert root.findtext("Text") == 'a < b & "c" ]]> é \ufffd'
    assert (root.findtext("True"), root.findtext("False"), root.findtext("Nothing")) == ("1", "false", "")
    assert root.findtext("Rows/node_0/Name") == "one"
    assert root.findtext("Rows/node_1/Name") == "two"
    assert [child.tag for child in root.iterfind("Empty/*")] == []
    assert {node.get("name"): node.text for node in root.iterfind("node")} == {
        "2FA_Enabled": "No",
        'a "key" & <more>': "kept",
    }


async def test_xml_writes_values_as_cdata_on_one_line(wired: Wired) -> None:
    answer, _ = await _xml(wired, "Command=test.odd")

    assert "<Number><![CDATA[7]]></Number>" in answer.text
    assert "\n" not in answer.text


async def test_a_refusal_in_xml(wired: Wired) -> None:
    answer, root = await _xml(wired, "Command=test.refuse.errors")

    assert answer.status_code == 200
    assert root.findtext("Success") == "false"
    assert [node.text for node in root.iterfind("ErrorCode/*")] == ["1", "2"]
    assert [node.tag for node in root.iterfind("ErrorCode/*")] == ["node_0", "node_1"]
    assert root.findtext("Errors/node_0/Message") == ONE["Message"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("Command=none", 400, "100003"),
        ("Command=test.fail", 500, "100005"),
        ("Command=test.unsayable", 500, "100005"),
    ],
)
async def test_hard_failures_follow_the_format_asked_for(wired: Wired, query: str, status: int, code: str) -> None:
    answer, root = await _xml(wired, query)

    assert (answer.status_code, root.findtext("ErrorCode"), root.findtext("Success")) == (status, code, "false")


async def test_an_authentication_failure_in_xml_is_scalar(wired: Wired) -> None:
    answer, root = await _xml(wired, "Command=test.for.user")

    assert (answer.status_code, root.findtext("ErrorCode")) == (200, "99998")


async def test_what_cannot_be_read_is_answered_in_json_whatever_was_asked_for(wired: Wired) -> None:
    body = await wired.json("POST", "/api.php?Command=test.echo&ResponseFormat=XML", b"{")
    value = await wired.http.get("/api.php?Command=test.echo&Number=x&ResponseFormat=XML")

    assert _hard(100000, body.json())
    assert _hard(100000, value.json())


@pytest.mark.parametrize("sent", ["xml", "Xml", "XML ", "JSON", "json", "", "garbage", "XML%00"])
async def test_only_the_exact_word_asks_for_xml(wired: Wired, sent: str) -> None:
    answer = await wired.http.get(f"/api.php?Command=test.odd&ResponseFormat={sent}")

    assert answer.headers["content-type"] == "application/json"


async def test_the_name_of_the_format_has_no_case_and_its_place_is_free(wired: Wired) -> None:
    in_json = await wired.json("POST", "/api.php", {"command": "test.odd", "RESPONSEFORMAT": "XML"})
    in_form = await wired.http.post("/api.php", data={"Command": "test.odd", "responseformat": "XML"})

    assert [each.headers["content-type"] for each in (in_json, in_form)] == ["text/xml; charset=utf-8"] * 2


async def test_rest_and_accept_never_give_xml(wired: Wired) -> None:
    rest = await wired.http.get("/api/v1/test.odd?ResponseFormat=XML", headers={"Accept": "application/xml"})
    legacy = await wired.http.get("/api.php?Command=test.odd", headers={"Accept": "text/html,application/xml"})

    assert [each.headers["content-type"] for each in (rest, legacy)] == ["application/json"] * 2


async def test_a_callback_is_ignored(wired: Wired) -> None:
    answer = await wired.http.get("/api.php?Command=test.odd&JSONPCallBack=run&callback=run")

    assert answer.json()["Number"] == 7
