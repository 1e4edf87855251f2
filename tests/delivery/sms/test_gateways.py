"""What each gateway is told, and what each of its answers means."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import structlog

from journeys_api.clock import FrozenClock
from journeys_api.delivery.egress import Egress
from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.sms.gateways import GatewayUnusable, gateway_for
from journeys_api.delivery.sms.log_gateway import LogGateway
from journeys_api.delivery.sms.messages import Gateway, Sms
from journeys_api.emails.gateway_credentials import credentials_of
from journeys_api.emails.gateways import GatewayType
from tests.delivery.egress.servers import Server, answer, serving, silence

MESSAGE = Sms(to="+491701234567", sender="+4930123456", text='He said "hi" & left <€>\n{{ To }}', reference="d-9")
OUT = Egress(allow_private=True, total_deadline=timedelta(seconds=5))
IMPATIENT = Egress(allow_private=True, total_deadline=timedelta(seconds=1.5))
NOWHERE = Path("/nonexistent/sms.jsonl")
TOKEN = "the-auth-token"


def twilio(server: Server, out: Egress = OUT) -> Gateway:
    """A Twilio gateway as an administrator sets it up, at a server of ours."""
    given = {"AccountSID": "AC1", "AuthToken": TOKEN, "APIBaseURL": server.url(path="/")}
    return gateway_for("Twilio", credentials_of(GatewayType.TWILIO, given), out, NOWHERE)


def plain(server: Server, out: Egress = OUT, **given: Any) -> Gateway:
    """An HTTP gateway as an administrator sets it up, at a server of ours."""
    credentials = credentials_of(GatewayType.HTTP, {"URL": server.url(path="/send?token=t0ken"), **given})
    return gateway_for("HTTP", credentials, out, NOWHERE)


def said(status: int, body: dict[str, Any], *headers: str) -> bytes:
    """An answer in JSON."""
    return answer(status, json.dumps(body).encode(), "Content-Type: application/json", *headers)


async def test_the_log_gateway_writes_for_its_owner_and_logs_nobody(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "sms.jsonl"
    gateway = LogGateway(path, clock=FrozenClock(datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)))

    with structlog.testing.capture_logs() as logged:
        outcomes = [await gateway.send(MESSAGE), await gateway.send(MESSAGE)]

    assert outcomes == [Outcome(Ending.ACCEPTED, reference="d-9")] * 2
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [lines[0]] * 2
    assert lines[0] == {
        "At": "2024-05-06T07:08:09Z",
        "To": MESSAGE.to,
        "From": MESSAGE.sender,
        "Message": MESSAGE.text,
        "Encoding": "GSM-7",
        "Parts": 1,
        "Reference": "d-9",
    }
    assert path.stat().st_mode & 0o077 == 0
    event = {"event": "sms_logged", "log_level": "info", "reference": "d-9", "encoding": "GSM-7", "parts": 1}
    assert logged == [event] * 2


async def test_a_log_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    outcome = await gateway_for("Log", {}, OUT, tmp_path / "file" / "sms.jsonl").send(MESSAGE)

    assert outcome == Outcome(Ending.DEFERRED, "log_not_writable")


@pytest.mark.parametrize(
    ("sender", "name"), [("+4930123456", "From"), ("Shop", "From"), ("MG" + "0" * 32, "MessagingServiceSid")]
)
async def test_twilio_is_told_in_its_own_words(sender: str, name: str) -> None:
    async with serving(said(201, {"sid": "SM1", "status": "queued", "error_code": None})) as server:
        message = Sms(to=MESSAGE.to, sender=sender, text=MESSAGE.text, reference="d-9")
        outcome = await twilio(server).send(message)

    (call,) = server.calls
    assert outcome == Outcome(Ending.ACCEPTED, reference="SM1")
    assert call.line == "POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"
    assert call.headers["authorization"] == "Basic " + b64encode(f"AC1:{TOKEN}".encode()).decode()
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(call.body.decode()) == {"To": [MESSAGE.to], name: [sender], "Body": [MESSAGE.text]}


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (said(400, {"code": 21211, "message": "to +49…", "status": 400}), Outcome(Ending.REFUSED, "twilio_21211")),
        (said(401, {"code": 20003}), Outcome(Ending.DEFERRED, "twilio_20003")),
        (said(403, {}), Outcome(Ending.REFUSED, "http_403")),
        (said(404, {"code": "<b>"}), Outcome(Ending.REFUSED, "http_404")),
        (said(429, {"code": 20429}, "Retry-After: 3"), Outcome(Ending.DEFERRED, "twilio_20429", retry_after=3)),
        (said(500, {"code": 20500}), Outcome(Ending.DEFERRED, "twilio_20500")),
        (answer(503), Outcome(Ending.DEFERRED, "http_503")),
        (answer(502), Outcome(Ending.UNKNOWN, "http_502")),
        (answer(504), Outcome(Ending.UNKNOWN, "http_504")),
        (answer(302, b"", "Location: /"), Outcome(Ending.REFUSED, "http_302")),
        (said(201, {"sid": "SM1", "status": "failed"}), Outcome(Ending.REFUSED, "twilio_failed")),
        (
            said(201, {"sid": "SM1", "status": "queued", "error_code": 30007}),
            Outcome(Ending.REFUSED, "twilio_30007"),
        ),
        (said(200, {}), Outcome(Ending.UNKNOWN, "answer_not_understood")),
        (answer(200, b"<html>welcome</html>"), Outcome(Ending.UNKNOWN, "answer_not_understood")),
        (said(201, {"sid": "SM1", "status": "?"}), Outcome(Ending.UNKNOWN, "answer_not_understood", "SM1")),
        (said(201, {"sid": ["SM1"], "status": "sent"}), Outcome(Ending.UNKNOWN, "answer_not_understood")),
        (b"HTTP/1.1 201 OK\r\nContent-Length: 9\r\n\r\n{", Outcome(Ending.UNKNOWN, "answer_not_understood")),
    ],
)
async def test_each_answer_of_twilio_has_its_meaning(sent: bytes, outcome: Outcome) -> None:
    async with serving(sent) as server:
        assert await twilio(server, IMPATIENT).send(MESSAGE) == outcome

    assert server.accepted == 1


@pytest.mark.parametrize("make", [twilio, plain])
async def test_silence_after_the_request_leaves_open_whether_the_message_was_taken(make: Any) -> None:
    async with serving(silence) as server:
        outcome = await make(server, IMPATIENT).send(MESSAGE)

    assert outcome == Outcome(Ending.UNKNOWN, "timed_out")


@pytest.mark.parametrize("make", [twilio, plain])
async def test_where_no_gateway_listens_the_message_waits(make: Any) -> None:
    async with serving() as gone:
        pass

    assert await make(gone).send(MESSAGE) == Outcome(Ending.DEFERRED, "connect_failed")


@pytest.mark.parametrize("make", [twilio, plain])
async def test_a_gateway_inside_is_refused_where_private_addresses_are(make: Any) -> None:
    async with serving() as canary:
        outcome = await make(canary, Egress(allow_private=False)).send(MESSAGE)

    assert outcome == Outcome(Ending.REFUSED, "address_not_public")
    assert canary.accepted == 0


async def test_a_plain_gateway_gets_the_three_values_as_json() -> None:
    async with serving() as server:
        outcome = await plain(server, Headers={"X-Key": "k"}, Method="put").send(MESSAGE)

    (call,) = server.calls
    assert outcome.ending is Ending.ACCEPTED
    assert call.line == "PUT /send?token=t0ken HTTP/1.1"
    assert (call.headers["x-key"], call.headers["idempotency-key"]) == ("k", "d-9")
    assert call.headers["content-type"] == "application/json"
    assert json.loads(call.body) == {"To": MESSAGE.to, "From": MESSAGE.sender, "Message": MESSAGE.text}


async def test_a_value_ends_nothing_but_itself_in_json() -> None:
    async with serving() as server:
        await plain(server, BodyTemplate='{"m": [{"t": "{{ To }}", "b": "{{Message}}"}]}').send(MESSAGE)

    assert server.calls[0].headers["content-type"] == "application/json"
    assert json.loads(server.calls[0].body) == {"m": [{"t": MESSAGE.to, "b": MESSAGE.text}]}


async def test_a_value_ends_nothing_but_itself_in_a_form() -> None:
    async with serving() as server:
        await plain(server, BodyTemplate="to={{ To }}&from={{ From }}&text={{ Message }}").send(MESSAGE)

    assert server.calls[0].headers["content-type"] == "application/x-www-form-urlencoded"
    expected = {"to": [MESSAGE.to], "from": [MESSAGE.sender], "text": [MESSAGE.text]}
    assert parse_qs(server.calls[0].body.decode()) == expected


@pytest.mark.parametrize(
    ("template", "headers", "kind", "body"),
    [
        ("<s>{{ Message }}</s>", {}, "application/xml; charset=utf-8", "<s>a&lt;b&gt;&quot;&amp;€</s>"),
        ("{{ Message }}", {}, "text/plain; charset=utf-8", 'a<b>"&€'),
        ("x={{ Message }}", {"content-type": "text/plain"}, "text/plain", 'x=a<b>"&€'),
        ('"{{ Message }}"', {"Content-Type": "application/x+json"}, "application/x+json", '"a<b>\\"&€"'),
        ("x {{ Other }}{{ to }}", {}, "text/plain; charset=utf-8", "x {{ Other }}{{ to }}"),
    ],
)
async def test_a_template_is_filled_for_what_it_is(
    template: str, headers: dict[str, str], kind: str, body: str
) -> None:
    async with serving() as server:
        message = Sms(to=MESSAGE.to, sender="", text='a<b>"&€', reference="d-9")
        await plain(server, BodyTemplate=template, Headers=headers).send(message)

    (call,) = server.calls
    assert (call.headers["content-type"], call.body.decode()) == (kind, body)
    assert len([name for name, _ in call.fields if name.lower() == "content-type"]) == 1


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (answer(200, b"OK"), Outcome(Ending.ACCEPTED)),
        (answer(204), Outcome(Ending.ACCEPTED)),
        (said(200, {"message_id": 17, "error": 0}), Outcome(Ending.ACCEPTED, reference="17")),
        (said(200, {"id": "a\nb", "errors": []}), Outcome(Ending.ACCEPTED)),
        (said(200, {"success": True, "id": "m1", "status": "queued"}), Outcome(Ending.ACCEPTED, reference="m1")),
        (said(200, {"success": False, "id": "m1"}), Outcome(Ending.REFUSED, "gateway_error")),
        (said(200, {"ok": "false"}), Outcome(Ending.REFUSED, "gateway_error")),
        (said(200, {"error": {"text": "no credit for +49170"}}), Outcome(Ending.REFUSED, "gateway_error")),
        (said(200, {"Status": "FAILED"}), Outcome(Ending.REFUSED, "gateway_error")),
        (answer(400, b"bad"), Outcome(Ending.REFUSED, "http_400")),
        (answer(429, b"", "Retry-After: 9"), Outcome(Ending.DEFERRED, "http_429", retry_after=9)),
        (answer(500), Outcome(Ending.DEFERRED, "http_500")),
        (answer(504), Outcome(Ending.UNKNOWN, "http_504")),
        (answer(307, b"", "Location: http://127.0.0.1:9/"), Outcome(Ending.REFUSED, "http_307")),
    ],
)
async def test_each_answer_of_a_plain_gateway_has_its_meaning(sent: bytes, outcome: Outcome) -> None:
    async with serving(sent) as server:
        assert await plain(server).send(MESSAGE) == outcome


async def test_nothing_about_a_message_or_a_credential_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with structlog.testing.capture_logs() as logged:
        async with serving(said(400, {"code": 21211, "message": MESSAGE.to})) as server:
            outcomes = [await twilio(server).send(MESSAGE), await plain(server).send(MESSAGE)]

    shown = f"{logged} {caplog.text} {outcomes} {MESSAGE!r} {twilio(server)!r} {plain(server)!r}"
    for hidden in (TOKEN, "t0ken", MESSAGE.to, MESSAGE.text):
        assert hidden not in shown


@pytest.mark.parametrize(
    ("kind", "credentials", "reason"),
    [("Pigeon", {}, "type"), ("Twilio", {"AccountSID": "AC1"}, "AuthToken"), ("HTTP", {}, "URL")],
)
def test_a_record_that_cannot_be_sent_by_is_refused(kind: str, credentials: dict[str, str], reason: str) -> None:
    with pytest.raises(GatewayUnusable, match=rf"^{reason}$"):
        gateway_for(kind, credentials, OUT, NOWHERE)
