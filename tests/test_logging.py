"""The log: one JSON object a line, and no secret in any."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from journeys_api.logging import WAIT_SECONDS, configure_logging, gather_lines, redact_text

CANARY = "Canary-4711"


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """What is logged from here on, read line by line as JSON; the logging is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers, root.level, structlog.get_config())
    configure_logging("info")
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers, level, config = before
    root.setLevel(level)
    structlog.configure(**config)


@pytest.mark.parametrize(
    "text",
    [
        f"GET /api.php?Command=journey.list&APIKey={CANARY}&JourneyID=1",
        f"apikey={CANARY}",
        f"ADMINAPIKEY={CANARY}",
        f"%41PIKey={CANARY}&b=2",
        f"API%4Bey%3D{CANARY}%26b%3D2",
        f"next=%2Fapi.php%3FAPIKey%3D{CANARY}%26Command%3Dx",
        f"u=http%253A%252F%252Fx%253FSessionID%253D{CANARY}%2526a%253Db",
        f"Params[APIKey]={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization: Basic {CANARY}==",
        f"headers [(b'authorization', b'Bearer {CANARY}'), (b'host', b'x')]",
        f"X-Api-Key: {CANARY}",
        f"Cookie: a=1; session={CANARY}",
        f"{{'APIKey': '{CANARY}', 'b': 2}}",
        f'{{"Password": "with \\" and spaces {CANARY}", "b": 2}}',
        f'"{{\\"APIKey\\":\\"{CANARY}\\",\\"b\\":2}}"',
        f"connect to postgresql://journeys:{CANARY}@db:5432/journeys failed",
        f"postgresql://u:p@ss:{CANARY}@db/x",
        f"redis://:{CANARY}@cache:6379/0",
        f"password={CANARY} user=x",
        f"JOURNEYS_SECRET_KEY={CANARY}",
        f"token: {CANARY}",
    ],
)
def test_no_secret_passes_in_a_text(text: str) -> None:
    assert CANARY not in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/journeys?JourneyID=4&Command=journey.list",
        "http://127.0.0.1:8000/docs",
        "postgresql://journeys@/journeys?host=/data/socket",
        "Running upgrade 0001 -> 0002, Keys of accounts.",
        'duplicate key value violates unique constraint "uq_users_username"',
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redact_text(text) == text


def test_what_stands_beside_a_secret_stays() -> None:
    assert redact_text(f"/x?a=1&APIKey={CANARY}&b=2") == "/x?a=1&APIKey=[redacted]&b=2"


def test_fields_are_withheld_by_their_names_at_any_depth(written: Any) -> None:
    structlog.get_logger().info(
        "call_refused", APIKey=CANARY, given={"SessionID": CANARY, "rows": [{"NewPassword": CANARY}]}, raw=CANARY[:6]
    )

    (line,) = written()
    assert CANARY not in json.dumps(line)
    assert (line["APIKey"], line["given"]["rows"]) == ("[redacted]", [{"NewPassword": "[redacted]"}])
    assert line["raw"] == CANARY[:6]


def test_numbers_under_such_names_are_ids_and_stay(written: Any) -> None:
    structlog.get_logger().info("key_made", api_key_id=7)

    assert written()[0]["api_key_id"] == 7


def test_libraries_are_logged_by_the_same_rules(written: Any) -> None:
    logging.getLogger("uvicorn.error").warning("refused %s", f"/x?APIKey={CANARY}", extra={"color_message": CANARY})

    (line,) = written()
    assert line["event"] == "refused /x?APIKey=[redacted]"
    assert (line["logger"], line["level"]) == ("uvicorn.error", "warning")
    assert CANARY not in json.dumps(line)


def test_a_traceback_tells_no_secret(written: Any) -> None:
    try:
        raise ValueError(f"bad URL postgresql://u:{CANARY}@h/d")
    except ValueError:
        structlog.get_logger().exception("call_failed")
        logging.getLogger("asyncio").exception("also here")

    lines = written()
    assert ["ValueError" in line["exception"] for line in lines] == [True, True]
    assert CANARY not in json.dumps(lines)


def test_one_event_is_one_line_whatever_it_holds(written: Any) -> None:
    structlog.get_logger().info("named", name='x\n{"level":"error"}\x1b[2J\r\u2028\x85')
    logging.getLogger("uvicorn.error").info("named\n%s", "y")

    assert [line["level"] for line in written()] == ["info", "info"]


@pytest.mark.parametrize("value", ["\ud800", 2**70, b"\xff", {1: object()}])
def test_what_json_cannot_hold_is_logged_all_the_same(written: Any, value: object) -> None:
    structlog.get_logger().info("named", value=value)

    assert written()[0]["event"] == "named"


def test_requests_are_not_logged_by_the_server(written: Any) -> None:
    logging.getLogger("uvicorn.access").info("GET /?APIKey=x")
    logging.getLogger("httpx").info("GET http://gateway/?x=1")

    assert written() == []


def test_a_stderr_that_is_gone_stops_nobody(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", gone)

    structlog.get_logger().info("written_nowhere")
    logging.getLogger("uvicorn.error").warning("nor this")


async def test_gathered_lines_that_only_inform_wait_for_each_other_and_keep_their_order(written: Any) -> None:
    log = structlog.get_logger()

    with gather_lines():
        log.info("first")
        log.info("second")
        before = written()
        log.warning("third")
        pushed = written()

    assert before == []
    assert [line["event"] for line in pushed] == ["first", "second", "third"]


async def test_a_gathered_line_is_written_soon(written: Any) -> None:
    later = asyncio.Event()
    with gather_lines():
        structlog.get_logger().info("alone")
        asyncio.get_running_loop().call_later(2 * WAIT_SECONDS, later.set)
        await later.wait()
        lines = written()

    assert [line["event"] for line in lines] == ["alone"]


async def test_what_waits_at_the_end_is_written(written: Any) -> None:
    with gather_lines():
        structlog.get_logger().info("the last words")

    assert [line["event"] for line in written()] == ["the last words"]


def test_a_loop_that_ended_without_a_word_keeps_nobody_waiting(written: Any) -> None:
    gathering = gather_lines()

    async def inform() -> None:
        gathering.__enter__()
        structlog.get_logger().info("in the loop")

    asyncio.run(inform())
    structlog.get_logger().info("after it")
    lines = written()
    gathering.__exit__(None, None, None)

    assert [line["event"] for line in lines] == ["in the loop", "after it"]


async def test_a_line_of_another_thread_goes_out_at_once(written: Any) -> None:
    with gather_lines():
        await asyncio.to_thread(structlog.get_logger().info, "from beside")
        lines = written()

    assert [line["event"] for line in lines] == ["from beside"]


async def test_whoever_logs_while_a_line_is_written_stops_nobody(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the garbage collector does, in the middle of anything."""
    stderr = sys.stderr

    class Interrupted:
        def write(self, text: str) -> None:
            monkeypatch.setattr(sys, "stderr", stderr)
            structlog.get_logger().warning("in between")
            stderr.write(text)

        def flush(self) -> None:
            stderr.flush()

    with gather_lines():
        structlog.get_logger().info("waiting")
        monkeypatch.setattr(sys, "stderr", Interrupted())
        structlog.get_logger().warning("pushing")

    assert sorted(line["event"] for line in written()) == ["in between", "pushing", "waiting"]
