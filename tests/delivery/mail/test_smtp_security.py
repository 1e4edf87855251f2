"""What travels encrypted, whom we believe to be the server, and where credentials go."""

import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from journeys_api.delivery.outcomes import Ending, Outcome
from journeys_api.delivery.smtp import SmtpMailer
from journeys_api.delivery.smtp_url import BadSmtpUrl, Protection, parse_smtp_url
from tests.delivery.mail.mails import envelope
from tests.delivery.mail.sinks import Sink

USER = "us%40er:p%3A%2Fss@"
PLAIN = base64.b64encode(b"\0us@er\0p:/ss").decode()

pytestmark = pytest.mark.usefixtures("how_commands_are_taken")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine trusts the authority, as an operator would make it."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


@contextlib.asynccontextmanager
async def one_attempt(sink: Sink, query: str = "", *, user: str = "") -> AsyncIterator[Outcome]:
    async with sink.open():
        mailer = SmtpMailer(sink.url(query, user=user), pool_size=1, timeout=10, hello_name="journeys.test")
        outcome = await mailer.send(envelope())
        await mailer.close()
        yield outcome


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("query", ["", "?starttls=required"])
async def test_what_is_offered_is_used_and_everything_goes_through_it(tls: ssl.SSLContext, query: str) -> None:
    sink = Sink(extensions=("STARTTLS", "AUTH PLAIN"), tls=tls, answers={"STARTTLS": "220 go"})
    async with one_attempt(sink, query, user=USER) as outcome:
        assert outcome.ending is Ending.ACCEPTED
        [connection] = sink.connections
        assert connection.is_encrypted
        assert [line.split()[0] for line in connection.commands[:4]] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.usefixtures("trusted")
async def test_smtps_is_encrypted_from_the_start(tls: ssl.SSLContext) -> None:
    sink = Sink(extensions=("AUTH PLAIN",), tls=tls, is_implicit=True)
    async with one_attempt(sink, user=USER) as outcome:
        assert outcome.ending is Ending.ACCEPTED
        assert sink.connections[0].said("AUTH") == [f"AUTH PLAIN {PLAIN}"]


@pytest.mark.usefixtures("trusted")
async def test_a_break_after_the_final_dot_is_known_through_tls_too(tls: ssl.SSLContext) -> None:
    sink = Sink({"DOT": "(abort)"}, tls=tls, is_implicit=True)
    async with one_attempt(sink) as outcome:
        assert outcome.ending is Ending.UNKNOWN


@pytest.mark.usefixtures("trusted")
async def test_a_large_message_passes_through_tls(tls: ssl.SSLContext) -> None:
    big = b"Subject: big\r\n\r\n" + b"0123456789abcde\n" * 2**18
    sink = Sink(tls=tls, is_implicit=True)
    async with sink.open():
        mailer = SmtpMailer(sink.url(), pool_size=1, timeout=20, hello_name="journeys.test")
        outcome = await mailer.send(envelope(message=big))
        await mailer.close()

        assert outcome.ending is Ending.ACCEPTED
        assert sink.messages == [big.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")]


@pytest.mark.parametrize("is_implicit", [True, False])
async def test_a_certificate_of_an_unknown_authority_is_not_accepted(tls: ssl.SSLContext, is_implicit: bool) -> None:
    answers = {} if is_implicit else {"STARTTLS": "220 go"}
    sink = Sink(answers, extensions=("STARTTLS", "AUTH PLAIN"), tls=tls, is_implicit=is_implicit)
    async with one_attempt(sink, user=USER) as outcome:
        assert outcome.ending is Ending.DEFERRED
        assert "certificate" in outcome.reason
        assert all(connection.said("AUTH") == [] and connection.said("MAIL") == [] for connection in sink.connections)


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_host_is_not_accepted(authority: trustme.CA) -> None:
    elsewhere = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.test").configure_cert(elsewhere)
    async with one_attempt(Sink(tls=elsewhere, is_implicit=True)) as outcome:
        assert outcome.ending is Ending.DEFERRED
        assert "certificate" in outcome.reason


async def test_any_certificate_is_accepted_on_request(tls: ssl.SSLContext) -> None:
    async with one_attempt(Sink(tls=tls, is_implicit=True), "?verify=false") as outcome:
        assert outcome.ending is Ending.ACCEPTED


@pytest.mark.parametrize("answer", [None, "454 4.7.0 not now", "502 what"])
async def test_without_the_required_tls_nothing_is_told_and_nothing_sent(answer: str | None) -> None:
    sink = Sink(
        {"STARTTLS": answer} if answer else {},
        extensions=("AUTH PLAIN", "STARTTLS") if answer else ("AUTH PLAIN",),
    )
    async with one_attempt(sink, "?starttls=required", user=USER) as outcome:
        assert outcome.ending is Ending.DEFERRED
        assert outcome.reason.startswith("STARTTLS: ")
        [connection] = sink.connections
        assert not any(connection.said(verb) for verb in ("AUTH", "MAIL", "DATA"))


async def test_never_means_never(tls: ssl.SSLContext) -> None:
    sink = Sink(extensions=("STARTTLS",), tls=tls)
    async with one_attempt(sink, "?starttls=never") as outcome:
        assert outcome.ending is Ending.ACCEPTED
        assert sink.connections[0].said("STARTTLS") == []


async def test_login_is_spoken_where_plain_is_not() -> None:
    sink = Sink(extensions=("AUTH LOGIN",))
    async with one_attempt(sink, user=USER) as outcome:  # unencrypted, on this machine
        assert outcome.ending is Ending.ACCEPTED
        user, password = (base64.b64encode(text).decode() for text in (b"us@er", b"p:/ss"))
        assert sink.connections[0].commands[1:3] == [f"AUTH LOGIN {user}", password]


@pytest.mark.parametrize(
    ("extensions", "answers"),
    [((), {}), (("AUTH GSSAPI",), {}), (("AUTH PLAIN",), {"AUTH": "535 5.7.8 us@er is not p:/ss"})],
)
async def test_a_login_that_fails_is_no_verdict_on_the_mail(
    extensions: tuple[str, ...], answers: dict[str, Any]
) -> None:
    sink = Sink(answers, extensions=extensions)
    async with one_attempt(sink, user=USER) as outcome:
        assert outcome.ending is Ending.DEFERRED
        assert "us@er" not in outcome.reason
        assert "p:/ss" not in outcome.reason
        assert sink.connections[0].said("MAIL") == []


def test_a_url_says_where_how_and_who() -> None:
    server = parse_smtp_url("smtp://us%40er:p%3A%2Fss@mail.shop.test:587?starttls=required&verify=false")

    assert (server.host, server.port, server.protection) == ("mail.shop.test", 587, Protection.REQUIRED)
    assert (server.username, server.password, server.is_verified) == ("us@er", "p:/ss", False)
    assert "p:/ss" not in repr(server)


@pytest.mark.parametrize(
    ("url", "port", "protection"),
    [
        ("smtp://mail.test", 25, Protection.OFFERED),
        ("SMTPS://mail.test/", 465, Protection.FROM_THE_START),
        ("smtp://[::1]:2525?starttls=never", 2525, Protection.NEVER),
        ("smtp://a:b@127.0.0.2?starttls=never", 25, Protection.NEVER),
        ("smtp://a:b@mail.test?starttls=never&insecure_auth=true", 25, Protection.NEVER),
    ],
)
def test_short_urls_mean_the_usual(url: str, port: int, protection: Protection) -> None:
    server = parse_smtp_url(url)

    assert (server.port, server.protection, server.is_verified) == (port, protection, True)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.test:25",
        "http://mail.test",
        "smtp://",
        "smtp://:25",
        "smtp://mail.test:0",
        "smtp://mail.test:99999",
        "smtp://mail.test:s3cret",
        "smtp://user:s3/cret@mail.test",
        "smtp://user:s3#cret@mail.test",
        "smtp://user:s3?cret@mail.test",
        "smtp://user:s3cret@[::1",
        "smtp://user@mail.test",
        "smtp://:s3cret@mail.test",
        "smtp://user:s3cret%00@mail.test",
        "smtp://user:s3cret%ff@mail.test",
        "smtp://user:s3cret@mail.test\n",
        "smtp://user:s3cret@a..b",
        "smtp://user:s3cret@mail.test/path",
        "smtp://mail.test?starttls=maybe",
        "smtp://mail.test?starttls=never&starttls=never",
        "smtp://mail.test?tls=yes",
        "smtp://mail.test?verify",
        "smtps://mail.test?starttls=required",
        "smtp://user:s3cret@mail.test?starttls=never",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(BadSmtpUrl) as refused:
        parse_smtp_url(url)

    assert len(str(refused.value)) > 20
    assert "s3" not in str(refused.value)
    assert refused.value.__cause__ is None
