"""How attempts end, whatever the server does and whenever it does it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP as RealServer
from aiosmtpd.smtp import Envelope as Received

from journeys_api.delivery import smtp
from journeys_api.delivery.messages import envelope_for
from journeys_api.delivery.outcomes import Ending
from journeys_api.delivery.smtp import SmtpMailer
from tests.delivery.mail.mails import envelope, mail
from tests.delivery.mail.sinks import ABORT, AT_HOME, CLOSE, HANG, Sink

pytestmark = pytest.mark.usefixtures("how_commands_are_taken")


@contextlib.asynccontextmanager
async def mailer_to(sink: Sink, query: str = "", **options: Any) -> AsyncIterator[SmtpMailer]:
    given: dict[str, Any] = {"pool_size": 2, "timeout": 10.0, "hello_name": "journeys.test", **options}
    mailer = SmtpMailer(sink.url(query), **given)
    try:
        yield mailer
    finally:
        await mailer.close()


async def test_a_message_reaches_a_server_as_it_was_built() -> None:
    received: list[Received] = []

    class Handler:
        async def handle_DATA(self, server: object, session: object, taken: Received) -> str:
            received.append(taken)
            return "250 2.0.0 Ok: queued as AB12"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RealServer(Handler(), hostname="sink", loop=loop), AT_HOME, 0)
    mailer = SmtpMailer(
        f"smtp://{AT_HOME}:{server.sockets[0].getsockname()[1]}", pool_size=1, timeout=10, hello_name="journeys.test"
    )
    sent = envelope_for(mail(text="a\n.\n..\nb", cc=("c@x.test",), bcc=("d@x.test",)), mail_from="bounces@shop.test")

    outcome = await mailer.send(sent)
    await mailer.close()
    server.close()
    await server.wait_closed()

    assert outcome.ending is Ending.ACCEPTED
    assert "AB12" in outcome.reference
    [taken] = received
    assert taken.content == sent.message
    assert taken.mail_from == "bounces@shop.test"
    assert taken.rcpt_tos == ["ann@x.test", "c@x.test", "d@x.test"]


@pytest.mark.parametrize(
    ("answers", "ending"),
    [
        ({stage: f"{code} 4.3.0 no"}, Ending.DEFERRED)
        for stage in ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT")
        for code in (421, 450, 451)
        if (stage, code) not in {("EHLO", 450), ("EHLO", 451)}
    ]
    + [
        ({stage: f"{code} 5.1.1 no"}, Ending.REFUSED)
        for stage in ("MAIL", "RCPT", "DATA", "DOT")
        for code in (550, 554)
    ]
    + [({"GREETING": "554 no"}, Ending.DEFERRED), ({"MAIL": "530 5.7.0 log in"}, Ending.DEFERRED)],
)
async def test_the_servers_answer_decides(answers: dict[str, str], ending: Ending) -> None:
    async with Sink(answers).open() as sink, mailer_to(sink) as mailer:
        outcome = await mailer.send(envelope())

        assert outcome.ending is ending
        [answer] = answers.values()
        assert answer[:3] in outcome.reason
        assert len(sink.connections) == 1


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY"])
async def test_a_break_before_the_final_dot_is_deferred(stage: str) -> None:
    # more than the sockets' buffers take
    message = b"x" * 24 * 2**20 if stage == "BODY" else b"x"
    async with Sink({stage: ABORT}).open() as sink, mailer_to(sink) as mailer:
        outcome = await mailer.send(envelope(message=message))

        assert outcome.ending is Ending.DEFERRED
        assert sink.messages == []


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_silence_before_the_final_dot_is_deferred(stage: str) -> None:
    async with Sink({stage: HANG}).open() as sink, mailer_to(sink, timeout=1) as mailer:
        outcome = await mailer.send(envelope())

        assert outcome.ending is Ending.DEFERRED
        assert "timed out" in outcome.reason
        assert sink.messages == []


@pytest.mark.parametrize("answer", [ABORT, HANG, "nonsense", "199 what", "354 go on"])
async def test_after_the_final_dot_nobody_knows(answer: str) -> None:
    async with Sink({"DOT": answer}).open() as sink, mailer_to(sink, timeout=2) as mailer:
        outcome = await mailer.send(envelope())

        assert outcome.ending is Ending.UNKNOWN
        assert len(sink.messages) == 1


async def test_a_connection_out_of_step_is_not_used_again() -> None:
    async with Sink({"DOT": HANG}).open() as sink, mailer_to(sink, timeout=2) as mailer:
        await mailer.send(envelope())
        sink.answers.clear()
        outcome = await mailer.send(envelope())

        assert outcome.ending is Ending.ACCEPTED
        assert len(sink.connections) == 2


async def test_a_cancelled_attempt_leaves_no_connection_behind() -> None:
    async with Sink({"DOT": HANG}).open() as sink, mailer_to(sink, pool_size=1) as mailer:
        attempt = asyncio.create_task(mailer.send(envelope()))
        await sink.hung.wait()
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        sink.answers.clear()

        assert (await mailer.send(envelope())).ending is Ending.ACCEPTED
        assert len(sink.connections) == 2


async def test_nobody_listening_is_deferred() -> None:
    async with Sink().open() as sink:
        pass

    async with mailer_to(sink) as mailer:
        outcome = await mailer.send(envelope())

    assert (outcome.ending, outcome.reason) == (Ending.DEFERRED, "connecting: connection refused")


async def test_a_name_that_does_not_resolve_is_deferred() -> None:
    mailer = SmtpMailer("smtp://no-such-host.invalid", pool_size=1, timeout=10, hello_name="journeys.test")

    outcome = await mailer.send(envelope())
    await mailer.close()

    assert outcome.ending is Ending.DEFERRED
    assert "invalid" not in outcome.reason


THREE = ("ann@x.test", "c@x.test", "d@x.test")


async def test_a_refused_copy_is_noted_and_the_mail_goes_out() -> None:
    answers = {"RCPT c@x.test": "550 5.1.1 no", "RCPT d@x.test": "450 later"}
    async with Sink(answers).open() as sink, mailer_to(sink) as mailer:
        outcome = await mailer.send(envelope(recipients=THREE))

        assert outcome.ending is Ending.ACCEPTED
        assert outcome.reason == "2 of 2 CC and BCC recipients refused (550, 450)"
        assert len(sink.messages) == 1


@pytest.mark.parametrize(("answer", "ending"), [("550 no", Ending.REFUSED), ("450 later", Ending.DEFERRED)])
async def test_without_its_first_recipient_a_mail_goes_to_nobody(answer: str, ending: Ending) -> None:
    async with Sink({"RCPT ann@x.test": answer}).open() as sink, mailer_to(sink) as mailer:
        assert (await mailer.send(envelope(recipients=THREE))).ending is ending
        assert sink.connections[0].said("DATA") == []


async def test_a_server_that_wants_a_message_for_nobody_gets_none() -> None:
    async with Sink({"RCPT": "550 no"}, takes_mail_for_nobody=True).open() as sink, mailer_to(sink) as mailer:
        assert (await mailer.send(envelope())).ending is Ending.REFUSED
        sink.answers = {}
        assert (await mailer.send(envelope())).ending is Ending.ACCEPTED

        assert len(sink.messages) == 1


@pytest.mark.parametrize("last", ["MAIL", "RCPT"])
async def test_a_server_that_says_why_and_hangs_up_is_believed(last: str) -> None:
    async with Sink({last: f"550 no{CLOSE}"}).open() as sink, mailer_to(sink) as mailer:
        assert (await mailer.send(envelope())).ending is Ending.REFUSED


async def test_what_a_server_says_unasked_is_no_answer_to_the_next_message() -> None:
    said = "\r\n".join(["250 ok", "250 ok", "250 ok", "354 ok", "250 ok"])
    async with Sink({"DOT": said}).open() as sink, mailer_to(sink) as mailer:
        await mailer.send(envelope())
        sink.answers = {"RCPT": "550 no"}
        assert (await mailer.send(envelope())).ending is Ending.REFUSED

        assert len(sink.connections) == 2
        assert len(sink.messages) == 1


async def test_commands_are_said_together_where_that_is_offered() -> None:
    async with Sink({"MAIL": HANG}).open() as sink, mailer_to(sink, timeout=2) as mailer:
        await mailer.send(envelope())

        assert sink.connections[0].commands[1:] == ["MAIL FROM:<bounces@shop.test>"]
    async with Sink({"RCPT": "550 no"}).open() as sink, mailer_to(sink) as mailer:
        await mailer.send(envelope())

        assert len(sink.connections[0].said("DATA")) == ("PIPELINING" in Sink.always)


async def test_a_connection_serves_many_messages_and_is_reset_after_a_refusal() -> None:
    async with Sink().open() as sink, mailer_to(sink, pool_size=1) as mailer:
        for turn in range(10):
            sink.answers = {"RCPT": "550 no"} if turn == 4 else {}
            await mailer.send(envelope())

        [connection] = sink.connections
        assert len(connection.messages) == 9
        assert len(connection.said("EHLO")) == 1
        refused = [place for place, line in enumerate(connection.commands) if line.startswith("RSET")]
        assert [connection.commands[place + 1][:4] for place in refused] == ["MAIL"]


async def test_a_connection_is_changed_after_its_share_of_messages() -> None:
    async with Sink().open() as sink, mailer_to(sink, pool_size=1, messages_per_connection=3) as mailer:
        for _ in range(7):
            await mailer.send(envelope())
        await mailer.close()
        await sink.all_gone()

        assert [len(connection.messages) for connection in sink.connections] == [3, 3, 1]
        assert all(connection.commands[-1] == "QUIT" for connection in sink.connections)


async def test_an_idle_connection_is_given_up() -> None:
    async with Sink().open() as sink, mailer_to(sink, idle_seconds=0.05) as mailer:
        await mailer.send(envelope())
        await sink.all_gone()

        assert sink.connections[0].commands[-1] == "QUIT"
        assert (await mailer.send(envelope())).ending is Ending.ACCEPTED


async def test_a_connection_that_the_server_closed_is_made_anew() -> None:
    async with Sink().open() as sink, mailer_to(sink) as mailer:
        await mailer.send(envelope())
        await sink.hang_up()
        outcome = await mailer.send(envelope())

        assert outcome.ending is Ending.ACCEPTED
        assert [len(connection.messages) for connection in sink.connections] == [1, 1]


@pytest.mark.parametrize("goodbye", ["421 4.4.2 idle too long", ABORT])
async def test_a_kept_connection_given_up_at_the_next_message_is_made_anew(goodbye: str) -> None:
    async with Sink().open() as sink, mailer_to(sink) as mailer:
        await mailer.send(envelope())
        sink.answers = {"MAIL": goodbye}
        outcome = await mailer.send(envelope())

        assert outcome.ending is Ending.DEFERRED  # the new one says the same
        assert len(sink.connections) == 2
        sink.answers = {}
        assert (await mailer.send(envelope())).ending is Ending.ACCEPTED


async def test_no_more_connections_than_the_pool_has() -> None:
    async with Sink().open() as sink, mailer_to(sink, pool_size=2) as mailer:
        outcomes = await asyncio.gather(*(mailer.send(envelope()) for _ in range(20)))

        assert {outcome.ending for outcome in outcomes} == {Ending.ACCEPTED}
        assert len(sink.connections) == 2
        assert len(sink.messages) == 20


async def test_who_never_got_a_connection_was_not_tried() -> None:
    async with Sink({"DOT": HANG}).open() as sink, mailer_to(sink, pool_size=1, timeout=2) as mailer:
        first, second = await asyncio.gather(mailer.send(envelope()), mailer.send(envelope()))

        assert [first.ending, second.ending] == [Ending.UNKNOWN, Ending.POSTPONED]
        assert len(sink.connections) == 1


async def test_who_gets_a_connection_late_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "LONGEST_QUEUE_SECONDS", -1.0)
    async with Sink().open() as sink, mailer_to(sink, pool_size=1) as mailer:
        assert (await mailer.send(envelope())).ending is Ending.POSTPONED
        assert sink.messages == []


async def test_closing_waits_for_the_attempt_under_way_and_takes_no_more() -> None:
    async with Sink().open() as sink:
        mailer = SmtpMailer(sink.url(), pool_size=1, timeout=10, hello_name="journeys.test")
        attempt = asyncio.create_task(mailer.send(envelope()))
        await asyncio.sleep(0)
        await mailer.close()

        assert (await attempt).ending is Ending.ACCEPTED
        assert (await mailer.send(envelope())).ending is Ending.DEFERRED
        await sink.all_gone()


@pytest.mark.parametrize(
    "body", [b"a\n.\nb", b"\r\n.\r\n", b"a\r.\rb", b".", b"..\r\n.", b"x" * 2000, b"a\r\n.\r\nMAIL FROM:<v@x.test>\r\n"]
)
async def test_no_body_ends_early_or_begins_another_message(body: bytes) -> None:
    async with Sink().open() as sink, mailer_to(sink) as mailer:
        outcome = await mailer.send(envelope(message=b"Subject: x\r\n\r\n" + body))

        assert outcome.ending is Ending.ACCEPTED
        [message] = sink.messages
        as_lines = b"\r\n".join(
            (b"Subject: x\r\n\r\n" + body).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        )
        assert message.removesuffix(b"\r\n") == as_lines.removesuffix(b"\r\n")
        assert len(sink.connections[0].said("MAIL")) == 1


async def test_what_a_server_repeats_of_addresses_is_not_passed_on() -> None:
    echo = "550 5.1.1 <ann@x.test>: user ANN of ann%40x.test unknown, see https://sink.test/?u=bounces@shop.test"
    async with Sink({"RCPT": echo}).open() as sink, mailer_to(sink) as mailer:
        outcome = await mailer.send(envelope())

        assert outcome.reason == "RCPT: 550 5.1.1 … user … of … unknown, see …"


async def test_the_size_is_announced_where_the_server_asks() -> None:
    async with Sink(extensions=("SIZE 1000",)).open() as sink, mailer_to(sink) as mailer:
        await mailer.send(envelope(mail_from=""))

        assert sink.connections[0].said("MAIL") == [f"MAIL FROM:<> SIZE={len(envelope().message)}"]


async def test_a_server_that_knows_no_ehlo_is_greeted_plainly() -> None:
    async with Sink({"EHLO": "502 what"}).open() as sink, mailer_to(sink) as mailer:
        assert (await mailer.send(envelope())).ending is Ending.ACCEPTED
        assert sink.connections[0].said("HELO") == ["HELO journeys.test"]
